# SPDX-License-Identifier: GPL-2.0
# The figures' data: tab-separated columns for gnuplot. Argument what: which figure;
# runs and detail as in tables.jq. A band is the least and most over seeds and c2c costs.
include "lib";

$runs as $all
| ($all | head_cores) as $n
| ($all | labels_at($n) | map(select(contains("+") | not))) as $plain
| ($all | map(select(.cost == null)) != []) as $measured
| (if $measured then ["measured"] else costs end) as $costs
| def cells($who; $cores): $all | cell($who; $cores);
  def band(f): [$costs[] as $c | f] | [min, max];
  def values($cell): [$costs[] as $c | $cell | throughput($c)[]];
  def cores_of($who): $all | map(select(.label == $who and .workload == "http" and .bytes == ($all | head_bytes)) | .cores) | unique;
  def pad: map(tostring) | join("\t");

  # cores, req/Mcycle at 110, least, most, efficiency in percent, least, most
  if $what == "scaling" then
	$who as $l | cores_of($l)[] as $k | cells($l; $k) as $c | select($c != [])
	| (cells(stock; 1)) as $one
	| [$k, ($c | throughput | median), (values($c) | min, max)]
	  + (if $one == [] then [0, 0, 0] else
	     [100 * ($c | throughput | median) / ($one | throughput | median) / $k]
	     + ([$costs[] as $x | ($one | throughput($x) | median) as $base | ($c | throughput($x)[]) | 100 * . / $base / $k] | [min, max]) end)
	| pad
  # label, cycles at each cost (median), least and most over seeds at 110
  elif $what == "costs" then
	[$plain[] | . as $l | cells($l; $n) as $c | {l: $l, v: [costs[] as $x | $c | cycles($x) | median], s: ($c | cycles | [min, max])}]
	| sort_by(.v[1]) | to_entries[] | [.key, .value.l] + .value.v + .value.s | pad
  elif $what == "transmit" then
	($all | at_base | map(select(.workload == "transmit"))) as $t
	| ($t | map(select(.setup == original_stock))) as $rr
	| ($t | group_by(.label) | sort_by(rank_of(.[0].label)))[] | . as $c
	| [$costs[] as $x | ($rr | cycles($x) | median) as $base | select($base != null) | $base / ($c | cycles($x)[])] as $band
	| select($band != [])
	| [.[0].label, ($rr | cycles | median) / ($c | cycles | median), ($band | min, max),
	   (if .[0].setup == original_stock then 1 elif .[0].setup == flowpar then 6 else "NaN" end)] | pad
  # bytes, gain over the label, least, most
  elif $what == "sizes" then
	($all | http | map(select(.variant == "-"))) as $h
	| ($h | map(select(.bytes != ($all | head_bytes))) | map(.cores) | unique | first) as $k
	| ($h | map(select(.cores == $k))) as $at
	| ($at | map(.bytes) | unique)[] as $b
	| ($at | map(select(.label == flowpar and .bytes == $b))) as $c | ($at | map(select(.label == $who and .bytes == $b))) as $base
	| select($c != [] and $base != [])
	| [$costs[] as $x | ($base | throughput($x) | median) as $m | ($c | throughput($x)[]) / $m] as $band
	| [$b, ($c | throughput | median) / ($base | throughput | median), ($band | min, max)] | pad
  elif $what == "balance" then
	[$plain[] | . as $l | cells($l; $n) | sort_by(.seed) | first | {l: $l, v: .core_mcycles}] as $rows
	| (["core"] + [$rows[].l] | pad), (range(0; $n) as $i | [$i] + [$rows[].v[$i]] | pad)
  else error("figures.jq: \($what): no such figure") end
