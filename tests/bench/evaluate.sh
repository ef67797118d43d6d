#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: the evaluation's numbers follow from the raw counts, an interrupted one goes on, and nothing that could not be run is silently missing
# Suite: unit
#
# Known answers: a lab that is none writes counts small enough to work out by hand.
# With K cores, per request and core (110 is the c2c cost, 70 the upgrade's):
#	8023ad-l34  1,000 insns, 10*(K>1) c2c, 2*(K>1) upgrades: 1,000*0.5 + 10*110 + 2*70 = 1,740 cycles, on one core 500
#	flowpar-nat 1,000 insns, no c2c, one upgrade if K>1: 500 + 70 = 570
#	others      1,000 insns, 4 c2c: 500 + 440 = 940
# Core 0 has 20 cycles a request more than that in every set-up.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# A copy: an edit of the sources in mid-test would make every run one of other sources.
copy=$test_out/copy
mkdir -p "$copy"/{affinity,bonding,configs,ctl,kernel-patches,netfilter,bench/{cohsim,lab,steer}}
cp -r "$repo"/bench/{evaluate,evaluate.sh,setups,locality.awk} "$copy/bench"
evaluate=$copy/bench/evaluate.sh
cat > "$test_out/lab" <<'LAB'
#!/bin/bash
set -euo pipefail
shift
skew=false server=lighttpd
while (($#)); do
	case $1 in
	--skew) skew=true; shift; continue ;;
	--*) printf -v "${1#--}" %s "$2"; shift 2 ;;
	esac
done
echo "$setup $cores $workload" >> "$CALLS"
[[ ${BREAK:-} != "$setup" ]] || { echo "some noise"; echo "lab: model: $setup: it broke"; exit 2; }
[[ ${SLOW:-} != "$setup" ]] || sleep 100
many=$((cores > 1)) x=4 u=0
case $setup in
8023ad-l34) x=$((10 * many)) u=$((2 * many)) ;;
flowpar-*) x=0 u=$many ;;
esac
failed=0
[[ ${LOSE:-} != "$setup" ]] || failed=1
jq -n --arg setup "$setup" --arg workload "$workload" --arg server "$server" --argjson skew $skew --argjson cores "$cores" --argjson file "$file" \
	--argjson seed "$seed" --argjson n $((cores * requests)) --argjson failed $failed '{$setup, server_cores: $cores, nics: $cores, $workload, $server, $skew,
	file_bytes: $file, $seed, quantum: 100, kernel: "6.12-test", requests: $n, $failed, own_nic_pct: 99.5, one_core_pct: 100, split: [10, 11]}' > "$out/run.json"
