# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154	# shared with who sources this
# flowpar-nat without its rewriting: the same bond, policy and pinned instances, but
# each client asks for the port of the core that its link interrupts. No service to
# run, and no peer: what a rewriting costs is counted against this.
model_only='its clients have to know the port of their core; lab model tells them'
# shellcheck source=bench/setups/flowpar-nat.sh
. "$(dirname "${BASH_SOURCE[0]}")/flowpar-nat.sh"

setup_network() { flowpar_bond; }

# A request of the same bytes.
ab_options=(-H "Host: ${LAB_SERVER:-}")
request_port() { echo ":$(core_port "$1")"; }

setup_down() { flowpar_down; }
