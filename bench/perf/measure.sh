#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The evaluation's tables on a real machine: measure.sh run|report, as root, on the server.
#
#   client (ab or wrk) ──> server under test:  pass 1  perf stat     counts of every core
#     started by LOAD,                         pass 2  perf record   the same by function
#     its output comes back                    pass 3  perf c2c      transfers by function and data symbol
#
# Set-up and server are up already, by whatever means; this only watches. Every
# pass is the whole load once, and is divided by its own requests, so that what
# sampling costs stays out of the counts. Writes OUT/runs/KEY in the layout of
# bench/evaluate.sh, whose report then makes the same tables and figures.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/parse.sh"

usage() {
	cat <<END
usage: measure.sh run --setup NAME --cpus LIST [options] -- LOAD [ARGUMENT]...
       measure.sh report [--out DIR]
  --setup NAME        what it is called in the tables, e.g. 8023ad-l34, flowpar-nat
  --cpus LIST         the server's cores, e.g. 0-7
  --out DIR           where results are gathered            (out/bench-perf)
  --bytes N           size of the file that LOAD asks for   (128)
  --repeat N          number of this repetition             (1)
  --misses EVENT      what counts as a miss                 (cache-misses)
  --hitm EVENT        loads that hit a line modified in another core's cache
                      (Intel's is found; on other CPUs name one or go without)
LOAD runs ab or wrk on the client, once a pass, with its output on stdout:
  measure.sh run --setup flowpar-nat --cpus 0-7 -- ssh client ./load.sh
Several ab or wrk at once are added up.
END
}
die() { echo "measure.sh: $*" >&2; exit 2; }

# Loads that another core's cache answered with a modified line; the first that this CPU knows.
readonly hitm_events=(mem_load_l3_hit_retired.xsnp_fwd mem_load_l3_hit_retired.xsnp_hitm)

knows() { perf stat -x';' -e "$1" true 2>&1 | awk -F';' 'NF > 3 { ok = $1 ~ /^[0-9]/ } END { exit !ok }'; }

cpu_count() {	# cpu_count LIST: how many CPUs 0-3,8 names
	[[ $1 =~ ^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$ ]] || die "--cpus $1: want a list like 0-3,8"
	tr , '\n' <<< "$1" | awk -F- '
		NF > 1 && $2 + 0 < $1 + 0 { exit bad = 1 }
		{ for (i = $1 + 0; i <= $NF + 0; i++) n += !seen[i]++ }
		END { if (bad) exit 1; print n }' || die "--cpus $1: a range that runs backwards"
}

needs() {	# needs PROGRAM[:PACKAGE]...: before the load is run, not after
	local p
	for p; do
		command -v "${p%:*}" > /dev/null || die "${p%:*}: not found; apt-get install ${p#*:}"
	done
}

made() {	# made PASS FILE PERF_ARGUMENT...: FILE from what the pass recorded
	local name=$1 file=$2
	shift 2
	perf "$@" > "$file" 2>> "$run/perf.$name.log" || die "perf $1: exit $?; its words: $run/perf.$name.log"
}

pass() {	# pass NAME PERF_ARGUMENT...: the load once, under perf
	local name=$1 status=0
	shift
	echo "pass $name: perf $1" >&2
	perf "$@" -- "${load[@]}" > "$run/load.$name" 2> "$run/perf.$name.log" || status=$?
	((status == 0)) || die "pass $name: exit $status; perf's and the load's words: $run/perf.$name.log, $run/load.$name"
}

run() {
	local setup='' cpus='' bytes=128 repeat=1 misses=cache-misses hitm='' e key run load
	while (($#)) && [[ $1 != -- ]]; do
		(($# > 1)) || die "$1: wants a value"
		case $1 in
		--setup) setup=$2 ;;
		--cpus) cpus=$2 ;;
		--out) out=$2 ;;
		--bytes) bytes=$2 ;;
		--repeat) repeat=$2 ;;
		--misses) misses=$2 ;;
		--hitm) hitm=$2 ;;
		*) usage >&2; die "$1: unknown option" ;;
		esac
		shift 2
	done
	[[ -n $setup && -n $cpus ]] || { usage >&2; die "run: --setup and --cpus are needed"; }
	[[ $setup =~ ^[a-z0-9][a-z0-9+-]*$ ]] || die "--setup $setup: want small letters, digits and -"
	[[ $bytes =~ ^[1-9][0-9]*$ && $repeat =~ ^[1-9][0-9]*$ ]] || die "--bytes $bytes --repeat $repeat: want whole numbers from 1"
	(($# > 1)) || die "run: no load given; after -- comes the command that starts ab or wrk"
	shift
	load=("$@")
	cores=$(cpu_count "$cpus")
	needs perf:linux-perf jq gnuplot:gnuplot-nox column:bsdextrautils
	for e in cycles instructions "$misses"; do
		knows "$e" || die "perf: event $e does not count here (a virtual machine without a PMU?, perf_event_paranoid $(< /proc/sys/kernel/perf_event_paranoid)?)"
	done
	[[ -z $hitm ]] || knows "$hitm" || die "--hitm $hitm: this CPU does not count it; see perf list"
	if [[ -z $hitm ]]; then
		for e in "${hitm_events[@]}"; do
			! knows "$e" || { hitm=$e; break; }
		done
	fi
	[[ -n $hitm ]] || echo "measure.sh: no event for transfers on this CPU: they stay '-'; --hitm names one" >&2

	key=$setup-${cores}c-${bytes}b-r$repeat
	run=$out/runs/$key
	rm -rf "$run"
	mkdir -p "$run"
	pass stat stat -a -A -C "$cpus" -x';' -o "$run/stat" -e "cycles,instructions,$misses${hitm:+,$hitm}"
	pass record record -a -C "$cpus" -o "$run/record.data" -e "cycles,instructions,$misses"
	made record "$run/record" report -i "$run/record.data" --stdio -t '|' -F period,dso,sym
	if [[ -z $hitm ]]; then
		:	# said above
	elif ! perf c2c record -o "$run/c2c.data" true > "$run/perf.c2c.log" 2>&1; then
		echo "measure.sh: perf c2c does not work here, so transfers are counted but not attributed: $(grep -a . "$run/perf.c2c.log" | head -n 1)" >&2
	else
		pass c2c c2c record -a -C "$cpus" -o "$run/c2c.data"
		made c2c "$run/c2c.txt" c2c report -i "$run/c2c.data" --stdio
		made c2c "$run/c2c" report -i "$run/c2c.data" --mem-mode --stdio -t '|' -F sample,dso,sym,symbol_daddr,snoop
	fi
	rm -f "$run"/*.data
	{	printf 'setup=%q cores=%q bytes=%q repeat=%q misses=%q hitm=%q\n' "$setup" "$cores" "$bytes" "$repeat" "$misses" "$hitm"
		echo "kernel=$(uname -r)"
		echo "machine=$(awk -F': *' '/^model name/ { print $2; exit }' /proc/cpuinfo)"
	} > "$run/parameters"
	convert "$run" || die "$run: see above"
	report
}

report() {
	local run file
	needs jq gnuplot:gnuplot-nox column:bsdextrautils
	: > "$out/plan.tsv"
	for file in "$out"/runs/*/complete; do
		[[ -r $file ]] || die "$out: no run there"
		run=${file%/complete}
		jq -r --arg key "${run##*/}" '[$key, .setup, .server_cores, .file_bytes, .seed, 0, "http", "-", 0, 0] | map(tostring) | join("\t")' \
			"$run/run.json" >> "$out/plan.tsv"
	done
	echo budget=perf > "$out/parameters"
	"$here/../evaluate/report.sh" "$out"
}

out=$(cd "$here/../.." && pwd)/out/bench-perf
case ${1:-help} in
run)	shift; run "$@" ;;
report)	shift
	(($# == 0)) || [[ $# == 2 && $1 == --out ]] || { usage >&2; die "report: $1: unknown option"; }
	(($# == 0)) || out=$2
	report ;;
-h|--help|help) usage ;;
*)	usage >&2; die "$1: unknown command" ;;
esac