counts() { echo "\"insns\":$1,\"accesses\":0,\"l1i_miss\":0,\"l1d_miss\":0,\"l2_miss\":$2,\"llc\":0,\"dram\":0,\"c2c\":$2,\"c2c_false\":0,\"upgrade\":$3,\"dma\":0,\"cycles\":$4"; }
upgrade=$(awk -v c="$c2c" 'BEGIN { u = sprintf("%.0f", c * 7 / 11); print u + 0 < 50 ? 50 : u }')
{
	echo "{\"record\":\"run\",\"schema\":1,\"quantum\":100,\"seed\":$seed,\"preset\":\"zen4\",\"cost\":{\"cpi\":0.5,\"llc\":50,\"c2c\":$c2c,\"upgrade\":$upgrade},\"cache\":{\"l1i_kib\":32,\"l1i_ways\":8,\"l1d_kib\":48,\"l1d_ways\":12,\"l2_kib\":1024,\"l2_ways\":8,\"llc_kib\":32768,\"llc_ways\":16},\"region\":${REGION:-true}}"
	for ((k = 0; k < 2 * cores; k++)); do
		role=server
		((k < cores)) || role=client
		echo "{\"record\":\"vcpu\",\"vcpu\":$k,\"role\":\"$role\",$(counts $((1000 * requests)) $((x * requests)) $((u * requests)) $(((500 + x * c2c + u * upgrade + 20 * (k == 0)) * requests)))}"
	done
	all=$((cores * requests))
	# half of the instructions are tcp_v4_rcv's, in two pieces, and all of the transfers
	for f in tcp_v4_rcv tcp_v4_rcv.cold; do
		echo "{\"record\":\"function\",\"function\":\"$f\",\"module\":\"\",$(counts $((250 * all)) $((x * all / 2)) $((u * all / 2)) $((all * 400)))}"
	done
	echo "{\"record\":\"structure\",\"structure\":\"slab:TCP\",\"lines\":1,\"c2c\":$((x * all)),\"c2c_false\":0,\"upgrade\":$((u * all)),\"dma\":0}"
	echo "{\"record\":\"line\",\"structure\":\"slab:TCP\",\"offset\":64,\"c2c\":$((x * all)),\"c2c_false\":0,\"upgrade\":$((u * all)),\"dma\":0}"
	echo "{\"record\":\"transfer\",\"function\":\"tcp_v4_rcv\",\"module\":\"\",\"structure\":\"slab:TCP\",\"c2c\":$((x * all)),\"c2c_false\":0,\"upgrade\":$((u * all))}"
} > "$out/cohsim.jsonl"
touch "$out/kallsyms" "$out/pages"
LAB
chmod +x "$test_out/lab"
export CALLS=$test_out/calls
unset QUICK FULL KEEP
bench() {	# bench DIR [OPTION...]
	local dir=$test_out/$1
	shift
	"$evaluate" --budget quick --lab "$test_out/lab" --jobs 2 --out "$dir" "$@"
}
row() { awk -F, -v s="$2" -v k="$3" -v c="$4" '$1 == s && $2 == k && $6 == c' "$test_out/$1/summary.csv"; }
cell() {	# cell DIR TABLE ROW_REGEX COLUMN_NAME: of a table of the report
	jq -r --arg t "$2" --arg row "$3" --arg column "$4" 'select(.name == $t) | (.header | index($column)) as $i | .rows[] | select((.[0:2] | join(" ")) | test($row)) | .[$i]' \
		"$test_out/$1/data/tables.jsonl"
}

# --- numbers -----------------------------------------------------------------------

check "a quick evaluation runs" bench good
same "summary.csv has the agreed header" \
	setup,server_cores,file_bytes,seed,quantum,c2c_cost,requests,insns_per_req,cycles_per_req,busiest_mcycles,c2c_per_req,own_nic_pct,one_core_pct \
	"$(head -n 1 "$test_out/good/summary.csv")"
# 8 cores x 100 requests; mean of 7 cores at 1740 and one at 1760; busiest 1760*100
same "as counted: 1742.5 cycles, busiest 0.176 M" 8023ad-l34,8,128,1,100,110,800,1000,1743,0.18,10,99.5,100 "$(row good 8023ad-l34 8 110)"
# 10*60 less, and the upgrade costs a last-level hit, 50: 1742.5 - 600 - 2*20 = 1102.5
same "the same counts at a c2c cost of 50" 8023ad-l34,8,128,1,100,50,800,1000,1103,0.11,10,99.5,100 "$(row good 8023ad-l34 8 50)"
# 10*140 and 2*(159-70) more: 1742.5 + 1400 + 178 = 3320.5
same "the same counts at 250" 8023ad-l34,8,128,1,100,250,800,1000,3321,0.33,10,99.5,100 "$(row good 8023ad-l34 8 250)"
same "a row for each run and c2c cost, requests only" 25 "$(wc -l < "$test_out/good/summary.csv")"
same "transmit is in a file of its own" 7 "$(wc -l < "$test_out/good/variants.csv")"
# (570 + 20/8) / (500 + 20) = 572.5 / 520; at 50 552.5 / 520
same "bar: flowpar against one core of stock" "1.101  NOT reached; 1.063..1.272 over c2c 50, 110, 250" "$(cell good bars 'ONE core' flowpar-nat)"
same "bar: against stock at 8 cores, 1742.5 / 572.5" "3.04  reached; 2.00..5.02 over c2c 50, 110, 250" "$(cell good bars 'it at least' flowpar-nat)"
same "bar: against the best of the peers, 572.5 / 942.5, while some are not run" \
	"0.607  not decided; reuseport of 3, not run: nft-redirect, nft-stateless, sk-lookup, rr-queue-id, team-cpu" "$(cell good bars 'best peer' flowpar-nat)"
