#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: `lab shell` gives a shell in a server guest that serves, reaches the clients from it, and ends with it
#
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

log=$test_out/terminal
coproc shell { script -qefc "$repo/bench/lab/lab shell --cpus 2 --nics 2 --kernel ${LAB_KERNEL:-patched} --out $test_out/lab --timeout 280" /dev/null 2>&1; }
shell_pid=$!	# bash forgets the variable when the shell ends
trap 'kill "$shell_pid" 2>/dev/null' EXIT
exec {to}>&"${shell[1]}" {from}<&"${shell[0]}"

# until_seen TEXT: read the terminal until TEXT stands there, or 150 s have passed
until_seen() {
	local seen='' char
	while IFS= read -r -N 1 -t 150 -u "$from" char; do
		printf '%s' "$char" >> "$log"
		seen+=$char
		[[ $seen != *"$1"* ]] || return 0
	done
	return 1
}

check "a prompt comes up" until_seen 'server# '
printf 'on-client 1 curl -s -o /dev/null -w "code=%%{http_code}." http://10.77.0.1/f128\n' >&"$to"
check "a client behind the switch is served" until_seen 'code=200'
printf 'echo $((6 * 7))ports $(< /sys/class/net/bond0/bonding/ad_num_ports)\n' >&"$to"
check "the bond has both ports" until_seen '42ports 2'
printf 'exit\n' >&"$to"
cat <&"$from" >> "$log"
wait "$shell_pid"
same "leaving the shell ends the lab well" 0 $?
finish
