#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: on the older kernel nf_flowpar's other tests pass as well
# Suite: long
. "$(dirname "$0")/../lib.sh"
. "$repo/tests/kernel/older.sh"

on_older netfilter/states netfilter/exact netfilter/places netfilter/coexist netfilter/spill netfilter/icmp netfilter/ipv6 netfilter/udp
finish
