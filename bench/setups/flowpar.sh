# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034	# read by who sources this
# flowpar: cpu-bound transmit, a listener and a pinned instance per core, all
# through the tools that an administrator uses.
lag=lacp
kernel=patched
ports=(80)
for ((k = 0; k < ${LAB_CPUS:-0}; k++)); do
	ports+=($((8000 + 8 * k)))
done

setup_up() {
	"$LAB_REPO/affinity/setup-flowpar.sh" up --bond bond0 --slaves "$(slaves | paste -sd,)" \
		--cpus "0-$((LAB_CPUS - 1))" --address "$LAB_SERVER/24" --port 80 --base-port 8000
	flowparctl run --cpus "0-$((LAB_CPUS - 1))" --port-base 8000 \
		--template "$LAB_REPO/configs/lighttpd.conf.in" -- lighttpd -D -f '{conf}' &
}
