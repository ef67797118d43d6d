#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: every way to set cpu-bound and a slave's CPUs says the same, and refuses the same
# Suite: test debug
#
#   server guest: bond0 (802.3ad) over eth0 and eth1; no traffic
#
# sysfs, netlink, by its specification too, procfs and the module parameter, with good input and bad.
. "$(dirname "$0")/../lib.sh"

nl=$repo/tests/bonding/slave-cpus.py
sys=/sys/class/net

# refused TEXT REGEX COMMAND...: COMMAND fails and says REGEX.
refused() {
	local text=$1 regex=$2 out
	shift 2
	if out=$("$@" 2>&1); then
		not_ok "$text" "was accepted: $*"
	elif ! grep -qE -- "$regex" <<< "$out"; then
		not_ok "$text" "said: $out"$'\n'"expected: $regex"
	else
		ok "$text"
	fi
}

write() {	# write VALUE FILE
	bash -c 'printf "%s\n" "$1" > "$2"' _ "$1" "$2"
}

logged() {	# logged REGEX: the kernel log says so, since the last dmesg -C
	dmesg | grep -qE "$1"
}

policy() {
	cat "$sys/$1/bonding/xmit_hash_policy"
}

# ynl SLAVE: its list as the kernel's own tool reads it by rt_link.yaml
ynl() {
	python3 "$YNL/tools/net/ynl/cli.py" --no-schema --process-unknown --output-json --do getlink \
		--spec "$YNL/Documentation/netlink/specs/rt_link.yaml" --json "{\"ifname\": \"$1\"}" |
		jq -r '.linkinfo["slave-data"].cpus'
}

