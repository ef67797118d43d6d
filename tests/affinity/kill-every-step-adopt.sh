#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: the same where up --adopt takes over a bond beside a running irqbalance: every file, and every ban, is as it was
# Suite: long
every_step=yes
adopted=yes
# shellcheck source=tests/affinity/interrupted.sh
. "$(dirname "$0")/interrupted.sh"
