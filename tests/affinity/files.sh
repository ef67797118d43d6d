#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: up --adopt beside irqbalance, killed with -9 at any of its steps, and down, bring back every file; watch mends each that differs
# Suite: unit
#
# In namespaces of its own, where /sys, /proc/irq and /run are files made here: what up
# and down write is seen byte for byte, also for what the lab's NICs lack (queues on two
# nodes, flow tables). irqbalance and the events are played; tests in the lab have real ones.
# shellcheck disable=SC2119,SC2317
if [[ -z ${FILES_TREE:-} ]]; then
	root=()
	((EUID == 0)) || root=(--map-root-user)
	new=(unshare "${root[@]}" --mount --pid --fork --kill-child --mount-proc)
	"${new[@]}" true 2>/dev/null || { echo '# skipped: no namespaces to be had here'; exit 4; }
	FILES_TREE=yes exec "${new[@]}" bash "$0"
fi
# shellcheck source=tests/affinity/common.sh
. "$(dirname "$0")/common.sh"

program() {	# program NAME < TEXT: a command of that name
	{ echo '#!/bin/bash'; cat; } > "/run/bin/$1"
	chmod +x "/run/bin/$1"
}

nic() {		# nic NAME NODE QUEUES IRQ
	local dir=/run/sys/class/net/$1 q
	mkdir -p "$dir"/{device/msi_irqs,bonding_slave}
	ln -s ../bond0 "$dir/master"
	echo "$2" > "$dir/device/numa_node"
	echo 0x1003 > "$dir/flags"
	echo 1 > "$dir/carrier"
	echo 1000 > "$dir/speed"
	echo 1 > "$dir/bonding_slave/ad_aggregator_id"
	echo 63 > "$dir/bonding_slave/ad_actor_oper_port_state"
	echo 63 > "$dir/bonding_slave/ad_partner_oper_port_state"
	echo 7 > "$dir/bonding_slave/cpus"
	for ((q = 0; q < $3; q++)); do
		mkdir -p "$dir/queues/"{rx,tx}-$q "/run/irq/$(($4 + q))/$1-TxRx-$q"
		echo 3 > "$dir/queues/rx-$q/rps_cpus"
		echo $((16 << q)) > "$dir/queues/rx-$q/rps_flow_cnt"
		echo f > "$dir/queues/tx-$q/xps_cpus"
		echo 1 > "$dir/queues/tx-$q/xps_rxqs"
		touch "$dir/device/msi_irqs/$(($4 + q))"
		echo 0-3 > "/run/irq/$(($4 + q))/smp_affinity_list"
	done
}

tree() {
	local cpu
	set -e
	mount --make-rprivate /
	mount -t tmpfs run /run
	mkdir -p /run/bin /run/sys/class/net/bond0/bonding /run/sys/devices/system/cpu /run/irq
	echo '802.3ad 4' > /run/sys/class/net/bond0/bonding/mode
	echo 'eth0 eth1' > /run/sys/class/net/bond0/bonding/slaves
	echo layer2+3 > /run/sys/class/net/bond0/bonding/xmit_hash_policy
	echo 1 > /run/sys/class/net/bond0/bonding/ad_aggregator
	echo 52:54:00:00:02:00 > /run/sys/class/net/bond0/bonding/ad_partner_mac
	nic eth0 1 2 30
	nic eth1 0 1 40
	for cpu in 0 1 2 3; do
		mkdir -p "/run/sys/devices/system/cpu/cpu$cpu/"{topology,node$((cpu / 2))}
	done
	echo 0-3 > /run/sys/devices/system/cpu/online
	echo bond_cpu_bound_prepare > /run/kallsyms
	program ip <<< 'exit 0'
	program ethtool <<< 'exit 1'
	program modinfo <<< 'echo cpu-bound'
	program modprobe <<< 'echo insmod /x/bonding.ko'
	echo 5 > /run/bans
	# As flowparctl's, with a file for irqbalance and a pipe for events.
	program flowparctl <<-'END'
	. "$FILES_LISTS"
	now=$(list_expand "$(< /run/bans)")
	case "$1 ${2:-}" in
	'watch '*)	echo start; exec cat /run/events ;;
	'irqbalance --ban')	now+=" $(list_expand "$3")" ;;
	'irqbalance --allow')	now=$(tr ' ' '\n' <<< "$now" | grep -vx "$3") ;;
	esac
	list_of $now | tee /run/bans.new
	mv /run/bans.new /run/bans
	END
	cp "$(command -v sleep)" /run/bin/irqbalance
	mkfifo /run/events
	mount --bind /run/irq /proc/irq
	mount --bind /run/kallsyms /proc/kallsyms
	mount --bind /run/sys /sys
	touch /run/sys/ours /run/irq/ours
	# Nothing of this machine is to be written.
	[[ -e /sys/ours && -e /proc/irq/ours ]]
	set +e
}

