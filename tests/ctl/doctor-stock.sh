#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: on a stock kernel, before anything of flowpar is there, flowparctl doctor finds what a distribution's bond and server lack, and its remedies take that away
#
# The lab_run of doctor.sh, with LAB_KERNEL=stock unless another stock one is given.
case ${LAB_KERNEL:=stock} in
*stock*|*-plain) export LAB_KERNEL ;;
*)	echo "# skipped: for a kernel that is not a stock one there is ctl/doctor"; exit 4 ;;
esac
# shellcheck source=tests/ctl/doctor.sh
. "$(dirname "$0")/doctor.sh"
