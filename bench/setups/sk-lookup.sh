# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034	# read by who sources this
# With reuseport the best that stock Linux offers: 802.3ad by layer3+4, pinned
# instances, and a BPF sk_lookup program that gives a new flow to the listener
# of the CPU that its SYN is on. Works with any server; nothing is rewritten.
#
# Tuned: NIC k's interrupts, so softirq, and instance k on CPU k; RPS off; the
# program runs once a connection, writes nothing and its map of listeners is read
# only; listeners on the public port (see sk_lookup_listeners). XPS has nothing
# to choose with one queue a NIC. What it cannot have is an answer that leaves
# by its own core's NIC: layer3+4 sends it where the flow's hash says.
lag=lacp
kernel=stock
ports=(80)

setup_server() { sk_lookup_listeners; }
