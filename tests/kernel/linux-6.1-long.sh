#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Suite: long
# Rule: what nf_flowpar's tests say is so on the older kernel
names="netfilter/states netfilter/exact netfilter/places netfilter/coexist netfilter/spill netfilter/icmp netfilter/ipv6 netfilter/udp"
# shellcheck source=tests/kernel/linux-6.1.sh
. "$(dirname "$0")/linux-6.1.sh"
