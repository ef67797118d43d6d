#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Suite: long
# Rule: the same as netfilter/exact with every combination of what the NIC can offload
EXACT=
for rx in off on; do
	# The kernel does no GSO without scatter-gather, which goes with transmit checksums.
	for tx_tso_gso in "off off off" "on off off" "on off on" "on on off" "on on on"; do
		for gro in off on; do
			EXACT+=", $rx $tx_tso_gso $gro"
		done
	done
done
EXACT=${EXACT#, } EXACT_TIMEOUT=1800
# shellcheck source=tests/netfilter/exact.sh
. "$(dirname "$0")/exact.sh"
