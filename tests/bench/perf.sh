#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: what perf, ab and wrk print on a real machine becomes the evaluation's tables, number by number, and output that proves nothing is refused
# Suite: unit
#
# Samples follow the documented formats of perf 6.1 (perf-stat(1), CSV FORMAT;
# perf-report(1), -t and -F), ab 2.3 and wrk 4.1, with numbers to add up by hand.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
. "$repo/bench/perf/parse.sh"

# --- load ---------------------------------------------------------------------------

cat > "$test_out/ab" <<'END'
This is ApacheBench, Version 2.3 <$Revision: 1903618 $>
Concurrency Level:      8
Time taken for tests:   2.500 seconds
Complete requests:      1000
Failed requests:        0
HTML transferred:       128000 bytes
Requests per second:    400.00 [#/sec] (mean)
END
cat > "$test_out/wrk" <<'END'
Running 10s test @ http://192.0.2.10/f128
  2 threads and 10 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   635.91us    0.89ms  12.92ms   93.69%
    Req/Sec    56.20k     8.07k   62.00k    86.54%
  22464 requests in 500.00ms, 17.76MB read
Requests/sec: 44928.00
Transfer/sec:     35.53MB
END
same "ab: requests, failures, seconds" "1000 0 2.500" "$(parse_load "$test_out/ab")"
same "wrk" "22464 0 0.5" "$(parse_load "$test_out/wrk")"
same "two ab at once: added, the longest's time" "2000 0 3.000" "$(parse_load <(cat "$test_out/ab"; sed 's/2.500/3.000/' "$test_out/ab"))"
same "wrk in minutes" "10 0 60" "$(parse_load <(echo '  10 requests in 1.00m, 1.00KB read'))"
same "wrk's errors are failures" "22464 17 0.5" \
	"$(parse_load <(cat "$test_out/wrk"; echo '  Socket errors: connect 1, read 2, write 3, timeout 4'; echo '  Non-2xx or 3xx responses: 7'))"
same "ab's too" "1000 5 2.500" "$(parse_load <(sed 's/^Failed.*/Failed requests:        2\nNon-2xx responses:      3/' "$test_out/ab"))"
check_fails "an ab that gave up" 1 'ab gave up: apr_pollset_poll' parse_load <(cat "$test_out/ab"; echo 'apr_pollset_poll: The timeout specified has expired (70007)')
echo 'apr_pollset_poll: The timeout specified has expired (70007)' > "$test_out/perf.log"
check_fails "or said so on stderr, which is in perf's log" 1 'ab gave up: apr_pollset_poll' parse_load "$test_out/ab" "$test_out/perf.log"
check_fails "or says how far it came" 1 'ab gave up: Total of 137 requests completed' parse_load <(cat "$test_out/ab"; echo 'Total of 137 requests completed')
check_fails "no load at all" 1 'no output of ab or wrk' parse_load /dev/null

# --- counts --------------------------------------------------------------------------

cat > "$test_out/stat" <<'END'
# started on Fri Nov 20 12:00:00 2026

CPU0;3000000;;cycles;2500000000;100.00;;
CPU1;1000000;;cycles;2500000000;100.00;;
CPU0;1500000;;instructions;2500000000;100.00;0.50;insn per cycle
CPU1;1000000;;instructions;2500000000;100.00;1.00;insn per cycle
CPU0;20000;;cache-misses;2500000000;100.00;;
CPU1;10000;;cache-misses;2500000000;100.00;;
CPU0;6000;;mem_load_l3_hit_retired.xsnp_fwd;2500000000;100.00;;
CPU1;2000;;mem_load_l3_hit_retired.xsnp_fwd;2500000000;100.00;;
END
hitm=mem_load_l3_hit_retired.xsnp_fwd
same "perf stat: a record for each CPU" "0 3000000 1500000 20000 6000
1 1000000 1000000 10000 2000" "$(parse_stat "$test_out/stat" cache-misses $hitm | jq -r '"\(.vcpu) \(.cycles) \(.insns) \(.l2_miss) \(.c2c)"')"
same "without an event for transfers there is no number of them" null "$(parse_stat "$test_out/stat" cache-misses '' | jq -s '.[0].c2c')"
same "an event with a modifier is the event" 3000000 "$(parse_stat <(sed 's/cycles;/cycles:k;/' "$test_out/stat") cache-misses '' | jq -s '.[0].cycles')"
check_fails "an event that was not counted" 1 'CPU1: cycles: <not counted>' parse_stat <(sed 's/^CPU1;1000000;;cycles/CPU1;<not counted>;;cycles/' "$test_out/stat") cache-misses ''
check_fails "a CPU without instructions" 1 'CPU1: no cycles or instructions' parse_stat <(sed '/^CPU1.*instructions/d' "$test_out/stat") cache-misses ''
check_fails "no CPU at all" 1 'no line of a CPU' parse_stat /dev/null cache-misses ''
check "counters that had to take turns are told" grep -q 'cycles was counted 50.00 % of the time' \
	<(parse_stat <(sed 's/^\(CPU0.*cycles;[0-9]*\);100.00/\1;50.00/' "$test_out/stat") cache-misses '' 2>&1)
raw=cpu/event=0x2e,umask=0x41/
same "the event asked for may have the modifier too" 20000 "$(parse_stat <(sed 's/cache-misses;/cache-misses:u;/' "$test_out/stat") cache-misses:u '' | jq -s '.[0].l2_miss')"
same "and as raw number with a comma" "20000 6000" "$(parse_stat <(sed "s|cache-misses;|${raw}u;|" "$test_out/stat") ${raw}u $hitm | jq -rs '"\(.[0].l2_miss) \(.[0].c2c)"')"
same "on a hybrid CPU each core has a PMU of its own" "3000000 1000000" \
	"$(parse_stat <(sed 's,;\(cycles\|instructions\|cache-misses\);,;cpu_core/\1/;,; s,^CPU1\(.*\)cpu_core,CPU1\1cpu_atom,' "$test_out/stat"; echo 'CPU0;<not counted>;;cpu_atom/cycles/;0;0.00;;') \
		cache-misses '' | jq -rs '"\(.[0].cycles) \(.[1].cycles)"')"
same "a second metric of a line is no event" 3000000 "$(parse_stat <(sed '/^CPU0.*instructions/a CPU0;;;;;;0.40;stalled cycles per insn' "$test_out/stat") cache-misses '' | jq -s '.[0].cycles')"
check_fails "an event that was asked for and has no line" 1 '^measure.sh: perf stat: CPU0: no line of event LLC-misses$' parse_stat "$test_out/stat" LLC-misses ''
check_fails "nor has it of one CPU" 1 "^measure.sh: perf stat: CPU1: no line of event $hitm\$" parse_stat <(sed "/^CPU1.*$hitm/d" "$test_out/stat") cache-misses $hitm

# --- functions -------------------------------------------------------------------------

cat > "$test_out/record" <<'END'
# To display the perf.data header info, please use --header/--header-only options.
#
# Total Lost Samples: 0
#
# Samples: 58  of event 'cycles'
# Event count (approx.): 3400000
#
#      Period|Shared Object       |Symbol
 2000000     |[kernel.kallsyms]   |[k] tcp_v4_rcv
 900000      |[bonding]           |[k] bond_start_xmit
 300000      |libc.so.6           |[.] malloc
 200000      |libc.so.6           |[.] free

# Samples: 31  of event 'instructions'
# Event count (approx.): 1500000
#
 1000000     |[kernel.kallsyms]   |[k] tcp_v4_rcv
 500000      |[bonding]           |[k] bond_start_xmit

# Samples: 9  of event 'cache-misses'
# Event count (approx.): 20000
#
 20000       |[kernel.kallsyms]   |[k] tcp_v4_rcv
END
same "perf report: cycles, instructions, misses of each function, scaled to the counted pass" "bond_start_xmit bonding 450000 250000 0
libc.so.6 [user] 250000 0 0
tcp_v4_rcv  1000000 500000 10000" \
	"$(parse_record "$test_out/record" cache-misses 0.5 | jq -r '"\(.function) \(.module) \(.cycles) \(.insns) \(.l2_miss)"' | sort)"
same "with modifiers, on both sides" 10000 \
	"$(parse_record <(sed "s/'cache-misses'/'cache-misses:u'/" "$test_out/record") cache-misses:u 0.5 | jq -s 'map(.l2_miss) | max')"
same "a raw one" 10000 "$(parse_record <(sed "s|'cache-misses'|'$raw'|" "$test_out/record") $raw 0.5 | jq -s 'map(.l2_miss) | max')"
check_fails "one that was asked for and was not sampled" 1 '^measure.sh: perf report: no samples of event LLC-misses$' parse_record "$test_out/record" LLC-misses 0.5
check_fails "a perf report without a function" 1 'no function in it' parse_record /dev/null cache-misses 1

# --- transfers ---------------------------------------------------------------------------

cat > "$test_out/c2c" <<'END'
# Samples: 100  of event 'cpu/mem-loads,ldlat=30/P'
#
#     Samples|Shared Object       |Symbol                 |Data Symbol                |Snoop
 60          |[kernel.kallsyms]   |[k] tcp_v4_rcv         |[k] tcp_hashinfo+0x40      |HitM
 20          |[kernel.kallsyms]   |[k] tcp_v4_rcv         |[k] 0xffff888104c1d2c0     |HitM
 20          |[bonding]           |[k] bond_start_xmit    |[k] jiffies                |HitM
 500         |[kernel.kallsyms]   |[k] memcpy_orig        |[k] 0xffff888104c1d2c0     |None
 77          |lighttpd            |[.] main               |[.] main                   |Hit
END
same "perf c2c: what perf stat counted, shared out by the samples that hit a modified line" "bond_start_xmit bonding symbol:jiffies 1600
tcp_v4_rcv  no symbol 1600
tcp_v4_rcv  symbol:tcp_hashinfo 4800" \
	"$(parse_c2c "$test_out/c2c" 8000 | jq -r 'select(.record == "transfer") | "\(.function) \(.module) \(.structure) \(.c2c)"' | sort)"
same "by function they add up to the count" 8000 "$(parse_c2c "$test_out/c2c" 8000 | jq -s 'map(select(.record == "function") | .c2c) | add')"

check_fails "samples of which none hit a modified line are told" 0 'perf c2c: no sample that hit a modified line' parse_c2c <(grep -v HitM "$test_out/c2c") 8000

# --- all of it ------------------------------------------------------------------------------

measured() {	# measured DIR SETUP: a recorded run, two CPUs
	local run=$1/runs/$2-2c-128b-r1
	mkdir -p "$run"
	cp "$test_out"/{stat,record,c2c} "$run"
	cp "$test_out/ab" "$run/load.stat"
	sed 's/requests:      1000/requests:      500/' "$test_out/ab" > "$run/load.record"
	printf '%s\n' "setup=$2 cores=2 bytes=128 repeat=1 misses=cache-misses hitm=$hitm" kernel=6.12-test 'machine=A CPU with 2 cores' > "$run/parameters"
	convert "$run"
}
d=$test_out/out
check "a recorded run is converted" measured "$d" 8023ad-l34
measured "$d" flowpar-nat
sed -i '/^CPU/s/;6000;/;400;/; /^CPU/s/;2000;/;0;/' "$d/runs/flowpar-nat-2c-128b-r1/stat"
convert "$d/runs/flowpar-nat-2c-128b-r1"
check "the report of the evaluation is made of it" "$repo/bench/perf/measure.sh" report --out "$d"
# 4,000,000 cycles, 2,500,000 instructions, 8,000 transfers by 1,000 requests; busiest 3 Mcycles
same "a row of summary.csv, nothing in what was not measured" "8023ad-l34,2,128,1,,measured,1000,2500,4000,3,8,," "$(grep ^8023ad-l34 "$d/summary.csv")"
check "nobody is told that it was modelled" bash -c '! grep -rq "not measured on hardware" "$1"/report.txt "$1"/report.html "$1"/costs.svg' _ "$d"
check "it says what it is" grep -q 'Measured with perf on real hardware' "$d/report.txt"
same "table 4 from the samples: misses per 1,000 requests" 40,000 \
	"$(jq -r 'select(.name == "table4") | .rows[] | select(.[1] == "tcp_v4_rcv") | .[9]' "$d/data/tables.jsonl")"
same "what is left, by symbol" "symbol:tcp_hashinfo 0.24" "$(jq -r 'select(.name == "left-structures") | .rows[0] | "\(.[0]) \(.[1])"' "$d/data/tables.jsonl")"
sed -i 's/^Failed requests: *0/Failed requests:        3/' "$d/runs/flowpar-nat-2c-128b-r1/load.stat"
check_fails "a pass that lost requests" 1 '3 of 1000 requests failed' convert "$d/runs/flowpar-nat-2c-128b-r1"

sed -i 's/^Failed requests: *3/Failed requests:        0/' "$d/runs/flowpar-nat-2c-128b-r1/load.stat"
check "the same run without" convert "$d/runs/flowpar-nat-2c-128b-r1"
for pass in record c2c; do
	sed 's/^Failed requests: *0/Failed requests:        2/' "$test_out/ab" > "$d/runs/flowpar-nat-2c-128b-r1/load.$pass"
	check_fails "pass $pass counts too" 1 "pass $pass: 2 of 1000 requests failed" convert "$d/runs/flowpar-nat-2c-128b-r1"
	cp "$test_out/ab" "$d/runs/flowpar-nat-2c-128b-r1/load.$pass"
done
echo 'apr_socket_recv: Connection reset by peer (104)' > "$d/runs/flowpar-nat-2c-128b-r1/perf.record.log"
check_fails "and so does what ab said on stderr" 1 'ab gave up: apr_socket_recv' convert "$d/runs/flowpar-nat-2c-128b-r1"

measure=$repo/bench/perf/measure.sh
check_fails "no set-up named" 2 '--setup and --cpus are needed' "$measure" run --cpus 0-3 -- true
check_fails "no load" 2 'no load given' "$measure" run --setup x --cpus 0-3
check_fails "no list of CPUs" 2 '--cpus 3-: want a list like 0-3,8' "$measure" run --setup x --cpus 3- -- true
check_fails "a range that runs backwards" 2 '--cpus 3-1: a range that runs backwards' "$measure" run --setup x --cpus 3-1 -- true

# A perf that counts and samples, but cannot do c2c.
mkdir -p "$test_out/bin"
cat > "$test_out/bin/perf" <<'END'
#!/bin/bash
echo "$*" >> "$PERF_CALLS"
case $* in
"stat -x;"*) echo "1000;;event;1;100.00;;" >&2 ;;
stat*) while [[ $1 != -o ]]; do shift; done; cp "$SAMPLES/stat" "$2"; cat "$SAMPLES/ab" ;;
"c2c record"*) echo "failed: memory events not supported" >&2; exit 1 ;;
record*) cat "$SAMPLES/ab" ;;
report*) [[ -z ${BROKEN:-} ]] || { echo "it broke" >&2; exit 1; }; cat "$SAMPLES/record" ;;
esac
END
chmod +x "$test_out/bin/perf"
run() { env PATH="$test_out/bin:$PATH" PERF_CALLS="$test_out/perf.calls" SAMPLES="$test_out" "$@" "$measure" run --setup x --cpus 0-1,1 --hitm $hitm --out "$test_out/run" -- true; }
check_fails "a perf without c2c is told, the rest is reported" 0 '^measure.sh: perf c2c does not work here, so transfers are counted but not attributed: failed: memory events' run
check "a CPU named twice is one" test -d "$test_out/run/runs/x-2c-128b-r1"
check_fails "a perf report that fails is told in one line" 2 '^measure.sh: perf report: exit 1; its words: .*/perf.record.log' run BROKEN=1
mkdir -p "$test_out/few"
for p in bash dirname env cat awk sed tr; do ln -sf "$(command -v $p)" "$test_out/few/$p"; done
ln -sf "$test_out/bin/perf" "$test_out/few/perf"
check_fails "what the report needs is looked for before the load" 2 '^measure.sh: jq: not found; apt-get install jq' env PATH="$test_out/few" "$measure" run --setup x --cpus 0 -- true
finish
