#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: irqbalance as it is by default, every ten seconds, for more than a minute, leaves verify clean
interval=10
# shellcheck source=tests/affinity/irqbalance.sh
. "$(dirname "$0")/irqbalance.sh"
