#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: the kernel's own bonding selftests give the same results on the patched kernel as on the stock one
# Suite: long
#
#   server guest: namespaces of the selftests' own
#
# What they say is compared line by line, and so is their exit status. Some of them
# measure time, in guests that are emulated: one that differs is run again on
# both kernels, and counts as different when it does so each time. The table
# is out/test/bonding/kernel-selftests/results.
. "$(dirname "$0")/../lib.sh"
. "$repo/tests/bonding/selftests.sh"

rounds=3
# Debian's: the selftests must not need ours.
want_tools=(ip:iproute2 tc:iproute2 jq:jq ping:iputils-ping ping6:iputils-ping)

# results FILE: "TEXT<tab>RESULT" a line of what a selftest said, its exit status last
results() {
	sed -nE -e 's/^TEST: (.*[^ ]) +\[ *([A-Z]+) *\]$/\1\t\2/p' \
		-e 's/^(PASS|FAIL)(.*)$/it says\2\t\1/p' \
		-e 's/^SKIP: (.*)/\1\tSKIP/p' -e 's/^exit ([0-9]+)$/exit status\t\1/p' "$1"
}

# compared NAME STOCK PATCHED ROUND: adds to the table; 1 if they differ. A result that
# one of them does not have is "-".
compared() {
	awk -F '\t' -v name="$1" -v round="$4" '
		FILENAME == ARGV[1] { line[++n] = $1; stock[n] = $2; next }
		{ k++; patched[k] = $2; if (k > n) line[k] = $1; else if (line[k] != $1) { line[k] = line[k] " / " $1; bad = 1 } }
		END {
			for (i = 1; i <= n || i <= k; i++) {
				a = i <= n ? stock[i] : "-"; b = i <= k ? patched[i] : "-"
				bad = bad || a != b
				printf "%-34s %-64s %-5s %-5s %s\n", name, line[i], a, b, (a != b ? "DIFFERENT" : (round > 1 ? "run " round : ""))
			}
			exit bad || !n
		}' <(results "$2") <(results "$3")
}

server() {
	local name status
	modprobe bonding max_bonds=0
	for name in $NAMES; do
		echo "# $name"
		selftest "$TREE" "$name" > "$LAB_OUT/$name.log" 2>&1
		status=$?
		echo "exit $status" >> "$LAB_OUT/$name.log"
		# What one leaves behind must not be the next one's trouble.
		ip -all netns delete
	done
}

host() {
	local tree=$test_out/tree need round kernel name names again table=$test_out/results

	for need in "${want_tools[@]}"; do
		command -v "${need%:*}" > /dev/null || not_ok "${need%:*} is there: apt-get install ${need#*:}"
	done
	((failed == 0)) || return
	check "the selftests are unpacked" selftests_tree "$tree"
	# Ours has a test of its own, and is to differ.
	names=$(selftest_names "$tree" | grep -v bond_cpu_bound.sh)
	check "there are selftests ($(wc -w <<< "$names"))" test "$(wc -w <<< "$names")" -ge 5
	printf '%-34s %-64s %-5s %-5s\n' selftest line stock patched > "$table"
	for ((round = 1; round <= rounds; round++)); do
		for kernel in stock patched; do
			LAB_KERNEL=$kernel LAB_RUN=$kernel-$round lab_run --cpus 4 --nics 1 --timeout 5400 \
				--env "TREE=$tree" --env "NAMES=${names//$'\n'/ }"
		done
		again=''
		for name in $names; do
			if compared "$name" "$test_out"/{stock,patched}-$round/"$name.log" $round > "$test_out/compared"; then
				ok "$name: the same $(($(wc -l < "$test_out/compared") - 1)) results and exit status"
			elif ((round < rounds)); then
				again+=" $name"
				continue
			else
				not_ok "$name: the same on both kernels" "$(grep -a DIFFERENT "$test_out/compared")"
			fi
			cat "$test_out/compared" >> "$table"
		done
		names=$again
		[[ $names ]] || break
	done
	sed 's/^/# /' "$table"
	rm -rf "$tree"
}

case ${LAB_ROLE:-host} in
host)	host ;;
server)	server; lab-ready ;;
client)	;;
esac
finish
