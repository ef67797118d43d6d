# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034	# read by who sources this
# With sk-lookup the best that stock Linux offers: 802.3ad by layer3+4, a
# SO_REUSEPORT socket for each pinned instance or worker, and a filter on their
# group that picks by the CPU that a SYN is on.
#
# Tuned: NIC k's interrupts, so softirq, and socket k's server on CPU k; RPS off;
# the filter (three instructions) runs once a connection and replaces the hash over
# addresses and ports. SERVER=nginx: its own workers, pinned by it. XPS and the
# answers' NIC: as in sk-lookup.
lag=lacp
kernel=stock
ports=(80)

setup_server() { reuseport_listeners; }
