#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The evaluation: a matrix of model-lab runs, then the report on them.
#
# Owns OUT/runs, one directory a run, and OUT/plan.tsv, what this invocation asked
# for and what else is there of this version. Resumable: a run that ended well for these sources is not repeated, and one
# that was interrupted leaves only a .part. What could not be run keeps its reason
# and stands in the report with it. The matrix is in evaluate/plan.sh, the numbers
# and pictures are made by evaluate/report.sh.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/.." && pwd)
. "$here/evaluate/plan.sh"

usage() {
	cat <<END
usage: evaluate.sh [options]
  --out DIR        where runs and the report go                 (out/bench)
  --budget B       quick (10 minutes on 2 cores), default (60) or full (hours)
                   unless given: QUICK=1 or FULL=1 in the environment
  --setups LIST    only these, comma separated                  (all)
  --jobs N         runs at a time            (CPUs, as far as memory allows)
  --keep           count runs of other versions of the sources too (or KEEP=1);
                   the report says so
  --plan           print the matrix and the estimate, run nothing
  --report         no runs, only the report on those that are there
  --lab PROGRAM    what makes a run                             (bench/lab/lab)
Set-ups: ${every_setup[*]}
END
}
die() { echo "evaluate.sh: $*" >&2; exit 2; }

for switch in QUICK FULL KEEP; do
	[[ ${!switch:-0} == [01] ]] || die "$switch=${!switch}: want 1, or 0 or nothing"
done
out=$repo/out/bench budget='' only='' jobs='' keep=${KEEP:-0} todo=run lab=$here/lab/lab
while (($#)); do
	case $1 in
	--keep) keep=1; shift; continue ;;
	--plan) todo=plan; shift; continue ;;
	--report) todo=report; shift; continue ;;
	-h|--help) usage; exit ;;
	--*) (($# > 1)) || die "$1: wants a value" ;;
	*) usage >&2; die "$1: not an option" ;;
	esac
	case $1 in
	--out) out=$2 ;;
	--budget) budget=$2 ;;
	--setups) only=$2 ;;
	--jobs) jobs=$2 ;;
	--lab) lab=$2 ;;
	*) usage >&2; die "$1: unknown option" ;;
	esac
	shift 2
done
if [[ -z $budget ]]; then
	[[ ${QUICK:-0} != 1 || ${FULL:-0} != 1 ]] || die "QUICK=1 and FULL=1: choose one"
	budget=default
	[[ ${QUICK:-0} != 1 ]] || budget=quick
	[[ ${FULL:-0} != 1 ]] || budget=full
fi
[[ $budget =~ ^(quick|default|full)$ ]] || die "--budget $budget: want quick, default or full"
for s in ${only//,/ }; do
	[[ " ${every_setup[*]} " == *" $s "* ]] || die "--setups $s: no such set-up; there are ${every_setup[*]}"
done
if [[ -z $jobs ]]; then
	# A run holds a guest and QEMU's translations of it: about 3 GB.
	jobs=$(awk -v cpus="$(nproc)" '/^MemAvailable:/ { n = int($2 / 3e6) } END { if (n > cpus) n = cpus; print n < 1 ? 1 : n }' /proc/meminfo)
fi
[[ $jobs =~ ^[1-9][0-9]?$ ]] || die "--jobs $jobs: want a whole number from 1 to 99"
[[ -x $lab ]] || die "--lab $lab: no such program"
[[ ! -d $out/runs || -e $out/plan.tsv ]] || die "--out $out: has a runs/ that is none of ours; choose another"

# What a run depends on: everything that reaches the guest or counts in it, this
# machine's packages of it too.
version() {
	cd "$repo"
	{ dpkg-query -W linux-source-6.12 gcc qemu-system-x86 lighttpd nginx apache2-utils 2>&1 || true; source_sums; } | sha256sum | cut -c1-12
}
source_sums() {
	find affinity bonding configs ctl kernel-patches netfilter bench/cohsim bench/lab bench/setups bench/steer bench/locality.awk \
		-type f ! -name '*.o' ! -name '*.ko' ! -name '*.mod*' ! -name '.*' ! -name 'Module.symvers' ! -name 'modules.order' 2>/dev/null |
		sort | xargs -d '\n' sha256sum
}

# --- one run ---------------------------------------------------------------------

# The fields of a plan line, in its order; key names the run's directory.
read_line() {
	read -r setup cores bytes seed cost workload variant requests warm <<< "$1"
	key=$setup-${cores}c-${bytes}b-s$seed-c$cost-r$requests-w$warm
	[[ $workload == http ]] || key+=-$workload
	[[ $variant == - ]] || key+=-$variant
}

# took[KEY]: seconds of a run that counts, from its file complete.
declare -A took=()
find_done() {
	local file key version seconds
	for file in "$out"/runs/*/complete; do
		[[ -r $file ]] || continue
		key=${file%/complete} key=${key##*/}
		read -r version seconds < <(jq -r '"\(.version) \(.seconds)"' "$file") || continue
		((!keep)) && [[ $version != "$source_version" ]] || took[$key]=$seconds
	done
}
is_done() { [[ -n ${took[$key]:-} ]]; }

