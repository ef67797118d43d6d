# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034	# read by who sources this
# flowpar's transmit policy under sk-lookup's listeners: nothing is rewritten.
# Against sk-lookup it differs by the policy, and the kernel that has it, alone.
lag=lacp
kernel=patched
ports=(80)

setup_network() { flowpar_bond; }
setup_server() { sk_lookup_listeners; }
setup_down() { flowpar_down; }
