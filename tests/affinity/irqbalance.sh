#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: a running irqbalance balances on, but not our interrupts; also after it was restarted and a link was cut; down lifts that, and nothing else
#
# irqbalance's own debug output has a line of dashes for each look at the interrupts, a
# second apart here. That it does move what it may is seen first.
# shellcheck disable=SC2034,SC2046,SC2119,SC2317	# numbers
# shellcheck source=tests/affinity/common.sh
. "$(dirname "$0")/common.sh"

up=("${slaves[@]}" "${service[@]}")

looks_wanted=8		# a minute and more, by default
interval=${interval:-1}

balance() {	# balance [OPTION]...: start it, its process into balancer
	mkdir -p /run/irqbalance
	: > /run/irqbalance.log
	irqbalance --debug --interval="$interval" "$@" > /run/irqbalance.log 2>&1 &
	balancer=$!
	wait_until 20 test -S "/run/irqbalance/irqbalance$balancer.sock"
}

end() { kill "$1"; wait "$1" 2>/dev/null; rm -f "/run/irqbalance/irqbalance$1.sock"; }

looks() { grep -ac '^-----' /run/irqbalance.log; }
looked() {	# looked N: N times more
	local want
	want=$(($(looks) + $1))
	wait_until 300 eval "((\$(looks) >= $want))"
}

affinities() { grep -H '' $(printf '/proc/irq/%s/smp_affinity_list ' $(irqs_of "$1")); }

server() {
	local balancer out status other ours kept irq
	lived_in
	ip link set eth2 up
	settled eth2
	other=$(irqs_of eth2 | head -n 1)
	ours=$({ irqs_of eth0; irqs_of eth1; } | sort -n)

	# It would: nobody tells it not to.
	for irq in $ours; do echo 0 > "/proc/irq/$irq/smp_affinity_list"; done
	kept=$(affinities eth0; affinities eth1)
	balance
	check 'irqbalance moves interrupts that it was not told to leave alone' wait_until 60 moved "$kept"
	end "$balancer"

	balance --banirq="$other"
	same 'flowparctl irqbalance shows what it was told to leave alone' "$other" "$(flowparctl irqbalance)"
	out=$(setup up "${up[@]}" 2>&1); status=$?
	same 'up beside it' 0 "$status"
	check '... tells it to leave our interrupts alone, in one request' \
		test "$(grep -c 'irqbalance --ban ' <<< "$out")" = 1
	same '... and to leave alone what it did before' "$(tr ' ' '\n' <<< "$other $(paste -sd' ' <<< "$ours")" | sort -n)" "$(banned)"
	kept=$(affinities eth0; affinities eth1)
	looked "$looks_wanted"
	same 'irqbalance looks at the machine, and our interrupts stay' "$kept" "$(affinities eth0; affinities eth1)"
	check 'verify finds nothing' setup verify
	out=$(setup up "${up[@]}" 2>&1); status=$?
	same 'up again changes nothing' '0 ' "$status $out"
	if ((interval > 1)); then	# what comes is tested without waiting so long
		check 'down' setup down
		same 'down lifts our bans, and no other' "$other" "$(flowparctl irqbalance)"
		end "$balancer"
		return
	fi

	end "$balancer"
	balance --banirq="$other"
	check_fails 'verify tells of one that was started anew, and what mends it' 1 \
		'^setup-flowpar.sh: bans [0-9,-]+: set to yes, found no: irqbalance \(pid [0-9]+\) was started anew.*; mend it with: [^ ]*flowparctl irqbalance --ban ' setup verify
	# It may have moved some of ours before it is told: whatever verify names is mended, until it is clean.
	check 'that command does, so that verify finds nothing' wait_until 30 mended
	same '... and our interrupts are back' "$kept" "$(affinities eth0; affinities eth1)"

	"$setup_tool" watch > /run/watch.log 2>&1 &
	watcher=$!
	check 'watch begins' wait_until 20 grep -q 'watched, with' /run/watch.log
	end "$balancer"
	balance --banirq="$other"
	check 'watch tells one that is started anew' wait_until 60 grep -q '^setup-flowpar.sh: bans [0-9,-]*: set to yes, found no: irqbalance ' /run/watch.log
	check 'verify ends clean' wait_until 60 setup verify
	looked "$looks_wanted"
	same 'and our interrupts stay' "$kept" "$(affinities eth0; affinities eth1)"
	check 'verify ends clean' wait_until 20 setup verify
	# virtio sees it. QEMU's e1000e with MSI-X raises no second interrupt for its link, so it would not.
	lab-link 1 down
	check 'a link is cut' wait_until 60 grep -qx 0 /sys/class/net/eth1/carrier
	lab-link 1 up
	check 'and back: verify ends clean again' wait_until 60 setup verify
	kill "$watcher"
	wait "$watcher" 2>/dev/null

	check 'down' setup down
	same 'down lifts our bans, and no other' "$other" "$(flowparctl irqbalance)"
	check 'as many bans as one request can name' flowparctl irqbalance --ban 100-216
	out=$(setup up "${up[@]}" 2>&1); status=$?
	same 'up beside those' 0 "$status"
	check '... says what to tell irqbalance at its start' \
		grep -q 'one request to it cannot name so many), and will move them; put IRQBALANCE_ARGS="--banirq=' <<< "$out"
	same '... and leaves its bans alone' "$({ echo "$other"; seq 100 216; } | sort -n)" "$(banned)"
	check '... down' setup down
	flowparctl irqbalance --allow 100-216 > /dev/null
	same '... bans can be lifted together' "$other" "$(flowparctl irqbalance)"
	check_fails 'what irqbalance cannot name is an error' 1 'flowparctl: irqbalance: more interrupts than one request' \
		flowparctl irqbalance --ban 100-300
	same '... and changes nothing' "$other" "$(flowparctl irqbalance)"
	flowparctl irqbalance --allow "$other" > /dev/null
	same 'the last ban can be lifted' '' "$(flowparctl irqbalance)"
	end "$balancer"
	check_fails 'without irqbalance there is nobody to ask' 1 'flowparctl: irqbalance: no socket of a running one' flowparctl irqbalance
}

mended() {
	local said
	said=$(setup verify) && return
	bash -ec "$(awk -F '; mend it with: ' '{ print $2 }' <<< "$said")"
	return 1
}
moved() { [[ $(affinities eth0; affinities eth1) != "$1" ]]; }
banned() { for word in $(flowparctl irqbalance | tr , ' '); do seq "${word%-*}" "${word#*-}"; done; }

case ${LAB_ROLE:-host} in
host)	affinity_lab --cpus 4 ;;
server)	lab-ready; server ;;
client)	lab-wait server-exit ;;
esac
finish
