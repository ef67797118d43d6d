# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# perf's, ab's and wrk's output to the records that bench/evaluate/ reads. Sourced by
# measure.sh and by tests/bench/perf.sh, which feeds it samples of each format.

# Events as they are asked for and as perf names them in its output are the same less
# modifiers (cycles:u, cpu/event=0x2e/u) and, on hybrid CPUs, the PMU (cpu_core/cycles/).
readonly event_name='
	function event_name(e) {
		sub(/:[a-zA-Z]+$/, "", e)
		if (e ~ /^cpu_(core|atom)\/[^=]*\/[a-zA-Z]*$/) { sub(/^[^\/]*\//, "", e); sub(/\/.*/, "", e) }
		else sub(/\/[a-zA-Z]+$/, "/", e)
		return e
	}'

# parse_load FILE [STDERR]: "requests failed seconds", added up over every ab and wrk in
# it; seconds is the longest. Nothing recognised, or an ab that gave up, is an error: it
# says so on stderr, and on stdout how far it came.
parse_load() {
	cat -- "$@" | awk '
	/^Complete requests:/ { requests += $3; found++ }
	/^Failed requests:/ { failed += $3 }
	/^Non-2xx responses:/ { failed += $3 }
	/^Time taken for tests:/ { if ($5 > seconds) seconds = $5 }
	# wrk: "  12345 requests in 10.00s, 3.21MB read"; times as 500.00ms, 10.00s, 1.00m
	/^ *[0-9]+ requests in / {
		requests += $1; found++
		t = $4; sub(/,$/, "", t)
		u = t ~ /ms$/ ? 0.001 : t ~ /us$/ ? 0.000001 : t ~ /m$/ ? 60 : t ~ /h$/ ? 3600 : 1
		sub(/[a-z]+$/, "", t)
		if (t * u > seconds) seconds = t * u
	}
	/^ *Socket errors: connect / { gsub(/,/, ""); failed += $4 + $6 + $8 + $10 }
	/^ *Non-2xx or 3xx responses: / { failed += $NF }
	/^apr_|^ab: |^Total of [0-9]+ requests completed/ { if (trouble == "") trouble = $0 }
	END {
		if (trouble != "") { print "ab gave up: " trouble > "/dev/stderr"; exit 1 }
		if (!found || !requests) { print "no output of ab or wrk in it" > "/dev/stderr"; exit 1 }
		printf "%d %d %s\n", requests, failed, seconds
	}' || { echo "measure.sh: $1: see above" >&2; return 1; }
}

# parse_stat FILE MISSES HITM: a vcpu record a CPU, from perf stat -A -x';'
# CPU;value;unit;event;nanoseconds that it counted;percent of the time;...
# Not with commas: the name of a raw event has some.
parse_stat() {
	awk -F';' -v misses="$2" -v hitm="$3" "$event_name"'
	function bad(what) { print "measure.sh: perf stat: " what > "/dev/stderr"; wrong = 1; exit 1 }
	BEGIN { misses = event_name(misses); hitm = event_name(hitm) }
	# Without an event it is one more metric of the line before.
	/^#/ || NF < 5 || $1 !~ /^CPU[0-9]+$/ || $4 == "" { next }
	{
		cpu = substr($1, 4) + 0; event = event_name($4)
		# Of a hybrid CPU each core has one PMU; the other one counts nothing on it.
		if ($2 !~ /^[0-9]+$/ && $4 ~ /^cpu_(core|atom)\//) next
		if ($2 !~ /^[0-9]+$/) bad($1 ": " event ": " $2)
		if ($6 + 0 < 99 && !(event in told)) { told[event]; print "measure.sh: " event " was counted " $6 " % of the time and scaled" > "/dev/stderr" }
		if (!(cpu in seen)) { seen[cpu]; order[++n] = cpu }
		v[cpu, event] += $2
	}
	END {
		if (wrong) exit 1
		if (!n) bad("no line of a CPU")
		for (i = 1; i <= n; i++) {
			c = order[i]
			if (!((c, "cycles") in v) || !((c, "instructions") in v)) bad("CPU" c ": no cycles or instructions")
			if (!((c, misses) in v)) bad("CPU" c ": no line of event " misses)
			if (hitm != "" && !((c, hitm) in v)) bad("CPU" c ": no line of event " hitm)
			printf "{\"record\":\"vcpu\",\"vcpu\":%d,\"role\":\"server\",\"insns\":%.0f,\"cycles\":%.0f,\"l2_miss\":%.0f,\"c2c\":%s}\n", c, \
				v[c, "instructions"], v[c, "cycles"], v[c, misses], hitm != "" ? sprintf("%.0f", v[c, hitm]) : "null"
		}
	}' "$1"
}

# parse_record FILE MISSES SCALE: a function record a symbol, from perf report's three
# sections "# Samples: .. of event 'cycles'" with lines period|dso|[k] symbol
parse_record() {
	awk -F'|' -v misses="$2" -v scale="$3" "$event_name"'
	BEGIN { misses = event_name(misses) }
	/^# Samples: / { event = $0; sub(/.* of events? ./, "", event); sub(/.$/, "", event); event = event_name(event); there[event]; next }
	/^#/ || NF < 3 { next }
	{
		for (i = 1; i <= 3; i++) gsub(/^ +| +$/, "", $i)
		if ($1 !~ /^[0-9]+$/ || event == "") next
		if ($3 ~ /^\[k\] /) { f = substr($3, 5); m = $2 ~ /^\[kernel/ ? "" : $2; gsub(/[][]/, "", m) }
		else { f = $2; m = "[user]" }
		gsub(/["\\]/, "", f); gsub(/["\\]/, "", m)
		key = f SUBSEP m
		if (!(key in seen)) { seen[key]; order[++n] = key }
		v[key, event] += $1
	}
	END {
		if (!n) { print "measure.sh: perf report: no function in it" > "/dev/stderr"; exit 1 }
		split("cycles instructions " misses, wanted, " ")
		for (i = 1; i <= 3; i++)
			if (!(wanted[i] in there)) { print "measure.sh: perf report: no samples of event " wanted[i] > "/dev/stderr"; exit 1 }
		for (i = 1; i <= n; i++) {
			split(order[i], p, SUBSEP)
			printf "{\"record\":\"function\",\"function\":\"%s\",\"module\":\"%s\",\"insns\":%.0f,\"cycles\":%.0f,\"l2_miss\":%.0f,\"c2c\":0,\"upgrade\":0}\n", p[1], p[2], \
				scale * v[order[i], "instructions"], scale * v[order[i], "cycles"], scale * v[order[i], misses]
		}
	}' "$1"
}

# parse_c2c FILE TOTAL: transfer, structure and function records from perf report
# --mem-mode lines samples|dso|[k] function|[k] data symbol|HitM. Samples only say
# how the transfers split up: TOTAL, counted by perf stat, is shared out by them.
parse_c2c() {
	awk -F'|' -v total="$2" '
	/^#/ || NF < 5 { next }
	{
		for (i = 1; i <= 5; i++) gsub(/^ +| +$/, "", $i)
		if ($1 !~ /^[0-9]+$/ || $5 !~ /HitM/) next
		if ($3 ~ /^\[k\] /) { f = substr($3, 5); m = $2 ~ /^\[kernel/ ? "" : $2; gsub(/[][]/, "", m) }
		else { f = $2; m = "[user]" }
		s = $4; sub(/^\[.\] /, "", s); sub(/\+0x[0-9a-f]+$/, "", s)
		# perf names what has a symbol; slab objects and stacks have none
		s = s ~ /^(0x)?[0-9a-f]*$/ ? "no symbol" : "symbol:" s
		gsub(/["\\]/, "", f); gsub(/["\\]/, "", s)
		all += $1
		key = f SUBSEP m SUBSEP s
		if (!(key in t)) order[++n] = key
		t[key] += $1; by_s[s] += $1; by_f[f SUBSEP m] += $1
	}
	END {
		if (!n) print "measure.sh: perf c2c: no sample that hit a modified line; transfers are not attributed" > "/dev/stderr"
		for (i = 1; i <= n; i++) {
			split(order[i], p, SUBSEP)
			printf "{\"record\":\"transfer\",\"function\":\"%s\",\"module\":\"%s\",\"structure\":\"%s\",\"c2c\":%.1f,\"c2c_false\":0,\"upgrade\":0}\n", p[1], p[2], p[3], total * t[order[i]] / all
		}
		for (s in by_s) printf "{\"record\":\"structure\",\"structure\":\"%s\",\"c2c\":%.1f,\"c2c_false\":0,\"upgrade\":0}\n", s, total * by_s[s] / all
		for (f in by_f) {
			split(f, p, SUBSEP)
			printf "{\"record\":\"function\",\"function\":\"%s\",\"module\":\"%s\",\"insns\":0,\"cycles\":0,\"l2_miss\":0,\"c2c\":%.1f,\"upgrade\":0}\n", p[1], p[2], total * by_f[f] / all
		}
	}' "$1" | LC_ALL=C sort
}

# convert RUN: the raw files of one measured run to run.json, cohsim.jsonl, complete
convert() {
	local run=$1 setup cores bytes repeat misses hitm requests failed seconds sampled total pass log
	# shellcheck source=/dev/null
	eval "$(head -n 1 "$run/parameters")"
	for pass in record c2c stat; do	# stat last: its numbers are the ones divided by
		[[ $pass != c2c || -e $run/load.c2c ]] || continue
		log=$run/perf.$pass.log
		[[ -r $log ]] || log=/dev/null
		read -r requests failed seconds < <(parse_load "$run/load.$pass" "$log") || return 1
		((failed == 0)) || { echo "measure.sh: $run: pass $pass: $failed of $requests requests failed" >&2; return 1; }
	done
	# The report wants whole requests a core; the split is perf's to show.
	parse_stat "$run/stat" "$misses" "$hitm" > "$run/vcpus" || return 1
	read -r sampled _ < <(parse_load "$run/load.record") || return 1
	parse_record "$run/record" "$misses" "$(awk -v a="$requests" -v b="$sampled" 'BEGIN { print a / b }')" > "$run/functions" || return 1
	: > "$run/transfers"
	if [[ -r $run/c2c ]]; then
		total=$(jq -s 'map(.c2c // 0) | add' "$run/vcpus")
		parse_c2c "$run/c2c" "$total" > "$run/transfers" || return 1
	fi
	{	jq -cn --arg machine "$(sed -n 's/^machine=//p' "$run/parameters")" --argjson cores "$cores" --argjson repeat "$repeat" \
			'{record: "run", schema: 1, vcpus: $cores, servers: $cores, seed: $repeat, preset: "perf", cost: null, region: true, machine: $machine}'
		cat "$run/vcpus" "$run/functions" "$run/transfers"
	} > "$run/cohsim.jsonl"
	jq -n --arg setup "$setup" --arg kernel "$(sed -n 's/^kernel=//p' "$run/parameters")" --argjson cores "$cores" --argjson bytes "$bytes" \
		--argjson seed "$repeat" --argjson requests "$requests" --argjson seconds "$seconds" \
		'{$setup, server_cores: $cores, nics: null, workload: "http", file_bytes: $bytes, $seed, $requests, failed: 0, $kernel,
		  own_nic_pct: null, one_core_pct: null, requests_per_s: (if $seconds > 0 then $requests / $seconds else null end)}' > "$run/run.json"
	echo '{"version": "measured"}' > "$run/complete"
	rm -f "$run"/{vcpus,functions,transfers}
}