tree || { not_ok 'the tree is made'; finish; }
[[ -e /sys/ours && -e /proc/irq/ours ]] || { not_ok 'the tree is in place'; finish; }
export PATH=/run/bin:$PATH FLOWPARCTL=/run/bin/flowparctl FILES_LISTS=$repo/affinity/lib/list.sh
/run/bin/irqbalance 1000 &

snapshot() {
	grep -rH '' /sys/class/net/*/{bonding,bonding_slave,queues} /proc/irq /run/bans
	ls -lR /run/flowpar 2>&1
}
# No module is loaded here, so the real /proc/modules lacks it.
verify() { setup verify | grep -v 'module bonding: '; }
up=(--adopt --bond bond0)

before=$(snapshot)
dry=$(setup up "${up[@]}" --dry-run)
unchanged 'up --dry-run changes nothing'
same 'up prints what --dry-run printed' "$dry" "$(setup up "${up[@]}" 2>&1)"
same 'each NIC has the CPUs of its node' 'PLACED=eth0:2,3 eth1:0' "$(grep PLACED /run/flowpar/config)"
same 'lists of CPUs' '2-3 0' "$(cat /sys/class/net/eth{0,1}/bonding_slave/cpus | paste -sd' ')"
same 'interrupts' '2 3 0' "$(cat /proc/irq/{30,31,40}/smp_affinity_list | paste -sd' ')"
same 'transmit maps' '4 8 1' "$(cat /sys/class/net/eth{0,1}/queues/tx-*/xps_cpus | paste -sd' ')"
same 'flow tables, RPS and maps by queue are off' 0 "$(cat /sys/class/net/eth*/queues/*/{rps_cpus,rps_flow_cnt,xps_rxqs} 2>/dev/null | sort -u)"
same 'bans' 5,30-31,40 "$(< /run/bans)"
same 'verify finds nothing' '' "$(verify)"
same 'up without options is as it was' "$(grep -v '^STAGE' /run/flowpar/config)" "$(setup up > /dev/null 2>&1; grep -v '^STAGE' /run/flowpar/config)"

# Each differs once.
drift() {
	echo 0 > /proc/irq/31/smp_affinity_list
	echo layer2 > /sys/class/net/bond0/bonding/xmit_hash_policy
	echo 0-3 > /sys/class/net/eth0/bonding_slave/cpus
	echo 8 > /sys/class/net/eth1/queues/rx-0/rps_cpus
	echo 64 > /sys/class/net/eth1/queues/rx-0/rps_flow_cnt
	echo f > /sys/class/net/eth0/queues/tx-1/xps_cpus
	echo 2 > /sys/class/net/eth0/queues/tx-1/xps_rxqs
	echo 5 > /run/bans
}
drift
same 'verify has a line for each, with a reason and a command' \
	'option bond0/xmit_hash_policy
cpus eth0
bans 30-31,40
irq eth0/1
xps_rxqs eth0/tx-1
xps eth0/tx-1
rps eth1/rx-0
rfs eth1/rx-0' "$(verify | sed -nE 's/^setup-flowpar.sh: ([^:]*): set to [^,]*, found [^:]*: .{10,}; mend it with: .*/\1/p')"
check 'the commands run' bash -ec "$(verify | awk -F '; mend it with: ' '{ print $2 }')"
same 'and leave nothing to verify' '' "$(verify)"

drift
exec 7<> /run/events
"$setup_tool" watch > /run/watch.log 2>&1 &
check 'watch mends, when it begins, all but the module that nobody can load here' \
	wait_until 60 grep -q 'mended 8 of 9 after: start' /run/watch.log
