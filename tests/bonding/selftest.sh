#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: the policy's kernel selftest passes on the patched kernel and is skipped on one without the policy
# Suite: test debug
#
#   server guest: namespaces of the selftest's own, see kernel-patches/selftests/bond_topo_lag.sh
. "$(dirname "$0")/../lib.sh"
. "$repo/tests/bonding/selftests.sh"

name=bond_cpu_bound.sh

# run_it IP-DIR: sets status; what it says goes to $said
said=/tmp/said
run_it() {
	(PATH=$1:$PATH selftest "$TREE" "$name") 2>&1 | tee "$said" | sed -u 's/^/#| /'
	status=${PIPESTATUS[0]}
}

server() {
	local line left

	modprobe bonding max_bonds=0
	run_it "$IPROUTE2"
	if [[ $LAB_KERNEL == *stock ]]; then
		same "stock kernel: exit status" 4 "$status"
		same "... and why" "SKIP: kernel or iproute2 too old; no xmit_hash_policy cpu-bound" "$(cat "$said")"
	else
		# what a shell or a tool says in between would be a mistake in the test
		same "it prints nothing but results" "" "$(grep -vE $'^(TEST: |\t)' "$said")"
		while read -r line; do
			if [[ $line == *"[ OK ]" ]]; then
				ok "$line"
			else
				not_ok "$line" "$(grep -A1 -xF "$line" "$said")"
			fi
		done < <(grep '^TEST: ' "$said")
		same "every function of it has run" "$(sed -n '/^ALL_TESTS="/,/^"/p' "$TREE/$selftests_dir/$name" | grep -c '^	')" \
			"$(sed -E 's/^TEST: cpu-bound \((balance-xor: |802.3ad: )?(.*)\).*/\2/' <(grep '^TEST: ' "$said") | sort -u | wc -l)"
		same "exit status" 0 "$status"
		run_it /nonexistent
		same "with Debian's ip: exit status" 4 "$status"
	fi
	left=$(ip netns list)
	same "no namespace is left" "" "$left"
	rmmod bonding
}

case ${LAB_ROLE:-host} in
host)	IPROUTE2=$("$repo/kernel-patches/build-iproute2.sh") || { not_ok "the patched ip is built"; finish; }
	tree=$test_out/tree
	check "the selftests are unpacked, ours hooked in with fuzz 0" selftests_tree "$tree"
	LAB_RUN=patched lab_run --cpus 4 --nics 1 --timeout 1800 --env "IPROUTE2=$IPROUTE2" --env "TREE=$tree"
	[[ ${LAB_KERNEL:-patched} != patched ]] ||
		LAB_KERNEL=stock LAB_RUN=stock lab_run --cpus 4 --nics 1 --timeout 1800 --env "IPROUTE2=$IPROUTE2" --env "TREE=$tree"
	rm -rf "$tree" ;;
server)	server; lab-ready ;;
client)	;;
esac
finish