# ynl_tree DIR: that tool, and the specification with our patch, which 6.1 does not have yet
ynl_tree() (
	# shellcheck source=kernel-patches/tree.sh
	. "$repo/kernel-patches/tree.sh"
	set_base 6.12
	mkdir -p "$1"
	tar -C "$1" --strip-components=1 -I 'xz -T0' --wildcards -xf "$tarball" \
		'*/tools/net/ynl/cli.py' '*/tools/net/ynl/lib' '*/Documentation/netlink/specs/rt_link.yaml' '*/Documentation/networking/bonding.rst' || exit
	patch -d "$1" -p1 -F0 -N -r - < "$(compgen -G "$here/6.12/*-Documentation-bonding-*.patch")"
)

bond() {	# bond MODE: bond0 anew, down, without slaves
	ip link del bond0 2>/dev/null
	ip link add bond0 type bond mode "$1" miimon 100
}

server() {
	dmesg -C
	refused "module parameter: balance-tlb with cpu-bound does not load" . \
		modprobe bonding mode=balance-tlb xmit_hash_policy=cpu-bound
	check "... and the log says why" logged 'xmit_hash_policy "cpu-bound" is not supported in mode transmit load balancing'
	refused "module parameter: balance-alb, by numbers" . modprobe bonding mode=6 xmit_hash_policy=6
	check "module parameter: 802.3ad with cpu-bound loads" \
		modprobe bonding mode=802.3ad xmit_hash_policy=cpu-bound max_bonds=1
	same "... and bond0 has it" "cpu-bound 6" "$(policy bond0)"
	rmmod bonding
	modprobe bonding max_bonds=0

	bond 802.3ad
	check "sysfs: policy by name" write cpu-bound $sys/bond0/bonding/xmit_hash_policy
	same "sysfs: policy read back" "cpu-bound 6" "$(policy bond0)"
	write layer2 $sys/bond0/bonding/xmit_hash_policy
	check "netlink: policy" "$nl" policy bond0 6
	same "netlink: policy read back" "cpu-bound 6" "$(policy bond0)"
	refused "netlink: the next number is no policy" EINVAL "$nl" policy bond0 7
	same "/proc names the policy" "Transmit Hash Policy: cpu-bound (6)" "$(grep Hash /proc/net/bonding/bond0)"

	local mode
	for mode in tlb:5 alb:6; do
		bond balance-xor
		write cpu-bound $sys/bond0/bonding/xmit_hash_policy
		dmesg -C
		refused "balance-${mode%:*}: sysfs refuses the mode while cpu-bound is set" "not supported" \
			write "balance-${mode%:*}" $sys/bond0/bonding/mode
		check "... and the log says why" logged 'xmit_hash_policy cpu-bound is not supported in mode'
		refused "balance-${mode%:*}: netlink refuses the mode" \
			"EOPNOTSUPP: xmit_hash_policy cpu-bound is not supported in modes balance-tlb and balance-alb \(bad" \
			"$nl" mode bond0 "${mode#*:}"
		same "... and both stay as they were" "balance-xor 2 cpu-bound 6" "$(cat $sys/bond0/bonding/mode) $(policy bond0)"
		check "balance-${mode%:*}: one request sets it and another policy" \
			ip link set bond0 type bond mode "balance-${mode%:*}" xmit_hash_policy layer2
		same "... both" "balance-${mode/:/ } layer2 0" "$(cat $sys/bond0/bonding/mode) $(policy bond0)"
		bond "balance-${mode%:*}"
		refused "balance-${mode%:*}: sysfs refuses the policy" "not supported" \
			write cpu-bound $sys/bond0/bonding/xmit_hash_policy
		refused "balance-${mode%:*}: netlink refuses the policy" "EOPNOTSUPP: xmit_hash_policy cpu-bound" \
			"$nl" policy bond0 6
		same "... which stays" "layer2 0" "$(policy bond0)"
		refused "balance-${mode%:*}: a new bond with the policy is refused" "EOPNOTSUPP: xmit_hash_policy cpu-bound" \
			"$nl" create bond9 "${mode#*:}" 6
		check "... and not left behind" test ! -e $sys/bond9
	done
	check "netlink: a new 802.3ad bond with the policy" "$nl" create bond9 4 6
	same "... has it" "cpu-bound 6" "$(policy bond9)"
	ip link del bond9

	bond 802.3ad
	write cpu-bound $sys/bond0/bonding/xmit_hash_policy
	ip link set eth0 master bond0
	ip link set eth1 master bond0
	local cpus0=$sys/eth0/bonding_slave/cpus cpus1=$sys/eth1/bonding_slave/cpus
	same "a new slave serves no CPU, says sysfs" "" "$(cat "$cpus0")"
	same "... and netlink" "" "$("$nl" get eth0)"
	check "sysfs: list set" write 0,2-3 "$cpus0"
	same "... read back" "0,2-3" "$(cat "$cpus0")"
	same "... read by netlink" "0,2-3" "$("$nl" get eth0)"
	check "netlink: list set, overlapping" "$nl" set eth1 1,3
	same "... read by sysfs" "1,3" "$(cat "$cpus1")"
	same "... in a dump of all links" "eth0 0,2-3"$'\n'"eth1 1,3" "$("$nl" dump bond0)"
	same "... by the specification rt_link.yaml" "1,3" "$(ynl eth1)"
	same "/proc shows each slave's list" "Slave CPUs: 0,2-3"$'\n'"Slave CPUs: 1,3" \
		"$(grep 'Slave CPUs' /proc/net/bonding/bond0)"
	same "... and what CPUs have learned" "Learned CPUs: none"$'\n'"Learned CPUs: none" \
		"$(grep 'Learned CPUs' /proc/net/bonding/bond0)"
	same "sysfs too" "" "$(cat $sys/eth0/bonding_slave/cpus_learned)"
	refused "... read-only, for root too" . write 0 $sys/eth0/bonding_slave/cpus_learned
	same "netlink: the policy's statistics" "listed shared learned node any relearned" \
		"$("$repo/tests/bonding/xstats.py" bond0 | awk '{ print $1 }' | paste -sd' ')"
	check "every CPU the machine can have" write "$(cat /sys/devices/system/cpu/possible)" "$cpus0"
	same "a list is kept in its shortest form" "0-3" "$(write 3,2,1,0,0 "$cpus0"; cat "$cpus0")"

	local bad none='no such CPU' possible='no such CPU, possible are 0-3'
	# A driver built for Debian's 6.1 cannot put a number into what netlink answers.
	[[ ${LAB_KERNEL:-} != debian-6.1 ]] || none='refused; the kernel log says why' possible=$none
	dmesg -C
	for bad in x 1- -1 3-1 0,,x 1:2; do
		refused "netlink: '$bad' is no list" "^E[A-Z]+: (not a CPU list like 0,8-11|$none).*\(bad attribute\)" "$nl" set eth0 "$bad"
	done
	refused "netlink: a CPU that the machine cannot have" "ERANGE: $possible \(bad attribute\)" "$nl" set eth0 0,4
	refused "netlink: a CPU beyond all numbers" "ERANGE: $none" "$nl" set eth0 99999
	refused "netlink: a number that no variable holds" "ERANGE: $none" "$nl" set eth0 99999999999
	[[ $none == 'no such CPU' ]] || check "... and it does" grep -q 'bonding: no such CPU, possible are 0-3' <(dmesg)
	refused "netlink: a string without an end" "EINVAL|ERANGE" "$nl" set eth0 raw:1
	dmesg -C
	refused "sysfs: no list" "Invalid argument" write 1- "$cpus0"
	check "... and the log says which slave and why" logged 'bond0: \(slave eth0\): cpus: not a CPU list like 0,8-11'
	refused "sysfs: a CPU that the machine cannot have" "out of range" write 0,4 "$cpus0"
	refused "sysfs: not for everyone" "denied" \
		as_nobody bash -c "echo 1 > $cpus0"
	refused "sysfs: other attributes stay read-only, for root too" . write 1 $sys/eth0/bonding_slave/queue_id
	same "after all that the list is the last good one" "0-3" "$(cat "$cpus0")"

	ip -o monitor link > /tmp/monitor &
	local monitor=$!
	# until it listens
	announced() { write 1 "$cpus0"; write 2 "$cpus0"; grep -q ': eth0:' /tmp/monitor; }
	check "a change by sysfs is announced" wait_until 20 announced
	kill "$monitor"

	check "sysfs: empty list" write "" "$cpus0"
	same "... is none" "Slave CPUs: none" "$(grep -m1 'Slave CPUs' /proc/net/bonding/bond0)"
	check "netlink: empty list" "$nl" set eth1 ""
	same "... is none" "" "$(cat "$cpus1")"
	write 1 "$cpus1"
	ip link set eth1 nomaster
	ip link set eth1 master bond0
	same "a slave that left and came back starts anew" "" "$(cat "$cpus1")"
	write layer2 $sys/bond0/bonding/xmit_hash_policy
	write 1 "$cpus1"
	same "without the policy a list is kept" "1" "$(cat "$cpus1")"
	check "... and not shown in /proc" bash -c '! grep -q -E "(Slave|Learned) CPUs" /proc/net/bonding/bond0'
	refused "... and no statistics are reported" "no statistics of the policy" "$repo/tests/bonding/xstats.py" bond0
	ip link del bond0
	check "the module goes" rmmod bonding
}

case ${LAB_ROLE:-host} in
host)	check "rt_link.yaml takes our patch" ynl_tree "$test_out/ynl"
	lab_run --cpus 4 --nics 2 --env "YNL=$test_out/ynl"
	rm -rf "$test_out/ynl" ;;
server)	server; lab-ready ;;
client)	;;
esac
finish
