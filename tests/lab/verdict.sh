#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: a lab run succeeds only if both scripts exit 0 and no kernel log has a report; silence fails
#
# The negative runs are one CPU and one link each; what they must not do is pass.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

lab=$repo/bench/lab/lab
kernel=${LAB_KERNEL:-patched}

# expect NAME STATUS REGEX SERVER_SCRIPT [CLIENT_SCRIPT]: a run of its own
expect() {
	local out=$test_out/$1 status=0
	mkdir -p "$out"
	printf '%s\n' "$4" > "$out.server.sh"
	printf '%s\n' "${5:-true}" > "$out.client.sh"
	"$lab" run --cpus 1 --nics 1 --kernel "$kernel" --server "$out.server.sh" --client "$out.client.sh" \
		--out "$out" --timeout "${limit:-240}" > "$out.log" 2>&1 || status=$?
	if ((status == $2)) && grep -qaE "$3" "$out.log" "$out"/*.log; then
		ok "$1: exit $2"
	else
		not_ok "$1: exit $status, expected $2 and /$3/" "$(tail -n 5 "$out.log")"
	fi
}

case ${LAB_ROLE:-host} in
host)
	lab_run --cpus 2 --nics 2
	expect server-fails 1 'server: exit 3' 'lab-ready; exit 3'
	expect client-fails 1 'client: exit 4' 'lab-ready; lab-wait client-exit' 'exit 4'
	expect never-ready 1 'ended without posting' 'exit 0' 'echo must not run; exit 0'
	expect kernel-warning 1 'the kernel log has reports' 'lab-ready; lab-wait client-exit; echo "WARNING: planted by a test" > /dev/kmsg'
	expect no-verdict 2 'without a verdict' 'echo o > /proc/sysrq-trigger; kill -9 -1; poweroff -ff; sleep 100'
	limit=15 expect timeout 2 'timeout: not done after' 'lab-ready; sleep 1000' 'sleep 1000'
	check_fails "a kernel that is none is named" 2 'no bzImage' "$lab" run --kernel /nonexistent --server "$0" --client "$0" --out "$test_out/x"
	check_fails "too many NICs are refused" 2 'whole number from 1 to 24' "$lab" run --nics 25 --server "$0" --client "$0" --out "$test_out/x"
	check_fails "nodes that the CPUs cannot be dealt to evenly are refused" 2 'does not divide 4 CPUs' "$lab" run --nodes 3 --server "$0" --client "$0" --out "$test_out/x"
	check_fails "a clock that is none is refused" 2 'want host or work' "$lab" run --clock fast --server "$0" --client "$0" --out "$test_out/x"
	check_fails "a clock that KVM cannot have is refused" 2 'does not; leave it out' "$lab" run --clock work --accel kvm --server "$0" --client "$0" --out "$test_out/x"
	check_fails "a missing script is named" 2 'no such script' "$lab" run --kernel "$kernel" --server /nonexistent --client "$0" --out "$test_out/x"
	;;
server)
	modprobe bonding max_bonds=0
	ip link add bond0 type bond mode 802.3ad miimon 100 lacp_rate fast
	ip link set eth0 master bond0
	ip link set eth1 master bond0
	ip link set bond0 up
	ip address add "$LAB_SERVER/24" dev bond0
	check "the switch takes both links into one aggregator" wait_until 60 lag_ready bond0 2
	lab-ready
	same "an event carries its value" "two words" "$(lab-wait hello)"
	check "a link is cut" lab-link 1 down
	check "the server sees the carrier drop" wait_until 10 grep -qx 0 /sys/class/net/eth1/carrier
	lab-post cut
	lab-wait seen >/dev/null
	check "it is restored" lab-link 1 up
	check "the carrier returns" wait_until 10 grep -qx 1 /sys/class/net/eth1/carrier
	check "both links are in the aggregator again" wait_until 60 lag_ready bond0 2
	lab-post restored
	check_fails "a link that is not there is refused" 1 'want a link 0..1' lab-link 7 down
	lab-wait client-exit >/dev/null
	;;
client)
	check "clients reach the server" lab-client 0 ping -c 1 -W 5 "$LAB_SERVER"
	check "from each port" lab-client 1 ping -c 1 -W 5 "$LAB_SERVER"
	lab-post hello two words
	lab-wait cut >/dev/null
	check "the switch sees the carrier drop too" wait_until 10 grep -qx 0 /sys/class/net/eth1/carrier
	lab-post seen
	lab-wait restored >/dev/null
	check "the switch sees the carrier return" wait_until 10 grep -qx 1 /sys/class/net/eth1/carrier
	;;
esac
finish
