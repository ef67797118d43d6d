# SPDX-License-Identifier: GPL-2.0
# Every table of the report, as objects {name, title, notes, header, rows} of strings.
#
# Arguments: runs (collect.jq's objects), missing ({label, cores, ..., reason}), detail
# (function, structure and transfer records with their run's key), original (original.tsv)
# and causes (causes.tsv), both as arrays of columns.
include "lib";

$runs as $all
| ($all | head_cores) as $n
| ($all | labels_at($n)) as $labels
| [$labels[] | select(contains("+") | not)] as $plain
| [$plain[] | select(. as $l | ours + [tuned, direct] | index($l) | not)] as $peers
| ($all | all(.cost == null)) as $measured	# on hardware: no price of a transfer to vary
| (reduce ($all[] | .key) as $k ({}; .[$k] = [])) as $empty
| (reduce $detail[] as $d ($empty; .[$d.key] += [$d])) as $records

| def cells($who; $cores): $all | cell($who; $cores);
  def cyc($who; $cores; $cost): cells($who; $cores) | cycles($cost) | median;
  def thr($who; $cores; $cost): cells($who; $cores) | throughput($cost) | median;
  def insns($who; $cores): cells($who; $cores) | map(.per_req.insns) | median;
  def transfers($who; $cores): cells($who; $cores) | map(.per_req.c2c) | median;
  def table($name; $title; $notes; $header; rows): {name: $name, title: $title, notes: $notes, header: $header, rows: rows};
  def not_run($who; $cores): [$missing[] | select(.label == $who and .cores == $cores and .workload == "http")] | first
	| if . == null then "not in this run's matrix" else "not run: " + .reason end;
  # a number against its bar
  def verdict($value; $reached; $digits): if $value == null then "no number" else
	($value | fix($digits)) + (if $reached then "  reached" else "  NOT reached" end) end;
  # the same at each cost: a conclusion that changes with the price of a transfer is none
  def verdict_at_costs($values; reached; $digits):
	($values | map(select(. != null))) as $v
	| if $v == [] then "no number"
	  elif $measured then $v[0] | verdict(.; reached; $digits)
	  else ($values[1] | fix($digits))
	    + (if all($v[]; reached) then "  reached" elif $values[1] | reached then "  reached at 110 only" else "  NOT reached" end)
	    + "; \($v | min | fix($digits))..\($v | max | fix($digits)) over c2c 50, 110, 250" end;

  # --- the bars -----------------------------------------------------------------
  def ratio_one($f; $c): div(cyc($f; $n; $c); cyc(stock; 1; $c));
  def ratio_stock($f; $c): div(cyc(stock; $n; $c); cyc($f; $n; $c));
  def worst_peer($f): [$peers[] | {p: ., r: div(cyc($f; $n; "110"); cyc(.; $n; "110"))} | select(.r != null)] | max_by(.r);
  def listed: order - ours - [tuned, direct, "rr-queue-id-bpf", "multiqueue"];	# multiqueue: no emulated NIC has it
  def ranking($cost): $plain | map({l: ., c: cyc(.; $n; $cost)} | select(.c != null)) | sort_by(.c);
  # Pairs that change places between costs. Seeds alone could do that unless each side
  # is the cheaper one, by every seed, at some cost.
  # direct is beside them only to be counted against: clients of a service cannot do that.
  def flip_pairs: ($plain - [direct]) as $plain | [range(0; $plain | length) as $i | range($i + 1; $plain | length) as $j
	| $plain[$i] as $a | $plain[$j] as $b
	| [costs[] as $c | cyc($a; $n; $c) - cyc($b; $n; $c) | if . > 0 then 1 else -1 end] | unique | select(length > 1)
	| def below($p; $q): any(costs[]; . as $c | (cells($p; $n) | cycles($c) | max) < (cells($q; $n) | cycles($c) | min));
	  {$a, $b, seeds: ((cells($a; $n) | length) > 1 and (cells($b; $n) | length) > 1 and (below($a; $b) and below($b; $a) | not))}];
  def flips: [flip_pairs[] | "\(.a) / \(.b)" + if .seeds then " (no further apart than seeds)" else "" end];
  # Per request, means over seeds: counts, and the cycles of all that is no transfer or upgrade.
  def mean_of($l): cells($l; $n) as $cell
	| def m(f): $cell | map(f) | mean;
	  {l: $l, insns: m(.per_req.insns), c2c: m(.per_req.c2c), upgrade: m(.per_req.upgrade // 0), llc: ($cell[0].cost.llc // 0),
	   rest: m(.cycles_per_req - .cost.c2c * .per_req.c2c - .cost.upgrade * (.per_req.upgrade // 0))};
  def lines_of: .c2c + .upgrade;
  def costs_at($c): .rest + $c * .c2c + upgrade_at($c; .llc) * .upgrade;
  # The whole price of a transfer from which on the other side is the cheaper one.
  def crossover($p; $q): [range(50; 251) as $c | {$c, less: (($p | costs_at($c)) < ($q | costs_at($c)))}] as $at
	| [range(1; $at | length) | select($at[.].less != $at[. - 1].less) | $at[.].c] | first // null;
  # Function or structure: what $p has more than $q of it per request, most first.
  def shares($cell; $record; name; value):
	($cell | map(.requests) | add) as $requests
	| [$cell[] | $records[.key][] | select(.record == $record)] | group_by(name)
	| map({key: (.[0] | name), value: ((map(value) | add) / $requests)}) | from_entries;
  def most($p; $q; $record; name; value; $digits):
	shares($p; $record; name; value) as $x | shares($q; $record; name; value) as $y
	| [($x + $y | keys[]) as $k | {$k, d: (($x[$k] // 0) - ($y[$k] // 0))}] | sort_by(-(.d | fabs), .k) | .[:5]
	| map("\(.k) \(if .d > 0 then "+" else "" end)\(.d | fix($digits))") | join(", ");
  def differ($p; $q): cells($p; $n) as $x | cells($q; $n) as $y | "Of \($p) against \($q), by function, insns/req: \(most($x; $y; "function"; .function | base_name; .insns // 0; 0)); "
	+ "lines moved (c2c + upgrades)/req: \(most($x; $y; "function"; .function | base_name; (.c2c // 0) + (.upgrade // 0); 1)); "
	+ "by structure: \(most($x; $y; "structure"; .structure; .c2c + .upgrade; 1)).";
  def cause($f; $s): [$causes[] | select(.[0] as $re | $s | test($re)) | select(.[1] as $re | $f | test($re))] | first // null;
  # A set-up's transfers by row of the list of causes: c2c and upgrades per request, and what is more than the row's cause accounts for.
  def by_cause($l): cells($l; $n) as $cell
	| ($cell | map(.requests) | add) as $requests
	| [$cell[] | . as $run | $records[.key][] | select(.record == "transfer")
	   | {c: (cause(.function | base_name; .structure) // ["", "", "-", "not explained yet", "-", "0"]), c2c, upgrade,
	      cycles: (if $run.cost == null then 0 else .c2c * $run.cost.c2c + .upgrade * $run.cost.upgrade end)}]
	| group_by(.c) | map({c: .[0].c, c2c: ((map(.c2c) | add) / $requests), upgrade: ((map(.upgrade) | add) / $requests), cycles: ((map(.cycles) | add) / $requests)}
	    | .most = (.c[if .c[6] != null and ($l | test("^flowpar-(nat|direct)")) then 6 else 5 end] | tonumber)
	    | .over = ([.c2c + .upgrade - .most, 0] | max));
  def unnamed($l): if cells($l; $n) == [] then null else by_cause($l) | map(.over) | add // 0 end;
  def packet($l): [$all | at_base[] | select(.workload == "transmit" and .label == $l) | .cycles_per_req] | median;
  def bars:
	[ours[] | select(. as $f | $labels | index($f))] as $have
	| (if $have == [] then [flowpar] else $have end) as $rows
	| def line($what; $wanted; f): [$what, $wanted] + [$rows[] | . as $r | f];
	  table("bars"; "What has to be shown, \($n // "-") server cores"; [
		"Cycles are server cycles per request, medians over seeds at c2c 110. \(flowpar) is flowpar as set up by default."];
	  ["requirement", "wanted"] + $rows; [
	  line("cycles/req, against \(stock) on ONE core"; "at most 1.06";
		verdict_at_costs([ratio_one(.; costs[])]; . <= 1.06; 3)),
	  line("insns/req, against \(direct): clients that name their core's port"; "at most 1.05";
		div(insns(.; $n); insns(direct; $n)) as $v | if . != flowpar then "-" else verdict($v; $v <= 1.05; 3) end),
	  line("\(stock) here, cycles/req against it"; "at least 1.5";
		verdict_at_costs([ratio_stock(.; costs[])]; . >= 1.5; 2)),
	  line("cycles/req, against the best peer here"; "below 1";
		worst_peer(.) as $w | (listed - $peers) as $lost
		| if $w == null then "no number"
		  elif $w.r < 1 and $lost != [] then "\($w.r | fix(3))  not decided; \($w.p) of \($peers | length), not run: \($lost | join(", "))"
		  else verdict($w.r; $w.r < 1; 3) + "; \($w.p), of \($peers | length) peers run" end),
	  line("cheaper than every peer run, at c2c 50, 110 and 250"; "yes";
		. as $f | if $measured then "no number" else
		[costs[] as $c | $peers[] as $p | select(cyc($f; $n; $c) >= cyc($p; $n; $c)) | "\($p) at \($c)"]
		| if $peers == [] then "no number" elif . == [] then "yes  reached" else "no  NOT reached; \(join(", "))" end end),
	  line("same order of set-ups at c2c 50, 110, 250"; "yes";
		flips as $x | ($x | map(select(endswith(")") | not))) as $real
		| if ($plain | length) < 2 or $measured then "no number"
		  elif $real != [] then "no  NOT reached; change places: \($x | join(", "))"
		  else "yes  reached" + (if $x == [] then "" else "; equal: \($x | join(", "))" end) end),
	  line("c2c/req, against \(stock) here"; "at most 0.1";
		div(transfers(.; $n); transfers(stock; $n)) as $v | verdict($v; $v <= 0.1; 3)),
	  line("c2c/req between server cores"; "10 is the target"; transfers(.; $n) as $v | verdict($v; $v <= 10; 1)
		+ (if . != flowpar or transfers(tuned; $n) == null then "" else "; \(transfers(tuned; $n) | fix(1)) without what configuration can remove (\(tuned))" end)),
	  line("equal load: frames of the busiest link, against the mean"; "at most 1.05";
		(cells(.; $n) | map(select((.split // []) != []) | (.split | max) / (.split | mean)) | max) as $v | verdict($v; $v <= 1.05; 3)),
	  line("busiest core / mean core, Mcycles"; "printed";
		cells(.; $n) | if . == [] then "no number" else map((.core_mcycles | max) / (.core_mcycles | mean)) | spread(3) end),
	  line("c2c/req with the lines that a client CPU wrote last (dma), an upper bound"; "printed";
		cells(.; $n) | if . == [] then "no number" else map(.per_req | .c2c + (.dma // 0)) | median | fix(1) end),
	  line("c2c and upgrades/req whose cause is not named below"; "below 0.1"; unnamed(.) as $v | verdict($v; $v < 0.1; 2)),
	  line("transmit alone, cycles/packet of \(original_stock) against it"; "printed; original about 6x";
		div(packet(original_stock); packet(.)) | if . == null then "no number" else fix(2) + "x" end),
	  line("packets by the own NIC, %"; "at least 99"; (cells(.; $n) | map(.own) | median) as $v | verdict($v; $v >= 99; 1)),
	  line("connections on one core, %"; "at least 99"; (cells(.; $n) | map(.one) | median) as $v | verdict($v; $v >= 99; 1))
	]);

  def flip_table:
	[flip_pairs[] | [mean_of(.a), mean_of(.b)] as $m | ($m | sort_by(.rest)) as $m | . + {p: $m[0], q: $m[1]}] as $pairs
	| table("flips"; "Set-ups that change places between c2c 50, 110 and 250"; [
		"Per request, means over seeds. beside lines: cycles without transfers and upgrades. The first of a pair costs less beside them, the second moves fewer lines; below the crossover, computed from the counts, the first is the cheaper one."];
	  ["pair", "set-up", "seeds", "insns", "c2c", "upgrades", "cycles beside lines", "cycles@50", "cycles@110", "cycles@250", "crossover c2c"];
	  [$pairs[] | . as $pair | .p, .q | . as $m
	  | ["\($pair.p.l) / \($pair.q.l)" + (if $pair.seeds then " (seeds)" else "" end), .l, (cells(.l; $n) | length | tostring), (.insns | fix(0)), (.c2c | fix(1)), (.upgrade | fix(1)), (.rest | fix(0)),
	     (costs[] | tonumber as $c | $m | costs_at($c) | fix(0)),
	     (crossover($pair.p; $pair.q) | if . == null then "-" else tostring end)]]);

  # Every bar that is missed, with why and what it would take.
  def removable($f): by_cause($f) | map(select(.c[2] != "-")) | group_by(.c[2])
	| map("\(.[0].c[2]) \(map(.c2c + .upgrade) | add | fix(1)) lines, \(map(.cycles) | add | fix(0)) cycles at 110") | join("; ");
  def largest($f; $k): by_cause($f) | group_by(.c[3]) | map({c: .[0].c, v: (map(.c2c) | add)}) | sort_by(-.v) | .[:$k]
	| map("\(.v | fix(2)) \(.c[3]) [\(.c[2]): \(.c[4])]") | join("; ");
  def misses_of($f):
	mean_of($f) as $m
	| (costs | map(select(. as $c | ratio_one($f; $c) != null and ratio_one($f; $c) > 1.06))) as $one
	| (costs | map(select(. as $c | ratio_stock($f; $c) != null and ratio_stock($f; $c) < 1.5))) as $half
	| (if $one == [] then empty else
	   ($one | max_by(ratio_one($f; .))) as $c | (cyc($f; $n; $c) - 1.06 * cyc(stock; 1; $c)) as $over
	   | ["\($f): at most 1.06 of \(stock) on ONE core, at c2c \($one | join(", "))",
	      "\(ratio_one($f; $c) | fix(3)) at c2c \($c), \($over | fix(0)) cycles a request too many. Its lines cost \(($m | costs_at($c | tonumber)) - $m.rest | fix(0)) cycles there, which one core has not; beside them it needs \($m.rest | fix(0)), by function, cycles against that one core: \(most(cells($f; $n); cells(stock; 1); "function"; .function | base_name; .cycles // 0; 0)). "
	      + "It would take \($over / ($c | tonumber) | fix(1)) transfers, or \($over / 0.5 | fix(0)) instructions, less a request. What can be removed, by whom: \(removable($f))."] end),
	  (if $half == [] then empty else
	   ($half | min_by(ratio_stock($f; .))) as $c | (cyc($f; $n; $c) - cyc(stock; $n; $c) / 1.5) as $over | mean_of(stock) as $s
	   | ["\($f): \(stock) at least 1.5 times, at c2c \($half | join(", "))",
	      "\(ratio_stock($f; $c) | fix(2)) at c2c \($c). Where a transfer is cheap \(stock) loses little by moving many: its \($s.c2c | fix(0)) transfers and \($s.upgrade | fix(0)) upgrades cost \(($s | costs_at($c | tonumber)) - $s.rest | fix(0)) of \(cyc(stock; $n; $c) | fix(0)) cycles; beside lines the two need \($s.rest | fix(0)) and \($m.rest | fix(0)). "
	      + "It would take \($over | fix(0)) cycles (\($over / 0.5 | fix(0)) instructions) less a request; without any line moved \($f) would be at \(div(cyc(stock; $n; $c); $m.rest) | fix(2)), so "
	      + (if div(cyc(stock; $n; $c); $m.rest) < 1.5 then "lines alone cannot do it: the rest is the request's own instructions, which \(stock) on one core needs as well (\(insns(stock; 1) | fix(0)) there, \($m.insns | fix(0)) here). " else "fewer lines would do. " end)
	      + differ(stock; $f)] end),
	  (if $m.c2c == null or transfers($f; $n) <= 10 then empty else
	   ["\($f): 10 c2c a request is the target",
	    "\(transfers($f; $n) | fix(1)), \(transfers($f; $n) - 10 | fix(1)) too many. The largest, with whose they are and what removes them: \(largest($f; 6)). What can be removed, by whom: \(removable($f))."
	    + (if $f != flowpar or transfers(tuned; $n) == null then "" else " Without what configuration removes (\(tuned)): \(transfers(tuned; $n) | fix(1))." end)] end),
	  ($peers[] as $p | [costs[] as $c | select(cyc($f; $n; $c) >= cyc($p; $n; $c)) | $c] | select(. != []) | . as $at
	   | (map(. as $c | (cyc($f; $n; $c) - cyc($p; $n; $c))) | max) as $over
	   | ["\($f): cheaper than every peer, but not than \($p) at c2c \($at | join(", "))",
	      "up to \($over | fix(0)) cycles a request too many, which is \($over / 0.5 | fix(0)) instructions. \(differ($f; $p))"]);
  def missed:
	[$labels[] | select(. as $l | ours | index($l))] as $have
	| table("missed"; "Bars that are missed: why, and what it would take"; [
		"From the counts of this run. A bar that holds at c2c 110 and not at 50 or 250 is missed."];
	  ["bar", "why, and what it would take"];
	  if $measured then [] else [
	   ($have[] as $f | misses_of($f)),
	   (flip_pairs[] | select(.seeds | not) | ([mean_of(.a), mean_of(.b)] | sort_by(.rest)) as [$p, $q] | crossover($p; $q) as $x
	    | ["order: \($p.l) / \($q.l) change places",
	       "\($p.l) needs \($q.rest - $p.rest | fix(0)) cycles less beside lines (\($q.insns - $p.insns | if . >= 0 then "\(fix(0)) instructions fewer" else "though \(-. | fix(0)) instructions more: fewer cache misses" end)), "
	       + "\($q.l) moves \(($p | lines_of) - ($q | lines_of) | fix(1)) lines less (\($p.c2c - $q.c2c | fix(1)) c2c, \($p.upgrade - $q.upgrade | fix(1)) upgrades); they are even at c2c \($x // "-"). "
	       + "For one order at every cost \($q.l) would have to save \(($q | costs_at(50)) - ($p | costs_at(50)) | fix(0)) cycles beside lines, or \($p.l) \(($p | costs_at(250)) - ($q | costs_at(250)) | . / 250 | fix(1)) transfers. "
	       + (if (cells($p.l; $n) | length) < 2 or (cells($q.l; $n) | length) < 2 then "One seed on a side: whether seeds could do it is not known. " else "" end)
	       + differ($p.l; $q.l)])] end);

  # --- set-ups beside each other ---------------------------------------------------
  def setups:
	[order[] | select(. as $l | $labels | index($l) | not) | select(. as $l | $missing | any(.label == $l and .cores == $n and .workload == "http"))] as $lost
	| table("setups"; "Set-ups at \($n) server cores, \($all | head_bytes)-byte file, one connection a request"; [
		"Counts first: per request, on server cores only. c2c: lines fetched from another server core's cache; of these false: by false sharing; upgrade: writes to a line that others share; dma: lines that a switch or client CPU wrote last, not in c2c. busy: share of the time in which server cores were not idle.",
		"cycles/req at cache-to-cache costs of 50, 110 and 250 cycles. Median (least..most) over seeds."];
	  ["set-up", "seeds", "insns/req", "c2c/req", "false", "upgrade", "dma", "own NIC %", "one core %", "cycles@50", "cycles@110", "cycles@250", "busiest Mcycles", "busiest/mean", "busy %"];
	  [$labels | sort_by([cyc(.; $n; "110"), .])[] | . as $l | cells($l; $n) as $c
	  | [$l, ($c | length | tostring), ($c | map(.per_req.insns) | spread(0)), ($c | map(.per_req.c2c) | spread(1)), ($c | map(.per_req.c2c_false) | spread(1)),
	     ($c | map(.per_req.upgrade) | spread(1)), ($c | map(.per_req.dma) | spread(1)), ($c | map(.own) | median | fix(1)), ($c | map(.one) | median | fix(1)),
	     ($c | cycles("50") | spread(0)), ($c | cycles("110") | spread(0)), ($c | cycles("250") | spread(0)),
	     ($c | map(.core_mcycles | max) | median | fix(1)), ($c | map((.core_mcycles | max) / (.core_mcycles | mean)) | median | fix(3)),
	     ($c | map(.busy_pct) | median | fix(0))]]
	  + [$lost[] | [., not_run(.; $n)]]);

  def ranks:
	[costs[] | ranking(.)] as $r
	| table("order"; "Order of the set-ups by cycles per request, cheapest first"; [
		"A conclusion that changes with the price of a transfer is none. Change places: \(flips | if . == [] then "none" else join(", ") end)."];
	  ["rank"] + [costs[] | "c2c " + .];
	  [range(0; $r[0] | length) as $i | [$i + 1 | tostring] + [$r[][$i] | "\(.l) \(.c | fix(0))"]]);

  def scaling:
	($all | http | map(select(.variant == "-" and .bytes == ($all | head_bytes)) | .cores) | unique) as $cores
	| [order[] | . as $l | select([$cores[] | select(cells($l; .) != [])] | length > 1)] as $ls
	| table("scaling"; "Throughput by server cores (the original's figure 5)"; [
		"Requests per modelled Mcycle of the busiest core: what one core's clock allows the whole machine. efficiency: against \(stock) on one core times the cores. Median (least..most) over seeds at c2c 110.",
		"The original: stock grows to 3 cores, falls slightly at 4, no growth after; proposed equal up to 2, ahead from 3, about 300% better at 8."];
	  ["set-up", "cores", "seeds", "req/Mcycle", "cycles/req", "c2c/req", "efficiency", "against \(original_stock)"];
	  [$ls[] as $l | $cores[] as $k | cells($l; $k) as $c | select($c != [])
	  | [$l, ($k | tostring), ($c | length | tostring), ($c | throughput | spread(1)), ($c | cycles | spread(0)), ($c | map(.per_req.c2c) | spread(1)),
	     (div($c | throughput | median; thr(stock; 1; "110")) | if . == null then "-" else (100 * . / $k | fix(0)) + " %" end),
	     (div($c | throughput | median; thr(original_stock; $k; "110")) | if . == null then "-" else fix(2) + "x" end)]]);

  # --- transmit alone ----------------------------------------------------------------
  def transmit:
	($all | at_base | map(select(.workload == "transmit"))) as $t
	| ($t | map(select(.setup == original_stock)) ) as $rr
	| table("transmit"; "Transmit alone (the original's figure 4): pktgen on every core through bond0"; [
		"delays: cycles of the column @110 in which the driver's watchdog waited for a register of the NIC (delay_tsc); whether it runs in a short region is chance.",
		"Per packet, all cores together. gain: cycles per packet of \(original_stock) against the set-up's. The original served about 6x the requests with bond_xmit_cpu_bound, at 4 NICs."];
	  ["set-up", "cores", "seeds", "packets", "insns", "cycles@50", "cycles@110", "cycles@250", "delays", "l2 misses", "c2c", "upgrade", "gain@50", "gain@110", "gain@250", "busiest/mean", "original"];
	  [$t | group_by([.cores, rank_of(.label), .label])[] | . as $c
	  | ($rr | map(select(.cores == $c[0].cores))) as $base
	  | [$c[0].label, ($c[0].cores | tostring), (length | tostring), ($c[0].requests | fix(0)), (map(.per_req.insns) | spread(0))]
	    + [costs[] as $k | $c | cycles($k) | spread(0)]
	    + [($c | map(. as $r | [$records[.key][] | select(.record == "function" and (.function | test("^(delay_tsc|__const_udelay|__udelay|delay_loop)$"))) | .cycles] | (add // 0) / $r.requests) | spread(0)),
	       ($c | map(.per_req.l2_miss) | spread(2)), ($c | map(.per_req.c2c) | spread(2)), ($c | map(.per_req.upgrade) | spread(2))]
	    + [costs[] as $k | div($base | cycles($k) | median; $c | cycles($k) | median) | if . == null then "-" else fix(2) + "x" end]
	    + [($c | map((.core_mcycles | max) / (.core_mcycles | mean)) | spread(2)), if $c[0].setup == original_stock then "1x" elif $c[0].setup == flowpar then "about 6x" else "-" end]]);

  def sizes:
	($all | http | map(select(.variant == "-"))) as $h
	| ($h | map(select(.bytes != ($all | head_bytes))) | map(.cores) | unique | first) as $k
	| ($h | map(select(.cores == $k))) as $at
	| table("sizes"; "File sizes (the original's figure 6), \($k // "-") server cores"; [
		"req/Mcycle of the busiest core; gain: against the same size of that set-up. The original: the gain does not depend on the size."];
	  ["bytes", "set-up", "seeds", "req/Mcycle", "cycles/req", "c2c/req", "gain over \(original_stock)", "gain over \(stock)"];
	  if $k == null then [] else
	  [$at | map(.bytes) | unique[] as $b | order[] as $l | ($at | map(select(.label == $l and .bytes == $b))) as $c | select($c != [] and ($at | map(select(.label == $l) | .bytes) | unique | length > 1))
	  | [($b | fix(0)), $l, ($c | length | tostring), ($c | throughput | spread(2)), ($c | cycles | spread(0)), ($c | map(.per_req.c2c) | spread(1))]
	    + [original_stock, stock | . as $s | ($at | map(select(.label == $s and .bytes == $b))) as $base
	       | div($c | throughput | median; $base | throughput | median) | if . == null then "-" else fix(2) + "x" end]] end);

  # --- the original's tables of functions ------------------------------------------
  # Sums over the functions that do the work of one of 2.6.20; per 1,000 requests.
  def work($cell; $names):
	($names | split(",")) as $set
	| ($cell | map(.requests) | add) as $requests
	| [$cell[] | $records[.key][] | select(.record == "function") | select(.function | base_name | . as $f | $set | index($f))]
	| if length == 0 or $requests == null then null else
	  {misses: (1000 * (map(.l2_miss // 0) | add) / $requests), c2c: (1000 * (map(.c2c) | add) / $requests),
	   cpi: div(map(.cycles) | add; map(.insns) | add)} end;
  def mapping:
	table("mapping"; "What does in 6.12 the work of the functions of 2.6.20"; ["For the two tables above: counts of all functions of a row are summed."];
	  ["step", "in 2.6.20", "in 6.12", "why"]; [$original[] | [.[1], .[2], (.[7] | split(",") | join(" ")), .[8]]] | unique_by(.[1]));
  def three($w): if $w == null then ["-", "-", "-"] else [($w.misses | fix(0)), ($w.c2c | fix(0)), ($w.cpi | fix(2))] end;
  def columns($p): ["\($p) misses", "c2c", "CPI"];
  def functions($name; $title; $which; $groups; $notes):
	[$original[] | select(.[0] == $which)] as $rows
	| [$rows[] | . as $o | [$groups[] | work(.cell; $o[7])]] as $ours
	| table($name; $title; $notes;
	  ["step", "in 2.6.20", "ORIGINAL stock misses", "CPI", "proposed misses", "CPI"] + [$groups[] | columns(.name)[]];
	  [range(0; $rows | length) as $i | $rows[$i] as $o | $o[1:3] + [$o[3], $o[4], $o[5], $o[6] | if test("^[0-9]+$") then commas else . end] + [$ours[$i][] | three(.)[]]]
	  + [["sum of misses, mean CPI", "",
	      ($rows | map(.[3] | tonumber? // null) | map(select(. != null)) | add | fix(0)), ($rows | map(.[4] | tonumber? // null) | mean | fix(2)),
	      ($rows | map(.[5] | tonumber? // null) | map(select(. != null)) | add | fix(0)), ($rows | map(.[6] | tonumber? // null) | mean | fix(2))]
	     + [range(0; $groups | length) as $g | [$ours[][$g] | select(. != null)]
		| if length == 0 then "-", "-", "-" else (map(.misses) | add | fix(0)), (map(.c2c) | add | fix(0)), (map(.cpi) | mean | fix(2)) end]]);
  def pktgen($who): $all | at_base | map(select(.workload == "transmit" and .label == $who));
  def four: [4, $n][] | select(. as $k | cells(original_stock; $k) != []);
  def table23:
	([four] | first) as $k
	| functions("table23"; "The original's tables 2 and 3: per-function misses and CPI, \(original_stock) against \(flowpar)"; "2"; [
		{name: "rr http", cell: cells(original_stock; $k)}, {name: "flowpar http", cell: cells(flowpar; $k)},
		{name: "rr transmit", cell: pktgen(original_stock)}, {name: "flowpar transmit", cell: pktgen(flowpar)}];
	  ["Ours: l2 misses, transfers (c2c) per 1,000 requests at \($k // "-") cores, and per 1,000 packets with pktgen; CPI = modelled cycles per instruction (0.5 without any miss). The original's are VTune counts of an unstated load: compare ratios, not sums.",
	   "Functions that 6.12 splits are summed; a dash is a function that the compiler inlined or that did not run."]);
  def table4:
	functions("table4"; "The original's table 4: 13 TCP functions, \(original_stock) and \(stock) against \(flowpar), \($n) cores"; "4"; [
		{name: "rr", cell: cells(original_stock; $n)}, {name: "stock", cell: cells(stock; $n)}, {name: "flowpar", cell: cells(flowpar; $n)}];
	  ["Ours: l2 misses and transfers (c2c) per 1,000 requests. Mean CPI is unweighted, as the original's."]);

  # What the original says of the whole system beside its table 4.
  def whole:
	[["dev_queue_xmit", "-30 %, CPI 10.19 to 6.92", "__dev_queue_xmit"], ["_spin_lock_bh", "about -75 %", "_raw_spin_lock_bh"]] as $rows
	| table("whole"; "The original's whole system: misses of two functions, \(original_stock) against \(flowpar), \($n) cores"; ["Ours: l2 misses per 1,000 requests and CPI."];
	  ["in 2.6.20", "ORIGINAL stock to proposed", "\(original_stock) misses", "CPI", "\(flowpar) misses", "CPI", "change of misses"];
	  [$rows[] | work(cells(original_stock; $n); .[2]) as $a | work(cells(flowpar; $n); .[2]) as $b | select($a != null and $b != null)
	  | [.[0], .[1], ($a.misses | fix(0)), ($a.cpi | fix(2)), ($b.misses | fix(0)), ($b.cpi | fix(2)), (div(100 * ($b.misses - $a.misses); $a.misses) | fix(0)) + " %"]]);

  # --- where the lines move -------------------------------------------------------
  def moved($cell; $record; name):
	($cell | map(.requests) | add) as $requests
	| [$cell[] | $records[.key][] | select(.record == $record)]
	| group_by(name) | map({what: (.[0] | name), c2c: ((map(.c2c) | add) / $requests), upgrade: ((map(.upgrade) | add) / $requests)});
  def top($name; $title; $record; name; $shown):
	[$plain[] | {key: ., value: moved(cells(.; $n); $record; name)}] | from_entries as $by
	| [$by[][] | {what, c2c}] | group_by(.what) | map({what: .[0].what, c2c: (map(.c2c) | max)}) | sort_by(-.c2c) | .[:$shown] | map(.what) as $names
	| table($name; $title; ["c2c transfers per request, mean over seeds; the \($shown) largest of any set-up, the others together. attributed: this table's sum; counted: on the cores. A modelled run in which they are not equal does not count (measured, the first are samples)."];
	  ["what"] + $plain;
	  [$names[] as $w | [$w] + [$plain[] as $l | [$by[$l][] | select(.what == $w) | .c2c] | add // 0 | fix(2)]]
	  + [["all others"] + [$plain[] as $l | [$by[$l][] | select(.what as $w | $names | index($w) | not) | .c2c] | add // 0 | fix(2)],
	     ["attributed"] + [$plain[] as $l | [$by[$l][].c2c] | add // 0 | fix(2)],
	     ["counted"] + [$plain[] as $l | cells($l; $n) | (map((.per_req.c2c // 0) * .requests) | add) / (map(.requests) | add) | fix(2)]]);
  def by_function: top("functions"; "Transfers per request by function, \($n) cores"; "function"; .function | base_name; 24);
  def by_structure: top("structures"; "Transfers per request by structure that owns the line, \($n) cores"; "structure"; .structure; 24);

  def balance:
	table("balance"; "Load of each server core, modelled Mcycles in the region, \($n) cores"; [
		"\(if $measured then "" else "Equal by construction: " end)every port of the switch carries the same number of requests (split: its least and most loaded port, frames). Seed \([$all[].seed] | min // "-")."];
	  ["set-up"] + [range(0; $n // 0) | "core \(.)"] + ["busiest/mean", "split"];
	  [$labels[] | . as $l | cells($l; $n) | sort_by(.seed) | first
	  | [$l] + [.core_mcycles[] | fix(1)] + [(.core_mcycles | max) / (.core_mcycles | mean) | fix(3)]
	    + [if (.split // []) == [] then "-" else "\(.split | min)..\(.split | max)" end]]);

  # --- what is left -------------------------------------------------------------------
  def left:
	cells(flowpar; $n) as $cell
	| ($cell | map(.requests) | add) as $requests
	| [$cell[] | $records[.key][] | select(.record == "transfer")]
	| group_by([.module, (.function | base_name), .structure])
	| map({f: (.[0].function | base_name), m: .[0].module, s: .[0].structure,
	       c2c: ((map(.c2c) | add) / $requests), false: ((map(.c2c_false) | add) / $requests), upgrade: ((map(.upgrade) | add) / $requests)})
	| map(select(.c2c + .upgrade > 0)) | sort_by(-(.c2c + .upgrade), .f, .s)
	| (map(.c2c) | add) as $sum | (map(.upgrade) | add) as $upgrades
	| (map(select(cause(.f; .s) == null) | .c2c + .upgrade) | add // 0) as $unnamed
	| table("left"; "What is left: every line that still moves between server cores in \(flowpar), \($n) cores"; [
		"c2c and upgrades per request, mean over \($cell | length) seeds, largest first: \($sum | fix(2)) c2c, \($upgrades | fix(2)) upgrades in all. Of both without a cause in the list: \($unnamed | fix(2)).",
		"whose: ours to remove (configuration, module, patch), or the kernel's or the server's own."];
	  ["rank", "c2c", "false", "upgrade", "c2c so far", "function", "module", "structure", "whose", "cause", "what removes it"];
	  [foreach (to_entries[]) as $e ({so_far: 0}; {so_far: (.so_far + $e.value.c2c), e: $e};
	    .e.value as $v | (cause($v.f; $v.s) // ["", "", "-", "not explained yet", "-"]) as $c
	    | [(.e.key + 1 | tostring), ($v.c2c | fix(3)), ($v.false | fix(3)), ($v.upgrade | fix(3)), (.so_far | fix(2)), $v.f, $v.m, $v.s] + $c[2:5])]);
  # the same by cause: what there is to win, and whose it is
  def left_causes:
	(cells(flowpar; $n) | map(.cycles_per_req) | mean) as $cycles
	| [by_cause(flowpar) | group_by(.c[2:5])[] | {c: .[0].c, c2c: (map(.c2c) | add), upgrade: (map(.upgrade) | add), cycles: (map(.cycles) | add),
	     most: (map(.most) | add), over: (map(.over) | add)}]
	| map(select(.c2c + .upgrade > 0)) | sort_by(-.cycles, .c[3])
	| table("left-causes"; "What is left, by cause"; [
		"Every transfer and upgrade of \(flowpar) at \($n) cores, per request; cycles at c2c 110, and their share of the request's \($cycles | fix(0)). whose: who can remove it: configuration, our module, a kernel patch (kernel), the server.",
		"most: the c2c and upgrades together that the cause can account for; what is beyond counts as not explained. That the list is no catch-all: of \(stock)'s \(cells(stock; $n) | map(.per_req | .c2c + (.upgrade // 0)) | median | fix(1)) it leaves \(unnamed(stock) | fix(1)) unexplained."];
	  ["cause", "whose", "c2c", "upgrade", "most", "cycles", "share", "what removes it"];
	  [.[] | [.c[3], .c[2], (.c2c | fix(2)), (.upgrade | fix(2)), (.most | fix(2)) + (if .over >= 0.005 then " (\(.over | fix(2)) too many)" else "" end), (.cycles | fix(0)), (100 * .cycles / $cycles | fix(2)) + " %", .c[4]]]
	  + (if . == [] then [] else [["sum", "", (map(.c2c) | add | fix(2)), (map(.upgrade) | add | fix(2)), "", (map(.cycles) | add | fix(0)),
	      (100 * (map(.cycles) | add) / $cycles | fix(2)) + " %", ""]] end));
  # the same by structure: short enough to read
  def left_short:
	cells(flowpar; $n) as $cell
	| moved($cell; "structure"; .structure) | map(select(.c2c + .upgrade > 0)) | sort_by(-(.c2c + .upgrade), .what)
	| (cells(stock; $n) | moved(.; "structure"; .structure)) as $before
	| ($cell | map(.requests) | add) as $requests
	| table("left-structures"; "What is left, by structure"; [
		"Beside it the same structure in \(stock) of this run. The functions that fetch it, most first."];
	  ["structure", "c2c", "upgrade", "\(stock) c2c", "\(stock) upgrade", "fetched by"];
	  [.[] | . as $m | ([$before[] | select(.what == $m.what)] | first) as $b
	  | [$m.what, ($m.c2c | fix(2)), ($m.upgrade | fix(2)), ($b.c2c // 0 | fix(2)), ($b.upgrade // 0 | fix(2)),
	     ([$cell[] | $records[.key][] | select(.record == "transfer" and .structure == $m.what)]
	      | group_by(.function | base_name) | map({f: (.[0].function | base_name), c: (map(.c2c + .upgrade) | add)}) | sort_by(-.c)
	      | .[:4] | map("\(.f) \(.c / $requests | fix(2))") | join(", "))]]);

  # and by cache line within it, to be read beside pahole
  def left_lines:
	cells(flowpar; $n) as $cell
	| ($cell | map(.requests) | add) as $requests
	| [$cell[] | $records[.key][] | select(.record == "line")] | group_by([.structure, .offset])
	| map({s: .[0].structure, o: .[0].offset, c2c: ((map(.c2c) | add) / $requests), false: ((map(.c2c_false) | add) / $requests), upgrade: ((map(.upgrade) | add) / $requests)})
	| sort_by(-(.c2c + .upgrade), .s, .o) | .[:40]
	| table("left-lines"; "What is left, by cache line"; ["The 40 lines that move most: offset of the 64-byte line in the object or symbol, for pahole. A dash: no offset is known."];
	  ["structure", "offset", "c2c", "false", "upgrade"];
	  [.[] | [.s, (if .o < 0 then "-" else (.o | tostring) end), (.c2c | fix(3)), (.false | fix(3)), (.upgrade | fix(3))]]);

  # Function by function, what flowpar at this many cores costs more than stock on one.
  def by_name($cell):
	($cell | map(.requests) | add) as $requests
	| [$cell[] | $records[.key][] | select(.record == "function")] | group_by([.module, (.function | base_name)])
	| map({key: ((.[0].function | base_name) + (if (.[0].module // "") == "" then "" else " [" + .[0].module + "]" end)),
	       value: (. as $g | reduce ("cycles", "insns", "l2_miss", "c2c", "upgrade") as $f ({}; .[$f] = (($g | map(.[$f] // 0) | add) / $requests)))})
	| from_entries;
  def gap:
	cells(flowpar; $n) as $us | cells(stock; 1) as $one
	| if $us == [] or $one == [] or $n == 1 then empty else
	  by_name($us) as $a | by_name($one) as $b
	| [($a + $b | keys[]) as $f | {f: $f, a: $a[$f].cycles, b: $b[$f].cycles, d: (($a[$f].cycles // 0) - ($b[$f].cycles // 0)),
	     insns: (($a[$f].insns // 0) - ($b[$f].insns // 0)), miss: (($a[$f].l2_miss // 0) - ($b[$f].l2_miss // 0)), c2c: ($a[$f].c2c // 0), upgrade: ($a[$f].upgrade // 0)}]
	| sort_by(-(.d | fabs)) | . as $rows
	| table("gap"; "Where \(flowpar) at \($n) cores differs from \(stock) on one, by function"; [
		"Cycles per request, largest difference first; more instructions is work, more misses and transfers is sharing or cache size. The 40 largest of \($rows | length), the others together."];
	  ["function", "\(flowpar) at \($n)", "\(stock) at 1", "difference", "insns more", "l2 misses more", "c2c", "upgrade"];
	  [$rows[:40][] | [.f, (.a | fix(0)), (.b | fix(0)), (.d | fix(0)), (.insns | fix(0)), (.miss | fix(2)), (.c2c | fix(2)), (.upgrade | fix(2))]]
	  + [["all others", $rows[40:]], ["sum", $rows] | [.[0]] + (.[1] | [(map(.a // 0) | add // 0 | fix(0)), (map(.b // 0) | add // 0 | fix(0)), (map(.d) | add // 0 | fix(0)),
	      (map(.insns) | add // 0 | fix(0)), (map(.miss) | add // 0 | fix(2)), (map(.c2c) | add // 0 | fix(2)), (map(.upgrade) | add // 0 | fix(2))])]) end;

  # --- how far the method can be trusted ------------------------------------------------
  def check_costs:
	[$all[] | select(cost_of != null and cost_of != base_cost)] as $other
	| table("costs"; "The band over c2c costs: computed from the counts at 110, against runs really made at that cost"; [
		"A dearer transfer also changes which core is where when; the counts then differ a little. This is how much."];
	  ["set-up", "cores", "seed", "c2c", "computed cycles/req", "simulated", "difference", "c2c/req at 110", "c2c/req simulated"];
	  [$other[] | . as $o | (.cost.c2c | tostring) as $c
	  | ([$all[] | select(cost_of == base_cost and .label == $o.label and .cores == $o.cores and .bytes == $o.bytes and .seed == $o.seed and .workload == $o.workload)] | first) as $b
	  | select($b != null and $b.at[$c] != null)
	  | [$o.label, ($o.cores | tostring), ($o.seed | tostring), $c, ($b.at[$c].cycles_per_req | fix(0)), ($o.cycles_per_req | fix(0)),
	     (100 * ($b.at[$c].cycles_per_req / $o.cycles_per_req - 1) | fix(1)) + " %", ($b.per_req.c2c | fix(1)), ($o.per_req.c2c | fix(1))]]);

  def variants:
	[$all | at_base[] | select(.variant != "-")] as $v
	| table("variants"; "Set-ups varied: another server, skewed load"; [
		"nginx: the same set-up with that server. skew: the switch's ports are not filled evenly, so the busiest core says less about the set-up than about the load: apart from all other numbers."];
	  ["set-up", "cores", "seed", "insns/req", "c2c/req", "cycles/req", "req/Mcycle", "busiest/mean", "same without: cycles/req"];
	  [$v | sort_by([.variant, rank_of(.label), .cores, .seed])[] | . as $r
	  | [.label, (.cores | tostring), (.seed | tostring), (.per_req.insns | fix(0)), (.per_req.c2c | fix(1)), (.cycles_per_req | fix(0)),
	     ([.] | throughput | first | fix(1)), ((.core_mcycles | max) / (.core_mcycles | mean) | fix(2)), (cyc(.setup; .cores; "110") | fix(0))]]);

  def gone:
	table("missing"; "Asked for and not run"; ["Each with the reason that the lab gave."];
	  ["run", "reason"]; [$missing[] | [.key, .reason]]);

  [bars, missed, setups, ranks, flip_table, scaling, transmit, sizes, table23, table4, whole, mapping, by_function, by_structure, balance, gap, left_causes, left_short, left_lines, left, check_costs, variants, gone]
| map(select(.rows != []))
| .[]
