#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: on each kernel: each patch applies with fuzz 0 and builds on its own, without a new warning, and moves no member
# Suite: unit
. "$(dirname "$0")/../lib.sh"
. "$repo/kernel-patches/tree.sh"
set +e
tree=$test_out/tree

# made DIR...: compile what the patches touch, with the extra warnings and sparse
made() {
	kmake "$tree" -j"$(nproc)" W=1 C=1 "$@" > "$test_out/made.log" 2>&1
}

# warnings: of the last made(), without the line numbers that every patch moves
warnings() {
	grep -E 'warning:|error:' "$test_out/made.log" | sed -E 's/:[0-9]+:[0-9]+:/:/' | sort
}

# members STRUCT: "offset size name" of each member, from the debugging information
members() {
	pahole -C "$1" "$tree/build/drivers/net/bonding/bond_main.o" |
		sed -nE 's|^\t.*[ *)]([a-z_0-9]+)(\[[^]]*\])*(:[0-9]+)?;? +/\* *([0-9]+)(: *[0-9]+)? +([0-9]+) .*|\4\5 \6 \1|p'
}

# new STRUCT: the members that stock has not, in their order
new() {
	grep -vxFf "$test_out/$1.stock" "$test_out/$1.patched" | awk '{ print $3 }' | paste -sd' '
}

debug_object() {
	kmake "$tree" KCFLAGS=-g drivers/net/bonding/bond_main.o > "$test_out/debug.log" 2>&1
}

# outside: nf_flowpar as an external module, for this tree without our patches
outside() {
	local dir=$test_out/module
	rm -rf "$dir"
	mkdir -p "$dir/netfilter/uapi/linux"
	cp "$repo/Kbuild" "$dir/"
	cp "$repo"/netfilter/{Kbuild,*.[ch]} "$dir/netfilter/"
	cp "$repo"/netfilter/uapi/linux/*.h "$dir/netfilter/uapi/linux/"
	# No kernel was linked that would say which symbols there are.
	made M="$dir" KBUILD_MODPOST_WARN=1 modules && same "$base: nf_flowpar builds outside the unpatched tree without a warning" "" "$(warnings)"
}

one_series() {
	local s name dirs before moved last early
	unpack "$tree"
	configure "$tree" "$repo/configs/lab.config"
	kmake "$tree" -j"$(nproc)" prepare modules_prepare > "$test_out/prepare.log" 2>&1 ||
		{ not_ok "$base: the tree is prepared" "$(tail "$test_out/prepare.log")"; return; }

	debug_object
	structs=(slave bonding bond_params bond_up_slave netlink_ext_ack)
	for s in "${structs[@]}"; do
		members "$s" > "$test_out/$s.stock"
	done
	check "$base: pahole reads the structures" test "$(wc -l < "$test_out/slave.stock")" -gt 20
	outside || not_ok "$base: nf_flowpar builds outside the unpatched tree" "$(grep -E -m 20 'error|Error' "$test_out/made.log")"
	made drivers/net/bonding/
	before=$(warnings)

	add_our_files "$tree"
	for name in $(series); do
		if (apply_patch "$tree" "$name") 2> "$test_out/apply.log"; then
			ok "$base: applies with fuzz 0: $name"
		else
			not_ok "$base: applies with fuzz 0: $name" "$(cat "$test_out/apply.log")"
			return
		fi
		dirs=(drivers/net/bonding/)
		if grep -q flowpar "$tree/net/netfilter/Makefile"; then
			cat "$repo/configs/flowpar.config" >> "$tree/build/.config"
			kmake "$tree" olddefconfig > "$test_out/config.log" 2>&1
			dirs+=(net/netfilter/flowpar/)
		fi
		if made "${dirs[@]}"; then
			same "... builds, with no new warning from W=1 or sparse" "" "$(warnings | grep -vxF "${before:-none}")"
		else
			not_ok "... builds" "$(grep -E -m 20 'error|Error' "$test_out/made.log")"
		fi
	done

	debug_object
	for s in "${structs[@]}"; do
		members "$s" > "$test_out/$s.patched"
		moved=$(grep -vxFf "$test_out/$s.patched" "$test_out/$s.stock")
		same "$base: struct $s: each member is where it was" "" "$moved"
	done
	same "$base: struct bond_params: has no other" "$(cat "$test_out/bond_params.stock")" "$(cat "$test_out/bond_params.patched")"
	same "$base: struct slave: what is new" "cpus cpu_bound_id" "$(new slave)"
	same "$base: struct bonding: what is new" "cpu_bound" "$(new bonding)"
	same "$base: struct bond_up_slave: what is new, in a hole" "cpu_map" "$(new bond_up_slave)"
	for s in slave bonding; do
		last=$(tail -n1 "$test_out/$s.stock" | cut -d' ' -f1)
		early=$(grep -vxFf "$test_out/$s.stock" "$test_out/$s.patched" | awk -v last="$last" '$1 < last')
		same "$base: struct $s: new members come last" "" "$early"
	done
	version_note | sed 's/^/# /'
}

finish_tree() {
	rm -rf "$tree"
}
trap finish_tree EXIT

for base in $(bases); do
	set_base "$base"
	one_series
	finish_tree
done
finish
