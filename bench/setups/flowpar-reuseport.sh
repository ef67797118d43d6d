# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034	# read by who sources this
# flowpar's transmit policy under reuseport's listeners, for servers that can.
# Against reuseport it differs by the policy, and the kernel that has it, alone.
lag=lacp
kernel=patched
ports=(80)

setup_network() { flowpar_bond; }
setup_server() { reuseport_listeners; }
setup_down() { flowpar_down; }
