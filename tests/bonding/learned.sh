#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: a bond without lists sends by the slave whose frames a CPU receives, and follows its interrupts
# Suite: test debug
#
#   server guest                    switch guest
#   CPU k - ethk \                  / client0
#                 > bond0 --- LACP -  ...       each client's frames come by one link
#           ...  /                  \ client3
#
# Nothing is configured but interrupts. The clients ping while the server looks.
. "$(dirname "$0")/../lib.sh"
. "$repo/tests/bonding/common.sh"

# hears SLAVE CPUS: those CPUs have learned ethSLAVE, sysfs and /proc say the same
hears() {
	local out
	out=$(cat "$sys/eth$1/bonding_slave/cpus_learned")
	[[ $out == "$2" ]] || { echo "eth$1: $out"; return 1; }
	out=$(awk -v "slave=eth$1" '/^Slave Interface/ { at = $3 } /^Learned CPUs/ && at == slave { print $3 }' /proc/net/bonding/bond0)
	[[ $out == "${2:-none}" ]] || { echo "eth$1 in /proc: $out"; return 1; }
}

count() {	# count NAME: of the bond's statistics
	"$repo/tests/bonding/xstats.py" bond0 | awk -v "name=$1" '$1 == name { print $2 }'
}

pings() {	# pings start|stop: of all clients
	lab-post "pings-$1"
	lab-wait "pings-$1-done"
}

learning() {
	local k
	for k in 0 1 2 3; do
		check "eth$k interrupts CPU $k: that CPU learns it" wait_until 30 hears $k $k
		check "... and sends by it alone" leaves_by_own $k
	done
	check "each is learned once" test "$(count relearned)" = 0
}

moving() {
	local before
	before=$(count relearned)
	irqs 0 1
	irqs 1 0
	check "interrupts of eth0 and eth1 change places: CPU 1 learns eth0" wait_until 30 hears 0 1
	check "... CPU 0 eth1" wait_until 30 hears 1 0
	check "... and they send by them" leaves_by 0 1
	check "... both" leaves_by 1 0
	same "... the others keep theirs" "2 3" "$(cat $sys/eth{2,3}/bonding_slave/cpus_learned | paste -sd' ')"
	same "... two changes are counted" $((before + 2)) "$(count relearned)"
	own_irqs
	check "they change back" wait_until 30 hears 0 0
	check "... both" wait_until 30 hears 1 1
}

# Who has heard nothing of its slave for a second takes another: a guest that stood still for
# that long is no counterexample, so it may be tried again.
sticking() {
	local before until try
	for try in 1 2 3; do
		before=$(count relearned)
		irqs 1 0
		until=$((SECONDS + 4))
		while ((SECONDS < until)); do
			hears 0 0 && hears 1 1 && leaves_by 0 0 || break
		done
		((SECONDS < until || $(count relearned) != before)) || break
		irqs 1 1
		wait_until 30 hears 0 0
		wait_until 30 hears 1 1
	done
	check "CPU 0 hears eth1 too, for 4 s: it keeps eth0, and CPU 1, which hears nothing, eth1 (try $try)" \
		test "$SECONDS" -ge "$until"
	same "... nothing has changed" "$before" "$(count relearned)"
	check "CPU 1 still sends by eth1" leaves_by 1 1
	irqs 1 1
}

# Something else than the interrupt decides that CPU 3 processes what eth2 receives,
# and eth3's interrupt makes room.
steering() {
	local how pid
	for how in "RPS" "threaded NAPI"; do
		irqs 3 2
		if [[ $how == RPS ]]; then
			echo 8 > $sys/eth2/queues/rx-0/rps_cpus
		else
			echo 1 > $sys/eth2/threaded
			for pid in $(pgrep '^napi/eth2-'); do taskset -cp 3 "$pid" > /dev/null; done
		fi
		check "$how: the CPU that processes is the one that learns" wait_until 30 hears 2 3
		check "... and CPU 2, where eth2 interrupts, learns eth3" wait_until 30 hears 3 2
		check "... and they send by them" leaves_by 2 3
		echo 0 > $sys/eth2/queues/rx-0/rps_cpus
		echo 0 > $sys/eth2/threaded
		own_irqs
		check "without $how they change back" wait_until 30 hears 2 2
		check "... both" wait_until 30 hears 3 3
	done
}

