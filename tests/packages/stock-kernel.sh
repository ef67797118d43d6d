#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: on Debian's own kernels, with the modules that flowpar-dkms builds and the tools of the package, the main job keeps to each core's NIC; without the modules up sets up layer3+4
# Suite: long
. "$(dirname "$0")/../lib.sh"

((EUID == 0)) || skip "Debian's kernels come out of a Debian of its own, which needs root"
field() { awk -F, -v f="$2" '$1 == "flowpar" { print $f }' "$test_out/$1/result.csv"; }
at_least() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && a + 0 >= b) }'; }

check "the packages build" "$repo/debian/build-deb.sh" "$test_out/debs"
cpus=${CPUS:-4} requests=${REQUESTS:-200}
for kernel in debian-6.12 debian-6.1; do
	check "$kernel: the benchmark runs" "$repo/bench/run-ab.sh" --kernel "$kernel" --deb "$test_out"/debs/flowpar_*.deb --setups flowpar \
		--cpus "$cpus" --requests "$requests" --cut --out "$test_out/$kernel"
	same "... all $cpus ports in the aggregator" "$cpus" "$(field "$kernel" 4)"
	same "... every request counted" $((cpus * requests)) "$(field "$kernel" 5)"
	same "... none failed" 0 "$(field "$kernel" 6)"
	check "... own NIC $(field "$kernel" 7) % is at least 99" at_least "$(field "$kernel" 7)" 99
	check "... one core $(field "$kernel" 8) % is at least 99" at_least "$(field "$kernel" 8)" 99
	check "... by the package's tools" grep "^\[#\]" "$test_out/$kernel/run/flowpar/setup.log"
	# What drives the driver and the module hardest, on what DKMS built.
	for test in bonding/traffic bonding/interfaces netfilter/steer; do
		check "$kernel: $test" env LAB_KERNEL="$kernel" "$repo/tests/$test.sh"
	done
	check "$kernel without them: affinity/setup" env LAB_KERNEL="$kernel-plain" "$repo/tests/affinity/setup.sh"
done
finish
