# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154	# shared with who sources this
# Pinned instances as in nft-redirect, without conntrack: one rule writes the
# port of the CPU that a segment is on into it, another the public port into
# answers. Fair as the cheapest rewriting there is: nothing is looked up and
# nothing kept. For the same reason it is no service to run: a flow whose
# segments come to another core dies, and the per-core ports are open to all.
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
			type filter hook prerouting priority raw
			iif bond0 tcp dport $public_port tcp dport set meta cpu map { $(core_port_map) }
		}
		chain out {
			type filter hook postrouting priority srcnat + 200
			oif bond0 tcp sport { $(core_ports) } tcp sport set $public_port
		}
	}
	END
}
