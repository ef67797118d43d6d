#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: checksums are right on the wire and on arrival, whoever computes them, NIC or kernel
#
# e1000e has checksum offload and TSO both ways; virtio-net through the lab's sockets has
# neither, so the other tests cover software checksums only.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"

# transfer MODE: both clients at once, captured at the switch
transfer() {
	local said seen wrong
	said=$(remote "for k in 0 1; do tcpdump -i eth\$k -w /tmp/eth\$k.pcap tcp and src host $LAB_SERVER 2> /dev/null & done; sleep 1
		lab-client 0 $peer get $LAB_SERVER 80 2000000 0 & first=\$!
		lab-client 1 $peer get $LAB_SERVER 80 2000000 0 && wait \$first || echo failed
		sleep 0.5; pkill -x tcpdump; wait")
	same "$1: every byte arrives, from both cores" "$(printf '8000\n8008')" "$(sort <<< "$said")"
	# QEMU 7.2 carries out TSO as IP fragmentation: the client's kernel has verified those.
	[[ $1 != tso ]] || return
	# shellcheck disable=SC2016	# for the other guest
	remote 'for k in 0 1; do tcpdump -nvvr /tmp/eth$k.pcap 2> /dev/null; done |
		grep -o "cksum 0x[0-9a-f]* ([a-z]*" | grep -o "[a-z]*$" | sort | uniq -c' > "$LAB_OUT/cksum.$1"
	seen=$(awk '$2 == "correct" { print $1 }' "$LAB_OUT/cksum.$1")
	wrong=$(awk '$2 != "correct"' "$LAB_OUT/cksum.$1")
	check "$1: the switch saw segments with right checksums ($seen)" test "${seen:-0}" -gt 1000
	same "$1: and none with a wrong one" "" "$wrong"
}

# offloads MODE CHECKSUMS TSO: set both, look that they are
offloads() {
	local k
	for k in 0 1; do
		ethtool -K "eth$k" rx "$2" tx "$2" sg "$2" tso "$3" gso "$2" gro "$2" > /dev/null
	done
	same "$1: receive checksums $2, transmit checksums $2, TSO $3" "$2 $2 $3" "$(ethtool -k eth0 |
		awk '/^(rx-checksumming|tx-checksumming|tcp-segmentation-offload):/ { printf s $2; s = " " }')"
	# The driver has reset the NICs: until LACP is through, one link carries it all.
	check "$1: both links distribute" wait_until 30 lag_ready bond0 2
	transfer "$1"
}

server() {
	load_module
	bond_up
	flowparctl service add --port 80 --base-port 8000 --cpus 0-1
	"$peer" serve 0:8000 1:8008 &
	wait_until 60 serving 8000 8008
	lab-ready
	# What the switch merges on receipt it would show with the first segment's checksum.
	remote 'ethtool -K eth0 gro off; ethtool -K eth1 gro off' > /dev/null
	offloads hardware on off
	offloads tso on on
	offloads software off off
	same "nothing failed to be rewritten" 0 "$(counter error 80)"
	remote_start over
}

case ${LAB_ROLE:-host} in
host)	host --cpus 2 --nics 2 --nic e1000e ;;
server)	server ;;
client)	obey ;;
esac
finish
