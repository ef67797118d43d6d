#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: the commands of docs/guide.md, run as they stand where flowpar is installed, on two NICs, lead to two cores that serve their own flows, and back
# shellcheck disable=SC2034,SC2317	# read by what is sourced; called by check
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

blocks=/run/blocks
# As packages and make install have it, and nothing of the source in reach by a relative path.
installed() {
	check "flowpar is installed" env PREFIX=/run/usr "$repo/install.sh" tools || return
	PATH=/run/usr/sbin:$PATH
	cd / || return
}

titles() { cat "$blocks"/*/title | paste -sd'|'; }

# A NIC that was never up has qdisc noop, and never again.
machine() { ls /sys/class/net; sed 's/ .*//' /proc/modules; ip address | sed 's/ qdisc [^ ]*//'; ls /run/flowpar /run/flowpar-guide 2>&1; cat /var/www/html/index.html; }
as_before() { [[ $(machine) == "$before" ]]; }

# at_boot TITLE: its file is one that up takes, its command writes what it says
at_boot() {
	local file manager to
	check "$1: up takes that file" setup-flowpar.sh up --boot --config "$section/1.conf.boot"
	check "$1: verify finds nothing" setup-flowpar.sh verify
	same "$1: the bond has both addresses" "$LAB_SERVER/24 2001:db8::10/64" "$(ip -o address show dev bond0 scope global | awk '{ print $4 }' | paste -sd' ')"
	same "$1: and both default routes" "${LAB_SERVER%.*}.254 2001:db8::1" "$({ ip route show default dev bond0; ip -6 route show default dev bond0; } | awk '{ print $3 }' | paste -sd' ')"
	check "$1: down" setup-flowpar.sh down
	for manager in networkd ifupdown; do
		to=/run/export/$manager
		mkdir -p "$to"
		sed "s,export networkd --to /,export $manager --to $to," "$section/2.sh.boot" > "$to.sh"
		check "$1: the command for $manager runs" bash -e "$to.sh"
	done
	for file in /run/export/networkd/etc/systemd/network/10-bond0.network /run/export/ifupdown/etc/network/interfaces.d/bond0; do
		same "$1: the file that it names is written, with both gateways: $file" $'2001:db8::1\n'"${LAB_SERVER%.*}.254" "$(sed -nE 's/.*[Gg]ateway[= ](.*)/\1/p' "$file" | LC_ALL=C sort -r)"
		check "$1: ... and named" grep -qF "${file#/run/export/*/}" "$repo/docs/guide.md"
	done
}

server() {
	local file section title status step before server
	installed || return
	# A site that is there is none of the guide's business.
	mkdir -p /var/www/html
	echo "somebody's" > /var/www/html/index.html
	before=$(machine)
	python3 "$repo/tests/docs/blocks.py" "$repo/docs/guide.md" $blocks
	same 'the guide has these steps' \
		"1. What would be done|2. Bond, interrupts, service|3. A server per core|4. Load|5. Did it work?|6. Back|At every boot" "$(titles)"
	for section in "$blocks"/*/; do
		read -r title < "$section/title"
		for file in "$section"/[0-9]*; do
			[[ -e $file && $file != *.@(client|boot) ]] || continue
			step=$LAB_OUT/step.$(basename "$section")
			status=0
			# In this shell, as one types them: the next block knows the last one's variables.
			trap 'status=$?' ERR
			# shellcheck source=/dev/null
			. "$file" > "$step" 2>&1
			trap - ERR
			same "$title: the commands of ${file##*/} run" 0 "$status"
		done
		case $title in
		1.*)	check "$title: nothing is changed" test ! -e /sys/class/net/bond0 ;;
		2.*)	check "$title: verify finds nothing" grep -q 'everything is as up set it' "$step"
			check "$title: status shows both" grep -qE '^eth1 +up .* 8008 +no' "$step" ;;
		3.*)	check "$title: it says 2 servers listen" wait_until 60 grep -q '2 servers listen' "$step"
			lab-ready ;;
		4.*)	lab-wait loaded > /dev/null ;;
		5.*)	flowparctl stats --json > "$LAB_OUT/stats.json"
			same "$title: both cores have been busy" true "$(jq 'map(select(.in > 200 and .out > 200)) | length == 2' "$LAB_OUT/stats.json")"
			same "$title: no flow moved, none spilled" 0 "$(jq 'map(.moved + .spilled + .foreign_cpu) | add' "$LAB_OUT/stats.json")"
			check "$title: stats has the columns" grep -qE 'MOVED.*FOREIGN-CPU.*SPILLED' "$step" ;;
		6.*)	wait_until 60 as_before || true	# an address comes back some moments after its link
			same "$title: the machine is as before" "$before" "$(machine)" ;;
		At*)	at_boot "$title" ;;
		esac
	done
}

client() {
	local k file
	python3 tests/docs/blocks.py docs/guide.md $blocks
	for file in "$blocks"/04/*.sh.client; do
		for k in 0 1; do
			# shellcheck source=/dev/null
			check "client $k: the commands of step 4 run" lab-client $k bash -e "$file"
			same "client $k: it works" 'it works' "$(lab-client $k curl -s "http://$LAB_SERVER/")"
			same "client $k: no request failed" 0 "$(lab-client $k bash -e "$file" | awk '/^Failed requests:/ { print $3 }')"
		done
	done
	lab-post loaded
}

case ${LAB_ROLE:-host} in
host)
	make -s -C "$repo/ctl" || { not_ok 'flowparctl builds'; finish; }
	lab_run --cpus 2 --nics 2 --timeout 1500 ;;
server)
	server
	lab-wait client-exit > /dev/null ;;
client) client ;;
esac
finish
