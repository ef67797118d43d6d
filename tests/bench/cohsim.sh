#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: the cost model counts what is known to happen: a line handed round, one
#       counter for all, none shared, false sharing, a lock, a read-mostly line,
#       code and data larger than a cache, written lines that left it, spinning and sleeping; equal seeds give equal output
# Suite: unit
#
# Each case is a guest of its own whose only process (bench/cohsim/kat.c) runs the
# case between the model's markers. A count is judged per op; the kernel's timer
# interrupts add a few lines, hence the 2 per cent. Where two cores compete, one that
# is interrupted leaves the other alone for up to a thousand ops: those cases are long.
. "$(dirname "$0")/../lib.sh"

make -s -C "$repo/bench/cohsim" || { not_ok "the plugin builds"; finish; }
kdir=${LAB_KERNEL:-patched}
[[ $kdir == */* ]] || kdir=$("$repo/kernel-patches/build.sh" "$kdir") || { not_ok "a kernel"; finish; }
cd "$test_out" || exit 1
cp "$repo/out/bin/cohsim-kat" init
cpio -o -H newc --quiet <<< init > initramfs

plugin=$repo/out/bin/cohsim.so
guest() {	# guest NAME CASE CORES OPS PLUGIN_OPTION...
	local name=$1 case=$2 cores=$3 ops=$4 options=''
	shift 4
	(($#)) && options=$(printf ',%s' "$@")
	timeout 120 qemu-system-x86_64 -M q35 -accel tcg,thread=single,tb-size=256 -icount shift=1,sleep=off -seed 1 \
		-rtc base=2026-01-01,clock=vm -cpu qemu64,+rdrand -m 256 -smp "$cores" -nodefaults -display none -no-reboot \
		-serial "file:$name.console" -kernel "$kdir/bzImage" -initrd initramfs \
		-append "console=ttyS0 quiet panic=-1 nokaslr no_timer_check random.trust_cpu=on tsc=nowatchdog clocksource=tsc case=$case cores=$cores ops=$ops" \
		-plugin "$plugin,out=$name.jsonl$options" > "$name.qemu" 2>&1
	[[ -s $name.jsonl ]] || cat "$name.qemu" >&2
}

# per_op NAME OPS FIELD: of the server cores
per_op() {
	jq -s --arg f "$3" --argjson ops "$2" \
		'[.[] | select(.record == "vcpu" and .role == "server") | .[$f]] | add / $ops' "$1.jsonl"
}

# counts NAME OPS FIELD=VALUE...: within 2 per cent of VALUE, and of one an op
counts() {
	local name=$1 ops=$2 want field value found
	shift 2
	for want; do
		field=${want%=*} value=${want#*=}
		found=$(per_op "$name" "$ops" "$field") || found=none
		if awk -v a="$found" -v b="$value" 'BEGIN { d = a - b; if (d < 0) d = -d; exit !(a ~ /^[0-9.e+-]+$/ && d <= 0.02 * (b > 1 ? b : 1)) }'; then
			ok "$name: $field $value an op"
		else
			not_ok "$name: $field $value an op" "found $found"
		fi
	done
}

# Two guests at a time: each is one thread.
jobs_of() {
	guest pingpong-q10 pingpong 2 2000 quantum=10
	guest pingpong pingpong 2 2000
	guest pingpong-q10000 pingpong 2 2000 quantum=10000
	guest device pingpong 2 2000 servers=1
	guest lock lock 2 60000
	guest false false 2 60000
	guest code code 1 100
	guest memory memory 1 3
	guest sleep sleep 2 200000
}
jobs_of &
guest counter-q10 counter 8 4000 quantum=10
guest counter counter 8 4000
guest private private 8 2000
guest readmostly readmostly 8 500
guest again readmostly 8 500
guest seed readmostly 8 500 seed=2
guest data data 1 100
guest evict evict 2 100
guest other data 1 100 l1d_kib=1024 cpi=1.5
guest spin spin 2 200000
wait

# pingpong: an op is one turn of each of the two
counts pingpong-q10 4000 c2c=1 upgrade=1 c2c_false=0
counts pingpong 4000 c2c=1 upgrade=1
counts pingpong-q10000 4000 c2c=1 upgrade=1
counts device 2000 c2c=0 upgrade=0 dma=1
counts counter-q10 32000 c2c=1 upgrade=0
counts counter 32000 c2c=1 upgrade=0 c2c_false=0
counts private 16000 c2c=0 upgrade=0 l1d_miss=0
counts false 120000 c2c=2 c2c_false=1 upgrade=0
counts lock 120000 c2c=3 upgrade=1
counts readmostly 500 c2c=8 upgrade=8 llc=6
counts code 100 l1i_miss=2048 c2c=0
counts data 100 l1d_miss=4096 c2c=0
counts other 100 c2c=0
check "a first level of 1 MiB holds what one of 32 KiB does not" \
	awk -v miss="$(per_op other 100 l1d_miss)" 'BEGIN { exit !(miss < 40) }'
counts memory 3 dram=1048576 c2c=0
counts evict 100 c2c=1026 upgrade=2050 llc=64512

check "the same seed twice: the same output, byte for byte" cmp readmostly.jsonl again.jsonl
seed_of() { grep -v '"record":"run"' "$1.jsonl"; }
if [[ $(seed_of seed) == "$(seed_of readmostly)" ]]; then
	not_ok "another seed: another interleaving" "the output is the same"
else
	ok "another seed: another interleaving"
fi
counts seed 500 c2c=8 upgrade=8

time_of() {	# time_of NAME CPU FIELD
	jq -s --arg f "$3" --argjson cpu "$2" '.[] | select(.record == "vcpu" and .vcpu == $cpu) | .[$f]' "$1.jsonl"
}
alike() {	# alike TEXT A B: within 3 per cent
	if awk -v a="$2" -v b="$3" 'BEGIN { exit !(b > 0 && a / b > 0.97 && a / b < 1.03) }'; then
		ok "$1"
	else
		not_ok "$1" "$2 and $3"
	fi
}
alike "a core that spins is as long busy as the one it waits for" "$(time_of spin 0 cycles)" "$(time_of spin 1 cycles)"
alike "a core that sleeps: what it worked and its idle time are as long" \
	"$(($(time_of sleep 0 idle_cycles) + $(time_of sleep 0 cycles)))" "$(time_of sleep 1 cycles)"
check "and most of it was idle" test "$(($(time_of sleep 0 idle_cycles) * 10))" -gt "$(($(time_of sleep 1 cycles) * 8))"

# The core's cycles are its instructions' and its events' at the stated costs. (Not so
# for code: the next line is free if the second level has it.)
for name in counter readmostly false lock data other memory evict; do
	# shellcheck disable=SC2016	# jq's variables
	check "$name: cycles are the sum of what was counted" jq -es '
		(.[] | select(.record == "run") | .cost) as $c |
		[.[] | select(.record == "vcpu" and .role == "server")] | all(
			(.insns * $c.cpi + (.l1d_miss + .l1i_miss - .l2_miss) * $c.l2 + .llc * $c.llc + .dram * $c.dram +
			 .c2c * $c.c2c + .upgrade * $c.upgrade + .dma * $c.llc + .wait_cycles) as $sum |
			.cycles / $sum | . > 0.97 and . < 1.03)' "$name.jsonl"
done
check "what the model was told is in the run record" jq -es '.[] | select(.record == "run")
	| .cost.cpi == 1.5 and .cost.dram == 400 and .cache.l1d_kib == 1024 and .cache.l2_ways == 8' other.jsonl
check "functions add up to the cores" jq -es '
	([.[] | select(.record == "vcpu" and .role == "server") | .insns] | add) ==
	([.[] | select(.record == "function") | .insns] | add)' readmostly.jsonl

refused() {	# refused TEXT REGEX OPTIONS
	check_fails "$1" 1 "$2" qemu-system-x86_64 -M q35 -smp 2 -nodefaults -display none -plugin "$plugin,$3"
}
refused "more servers than vCPUs" 'cohsim: servers=3: want 1 to 2' out=x,servers=3
refused "a quantum of nothing" 'cohsim: quantum=0: want cycles' out=x,quantum=0
refused "an unknown CPU" 'cohsim: preset=486: no such CPU' out=x,preset=486
refused "an unknown option" 'cohsim: colour: unknown option' out=x,colour=red
refused "a cost that is none" 'cohsim: dram=0: want 1 to 100000' out=x,dram=0
refused "half a way" 'cohsim: l2_ways=2.5: want 1 to 64' out=x,l2_ways=2.5
refused "a cache that cannot be" 'cohsim: l2_kib: cannot be had' out=x,l2_kib=1000
refused "nowhere to write" 'cohsim: out=FILE is missing' servers=1
finish