# A set-up file says itself when no lab can run it; that is an answer, not a failure.
refuses() {
	[[ -r $here/setups/$1.sh ]] || return 1
	# shellcheck source=bench/setups/multiqueue.sh
	[[ -n $(. "$here/setups/$1.sh" > /dev/null 2>&1; echo "${refuses:-}") ]]
}

# One line for why a run is not there: the program's own last words.
reason_of() {
	local line
	line=$(grep -aE '^[a-z0-9_.-]+: ' "$1" | tail -n 1) || line=$(grep -a . "$1" | tail -n 1) || line="no word from $lab"
	echo "${line:0:400}"
}

run_one() {	# run_one LINE: exit status 0, or why is in KEY.failed
	local dir part why status=0 began=$SECONDS args seconds
	read_line "$1"
	seconds_of "$1"
	dir=$out/runs/$key part=$dir.part why=$dir.failed
	rm -rf "$part" "$why"
	mkdir -p "$part"
	if [[ ! -r $here/setups/$setup.sh && $lab == "$here/lab/lab" ]]; then
		echo "no such set-up yet: bench/setups/$setup.sh" > "$why"
		return 1
	fi
	args=(--setup "$setup" --out "$part" --cores "$cores" --nics "$cores" --file "$bytes" --requests "$requests"
		--warm "$warm" --seed "$seed" --quantum 100 --c2c "$cost" --workload "$workload"
		--timeout $((600 + 10 * seconds)))
	[[ $variant != skew ]] || args+=(--skew)
	[[ $variant != nginx ]] || args+=(--server nginx)
	setpriv --pdeathsig TERM "$lab" model "${args[@]}" > "$dir.log" 2>&1 </dev/null 9>&- || status=$?
	if ((status)); then
		reason_of "$dir.log" > "$why"
		echo "$status" > "$part/status"
		return 1
	fi
	# A run counts only if it is the one that was asked for and says so itself.
	if ! jq -cn --arg key "$key" --argjson asked "$(asked)" --slurpfile run "$part/run.json" \
			--slurpfile records "$part/cohsim.jsonl" -f "$here/evaluate/collect.jq" > /dev/null 2> "$part/refused"; then
		sed 's/^jq: error[^:]*: //; q' "$part/refused" > "$why"
		return 1
	fi
	# Names are resolved in cohsim.jsonl by now; these are large.
	gzip -qf "$part"/kallsyms "$part"/pages 2>/dev/null || true
	jq -n --arg version "$source_version" --argjson seconds $((SECONDS - began)) '{$version, $seconds}' > "$part/complete"
	rm -rf "$dir"
	mv "$part" "$dir"
	rm -f "$dir.log"
}

asked() {
	jq -cn --arg setup "$setup" --argjson cores "$cores" --argjson bytes "$bytes" --argjson seed "$seed" --argjson cost "$cost" \
		--arg workload "$workload" --arg variant "$variant" --argjson requests "$requests" \
		'{$setup, $cores, $bytes, $seed, $cost, $workload, $variant, requests: ($requests * $cores)}'
}

# --- many runs -------------------------------------------------------------------

