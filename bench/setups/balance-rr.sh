# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034	# read by who sources this
# The original experiment's stock side: round robin over the slaves, one listener.
lag=static
kernel=stock
ports=(80)

setup_network() {
	stock_bond balance-rr
	pin_irqs
}

setup_server() { one_listener; }
