#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: flowparctl's CPU lists, backoff and placeholders do what their headers say, under sanitizers.
# Suite: unit
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

status=0
make -s -C "$repo/ctl" SAN=1 check > "$test_out/check.log" 2>&1 || status=$?
grep -E '^(ok|not ok) - ' "$test_out/check.log"
check "unit tests build and pass with sanitizers" test "$status" = 0
((status == 0)) || sed 's/^/#   /' "$test_out/check.log"
finish
