#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: what fuzz-packets.sh says, of a million frames
# Suite: long debug
#
# shellcheck disable=SC2034	# for the other file
: "${FUZZ_COUNT:=1000000}" "${FUZZ_TIMEOUT:=3600}"
# shellcheck source=tests/netfilter/fuzz-packets.sh
. "$(dirname "$0")/fuzz-packets.sh"