same "bar: transfers against stock's" "0.000  reached" "$(cell good bars 'c2c/req, against' flowpar-nat)"
same "bar: cheaper than every peer at every cost" "yes  reached" "$(cell good bars 'cheaper than every' flowpar-nat)"
# at 50: 67 between rr 702.5 and stock 1066.5, none change; balance-rr and reuseport are equal at every cost
same "bar: the same order at every cost" "yes  reached" "$(cell good bars 'same order' flowpar-nat)"
same "throughput: 800 requests in 0.059 M cycles of the busiest" 13,559.3 "$(cell good scaling 'flowpar-nat 8' req/Mcycle)"
# 13559.3 / (100 / 0.052 = 1923.1) / 8
same "efficiency: against one core of stock" "88 %" "$(cell good scaling 'flowpar-nat 8' efficiency)"
# mean of 4 cores: 500 + 4*110 + 20/4 = 945 against 500 + 70 + 20/4 = 575
same "transmit: cycles per packet against round robin, 945 / 575" "1.64x" "$(cell good transmit flowpar-nat gain@110)"
# two pieces of 5 transfers a request; (400 + 400) / (250 + 250)
same "the original's table 4: pieces of a function are one" 10,000 "$(cell good table4 'receive tcp_v4_rcv$' 'stock misses')"
same "its CPI is cycles by instructions of both" 1.60 "$(jq -r 'select(.name == "table4") | .rows[] | select(.[1] == "tcp_v4_rcv") | .[11]' "$test_out/good/data/tables.jsonl")"
same "the original's sum stands beside" 60,754 "$(jq -r 'select(.name == "table4") | .rows[-1][2]' "$test_out/good/data/tables.jsonl")"
same "transfers are attributed by structure" 10.00 "$(cell good structures slab:TCP 8023ad-l34)"
same "attributed and counted agree" "10.00 10.00" "$(cell good functions attributed 8023ad-l34) $(cell good functions counted 8023ad-l34)"
same "what is left of flowpar: one upgrade a request" "0.000 1.000 tcp_v4_rcv slab:TCP" \
	"$(jq -r 'select(.name == "left") | .rows[0] | "\(.[1]) \(.[3]) \(.[5]) \(.[7])"' "$test_out/good/data/tables.jsonl")"
for f in costs throughput efficiency transmit by-function by-structure balance; do
	check "$f.svg carries the caveat" grep -q 'Modelled, not measured on hardware' "$test_out/good/$f.svg"
	check "report.html has $f, with its caption" grep -q "id=\"f-$f\"" "$test_out/good/report.html"
done
same "as many captions with the caveat as figures" 7 "$(grep -c '<figcaption>.*Modelled, not measured' "$test_out/good/report.html")"

for what in 'preset zen4, cycles: cpi 0.5, llc 50, upgrade' 'caches: l1i 32 KiB 8-way, l1d 48 KiB 12-way' 'Timer ticks come some 20 times as often' 'writes by DMA is not seen'; do
	check "beside the figures: $what" grep -qF "$what" "$test_out/good/costs.svg"
done
d=$test_out/models
cp -r "$test_out/good" "$d"
sed -i 's/"l2_kib":1024/"l2_kib":2048/' "$d"/runs/flowpar-nat-8c-*/cohsim.jsonl
"$repo/bench/evaluate/report.sh" "$d" > /dev/null
check "runs of different models are not passed off as one" grep -q '^ATTENTION: 2 different models stand together' "$d/report.txt"
check_fails "those of one are" 1 '^$' grep 'different models' "$test_out/good/report.txt"

# --- going on -----------------------------------------------------------------------

: > "$CALLS"
check "the same again" bench good
same "nothing is run twice" 0 "$(wc -l < "$CALLS")"
rm -r "$test_out"/good/runs/reuseport-8c-*
check "one run is gone" bench good
same "only that one is made" "reuseport 8 http" "$(cat "$CALLS")"
: > "$CALLS"
for complete in "$test_out"/good/runs/balance-rr-*/complete; do
	sed -i 's/"version": *"[^"]*"/"version": "older"/' "$complete"
