#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: on the older kernel, too, the policy works by every interface and under traffic, and the rewriting works
#
# The part of the suite that touches the kernel most; linux-6.1-bonding and -netfilter have the rest, and
# LAB_KERNEL=patched-6.1 make test all.
. "$(dirname "$0")/../lib.sh"
. "$repo/tests/kernel/older.sh"

on_older bonding/interfaces bonding/kunit bonding/traffic netfilter/control netfilter/steer
finish
