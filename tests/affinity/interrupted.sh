#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: whatever ends up (kill -9 at a step, a signal, a second run), the machine comes back file by file
#
# Of all steps (common.sh) this takes some; kill-every-step.sh takes all.
# shellcheck source=tests/affinity/common.sh
. "$(dirname "$0")/common.sh"

up=("${slaves[@]}" "${service[@]}")
every_step=${every_step:-}
adopted=${adopted:-}
if [[ $adopted ]]; then
	up=(--adopt --bond bond0 --port 80 --base-port 8000 --cpus 0-1 --listen "$listen")
fi

# With adopted: a bond that serves, and an irqbalance, that answers but never looks.
taken_over() {
	modprobe bonding max_bonds=0
	adopted_bond mode 802.3ad lacp_rate fast xmit_hash_policy layer2+3
	wait_until 60 lag_ready bond0 3
	mkdir -p /run/irqbalance
	irqbalance --foreground --interval=3600 --banirq="$(irqs_of eth2 | tail -n 1)" > /run/irqbalance.log 2>&1 &
	check 'irqbalance answers' wait_until 30 flowparctl irqbalance
}

# killed STEP: kill -9 there, then down
killed() {
	local status=0
	stopped "$1" "kill -9 \$\$" up "${up[@]}" > /dev/null 2>&1 || status=$?
	same "killed at step $1 of $steps" 137 "$status"
	check "down after that ends well" setup down
	unchanged 'and every file is back'
}

# A watch leaves what down has not finished to the administrator.
beside_watch() {
	local pid found
	found=$(< /run/flowpar/journal)
	"$setup_tool" watch > /run/watch.log 2>&1 &
	pid=$!
	check 'watch does not put up again what down took down' \
		wait_until 20 grep -q 'bond0: left as it is, since up or down was interrupted' /run/watch.log
	same '... indeed' "$found" "$(< /run/flowpar/journal)"
	kill "$pid"
	wait "$pid" 2>/dev/null
}

server() {
	local steps step status=0 out
	if [[ $adopted ]]; then taken_over; else lived_in; fi
	before=$(snapshot)

	stopped 0 : up "${up[@]}" > /dev/null
	steps=$(< /run/stop.count)
	check "up has many steps ($steps)" test "$steps" -ge 25

	# down, killed half-way, and again
	stopped 9 "kill -9 \$\$" down > /dev/null 2>&1
	check_fails 'verify is not content with half of it' 1 'setup-flowpar.sh: ' setup verify
	beside_watch
	check 'down, killed, ends its work when run again' setup down
	unchanged 'and every file is back'

	if [[ $every_step ]]; then
		for ((step = 1; step <= steps; step++)); do
			killed "$step"
		done
		return
	fi
	killed 1
	killed 5	# the bond is there, its slaves are not
	killed $((steps / 2))
	killed "$steps"

	# up after a killed up goes on where it stopped
	stopped $((steps * 2 / 3)) "kill -9 \$\$" up "${up[@]}" > /dev/null 2>&1
	check_fails 'verify tells of an interrupted up' 1 'up or down was interrupted; run it again' setup verify
	check 'up after a killed up completes it' setup up "${up[@]}"
	check 'to the full' setup verify
	check 'down undoes both' setup down
	unchanged 'and every file is back'

	# A record that kill -9 cut off is none.
	stopped $((steps / 2)) "kill -9 \$\$" up "${up[@]}" > /dev/null 2>&1
	printf 'irq\teth0/0' >> /run/flowpar/journal
	check 'a torn last record does not hold down up' setup down
	unchanged 'and every file is back'

	out=$(stopped $((steps * 2 / 3)) "kill -TERM \$\$" up "${up[@]}" 2>&1) || status=$?
	same 'SIGTERM ends up' 143 "$status"
	unchanged 'which has rolled back by itself'

	setup up "${up[@]}" 2> /dev/null | head -n 1 > /dev/null
	unchanged 'up rolls back if nobody reads on what it does'

	# The lock is held as a run holds it.
	mkdir /run/flowpar
	check_fails 'a second run is refused' 1 'another setup-flowpar.sh is at work; wait' \
		flock /run/flowpar "$setup_tool" up "${up[@]}"
	rmdir /run/flowpar
	unchanged 'and changes nothing'
}

case ${LAB_ROLE:-host} in
host)	affinity_lab ${every_step:+--timeout 5000} ;;
server)	lab-ready; server ;;
client)	lab-wait server-exit ;;
esac
finish