leaving() {
	ip link set eth2 nomaster
	check "eth2 leaves: CPU 2 has the others, and loses nothing" leaves_without 2
	ethtool -s eth2 speed 1000 duplex full 2>/dev/null
	ip link set eth2 master bond0
	same "eth2 returns: what was learned of it before is forgotten" "" "$(cat $sys/eth2/bonding_slave/cpus_learned)"
	check "... four ports again" wait_until 60 lag_ready bond0 4
	irqs 2 2
	check "... CPU 2 learns it again" wait_until 60 hears 2 2
	check "... and sends by it" wait_until 30 leaves_by_own 2

	lab-link 3 down
	check "eth3 is cut: seen" wait_until 10 grep -q down $sys/eth3/bonding_slave/mii_status
	check "... CPU 3 has the others, and loses nothing" wait_until 10 leaves_without 3
	check "... but remembers eth3" hears 3 3
	lab-link 3 up
	check "... and is back when it is" wait_until 60 leaves_by_own 3

	policy layer3+4
	irqs 0 1
	check "under layer3+4 CPU 0 is spread" wait_until 30 spread 0
	check "... and bond0 reports no statistics of the policy" bash -c "! '$repo/tests/bonding/xstats.py' bond0"
	sleep 2
	same "... nothing is learned meanwhile" "0" "$(cat $sys/eth0/bonding_slave/cpus_learned)"
	policy cpu-bound
	irqs 0 0
	check "cpu-bound again: CPU 0 is eth0's" wait_until 30 leaves_by_own 0
	check "... and CPU 1 eth1's, whose interrupts it has alone now" wait_until 30 hears 1 1
}

# The four clients fetch at once from servers that run on every CPU in turn: the
# packets of a flow should leave by the slave of the CPU that receives its segments.
own_share() {
	local k cpu own=0 all=0 servers=()
	for k in 0 1 2 3; do
		count_packets "tcp src_port 5001"
		"$flows" serve 5001 4 50 > "/tmp/served$k" 2>&1 &
		servers=($!)
		wait_until 20 grep -q listening "/tmp/served$k"
		lab-post "fetch$k"
		wait "${servers[0]}"
		same "client $k is served by a task that migrates" 0 $?
		counted
		cpu=$(tail -n1 "/tmp/served$k")
		[[ $cpu =~ ^[0-3]$ ]] || { not_ok "... its flow lives on one CPU" "$cpu"; continue; }
		((own += moved[cpu], all += moved[0] + moved[1] + moved[2] + moved[3]))
	done
	check "own-NIC share: $own of $all TCP segments, at least 99 %" test $((all > 500 && own * 100 >= all * 99)) = 1
	count_packets "udp dst_port 9000"
}

# Whatever leaves by a slave, except LACPDUs, was counted by the policy.
adds_up() {
	local k left=0 counted=0 left_before counted_before
	for k in 0 1 2 3; do
		tc filter del dev "eth$k" egress
		tc filter add dev "eth$k" egress pref 1 protocol 0x8809 matchall action pass
		tc filter add dev "eth$k" egress pref 2 protocol all matchall action pass
	done
	reasons() {
		"$repo/tests/bonding/xstats.py" bond0 | awk '$1 != "relearned" { sum += $2 } END { print sum }'
	}
	read_both() {	# while nothing is sent
		counted=$(reasons)
		left=$(for k in 0 1 2 3; do tc -s filter show dev "eth$k" egress pref 2; done | awk '/Sent / { sum += $4 } END { print sum + 0 }')
		[[ $counted == "$(reasons)" ]]
	}
	wait_until 30 read_both || not_ok "a quiet moment to read both"
	left_before=$left counted_before=$counted
	for k in 0 1 2 3; do "$flows" udp $k "$client" $n 5; done
	wait_until 30 read_both || not_ok "another"
	same "statistics add up: what left by slaves is what was counted" $((left - left_before)) $((counted - counted_before))
	check "... at least what we sent" test $((left - left_before)) -ge $((20 * n))
}

counting() {
	count_packets "udp dst_port 9000"
	check "statistics: learned" wait_until 30 rises learned 1
	cpus eth0 1
	check "... a list wins: listed" wait_until 30 rises listed 1
	check "... and sends by eth0" leaves_by 0 1
	check "... though CPU 1 still hears eth1" hears 1 1
	cpus eth2 1
	check "... two lists: shared" wait_until 30 rises shared 1
	cpus eth0 ""
	cpus eth2 ""
	check "... none: learned" wait_until 30 rises learned 1
	ip link set eth1 nomaster
	check "... its slave gone: any" wait_until 30 rises any 1
}

case ${LAB_ROLE:-host} in
host)	lab_run --cpus 4 --nics 4 --timeout 600 ;;
server)
	own_irqs
	bring_up cpu-bound
	lab-ready
	pings start
	learning
	moving
	sticking
	steering
	leaving
	own_share
	pings stop
	adds_up
	counting
	ip link del bond0
	check "the module goes" rmmod bonding
	;;
client)
	lab-wait pings-start
	pids=()
	for k in 0 1 2 3; do
		lab-client $k ping -q -i 0.05 "$LAB_SERVER" > /dev/null &
		pids+=($!)
	done
	lab-post pings-start-done
	for k in 0 1 2 3; do
		lab-wait "fetch$k"
		same "client $k got all of its bytes" 200000 "$(lab-client $k "$flows" fetch "$LAB_SERVER" 5001)"
	done
	lab-wait pings-stop
	kill "${pids[@]}"
	wait
	lab-post pings-stop-done
	lab-wait server-exit
	;;
esac
finish
