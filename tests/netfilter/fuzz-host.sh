#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: whatever a packet's bytes, the packet path reads and writes only what is the packet's, changes only a service's ports and their checksums, and loses no socket
# Suite: unit
#
# The module's own source and the kernel's own walk over extension headers, in user space
# under sanitizers: see fuzz/packets.c. FUZZ_SEED and FUZZ_COUNT ask for other packets.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=kernel-patches/tree.sh
. "$repo/kernel-patches/tree.sh"
set +e

fuzz=$repo/tests/netfilter/fuzz
seed=${FUZZ_SEED:-1} count=${FUZZ_COUNT:-1000000}

[[ -r $tarball ]] || die "$tarball: no kernel source; as root: apt-get install linux-source-$base"
mkdir -p "$test_out/linux"
# The name in full, once: tar stops there instead of unpacking the rest.
tar -C "$test_out/linux" --strip-components=1 --occurrence=1 -xf "$tarball" "linux-source-$base/net/ipv6/exthdrs_core.c"

check "the packet path builds in user space" make -s -C "$fuzz" host O="$test_out/build" LINUX="$test_out/linux"
check "$count packets of seed $seed break no rule" \
	bash -c "$test_out/build/fuzz-packets $fuzz/packets.hex $seed $count > $test_out/seen"

# Of each kind at each hook enough to mean something.
enough() {
	awk -v least=$((count / 1000)) '
		$2 == "public" && $1 == "out" || $2 == "error-public" && $1 == "out" { next }
		$NF < least { print; few = 1 }
		END { exit few || NR < 25 }' "$test_out/seen"
}
check "they met every hook as everything that a packet can be" enough
finish
