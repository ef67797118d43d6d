#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: the report computes own-NIC, one-core and failures from the raw counts, and refuses counts that prove nothing
# Suite: unit
#
# Known answers: 2 CPUs, 2 NICs; counts small enough to check by hand.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

raw() {	# raw DIR: a recorded run of set-up "x", one phase of 100 bytes
	local d=$1/run/x
	mkdir -p "$d"
	cat > "$1/run/parameters" <<-END
	cpus=2
	nics=2
	nic=virtio-net
	setups=(x)
	sizes=(100)
	requests=10
	concurrency=1
	END
	echo kernel > "$d/kernel"
	printf '%s\n' 'Bonding Mode: IEEE 802.3ad Dynamic link aggregation' 'Transmit Hash Policy: layer3+4 (1)' \
		'	Number of ports: 2' '	Partner Mac Address: 52:54:00:00:02:00' \
		'Slave Interface: eth0' 'MII Status: up' 'Slave Interface: eth1' 'MII Status: up' > "$d/bond0"
	printf '%s\n' 'eth0 30 0' 'eth0 31 0' 'eth1 32 1' > "$d/irqs"
	printf '%s\n' 'sent eth0 0 60' 'sent eth0 1 15' 'sent eth1 0 5' 'sent eth1 1 20' \
		'served 0 12' 'served 1 8' 'connections 20' 'one_core 17' > "$d/probe.100"
	echo '100.0 110.0' > "$d/times.100"
	printf 'eth0 5\neth1 7\n' > "$d/split.100.begin"
	printf 'eth0 15\neth1 20\n' > "$d/split.100.end"
	echo 'CPU0,3,,context-switches,1,100,,' > "$d/perf.100"
	printf '%s\n' 'Complete requests:      10' 'Failed requests:        0' 'HTML transferred:       1000 bytes' |
		tee "$d/ab.100.0" > "$d/ab.100.1"
}
row() { "$repo/bench/report.sh" "$1" >/dev/null && tail -n 1 "$1/result.csv"; }

d=$test_out/good
raw "$d"
same "80 of 100 packets are own, 17 of 20 connections on one core" x,2,2,2,20,0,80.00,85.00,2 "$(row "$d")"
check "the split of the switch is the difference of its counters" grep -q 'switch sent: eth0 10, eth1 13' "$d/report.txt"
check "the text names the least and most loaded core" grep -q 'least 8, most 12, share 10' "$d/report.txt"

d=$test_out/lost
raw "$d"
sed -i 's/requests:      10/requests:      8/; s/1000 bytes/800 bytes/' "$d/run/x/ab.100.1"
same "two requests without an answer are two failures" 2 "$(row "$d" | cut -d, -f6)"

d=$test_out/marked
raw "$d"
sed -i 's/^Failed requests:.*/&\nNon-2xx responses:      3/; s/^Failed requests: *0/Failed requests:        1/' "$d/run/x/ab.100.0"
same "ab's own failures and replies that are not 2xx count" 4 "$(row "$d" | cut -d, -f6)"

d=$test_out/short
raw "$d"
sed -i 's/1000 bytes/500 bytes/' "$d/run/x/ab.100.0"
same "replies short of bytes are failures" 5 "$(row "$d" | cut -d, -f6)"

d=$test_out/unpinned
raw "$d"
echo 'eth1 33 0' >> "$d/run/x/irqs"
check_fails "a NIC whose interrupts are on several CPUs has no own CPU" 1 'eth1: interrupts bound to several CPUs' \
	"$repo/bench/report.sh" "$d"

# A link cut: 2 batches asked for, one ab gave up without a word on its requests.
d=$test_out/cut
raw "$d"
for phase in cut after; do
	cp "$d/run/x/probe.100" "$d/run/x/probe.$phase"
	printf 'starttime\tseconds\tctime\tdtime\tttime\twait\nnow\t1\t0\t5\t1234\t4\n' > "$d/run/x/gnuplot.$phase.0.1"
	printf '%s\n' 'Complete requests:      10' 'Failed requests:        0' 'HTML transferred:       1280 bytes' > "$d/run/x/ab.$phase.0.1"
done
cp "$d/run/x/ab.after.0.1" "$d/run/x/ab.after.1.1"
echo 'apr_pollset_poll: The timeout specified has expired (70007)' > "$d/run/x/ab.cut.1.1"
echo 20 > "$d/run/x/expected.cut"
row "$d" > /dev/null
check "link cut: requests of an ab that gave up are failures" grep -q '10 requests while it happened, 10 failed, longest took 1234 ms' "$d/report.txt"
check "link cut: the restored NIC's share for its own core is printed" grep -q 'after it: 0 failed.*eth1 carries 20.0 %' "$d/report.txt"

d=$test_out/empty
raw "$d"
sed -i 's/^sent.*/sent eth0 0 0/; s/^connections.*/connections 0/' "$d/run/x/probe.100"
check_fails "nothing counted is no result" 1 'no packet or no connection counted' "$repo/bench/report.sh" "$d"
finish
