# SPDX-License-Identifier: GPL-2.0
# One run's raw records to one object: sums over server cores, per request, and the
# cycles that the same counts mean at other cache-to-cache costs.
#
# Arguments: key, asked (what the run was asked to be), run (run.json), records
# (cohsim.jsonl). Ends with an error that names what is wrong: a run that is not the
# one asked for, lost a request or has no region proves nothing.

def counts: ["insns","accesses","l1i_miss","l1d_miss","l2_miss","llc","dram","c2c","c2c_false","upgrade","dma","cycles"];
def costs: [50, 110, 250];
# The upgrade is a message to the same directory: it scales with the transfer, but is
# no cheaper than a hit of the last level, which the directory is beside.
def upgrade_at($c2c; $llc): [($c2c * 7 / 11 | round), $llc] | max;

def need($object; $name; $what):
	if $object[$name] == null then error("\($what): no field \"\($name)\"") else . end;
def same($name; $want; $got):
	if $want == $got then . else error("run.json: \($name) is \($got), asked for \($want)") end;

($run[0] // error("run.json: empty")) as $r
| ([$records[] | select(.record == "run")] | first // error("cohsim.jsonl: no record \"run\"")) as $head
| [$records[] | select(.record == "vcpu" and .role == "server")] as $servers
| null
| if $head.schema != 1 then error("cohsim.jsonl: schema \($head.schema), this report reads 1") else . end
| if $head.region != true then error("cohsim.jsonl: the marked region is not complete") else . end
| reduce ("setup","server_cores","workload","file_bytes","seed","requests","failed") as $f (.; need($r; $f; "run.json"))
| same("setup"; $asked.setup; $r.setup)
| same("server_cores"; $asked.cores; $r.server_cores)
| same("workload"; $asked.workload; $r.workload)
| same("file_bytes"; $asked.bytes; $r.file_bytes)
| same("seed"; $asked.seed; $r.seed)
| if $asked.variant == "nginx" then same("server"; "nginx"; $r.server) else . end
| if $asked.variant == "skew" then same("skew"; true; $r.skew) else . end
# On a real machine the load decides how many: 0 stands for any.
| if $asked.requests == 0 then . else same("requests"; $asked.requests; $r.requests) end
| if $head.cost != null then same("c2c_cost"; $asked.cost; $head.cost.c2c) else . end
| if ($r.skew // false) and $asked.variant != "skew" then error("run.json: skewed load, which was not asked for") else . end
| if $r.failed != 0 then error("run.json: \($r.failed) of \($r.requests) requests failed") else . end
| if ($servers | length) != $r.server_cores
  then error("cohsim.jsonl: \($servers | length) server cores, run.json says \($r.server_cores)") else . end
| if $head.cost != null and $head.cost.upgrade != upgrade_at($head.cost.c2c; $head.cost.llc)
  then error("cohsim.jsonl: upgrade cost \($head.cost.upgrade) is not what c2c \($head.cost.c2c) implies (\(upgrade_at($head.cost.c2c; $head.cost.llc))); the band over costs would be wrong")
  else . end
| (reduce counts[] as $c ({}; .[$c] = ([$servers[][$c]] | if any(. == null) then null else add end))) as $sum
| (if $sum.cycles == null or $sum.insns == null then error("cohsim.jsonl: a server core without cycles or insns") else . end)
# Whose a line is was told apart three times; each must add up to what the cores counted.
| if $head.cost == null then . else reduce ("function", "structure", "transfer") as $by (.; reduce ("c2c", "upgrade") as $f (.;
	([$records[] | select(.record == $by) | .[$f]] | add // 0) as $told
	| if $told == $sum[$f] then . else error("cohsim.jsonl: \($f) by \($by) is \($told), the server cores counted \($sum[$f])") end)) end
# cycles of a core as if a transfer had cost $c
| def at($c): .cycles + (if $head.cost == null then 0 else
	($c - $head.cost.c2c) * .c2c + (upgrade_at($c; $head.cost.llc) - $head.cost.upgrade) * .upgrade end);
  (if $head.cost == null then [null] else costs end) as $costs
| {
	key: $key, setup: $r.setup, variant: $asked.variant,
	label: ($r.setup + (if $asked.variant == "-" then "" else "+" + $asked.variant end)),
	cores: $r.server_cores, bytes: $r.file_bytes, seed: $r.seed, workload: $r.workload,
	quantum: $head.quantum, cost: $head.cost, cache: $head.cache, preset: $head.preset,
	requests: $r.requests, warm: $r.warm, concurrency: $r.concurrency,
	own: $r.own_nic_pct, one: $r.one_core_pct, split: $r.split, kernel: $r.kernel, kernel_variant: $r.kernel_variant,
	machine: $head.machine, qemu: ($head.qemu // $r.qemu), host_seconds: $r.host_seconds, requests_per_s: $r.requests_per_s,
	per_req: ($sum | map_values(if . == null then null else . / $r.requests end)),
	cycles_per_req: ($sum.cycles / $r.requests),
	cpi: ($sum.cycles / $sum.insns),
	# of the time that passed on a core: idle cores do not show what a loaded one would cost
	busy_pct: (if $sum.cycles == null or ($servers | any(.idle_cycles == null)) then null
		else 100 * $sum.cycles / ($sum.cycles + ([$servers[].idle_cycles] | add)) end),
	core_mcycles: [$servers | sort_by(.vcpu)[] | .cycles / 1e6],
	at: ([$costs[] | . as $c | {
		key: ($c // "measured" | tostring),
		value: {
			cycles_per_req: (([$servers[] | at($c)] | add) / $r.requests),
			busiest_mcycles: (([$servers[] | at($c)] | max) / 1e6)
		} }] | from_entries)
}
