# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# As much of flowpar as stock Linux can be brought to: rr-queue-id's transmit by
# the sending CPU under sk-lookup's listeners. Not one of the listed peers; here so
# that nobody has to wonder. No LACP; a BPF program and a walk over the slaves per packet.
# shellcheck source=bench/setups/rr-queue-id.sh
. "$(dirname "${BASH_SOURCE[0]}")/rr-queue-id.sh"

setup_server() { sk_lookup_listeners; }
