#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: flowparctl monitor tells of the services that there are and of each that comes or goes in its namespace, and ends with the module
# shellcheck disable=SC1083,SC2317	# called by wait_until
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/netfilter/common.sh
. "$repo/tests/netfilter/common.sh"

# Who monitors is told of what there is, and then of each change.
changes() {
	local pid file=$LAB_OUT/monitor
	flowparctl service add --port 80 --base-port 8000 --cpus 0-1
	flowparctl service add --port 443 --base-port 9000 --cpus 1 --family inet6 --address fd77::1
	told() { (($(wc -l < "$file") >= $1)); }
	flowparctl monitor --json > "$file" &
	pid=$!
	check "monitor begins with the services that there are" wait_until 30 told 2
	same "... as list shows them" "$(flowparctl service list --json | jq -c '.[]')" "$(jq -c 'select(.event == "present") | del(.event)' "$file")"
	flowparctl monitor --once --port 443 > "$file.once" &
	# It has joined before it lists, so once it has listed it is told of what comes.
	listed() { [[ -s $file.once ]]; }
	wait_until 30 listed
	flowparctl service add --port 443 --base-port 9100 --cpus 0,2 --spill 50
	wait $!
	same "monitor --once ends with the first change, status 0" 0 $?
	same "... in words" "added    tcp *:443 base-port 9100 stride 8 per-core 1 cpus 0,2 spill 50%" "$(tail -n 1 "$file.once")"
	unshare -n flowparctl service add --port 445 --base-port 9200 --cpus 0
	flowparctl service del --port 443
	wait_until 30 told 4
	kill "$pid"
	wait "$pid"
	same "monitor ends by SIGTERM with status 0" 0 $?
	same "... having told of each change, and of none in another namespace" "added 443 9100
deleted 443 9100" "$(jq -r 'select(.event != "present") | "\(.event) \(.port) \(.base_port)"' "$file")"
}

unloaded() {
	local pid
	flowparctl monitor > "$LAB_OUT/present" 2> "$LAB_OUT/unloaded" &
	pid=$!
	wait_until 30 eval '(($(wc -l < "$LAB_OUT/present") == 2))'
	check "the module unloads" rmmod nf_flowpar
	wait "$pid"
	same "monitor ends with it, status 1, one line" "1 flowparctl: nf_flowpar: unloaded, and its services with it" "$? $(< "$LAB_OUT/unloaded")"
}

case ${LAB_ROLE:-host} in
host)	host --cpus 4 --nics 1 --lag static ;;
server)	# The family's name loads an installed module; this one is to come from the work tree.
	echo > /proc/sys/kernel/modprobe
	check "the module loads" load_module
	changes; unloaded; lab-ready ;;
client)	: ;;
esac
finish