done
check "runs of other sources, --keep" bench good --keep
same "they count" 0 "$(wc -l < "$CALLS")"
check "and the report says that they are mixed" grep -q 'ATTENTION: runs of 2 versions' "$test_out/good/report.txt"
check "without" bench good
same "they are made again" "balance-rr 4 transmit balance-rr 8 http" "$(sort "$CALLS" | xargs)"

: > "$CALLS"
# Not by the function: the pid has to be the evaluation's own.
SLOW=8023ad-l34 "$evaluate" --budget quick --lab "$test_out/lab" --jobs 2 --setups 8023ad-l34,reuseport --out "$test_out/cut" > "$test_out/cut.log" 2>&1 &
pid=$!
check "two are under way" wait_until 20 test -d "$test_out/cut/runs/8023ad-l34-8c-128b-s1-c110-r100-w100.part"
check "another came through" wait_until 20 test -d "$test_out/cut/runs/reuseport-8c-128b-s1-c110-r100-w100"
check_fails "a second one at the same place is told so" 2 '^evaluate.sh: --out .*/cut: another evaluation is at work there' bench cut
check "and leaves the first's runs alone" test -d "$test_out/cut/runs/8023ad-l34-8c-128b-s1-c110-r100-w100.part"
kill -TERM $pid
wait $pid
same "an evaluation that is told to end does" 143 $?
check "it says how to go on, and how to see what is there" grep -q 'stopped; the same command goes on, bench/evaluate.sh --report shows' "$test_out/cut.log"
same "its plan is whole, though it was stopped" "3 1" "$(grep -c ^8023ad-l34 "$test_out/cut/plan.tsv") $(grep -c ^reuseport "$test_out/cut/plan.tsv")"
no_lab() { ! pgrep -f "$test_out/lab model"; }
check "no lab is left behind" wait_until 20 no_lab
: > "$CALLS"
check "the same command goes on" bench cut --setups 8023ad-l34,reuseport
same "not with what was done" 0 "$(grep -c '^reuseport 8' "$CALLS")"
same "but with what was not" 1 "$(grep -c '^8023ad-l34 8' "$CALLS")"

# --- the default budget --------------------------------------------------------------

d=$test_out/hour
hour() { bench hour --setups balance-rr,8023ad-l34,reuseport,flowpar-nat "$@"; }
check "the default budget, of the first two peers, a tuned one and flowpar" hour --budget default
same "a figure of file sizes" "128 256 2,048 32,768" "$(jq -r 'select(.name == "sizes") | .rows[][0]' "$d/data/tables.jsonl" | uniq | xargs)"
check "with a picture" grep -q 'id="f-sizes"' "$d/report.html"
# 1742.5 / 572.5, whatever the size
same "the gain over round robin, 4 cores: 945 / 575 by the busiest cores' 960 / 590" 1.63x "$(cell hour sizes '^2,048 flowpar-nat' 'gain over balance-rr')"
# what was made at 50 is what was computed for it
same "runs at other costs are what their band said" "0.0 % 0.0 % 0.0 % 0.0 %" "$(jq -r 'select(.name == "costs") | .rows[][6]' "$d/data/tables.jsonl" | xargs)"
same "another server and skewed load are apart" "8023ad-l34+nginx 8023ad-l34+skew flowpar-nat+nginx flowpar-nat+skew reuseport+nginx" \
	"$(jq -r 'select(.name == "variants") | .rows[][0]' "$d/data/tables.jsonl" | sort | xargs)"
same "in the CSV too: none in the one, each in the other" "0 15" "$(grep -cE '[+](nginx|skew)' "$d/summary.csv") $(grep -cE '[+](nginx|skew)' "$d/variants.csv")"

check "a smaller budget, asked for later" hour
same "takes nothing away: the sizes are still there" "128 256 2,048 32,768" "$(jq -r 'select(.name == "sizes") | .rows[][0]' "$d/data/tables.jsonl" | uniq | xargs)"
same "and the three seeds" 3 "$(cell hour setups '^flowpar-nat 3$' seeds)"
same "nor stands a shorter run, which it made, beside the longer one of the same name" 1 "$(grep -c '^8023ad-l34,8,128,1,100,110,' "$d/summary.csv")"

