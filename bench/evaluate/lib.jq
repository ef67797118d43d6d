# SPDX-License-Identifier: GPL-2.0
# What tables and figures share: choosing runs, medians, formatting, names.
#
# A "cell" is the array of runs that differ in nothing but the seed. Runs at another
# c2c cost than $base_cost check the computed band and are in no other cell.

def base_cost: 110;
def costs: ["50", "110", "250"];
def stock: "8023ad-l34";		# peer 2: what a careful administrator runs today
def original_stock: "balance-rr";	# the stock side of the original experiment
def ours: ["flowpar-nat", "flowpar-bpf", "flowpar-reuseport"];
# flowpar-nat with what no peer has been given: shows what is left, is judged by no bar.
def tuned: "flowpar-nat-tuned";
# Its clients name their core's port: what rewriting adds, is against this.
def direct: "flowpar-direct";
def flowpar: "flowpar-nat";		# flowpar as it is set up unless told otherwise
def order: ["balance-rr", "8023ad-l34", "nft-redirect", "nft-stateless", "reuseport", "sk-lookup", "rr-queue-id", "rr-queue-id-bpf",
	"team-cpu", "multiqueue", "flowpar-nat", "flowpar-bpf", "flowpar-reuseport", "flowpar-nat-tuned", "flowpar-direct"];
def rank_of($name): (order | index($name | split("+")[0])) // 99;

def median:
	map(select(. != null)) | sort | length as $n
	| if $n == 0 then null elif $n % 2 == 1 then .[($n - 1) / 2] else (.[$n / 2 - 1] + .[$n / 2]) / 2 end;
def mean: map(select(. != null)) | if length == 0 then null else add / length end;

# --- formatting ----------------------------------------------------------------

def commas: if length <= 3 then . else (.[:-3] | commas) + "," + .[-3:] end;
def fix($digits):
	if . == null then "-"
	else (if . < 0 then "-" else "" end) as $sign
	| (fabs * pow(10; $digits) | round | tostring) as $t
	| (("0" * ([$digits + 1 - ($t | length), 0] | max)) // "") as $zeros
	| ($zeros + $t) as $t
	| if $digits == 0 then $sign + ($t | commas) else $sign + ($t[:-$digits] | commas) + "." + $t[-$digits:] end
	end;
# median, and from where to where if there was more than one
def spread($digits):
	map(select(. != null))
	| if length == 0 then "-" elif length == 1 or min == max then (median | fix($digits))
	  else "\(median | fix($digits)) (\(min | fix($digits))..\(max | fix($digits)))" end;
def div($a; $b): if $a == null or $b == null or $b == 0 then null else $a / $b end;

# --- choosing --------------------------------------------------------------------

def cost_of: if .cost == null then null else .cost.c2c end;
def at_base: map(select(cost_of == null or cost_of == base_cost));
def http: at_base | map(select(.workload == "http"));
# The file size and the number of cores that set-ups are compared at.
def head_bytes: http | map(.bytes) | if index(128) != null then 128 else (unique | first) end;
def head_cores:
	head_bytes as $b | http | map(select(.bytes == $b and .variant == "-"))
	| if length == 0 then null
	  else group_by(.cores) | map({cores: .[0].cores, n: (map(.label) | unique | length)}) | sort_by(.n, .cores) | last | .cores end;
def cell($name; $cores): head_bytes as $b | http | map(select(.label == $name and .cores == $cores and .bytes == $b));
def labels_at($cores): head_bytes as $b | http | map(select(.cores == $cores and .bytes == $b) | .label) | unique | sort_by([rank_of(.), .]);

# of a cell: values of every seed at a cost ("measured" on hardware)
def at($cost): map(.at[$cost] // .at.measured);
def cycles($cost): at($cost) | map(.cycles_per_req);
def throughput($cost): map(.requests / (.at[$cost] // .at.measured).busiest_mcycles);
def cycles: cycles("110");
def throughput: throughput("110");

# The price of an upgrade where a transfer costs $c2c: as collect.jq's.
def upgrade_at($c2c; $llc): [($c2c * 7 / 11 | round), $llc] | max;

# compilers append .isra.0, .constprop.0, .part.0, .cold: the same function
def base_name: split(".")[0];
