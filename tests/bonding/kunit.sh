#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: the policy's candidate map and learning pass their KUnit tests
# Suite: test debug
. "$(dirname "$0")/../lib.sh"

results=/tmp/results

server() {
	local line state name seen=0 plan
	check "KUnit loads" modprobe kunit enable=1
	dmesg -C
	check "the test module loads" modprobe bond_cpu_bound_test
	# KUnit says nothing else, and says it before modprobe returns.
	dmesg | sed 's/^\[[^]]*\] //' > "$results"
	check "... without the bonding driver" test ! -e /sys/module/bonding
	plan=$(sed -n 's/^ *1\.\.\([0-9]*\)$/\1/p' "$results" | tail -n1)
	while read -r line; do
		[[ $line =~ ^(ok|not\ ok)\ [0-9]+\ ([a-z_]+)(\ \#\ SKIP.*)?$ ]] || continue
		state=${BASH_REMATCH[1]} name=${BASH_REMATCH[2]}
		# the suite's own verdict
		[[ $name != bond_cpu_bound ]] || continue
		seen=$((seen + 1))
		if [[ $state == ok && -z ${BASH_REMATCH[3]} ]]; then
			ok "kunit: $name"
		else	# a lab that cannot run a case does not test it
			not_ok "kunit: $name" "$line"$'\n'"$(grep -B 12 -- " $name\$" "$results" | grep '#')"
		fi
	done < "$results"
	check "all cases have run: $seen of $plan" test "$seen" = "$plan" -a "$seen" -gt 10
	check "the module goes" rmmod bond_cpu_bound_test
	check "... and leaves no device" bash -c '! compgen -G "/sys/class/net/kunit*"'
}

case ${LAB_ROLE:-host} in
host)	lab_run --cpus 4 --nics 1 ;;
server)	server; lab-ready ;;
client)	;;
esac
finish