# --- building is no run ----------------------------------------------------------------

mkdir -p "$copy/kernel-patches"
printf '#!/bin/bash\necho "build $1" >> "$CALLS"\nsleep 5\n' > "$copy/kernel-patches/build.sh"
chmod +x "$copy/kernel-patches/build.sh"
for dir in ctl bench/steer bench/cohsim bench/lab; do
	printf 'all:\n\t@echo "make %s" >> "$$CALLS"\n' "$dir" > "$copy/$dir/Makefile"
done
cp "$test_out/lab" "$copy/bench/lab/lab"
: > "$CALLS"
check "with the lab that builds" "$evaluate" --budget quick --jobs 2 --out "$test_out/built" --setups 8023ad-l34,flowpar-nat
same "each kernel and tool is built once, before any run" "build stock build patched make ctl make bench/steer make bench/cohsim make bench/lab" "$(head -n 6 "$CALLS" | xargs)"
same "no more of it" 6 "$(grep -cE '^(build|make)' "$CALLS")"
check "and is no part of a run's time" bash -c '(($(jq .seconds "$1"/runs/8023ad-l34-8c-*/complete) < 10))' _ "$test_out/built"
rm "$copy/bench/lab/lab" "$copy/kernel-patches/build.sh"

# --- what is not there ---------------------------------------------------------------

BREAK=reuseport bench broken --setups 8023ad-l34,reuseport > /dev/null 2>&1
same "a lab that fails: the evaluation says so by its status" 1 $?
same "the set-up stands among the others with the reason" "not run: lab: model: reuseport: it broke" \
	"$(jq -r 'select(.name == "setups") | .rows[] | select(.[0] == "reuseport") | .[1]' "$test_out/broken/data/tables.jsonl")"
check "in the text too" grep -q '^reuseport: not run: lab: model: reuseport: it broke' "$test_out/broken/report.txt"
same "not in the CSV" "" "$(row broken reuseport 8 110)"
LOSE=flowpar-nat bench lost --setups 8023ad-l34,flowpar-nat > /dev/null 2>&1
check "a run that lost a request does not count" grep -q '^flowpar-nat: not run: run.json: 1 of 800 requests failed' "$test_out/lost/report.txt"
same "and without flowpar there is no verdict on it" "no number" "$(cell lost bars 'ONE core' flowpar-nat)"
REGION=false bench torn --setups balance-rr > "$test_out/torn.log" 2>&1
check "no run at all is said in one line" grep -q '^report: .*: not one run that counts' "$test_out/torn.log"
check "a run without a whole region does not count" grep -q 'cohsim.jsonl: the marked region is not complete' "$test_out/torn.log"

# --- an order that depends on the price --------------------------------------------------

d=$test_out/flip
cp -r "$test_out/good" "$d"
# balance-rr: 4 transfers a request less, but 300 cycles of work more: 502.5 + 300 against reuseport's 702.5, 942.5, 1502.5
sed -i -E '/"role":"server"/s/"c2c":400,/"c2c":0,/; /"function"/s/"c2c":1600,/"c2c":0,/; /"slab:TCP"/s/"c2c":3200,/"c2c":0,/; /"role":"server"/s/"cycles":94000/"cycles":80000/; /"role":"server"/s/"cycles":96000/"cycles":82000/' "$d"/runs/balance-rr-8c-*/cohsim.jsonl
"$repo/bench/evaluate/report.sh" "$d" > /dev/null
same "is told, with the pair" "no  NOT reached; change places: balance-rr / reuseport" "$(cell flip bars 'same order' flowpar-nat)"

same "with the reason, from the counts" "reuseport needs 300 cycles less beside lines (0 instructions fewer), balance-rr moves 4.0 lines less (4.0 c2c, 0.0 upgrades); they are even at c2c 75." \
	"$(cell flip missed '^order: reuseport / balance-rr' 'why, and what it would take' | grep -o '^reuseport.* at c2c 75[.]')"
