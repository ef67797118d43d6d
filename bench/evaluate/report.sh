#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# report.sh DIR: from the runs under DIR/runs that DIR/plan.tsv names to summary.csv,
# report.txt (also printed), SVG and report.html. Reads nothing else, so it can be
# run again on an old result. bench/perf/measure.sh makes the same layout on a real machine.
set -euo pipefail
export LC_ALL=C

dir=${1:?usage: report.sh DIR}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
die() { echo "report: $*" >&2; exit 2; }
[[ -s $dir/plan.tsv ]] || die "$dir: no plan.tsv there; bench/evaluate.sh makes one"
budget='' version='' minutes='' jobs=''
# shellcheck source=/dev/null
[[ ! -r $dir/parameters ]] || . "$dir/parameters"
data=$dir/data
rm -rf "$data"
mkdir -p "$data"
. "$here/figures.sh"
. "$here/page.sh"

# tsv_json FILE: its lines that are no comment, as an array of columns
tsv_json() { grep -v '^#' "$1" | jq -Rn '[inputs | split("\t")]'; }

# --- from runs to numbers ----------------------------------------------------------

collect() {
	local key setup cores bytes seed cost workload variant requests asked reason
	: > "$data/runs.jsonl"
	: > "$data/missing.jsonl"
	: > "$data/detail.jsonl"
	while IFS=$'\t' read -r key setup cores bytes seed cost workload variant requests _; do
		reason=''
		asked=$(jq -cn --arg setup "$setup" --argjson cores "$cores" --argjson bytes "$bytes" --argjson seed "$seed" --argjson cost "$cost" \
			--arg workload "$workload" --arg variant "$variant" --argjson requests "$((requests * cores))" '$ARGS.named')
		if [[ ! -r $dir/runs/$key/complete ]]; then
			reason="not yet; make bench goes on where it stopped"
			[[ ! -r $dir/runs/$key.failed ]] || reason=$(head -n 1 "$dir/runs/$key.failed")
		elif [[ -n $version && $(jq -r .version "$dir/runs/$key/complete") != "$version" ]]; then
			reason="there is a run, but of other sources; KEEP=1 would count it"
		elif ! jq -cn --arg key "$key" --argjson asked "$asked" --slurpfile run "$dir/runs/$key/run.json" \
				--slurpfile records "$dir/runs/$key/cohsim.jsonl" -f "$here/collect.jq" >> "$data/runs.jsonl" 2> "$data/refused"; then
			reason=$(sed 's/^jq: error[^:]*: //; q' "$data/refused")
		fi
		if [[ -n $reason ]]; then
			jq -cn --arg key "$key" --arg reason "$reason" --argjson asked "$asked" \
				'$asked + {$key, $reason, label: ($asked.setup + (if $asked.variant == "-" then "" else "+" + $asked.variant end))}' >> "$data/missing.jsonl"
			continue
		fi
		# All functions, because the original's tables ask for some without a transfer.
		jq -c --arg key "$key" 'select(.record == "function" or ((.record == "structure" or .record == "transfer" or .record == "line") and .c2c + .upgrade > 0))
			| {key: $key, record, function, "module": .module, structure, offset, insns, l2_miss, cycles, c2c, c2c_false, upgrade}' \
			"$dir/runs/$key/cohsim.jsonl" >> "$data/detail.jsonl"
	done < "$dir/plan.tsv"
	[[ -s $data/runs.jsonl ]] || die "$dir: not one run that counts; reasons in $data/missing.jsonl, logs in $dir/runs/*.log"
}

# rows FILTER: one a run and c2c cost, the run's own and the two computed from its counts.
# Runs that were made at another cost only to check that are left out: two rows of one name.
rows() {
	echo setup,server_cores,file_bytes,seed,quantum,c2c_cost,requests,insns_per_req,cycles_per_req,busiest_mcycles,c2c_per_req,own_nic_pct,one_core_pct
	jq -rn -L "$here" 'include "lib"; def digits($d): if . == null then "" else (. * pow(10; $d) | round) / pow(10; $d) end;
		[inputs] | map(select(.cost == null or .cost.c2c == base_cost) | select('"$1"')) | sort_by([.workload, .bytes, .cores, rank_of(.label), .label, .seed])[]
		| . as $r | .at | to_entries[] | [($r.label + (if $r.workload == "http" then "" else ":" + $r.workload end)), $r.cores, $r.bytes, $r.seed, $r.quantum, .key, $r.requests,
			($r.per_req.insns | digits(0)), (.value.cycles_per_req | digits(0)), (.value.busiest_mcycles | digits(2)),
			($r.per_req.c2c | digits(2)), $r.own, $r.one] | map(tostring) | join(",")' "$data/runs.jsonl" | sed 's/,null/,/g'
}

