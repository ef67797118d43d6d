# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the tool says, and the one way in which it changes anything.
#
# Every change of the machine goes through run or put, which print the command as
# one can type it, then run it; with --dry-run they stop after printing.
# Commands and reports go to standard output, errors and warnings to standard error.

DRY_RUN=''
WARNINGS=0

# die "OBJECT: what was found; what to do"
die() {
	printf 'setup-flowpar.sh: %s\n' "$*" >&2
	exit 1
}

die_usage() {
	printf 'setup-flowpar.sh: %s; see setup-flowpar.sh --help\n' "$*" >&2
	exit 2
}

warn() {
	WARNINGS=$((WARNINGS + 1))
	printf 'setup-flowpar.sh: %s\n' "$*" >&2
}

# run COMMAND...
run() {
	try "$@" || die "$RAN: failed with \"${SAID%%$'\n'*}\"; mend what that names and run this again"
}

# try COMMAND...: run, for what may fail; then returns 1, what it said is in SAID
try() {
	local word line='' said
	for word; do
		[[ $word =~ ^[A-Za-z0-9_./:=,+@%-]+$ ]] || word="'${word//\'/\'\\\'\'}'"
		line+=" $word"
	done
	RAN=${line# }
	printf '[#] %s\n' "$RAN"
	[[ ! $DRY_RUN ]] || return 0
	said=$("$@" 2>&1) && return
	SAID=$said
	return 1
}

# put VALUE FILE: what `echo VALUE > FILE` does, the kernel's answer in PUT_SAID.
# Returns 1 if the kernel refuses, since some refusals can be lived with.
put() {
	printf '[#] echo %s > %s\n' "${1:-"''"}" "$2"
	[[ ! $DRY_RUN ]] || return 0
	PUT_SAID=$({ printf '%s\n' "$1" > "$2"; } 2>&1) && return
	PUT_SAID=${PUT_SAID##*: }
	return 1
}

# must_put VALUE FILE
must_put() {
	put "$@" || die "$2: kernel refused '$1' with \"$PUT_SAID\"; see dmesg for its reason"
}