same "what it would take" "For one order at every cost balance-rr would have to save 100 cycles beside lines, or reuseport 2.8 transfers." \
	"$(cell flip missed '^order: reuseport / balance-rr' 'why, and what it would take' | grep -o 'For one order.* transfers[.]')"
same "and the function that it is in" "tcp_v4_rcv +4.0" "$(cell flip missed '^order: reuseport / balance-rr' 'why, and what it would take' | grep -o 'tcp_v4_rcv +4.0')"
same "both sides stand in a table, with what they cost" "reuseport 703 balance-rr 803" "$(jq -r 'select(.name == "flips") | .rows[] | "\(.[1]) \(.[7])"' "$d/data/tables.jsonl" | xargs)"
# (570 + 20/8) / 520 = 1.101 at 110, 1.272 at 250: 572.5 + 89 - 551.2 = 110.3 cycles
check "a bar that is missed is told with what it would take" grep -q '^flowpar-nat: at most 1.06 of 8023ad-l34 on ONE core, at c2c 50, 110, 250: 1.272 at c2c 250, 110 cycles a request too many.*tcp_v4_rcv' "$d/report.txt"
check "one that is reached at every price is not" bash -c '! grep -q "^flowpar-nat: 8023ad-l34 at least 1.5 times" "$1"' _ "$d/report.txt"

# flowpar-nat with 300 cycles more a request: 1742.5 / 872.5 at 110, but 1102.5 / 852.5 at 50
d=$test_out/only
cp -r "$test_out/good" "$d"
sed -i -E '/"role":"server"/s/"cycles":57000/"cycles":87000/; /"role":"server"/s/"cycles":59000/"cycles":89000/' "$d"/runs/flowpar-nat-8c-*/cohsim.jsonl
"$repo/bench/evaluate/report.sh" "$d" > /dev/null
same "a bar that is reached at one price only says so" "2.00  reached at 110 only; 1.29..3.45 over c2c 50, 110, 250" "$(cell only bars 'it at least' flowpar-nat)"
check "and is painted as one that is missed" grep -q '<td class="bad">2.00  reached at 110 only' "$d/report.html"
check "why, is beside it" grep -q '^flowpar-nat: 8023ad-l34 at least 1.5 times, at c2c 50: 1.29 at c2c 50. .*without any line moved flowpar-nat would be at 1.37, so lines alone cannot do it' "$d/report.txt"
check "not as one that is reached, which others are" grep -q '<td class="good">0.000  reached' "$d/report.html"

# --- a cause does not explain any number of transfers ----------------------------------

same "the list of causes is no catch-all: of the stock set-up's 10 transfers and 2 upgrades it explains 3.5" yes \
	"$(jq -r 'select(.name == "left-causes") | if .notes[1] | endswith("of 8023ad-l34\u0027s 12.0 it leaves 8.5 unexplained.") then "yes" else .notes[1] end' "$test_out/good/data/tables.jsonl")"
d=$test_out/causes
cp -r "$test_out/good" "$d"
moves() {	# moves DIR C2C STRUCTURE: flowpar-nat's transfers at 8 cores, on all records of a file
	sed -i -E "/\"role\":\"server\"/s/\"c2c\":0,/\"c2c\":$(($2 / 8)),/; /\"record\":\"function\"/s/\"c2c\":0,/\"c2c\":$(($2 / 2)),/
		/\"record\":\"(structure|line|transfer)\"/s/\"c2c\":0,/\"c2c\":$2,/; s/slab:TCP/$3/" "$1"/runs/flowpar-nat-8c-*/cohsim.jsonl
}
moves "$d" 8000 slab:TCP
"$repo/bench/evaluate/report.sh" "$d" > /dev/null
same "nor of flowpar's 10 and 1, less of it: no two instances have one port" "10.85  NOT reached" "$(cell causes bars 'not named' flowpar-nat)"
moves "$d" 0 slab:nobody
sed -i -E 's/"c2c":(1000|4000|8000),/"c2c":0,/' "$d"/runs/flowpar-nat-8c-*/cohsim.jsonl
"$repo/bench/evaluate/report.sh" "$d" > /dev/null
same "a line without a cause that is only upgraded is not named either" "1.00  NOT reached" "$(cell causes bars 'not named' flowpar-nat)"

