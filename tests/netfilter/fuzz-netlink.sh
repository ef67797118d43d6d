#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: of 100,000 broken requests none is accepted that may not be, and dumps and announcements tell exactly what was
#
# What fuzz/netlink.c makes of fuzz/requests.hex. FUZZ_SEED asks for other requests.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"

fuzz=$repo/tests/netfilter/fuzz
count=${FUZZ_COUNT:-100000} seed=${FUZZ_SEED:-1}

listed() { "$@" flowparctl service list --json | tr -d ' \n'; }
enough() {	# what is counted, at least so often
	awk -v name="$1" -v least="$2" '$1 == name { good = $2 >= least; print } END { exit !good }' "$LAB_OUT/fuzz"
}

server() {
	load_module
	sysctl -q net.ipv4.ip_local_reserved_ports=40000-50000,65535
	lab-ready
	ip netns add other

	# Beside it the same in another namespace, which has services of its own.
	ip netns exec other "$FUZZ_BIN/fuzz-netlink" "$fuzz/requests.hex" "${seed}2" $((count / 2)) > "$LAB_OUT/other" 2>&1 &
	local other=$!
	check "$((count / 2)) requests: accepted is what may be, listed what was accepted" \
		bash -c "$FUZZ_BIN/fuzz-netlink $fuzz/requests.hex ${seed}1 $((count / 2)) > $LAB_OUT/fuzz 2>&1 || { cat $LAB_OUT/fuzz; false; }"
	wait $other
	same "... so in another namespace at the same time" 0 $?
	sed 's/^/# /' "$LAB_OUT/fuzz" "$LAB_OUT/other"
	check "services were added" enough added $((count / 200))
	check "... and deleted" enough deleted $((count / 500))
	check "... asked for" enough got $((count / 5000))
	check "... and dumped" enough dumped $((count / 500))
	check "requests were refused" enough refused $((count / 10))
	same "none is left behind" "[][]" "$(listed env)$(listed ip netns exec other)"
	check "without the privilege nothing is accepted" as_nobody "$FUZZ_BIN/fuzz-netlink" "$fuzz/requests.hex" "${seed}3" 5000 nothing

	check "a service is added as before" flowparctl service add --port 80 --base-port 8000 --cpus 0-1
	"$peer" serve 0:8000 1:8008 &
	ip link add here type dummy
	ip address add 10.99.0.1/24 dev here
	ip link set here up
	wait_until 60 serving 8000 8008
	same "... and serves" 5 "$("$peer" who 10.99.0.1 80 5 | awk '{ n += $2 } END { print n }')"
	check "the module goes" rmmod nf_flowpar
}

case ${LAB_ROLE:-host} in
host)
	make -s -C "$fuzz" lab O="$test_out/fuzz" > "$test_out/fuzz.log" 2>&1 ||
		{ not_ok "the fuzzers build" "$(< "$test_out/fuzz.log")"; finish; }
	host --cpus 2 --nics 1 --timeout 900 --env "FUZZ_BIN=$test_out/fuzz" \
		--env "FUZZ_COUNT=$count" --env "FUZZ_SEED=$seed" ;;
server)	server ;;
client)	true ;;
esac
finish
