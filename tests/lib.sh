# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by every test: points, the lab in three roles, waiting with a deadline.
#
# A test prints one line a point, "ok - TEXT" or "not ok - TEXT", and ends with
# `finish`. A lab test is one file that runs on the host and in both guests; the
# host's part passes the guests' points on. See tests/run for how they are counted.

set -uo pipefail

test_file=$(realpath "$0")
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
test_name=${test_file#"$repo"/tests/}
test_name=${test_name%.sh}
# Where this test may write, and where its logs stay.
test_out=${LAB_OUT:-$repo/out/test/$test_name}
points=0
failed=0
export PATH=$repo/out/bin:$PATH:/usr/sbin:/sbin
# shellcheck disable=SC2034	# for who sources this
setup_tool=$repo/affinity/setup-flowpar.sh
# In a system of its own (LAB_ROOT) what is installed there is tested, not what was built here.
if [[ ${LAB_ROOT:-} ]]; then
	PATH=${PATH#*:}:$repo/out/bin
	# shellcheck disable=SC2034
	setup_tool=/usr/sbin/setup-flowpar.sh
fi

if [[ -z ${LAB_ROLE:-} ]]; then
	rm -rf "$test_out"
	mkdir -p "$test_out"
fi

ok() {		# ok TEXT
	points=$((points + 1))
	printf 'ok - %s\n' "$1"
}

not_ok() {	# not_ok TEXT [DETAIL]
	points=$((points + 1)) failed=$((failed + 1))
	printf 'not ok - %s\n' "$1"
	[[ -z ${2:-} ]] || printf '#   %s\n' "${2//$'\n'/$'\n#   '}"
}

# as_nobody COMMAND...: in a guest, as a user who may read what root may (this repository
# may be below /root) and nothing else.
as_nobody() {
	setpriv --reuid nobody --regid nogroup --clear-groups --inh-caps=-all,+dac_read_search \
		--ambient-caps=-all,+dac_read_search "$@"
}

# check TEXT COMMAND...: ok if COMMAND exits 0; its output is shown if not.
check() {
	local text=$1 out
	shift
	if out=$("$@" 2>&1); then
		ok "$text"
	else
		not_ok "$text" "exit $? of: $*"$'\n'"$(tail -n 30 <<< "$out")"
	fi
}

# check_fails TEXT STATUS REGEX COMMAND...: ok if COMMAND exits with STATUS and
# says one line that matches REGEX.
check_fails() {
	local text=$1 want=$2 regex=$3 out status=0
	shift 3
	out=$("$@" 2>&1) || status=$?
	if ((status != want)); then
		not_ok "$text" "exit $status, expected $want: $out"
	elif ! grep -qE -- "$regex" <<< "$out"; then
		not_ok "$text" "said: $out"$'\n'"expected: $regex"
	else
		ok "$text"
	fi
}

# same TEXT EXPECTED FOUND: ok if both are the same text; the difference is shown.
same() {
	if [[ $2 == "$3" ]]; then
		ok "$1"
	else
		not_ok "$1" "$(diff <(printf '%s\n' "$2") <(printf '%s\n' "$3") | head -40)"
	fi
}

# lag_ready BOND PORTS: traffic leaves by all ports of an 802.3ad bond
lag_ready() { awk -f "$repo/bench/lab/guest/lag-ready" ports="$2" lag=lacp "/proc/net/bonding/$1"; }

# wait_until SECONDS COMMAND...: poll until COMMAND exits 0; 1 after SECONDS.
wait_until() {
	local deadline=$((SECONDS + $1 + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < deadline)) || return 1
		sleep 0.1
	done
}

skip() {	# skip WHY: this test cannot run here
	printf '# skipped: %s\n' "$*"
	exit 4
}

# lab_run [lab run options]: this same file as server's and client's script.
# Points of both guests are passed on; a run that broke is a failed point.
# LAB_KERNEL (patched unless set) chooses the kernel of every lab test, so that
# `make test-debug` runs the same files on the debug kernel; LAB_ROOT the system that the
# server boots, if any. Several runs of one
# test want distinct names: LAB_RUN=NAME lab_run ...
# --timeout only ends what hangs: the debug kernel, several times slower, has four times that.
lab_run() {
	local out=$test_out/${LAB_RUN:-lab} status=0 role said arg last='' given=()
	for arg; do
		[[ $last != --timeout || ${LAB_KERNEL:-} != *debug* ]] || arg=$((arg * 4))
		given+=("$arg")
		last=$arg
	done
	set -- "${given[@]}"
	setpriv --pdeathsig TERM "$repo/bench/lab/lab" run --kernel "${LAB_KERNEL:-patched}" --server "$test_file" --client "$test_file" \
		--out "$out" ${LAB_ROOT:+--root "$LAB_ROOT"} "$@" > "$test_out/lab.log" 2>&1 || status=$?
	for role in server client; do
		[[ -r $out/$role.log ]] || continue
		grep -aE '^(ok|not ok) - |^#   ' "$out/$role.log"
		said=$(grep -acE '^ok - ' "$out/$role.log")
		points=$((points + said))
		said=$(grep -acE '^not ok - ' "$out/$role.log")
		points=$((points + said)) failed=$((failed + said))
	done
	if ((status > 1 || (status == 1 && failed == 0))); then
		not_ok "the lab run ends well (${LAB_RUN:-lab})" "$(tail -n 15 "$test_out/lab.log"; tail -qn 15 "$out"/{server,client}.log)"
	fi
	return $((status ? 1 : 0))
}

finish() {
	if ((points == 0)) && [[ -z ${LAB_ROLE:-} ]]; then
		not_ok "$test_name checks something"
	fi
	exit $((failed ? 1 : 0))
}