tables() {
	jq -cn -L "$here" --slurpfile runs "$data/runs.jsonl" --slurpfile missing "$data/missing.jsonl" --slurpfile detail "$data/detail.jsonl" \
		--argjson original "$(tsv_json "$here/original.tsv")" --argjson causes "$(tsv_json "$here/causes.tsv")" -f "$here/tables.jq"
}

# What stands beside every figure: all of measure's limits, and what was run.
facts() {
	jq -rn '[inputs] | def all(f): map(f) | map(select(. != null)) | unique | join(", ");
		"kernel \(all(.kernel)); quantum \(all(.quantum)); seeds \(all(.seed)); QEMU \(all(.qemu | if . == null then . else split(" ")[0] end))",
		(all(.warm) | select(. != "") | "warm-up \(.) requests or packets a core"),
		([all(.machine) | select(. != "")] | join("; ") | select(. != "")),
		# Whatever a run was given for the costs that the band is over, the rest has to be one model.
		([.[] | select(.cost != null) | {preset, cost: (.cost | del(.c2c, .upgrade)), cache}] | unique
		 | if length > 1 then "ATTENTION: \(length) different models stand together here (KEEP=1):" else empty end,
		   (.[] | "preset \(.preset), cycles: \(.cost | to_entries | map("\(.key) \(.value)") | join(", ")), upgrade 7/11 of c2c, at least llc",
		    (.cache // empty | "caches: " + ([["l1i", .l1i_kib, .l1i_ways], ["l1d", .l1d_kib, .l1d_ways], ["l2", .l2_kib, .l2_ways], ["llc", .llc_kib, .llc_ways]]
			| map("\(.[0]) \(.[1]) KiB \(.[2])-way") | join(", ")) + "; lines of 64 bytes")))' "$data/runs.jsonl"
}
caveat() {
	if jq -en '[inputs] | all(.cost == null)' "$data/runs.jsonl" > /dev/null; then
		echo "Measured with perf on real hardware; functions and transfers by sampling, so small counts are rough."
	else
		echo "Modelled, not measured on hardware: a 0.5 CPI core without out-of-order, prefetch, branch or TLB effects;"
		echo "no bandwidth limit; flat topology; interleaving at block granularity. Cache-to-cache costs 50, 110 and 250 cycles."
		echo "Timer ticks come some 20 times as often per request as on hardware; what the NIC writes by DMA is not seen (some 300 cycles a request)."
	fi
	facts
}

# --- text ------------------------------------------------------------------------

# In the text the long list ends where single lines stop mattering; the HTML page has all of it.
readonly left_shown=40

text() {
	local name
	echo "flowpar, evaluation (budget ${budget:-none}): $(wc -l < "$data/runs.jsonl") runs, $(wc -l < "$data/missing.jsonl") of the matrix not run"
	[[ ! $minutes ]] || echo "Made in $minutes minutes, $jobs at a time."
	caveat
	[[ -n $version ]] || versions
	while read -r name; do
		echo
		jq -r --arg name "$name" 'select(.name == $name) | "== " + .title, .notes[]' "$data/tables.jsonl"
		jq -r --arg name "$name" --argjson shown $left_shown 'select(.name == $name) | . as $t
			| (.header | join("\t")), ((if .name == "left" then .rows[:$shown] else .rows end)[] | select(length > 2 or $name == "missing") | map(if . == "" then " " else . end) | join("\t")),
			  (if .name == "left" and (.rows | length) > $shown then "...\t\(.rows | length - $shown) more in report.html" else empty end)' "$data/tables.jsonl" |
			column -t -s $'\t' | sed 's/ *$//'
		jq -r --arg name "$name" 'select(.name == $name and .name != "missing") | .rows[] | select(length == 2) | "\(.[0]): \(.[1])"' "$data/tables.jsonl"
	done < <(jq -r .name "$data/tables.jsonl")
}

versions() {	# with KEEP=1 results of several states of the sources may stand together
	local n
	n=$(while IFS=$'\t' read -r key _; do jq -r .version "$dir/runs/$key/complete" 2>/dev/null || true; done < "$dir/plan.tsv" | sort -u | wc -l)
	((n < 2)) || echo "ATTENTION: runs of $n versions of the sources stand together here (KEEP=1)."
}

collect
rows '.workload == "http" and .variant == "-"' > "$dir/summary.csv"
rows '.workload != "http" or .variant != "-"' > "$dir/variants.csv"
tables > "$data/tables.jsonl"
caveat > "$data/caveat"
text | tee "$dir/report.txt"
figures
page > "$dir/report.html"
echo
echo "$dir/summary.csv  $dir/report.txt  $dir/report.html"