# --- what is attributed is what was counted ---------------------------------------------

d=$test_out/lost-line
cp -r "$test_out/good" "$d"
sed -i '/"record":"structure"/s/"upgrade":800,/"upgrade":799,/' "$d"/runs/flowpar-nat-8c-*/cohsim.jsonl
"$repo/bench/evaluate/report.sh" "$d" > /dev/null
check "a run that attributes less than it counted does not count" \
	grep -q 'flowpar-nat: not run: cohsim.jsonl: upgrade by structure is 799, the server cores counted 800$' "$d/report.txt"

# --- bad input ------------------------------------------------------------------------

d=$test_out/upgrade
cp -r "$test_out/good" "$d"
sed -i 's/"upgrade":70/"upgrade":71/' "$d"/runs/flowpar-nat-8c-*-w100/cohsim.jsonl
"$repo/bench/evaluate/report.sh" "$d" > /dev/null
check "an upgrade cost that the band would get wrong" grep -q 'flowpar-nat: not run: cohsim.jsonl: upgrade cost 71 is not what c2c 110 implies (70)' "$d/report.txt"
d=$test_out/other
cp -r "$test_out/good" "$d"
sed -i 's/"server_cores": 8/"server_cores": 4/' "$d"/runs/balance-rr-8c-*/run.json
"$repo/bench/evaluate/report.sh" "$d" > /dev/null
check "a run that is not the one asked for" grep -q 'balance-rr: not run: run.json: server_cores is 4, asked for 8' "$d/report.txt"
check_fails "a budget that does not exist" 2 '--budget fast: want quick, default or full' "$evaluate" --budget fast
check_fails "a set-up that does not exist" 2 '--setups nope: no such set-up' "$evaluate" --setups nope
check_fails "both budgets at once" 2 'QUICK=1 and FULL=1: choose one' env QUICK=1 FULL=1 "$evaluate" --plan
for switch in QUICK FULL KEEP; do
	check_fails "$switch=yes is no budget of an hour" 2 "^evaluate.sh: $switch=yes: want 1, or 0 or nothing$" env $switch=yes "$evaluate" --plan
done
check "an empty one is none, as make gives it" env QUICK='' FULL=0 KEEP='' "$evaluate" --plan --out "$test_out/plan" --lab "$test_out/lab"
mkdir -p "$test_out/alien/runs"
check_fails "a directory that is not ours" 2 'has a runs/ that is none of ours' bench alien
check_fails "a report on nothing" 2 'no plan.tsv there' "$repo/bench/evaluate/report.sh" "$test_out/alien"

model() { "$repo/bench/lab/lab" model --setup flowpar-nat --out "$test_out/model" "$@"; }
for given in quantum=10000 seed=2 c2c=50; do
	check_fails "--model $given would belie run.json" 2 "^lab: --model $given: give --${given%=*} instead$" model --model "l2_kib=2048,$given"
done
for given in servers=2 out=/dev/null preset=zen4 kallsyms=x pages=x; do
	check_fails "--model $given is not for the user to say" 2 "^lab: --model $given: not to be set" model --model "$given"
done

plan() { "$evaluate" --plan --budget "$1" --out "$test_out/plan" --lab "$test_out/lab" 2>&1; }
same "the default has every set-up at 8 cores" 15 "$(plan default | grep -cE -- '-8c-128b-s1-c110-r[0-9]+-w[0-9]+$')"
same "and three seeds of each in the order that can run" 13 "$(plan default | sed -nE 's/-8c-128b-s[23]-c110-r100-w200$//p' | sort | uniq -c | grep -c '^ *2 ')"
check "full has 16 and 32 cores" bash -c 'grep -q -- -16c- <<< "$1" && grep -q -- -32c- <<< "$1"' _ "$(plan full)"
for budget in quick:10 default:60; do
	minutes=$(plan ${budget%:*} --jobs 2 | sed -n 's/.*about \([0-9]*\) min left/\1/p')
	check "${budget%:*} is estimated at ${minutes:-?} minutes, at most ${budget#*:}" test "${minutes:-999}" -le "${budget#*:}"
done
finish
