# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sets of CPUs in the three forms the kernel knows: words, "0-3,8" and hex masks.
#
# Beside the flow's way: pure functions, no state, nothing is read or written.

# list_expand 0-2,8: prints "0 1 2 8", in the order given; fails on anything else.
list_expand() {
	local part first last number words=()
	[[ $1 =~ ^[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*$ ]] || return 1
	for part in ${1//,/ }; do
		first=$((10#${part%-*})) last=$((10#${part#*-}))
		((first <= last)) || return 1
		for ((number = first; number <= last; number++)); do
			words+=("$number")
		done
	done
	echo "${words[*]}"
}

# list_has 0-2,8 NUMBER
list_has() {
	local part
	for part in ${1//,/ }; do
		((${part%-*} <= $2 && $2 <= ${part#*-})) && return
	done
	return 1
}

# list_of 8 0 2 1: prints "0-2,8", as the kernel prints a set of CPUs.
list_of() {
	local number first='' last='' text='' set=()
	for number; do
		set[number]=1
	done
	# An indexed array's keys come in ascending order; the last word closes the last range.
	for number in "${!set[@]}" end; do
		[[ $last && $number == $((last + 1)) ]] && { last=$number; continue; }
		[[ ! $last ]] || text+=,$first
		[[ $last == "$first" ]] || text+=-$last
		first=$number last=$number
	done
	echo "${text#,}"
}

# list_mask CPU...: the hex mask, groups of 32 bits with a comma between, no leading
# zeroes: the same set reads the same whatever width a kernel prints. Into REPLY.
list_mask() {
	local cpu group last=0 text='' groups=()
	for cpu; do
		group=$((cpu / 32))
		groups[group]=$((${groups[group]:-0} | 1 << cpu % 32))
		((group <= last)) || last=$group
	done
	for ((group = last; group >= 0; group--)); do
		printf -v REPLY %08x "${groups[group]:-0}"
		text+=,$REPLY
	done
	list_mask_short "${text#,}"
}

# list_mask_short 00000000,0000000f: "f", into REPLY
list_mask_short() {
	REPLY=$1
	while [[ $REPLY == [0,]?* ]]; do
		REPLY=${REPLY#?}
	done
}
