#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: up killed with -9 at any of its steps, and then down, leaves every file as it was
# Suite: long
every_step=yes
# shellcheck source=tests/affinity/interrupted.sh
. "$(dirname "$0")/interrupted.sh"