# Seconds that the lines in $1 will take on this machine: what the model of
# plan.sh says, times how wrong it was for the runs that are there.
estimate() {
	local line seconds sum=0 said=0 real=0
	while read -r line; do
		[[ -n $line ]] || continue
		read_line "$line"
		if is_done; then
			seconds_of "$line"
			said=$((said + seconds))
			real=$((real + took[$key]))
		elif [[ -z ${failed[$key]:-} ]]; then
			seconds_of "$line"
			sum=$((sum + seconds))
		fi
	done <<< "$1"
	((said > 60)) || said=1 real=1
	echo $((sum * real / said / jobs))
}

minutes() { echo "about $((($1 + 59) / 60)) min"; }

declare -A running=() failed=()
refused=0
stop() {
	local pid
	for pid in "${!running[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	wait
}
trap stop EXIT
stopped() { echo "evaluate.sh: stopped; the same command goes on, bench/evaluate.sh --report shows what is there" >&2; }
trap 'stopped; exit 130' INT
trap 'stopped; exit 143' TERM

collect_one() {	# wait for one of the running, say how it went
	local pid status=0 line
	wait -n -p pid "${!running[@]}" || status=$?
	line=${running[$pid]}
	unset "running[$pid]"
	read_line "$line"
	n=$((n + 1))
	if ((status)); then
		failed[$key]=1
		refuses "$setup" && refused=$((refused + 1))
		[[ -r $out/runs/$key.failed ]] || echo "ended with status $status; see runs/$key.log" > "$out/runs/$key.failed"
		echo "[$n/$total] $key: not run: $(< "$out/runs/$key.failed")" >&2
	else
		took[$key]=$(jq .seconds "$out/runs/$key/complete")
		echo "[$n/$total] $key: ${took[$key]} s; $(minutes "$(estimate "$whole")") left" >&2
	fi
}

