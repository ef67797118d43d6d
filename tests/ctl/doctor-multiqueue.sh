#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: what flowparctl doctor says of NICs with several queues, run as printed, brings each queue to a core of its own, as far as there are cores, and a server to each
#
# The lab_run of doctor.sh, with other NICs.
# shellcheck disable=SC2034	# read by what is sourced
multiqueue=yes
# shellcheck source=tests/ctl/doctor.sh
. "$(dirname "$0")/doctor.sh"
