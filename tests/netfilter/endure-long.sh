#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Suite: long
# Rule: the same as netfilter/endure with 100,000 requests, a link cut for 5 s every 15 s
requests=100000 cut=5 period=15
# shellcheck source=tests/netfilter/endure.sh
. "$(dirname "$0")/endure.sh"
