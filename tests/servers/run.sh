#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: lighttpd, nginx and HAProxy from their templates, under flowparctl run, show clients the public port only, resume each other's TLS sessions and reload under load without losing a request
# shellcheck disable=SC2034	# read by what is sourced
# shellcheck source=tests/servers/common.sh
. "$(dirname "$0")/common.sh"

ways=(run)
servers_lab
