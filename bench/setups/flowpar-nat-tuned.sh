# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154	# shared with who sources this
# flowpar-nat, and of what its cores still share all that configuration can remove:
#   the served file's page    each instance serves files of its own
#   the scheduler             isolcpus=domain: no load is balanced between the served
#                             cores, and none has to be, since each core's server is pinned
#   timers                    kernel.timer_migration=0: an idle core keeps its own
# Not flowpar's default: the first costs memory and a copy at each update, the second
# a boot parameter, and what is not pinned stays where it was started.
# shellcheck source=bench/setups/flowpar-nat.sh
. "$(dirname "${BASH_SOURCE[0]}")/flowpar-nat.sh"
isolated=yes

setup_network() {
	flowpar_bond --port "$public_port" --base-port 8000
	sysctl -qw kernel.timer_migration=0
}

setup_server() {
	local k
	for ((k = 0; k < LAB_CPUS; k++)); do
		cp -r "$www" "$www.$k"
	done
	pinned_instances "$www.{cpu}"
}
