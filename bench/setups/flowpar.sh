# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# flowpar-nat under the name that `make demo` shows: flowpar's default.
# shellcheck source=bench/setups/flowpar-nat.sh
. "$(dirname "${BASH_SOURCE[0]}")/flowpar-nat.sh"
