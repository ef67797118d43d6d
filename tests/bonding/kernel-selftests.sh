#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: the kernel's own bonding selftests give the same results on the patched kernel as on the stock one
# Suite: long
#
#   server guest: namespaces of the selftests' own
#
# What they say is compared line by line, and so is their exit status. A lab run takes what its clock
# has no part in: what they measure is the guest's time, which counts instructions, so that a busy host
# makes none of them fail. Long ones run by parts, both kernels side by side. One that differs is run
# again on both, and counts as different when it does so each time. PARTS="NAME..." runs some of them;
# the table is out/test/bonding/kernel-selftests/results. LAB_KERNEL=patched-6.1 is for that kernel's own.
. "$(dirname "$0")/../lib.sh"
. "$repo/tests/bonding/selftests.sh"

rounds=3
base=6.12 clock=(--clock work)
# 6.1 does not boot by that clock; its four selftests measure nothing.
[[ ${LAB_KERNEL:-} != *-6.1 ]] || base=6.1 clock=()
# Debian's: the selftests must not need ours.
want_tools=(ip:iproute2 tc:iproute2 jq:jq ping:iputils-ping ping6:iputils-ping)

# parts DIR: "NAME" or "NAME:TEST" for each selftest, without ours, which has a test of its own and is to differ
parts() {
	local name
	for name in $(selftest_names "$1"); do
		case $name in
		bond_cpu_bound.sh) ;;
		bond_options.sh) sed -n '/^ALL_TESTS="/,/^"/s/^\t//p' "$1/$selftests_dir/$name" | sed "s/^/$name:/" ;;
		*) echo "$name" ;;
		esac
	done
}

# results FILE: "TEXT<tab>RESULT" a line of what a selftest said, its exit status last
results() {
	sed -nE -e 's/^[0-9]*TEST: (.*[^ ]) +\[ *([A-Z]+) *\]$/\1\t\2/p' \
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
	local part status
	modprobe bonding max_bonds=0
	for part in $PARTS; do
		[[ $part != *:* ]] || export TESTS=${part#*:}
		selftest "$TREE" "${part%:*}" > "$LAB_OUT/$part.log" 2>&1
		status=$?
		echo "exit $status" >> "$LAB_OUT/$part.log"
		unset TESTS
		# What one leaves behind must not be the next one's trouble.
		ip -all netns delete
	done
}

# run KERNEL ROUND PART...: them in a lab of their own
run() {
	local kernel=$1 out=$test_out/$1-$2
	shift 2
	mkdir -p "$out"
	(test_out=$out/${1//:/-} LAB_KERNEL=$kernel
	mkdir -p "$test_out"
	lab_run --cpus 2 --nics 1 "${clock[@]}" --timeout 5400 --env "TREE=$tree" --env "PARTS=$*"
	cp "$test_out"/lab/*.sh*.log "$out/"
	exit $((failed ? 1 : 0)))
}

host() {
	local tree=$test_out/tree need round kernel part parts short again table=$test_out/results runs

	for need in "${want_tools[@]}"; do
		command -v "${need%:*}" > /dev/null || not_ok "${need%:*} is there: apt-get install ${need#*:}"
	done
	((failed == 0)) || return
	check "the selftests are unpacked" selftests_tree "$tree" $base
	parts=${PARTS:-$(parts "$tree")}
	if [[ ! ${PARTS:-} && $base == 6.1 ]]; then
		check "there are selftests ($(wc -w <<< "$parts"))" test "$(wc -w <<< "$parts")" -ge 4
	elif [[ ! ${PARTS:-} ]]; then
		check "there are selftests, some with parts ($(wc -w <<< "$parts"))" \
			test "$(wc -w <<< "$parts")" -ge 8 -a "$(grep -c : <<< "$parts")" -ge 3
	fi
	printf '%-34s %-64s %-5s %-5s\n' selftest line stock patched > "$table"
	for ((round = 1; round <= rounds; round++)); do
		short=$(grep -v : <<< "$parts")
		for part in "${short//$'\n'/ }" $(grep : <<< "$parts"); do
			[[ $part ]] || continue
			runs=()
			for kernel in stock patched; do
				# shellcheck disable=SC2086
				run $kernel-$base $round $part &
				runs+=($!)
			done
			for kernel in "${runs[@]}"; do
				wait "$kernel" || failed=$((failed + 1))
			done
		done
		again=''
		for part in $parts; do
			if compared "$part" "$test_out"/{stock,patched}-$base-$round/"$part.log" $round > "$test_out/compared"; then
				ok "$part: the same $(($(wc -l < "$test_out/compared") - 1)) results and exit status"
			elif ((round < rounds)); then
				again+="$part"$'\n'
				continue
			else
				not_ok "$part: the same on both kernels" "$(grep -a DIFFERENT "$test_out/compared")"
			fi
			cat "$test_out/compared" >> "$table"
		done
		parts=${again%$'\n'}
		[[ $parts ]] || break
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
