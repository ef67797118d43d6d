#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: the units flowpar-lighttpd@, flowpar-nginx@ and flowpar-haproxy@, run by systemd, are pinned to their CPU, serve, and reload and stop as a target under load without losing a request
# shellcheck disable=SC2034	# read by what is sourced
# shellcheck source=tests/servers/common.sh
. "$(dirname "$0")/common.sh"

ways=(unit)
servers_lab
