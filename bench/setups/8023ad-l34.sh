# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034	# read by who sources this
# What a careful administrator runs today: 802.3ad by layer3+4, one listener
# with a worker a core.
lag=lacp
kernel=stock
ports=(80)

setup_server() { one_listener; }
