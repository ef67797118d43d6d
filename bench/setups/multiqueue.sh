# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034	# read by who sources this
# One NIC with a queue a core instead of a bond: what flowpar's bond stands
# against on newer hardware. Not in this lab, and here is why; bench/perf measures
# it on a real machine.
lag=static
kernel=stock
ports=(80)
refuses="QEMU 7.2 has no NIC that spreads what it receives over queues here: e1000e's second queue is not used by Linux, vmxnet3 receives on queue 0 alone, igb comes with QEMU 8.0, and virtio-net has as many queues as its backend, which is one for dgram and hubport (only tap and vhost have more, and need the host's network); measure it on a real machine, or use another set-up"

setup_network() {
	echo "multiqueue: $refuses" >&2
	return 1
}
