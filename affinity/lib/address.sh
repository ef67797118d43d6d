# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# IPv4 and IPv6 addresses as text, and which network one lies in.
#
# Beside the flow's way: pure functions, no state, nothing is read or written.

# address_bits ADDRESS: its 32 or 128 bits into REPLY; fails if it is none
address_bits() {
	local text=$1 word head tail hex='' bits=(0000 0001 0010 0011 0100 0101 0110 0111 1000 1001 1010 1011 1100 1101 1110 1111)
	if [[ $text =~ ^([0-9]{1,3}\.){3}[0-9]{1,3}$ ]]; then
		for word in ${text//./ }; do
			((10#$word <= 255)) || return 1
			printf -v hex %s%02x "$hex" $((10#$word))
		done
	else
		[[ $text =~ ^[0-9a-fA-F:]+$ && $text != :[!:]* && $text != *[!:]: && $text != *::*::* && $text != *:::* ]] || return 1
		head=${text%%::*} tail=''
		[[ $text != *::* ]] || tail=${text#*::}
		# shellcheck disable=SC2206	# words of hex digits
		head=(${head//:/ }) tail=(${tail//:/ })
		if [[ $text == *::* ]]; then
			((${#head[@]} + ${#tail[@]} <= 7)) || return 1
			while ((${#head[@]} + ${#tail[@]} < 8)); do head+=(0); done
		fi
		((${#head[@]} + ${#tail[@]} == 8)) || return 1
		for word in "${head[@]}" "${tail[@]}"; do
			((${#word} <= 4)) || return 1
			printf -v hex %s%04x "$hex" $((16#$word))
		done
	fi
	REPLY=''
	while [[ $hex ]]; do
		REPLY+=${bits[16#${hex:0:1}]}
		hex=${hex:1}
	done
}

# gateway_of GATEWAY CIDR: can a machine with that address reach it at once?
gateway_of() {
	address_in "$@" || { [[ $2 == *:* ]] && address_in "$1" fe80::/10; }
}

# broadcast_of ADDRESS CIDR: is it the broadcast address of that network? One of /31 has none (RFC 3021).
broadcast_of() {
	[[ $2 != *:* ]] && ((${2#*/} < 31)) && address_in "$1" "$2" && address_bits "$1" && [[ ${REPLY:${2#*/}} != *0* ]]
}

# address_in ADDRESS CIDR: is it in that network?
address_in() {
	local bits
	address_bits "$1" || return
	bits=$REPLY
	address_bits "${2%/*}" && ((${#REPLY} == ${#bits})) && [[ ${bits:0:${2#*/}} == "${REPLY:0:${2#*/}}" ]]
}
