# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154	# shared with who sources this
# Pinned instances on stock Linux without a line of code: nftables redirects a
# new connection to the port of the CPU that its SYN is on, conntrack does the
# rest. Fair: one rule, looked up in a map, and no other rule anywhere.
lag=lacp
kernel=stock
ports=(80)
for ((k = 0; k < ${LAB_CPUS:-0}; k++)); do
	ports+=($((8000 + 8 * k)))
done

setup_server() {
	instance_per_core port
	nft -f - <<-END
	table ip peer {
		chain in {
			type nat hook prerouting priority dstnat
			iif bond0 tcp dport $public_port redirect to :meta cpu map { $(core_port_map) }
		}
	}
	END
}
