#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: on the older kernel bonding's other tests pass as well
# Suite: long
. "$(dirname "$0")/../lib.sh"
. "$repo/tests/kernel/older.sh"

on_older bonding/asked bonding/changes bonding/iproute2 bonding/kernel-selftests bonding/learned bonding/nodes bonding/order bonding/paths bonding/selftest
finish