run_all() {	# run_all PLAN: what is not done yet, $jobs at a time
	local line
	while read -r line; do
		[[ -n $line ]] || continue
		read_line "$line"
		if is_done || [[ -n ${failed[$key]:-} ]]; then
			n=$((n + 1))
			continue
		fi
		while ((${#running[@]} >= jobs)); do collect_one; done
		run_one "$line" &
		running[$!]=$line
	done <<< "$1"
	while ((${#running[@]})); do collect_one; done
}

# The best that stock Linux offers is known only after the set-ups were compared.
best_stock() {
	local line best=reuseport least='' cycles
	while read -r line; do
		[[ -n $line ]] || continue
		read_line "$line"
		[[ " ${tuned_stock[*]} " == *" $setup "* && $variant == - ]] && is_done || continue
		cycles=$(jq -cn --arg key "$key" --argjson asked "$(asked)" --slurpfile run "$out/runs/$key/run.json" \
			--slurpfile records "$out/runs/$key/cohsim.jsonl" -f "$here/evaluate/collect.jq" | jq .cycles_per_req)
		if [[ -z $least ]] || awk -v a="$cycles" -v b="$least" 'BEGIN { exit !(a < b) }'; then
			least=$cycles best=$setup
		fi
	done <<< "$1"
	echo "$best"
}

line_of() {	# line_of KEY: the plan line that a run's directory is named after
	[[ $1 =~ ^(.+)-([0-9]+)c-([0-9]+)b-s([0-9]+)-c([0-9]+)-r([0-9]+)-w([0-9]+)(-transmit)?(-(skew|nginx))?$ ]] || return
	local m=("${BASH_REMATCH[@]}") workload=http
	[[ -z ${m[8]} ]] || workload=transmit
	echo "${m[1]} ${m[2]} ${m[3]} ${m[4]} ${m[5]} $workload ${m[10]:--} ${m[6]} ${m[7]}"
}

# What the report is about: the matrix asked for, and every other run that counts, so
# that a smaller budget takes nothing away. Runs of one cell are compared only if they
# are equally long: the longest that are there, and those that are not there at all.
write_plan() {
	local line key
	{	while read -r line; do
			read_line "$line"
			echo "$key $line"
		done <<< "$whole"
		for key in $(printf '%s\n' "${!took[@]}" | sort); do
			line=$(line_of "$key") || continue
			[[ -n $only && ,$only, != *",${line%% *},"* ]] || echo "$key $line"
		done
	} | awk -v OFS='\t' -v done=" ${!took[*]} " '
		seen[$1]++ { next }
		{
			$1 = $1; text[++n] = $0; cell[n] = $2 " " $3 " " $4 " " $6 " " $7 " " $8
			there[n] = index(done, " " $1 " "); long[n] = $9 * 1e6 + $10; run[n] = cell[n] " " $5
			if (there[n] && long[n] > most[cell[n]]) most[cell[n]] = long[n]
		}
		END {
			for (i = 1; i <= n; i++) if (there[i] && long[i] == most[cell[i]]) have[run[i]]
			for (i = 1; i <= n; i++) if (there[i] ? long[i] == most[cell[i]] : !(run[i] in have)) print text[i]
		}' > "$out/plan.tsv.new"
	mv "$out/plan.tsv.new" "$out/plan.tsv"
}

# Kernels and tools first: built inside the first runs, which wait for them side by
# side, they would make every run that is still to come look as long.
build() {
	local line kernels=' ' kernel dir
	[[ $lab == "$here/lab/lab" ]] || return 0
	while read -r line; do
		read_line "$line"
		! is_done && [[ -r $here/setups/$setup.sh ]] && ! refuses "$setup" || continue
		# shellcheck source=bench/setups/flowpar.sh
		kernel=$(. "$here/setups/$setup.sh" > /dev/null; echo "$kernel")
		[[ $kernels == *" $kernel "* ]] || kernels+="$kernel "
	done <<< "$whole"
	[[ $kernels != ' ' ]] || return 0
	for kernel in $kernels; do
		"$repo/kernel-patches/build.sh" "$kernel" > /dev/null || die "kernel $kernel does not build; see above"
	done
	# With the lab's own lock: another may be building there.
	mkdir -p "$repo/out/bin"
	exec 8> "$repo/out/bin/lock"
	flock 8
	for dir in ctl bench/steer bench/cohsim bench/lab; do
		make -s -C "$repo/$dir" O="$repo/out/bin$([[ $dir != bench/lab ]] || echo /lab)" >&2 8>&- 9>&- ||
			die "$dir does not build; see above"
	done
	exec 8>&-
}

chosen() {	# drop what --setups leaves out, and lines that came twice
	awk -v only=",$only," '(only == ",," || index(only, "," $1 ",")) && !seen[$0]++'
}

if [[ $todo != plan ]]; then
	mkdir -p "$out/runs"
	out=$(cd "$out" && pwd)
	# Two at once would remove each other's .part and report.
	exec 9> "$out/lock"
	flock -n 9 || die "--out $out: another evaluation is at work there; let it end or choose another directory"
fi
source_version=$(version)
find_done
first=$(plan_setups "$budget" | chosen)
whole=$({ echo "$first"; plan_rest "$budget" "$(best_stock "$first")"; } | chosen)
n=0 total=$(grep -c . <<< "$whole") || die "--setups $only: nothing of it is in budget $budget"

if [[ $todo == plan ]]; then
	while read -r line; do read_line "$line"; echo "$key"; done <<< "$whole"
	echo "$total runs, $jobs at a time: $(minutes "$(estimate "$whole")") left" >&2
	exit
fi
if [[ $todo == run ]]; then
	echo "$total runs, $jobs at a time: $(minutes "$(estimate "$whole")") left; can be interrupted, the same command goes on" >&2
	write_plan
	build
	run_all "$first"
	whole=$({ echo "$first"; plan_rest "$budget" "$(best_stock "$first")"; } | chosen)
	total=$(grep -c . <<< "$whole") n=0
	run_all "$whole"
fi
write_plan
spent=0
while IFS=$'\t' read -r key _; do
	spent=$((spent + ${took[$key]:-0}))
done < "$out/plan.tsv"
printf '%s\n' "budget=$budget" "minutes=$(((spent / jobs + 59) / 60))" "jobs=$jobs" > "$out/parameters"
# Only a run of the sources as they are counts, or --keep was asked for.
((keep)) || echo "version=$source_version" >> "$out/parameters"
trap - EXIT
"$here/evaluate/report.sh" "$out"
((${#failed[@]} == refused)) || { echo "evaluate.sh: $((${#failed[@]} - refused)) of $total runs failed; reasons in the report, logs in $out/runs/*.log" >&2; exit 1; }