same '... verify finds nothing' '' "$(verify)"
rm /sys/class/net/eth1/master
echo 0-3 > /proc/irq/40/smp_affinity_list
echo 0-3 > /proc/irq/30/smp_affinity_list
echo 'link eth1' >&7
check 'a slave that left does not keep the others' wait_until 60 grep -qE 'mended 1 of 2 after: (link eth1|another try)' /run/watch.log
same '... and is left to who has the bond' 0-3 "$(< /proc/irq/40/smp_affinity_list)"
ln -s ../bond0 /sys/class/net/eth1/master
echo 'link eth1' >&7
check 'it is set up when it is back' wait_until 60 grep -qx 0 /proc/irq/40/smp_affinity_list
# A driver that was reloaded: other interrupts.
mkdir -p /proc/irq/41/eth1-TxRx-0
echo 0-3 > /proc/irq/41/smp_affinity_list
mv /sys/class/net/eth1/device/msi_irqs/{40,41}
echo 'device eth1' >&7
check 'a new interrupt is moved' wait_until 60 grep -qx 0 /proc/irq/41/smp_affinity_list
check 'and banned' wait_until 60 grep -qx 5,30-31,40-41 /run/bans
mv /sys/class/net/eth1/device/msi_irqs/{41,40}
rm -r /proc/irq/41
kill $!
wait $! 2>/dev/null

# What fails causes an event each time, as a slave does that cannot stay one.
program modprobe <<-'END'
echo insmod /x/bonding.ko
[[ $1 == -* ]] || { echo x >> /run/tries; echo 'link eth1' > /run/events; exit 1; }
END
"$setup_tool" watch > /run/watch.log 2>&1 &
check 'events of its own tries do not keep watch trying' wait_until 30 grep -q 'given up' /run/watch.log
tried=$(wc -l < /run/tries)
! wait_until 2 eval '(($(wc -l < /run/tries) > tried))'
same '... afterwards too' "$tried" "$(wc -l < /run/tries)"
kill $!
wait $! 2>/dev/null
exec 7>&-
program modprobe <<< 'echo insmod /x/bonding.ko'

check 'down' setup down
unchanged 'every file is back, and no other ban is lifted'

# More than one request to irqbalance can name: it is left as it is, and the line for its command line printed.
bans=$(< /run/bans)
echo 5,100-219 > /run/bans
status=0
out=$(setup up "${up[@]}" 2>&1) || status=$?
same 'up beside an irqbalance that has no room for our bans' '0 5,100-219' "$status $(< /run/bans)"
check '... says what to tell it at its start' grep -qx 'setup-flowpar.sh: irqbalance: running (pid [0-9]*), cannot be told to leave the NICs. interrupts alone (one request to it cannot name so many), and will move them; put IRQBALANCE_ARGS="--banirq=30 --banirq=31 --banirq=40" into /etc/default/irqbalance and restart it' <<< "$out"
check '... verify too' grep -q 'one request to it cannot name so many' <(verify 2>&1)
echo 5,30-31,40,100-219 > /run/bans
same '... but for one that leaves them alone already' 0 "$(verify 2>&1 | grep -c irqbalance)"
echo "$bans" > /run/bans
setup down > /dev/null
unchanged '... down'

# With a full /run nothing may change that could not be brought back; watch's shell goes on after errors.
same 'nothing is set whose original value cannot be written' 'setup-flowpar.sh: /dev/full: cannot be written; is /run full?' "$(
	HERE=$repo/affinity bash -euo pipefail -c '
		for part in say list journal setting; do . "$HERE/lib/$part.sh"; done
		MODE=mend JOURNAL=/dev/full
		if (keep cpus eth0; echo went on); then echo went well; fi' 2>&1 | grep -v 'write error')"

stopped 0 : up "${up[@]}" > /dev/null
steps=$(< /run/stop.count)
setup down > /dev/null
unchanged 'nothing is left of that'
check "up has many steps ($steps)" test "$steps" -ge 25
# Each on its own, the way back after it checked by every byte: told on one line if one fails.
wrong=''
for ((step = 1; step <= steps; step++)); do
	status=0
	stopped "$step" "kill -9 \$\$" up "${up[@]}" > /dev/null 2>&1 || status=$?
	[[ $status == 137 ]] || wrong+=" $step(exit $status)"
	setup down > /run/down 2>&1 || wrong+=" $step(down: $(tail -n 1 /run/down))"
	[[ $(snapshot) == "$before" ]] || wrong+=" $step(files)"
done
same "killed at each of its $steps steps, and down: every file is back" '' "$wrong"
finish
