# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Would the firewall drop the per-core ports? Reads the ruleset, changes nothing.
#
# Where on the flow's way: after the public port was rewritten to a per-core port and
# before the socket, that is filter chains at the input hook and at prerouting after
# nf_flowpar; and between the socket and the way back, filter chains at output.
#
# A new TCP connection that comes in on the bond, and the answer to it, are walked through
# the chains, over IPv4 and, where the public port is let in, over IPv6. A rule matches yes,
# no or maybe (it asks for something that differs from client to client, a source address
# say, or that this file does not know). "Maybe" never drops, since it does not drop
# everyone; it lets pass only if the rule names the port, since then the administrator has
# thought of it.

declare -A FW_RULES=()	# "ip filter INPUT" -> its rules, one a line
declare -A FW_POLICY=()	# the same, base chains on the way only -> policy
declare -A FW_HOOK=()	# the same -> prerouting, input or output
declare -A FW_SETS=()	# "ip filter NAME" -> elements
FW_BASE=()		# those base chains, in order

# firewall_read: takes `nft -s list ruleset` or what iptables-restore-translate
# prints, from standard input
firewall_read() {
	local line table='' chain='' set='' word
	while IFS= read -r line; do
		line=${line#"${line%%[![:space:]]*}"}
		# Free text must not read like a rule.
		[[ $line != *' comment "'* ]] || line=${line%% comment \"*}
		while [[ $line =~ ^(.*)\ prefix\ \"[^\"]*\"(.*)$ ]]; do
			line=${BASH_REMATCH[1]}${BASH_REMATCH[2]}
		done
		line=${line//\"/}
		case $line in
		'add rule '*)
			read -r _ _ word table chain line <<< "$line"
			FW_RULES[$word $table $chain]+=$line$'\n' ;;
		'add chain '*)
			read -r _ _ word table chain line <<< "$line"
			firewall_base "$word $table $chain" "$line" ;;
		'table '*' {')	table=${line#table } table=${table% '{'} chain='' set='' ;;
		'chain '*' {')	chain=${line#chain } chain=${chain% '{'} set='' ;;
		'set '*' {'|'map '*' {') set=${line#* } set=${set% '{'} chain='' ;;
		'elements = {'*)	FW_SETS[$table $set]=${line#elements = } ;;
		'}')	if [[ $chain || $set ]]; then chain='' set=''; else table=''; fi ;;
		'type '*' hook '*)	firewall_base "$table $chain" "$line" ;;
		*)	if [[ $chain ]]; then
				FW_RULES[$table $chain]+=$line$'\n'
			elif [[ $set && ${FW_SETS[$table $set]:-} ]]; then
				FW_SETS[$table $set]+=" $line"	# long lists go on over several lines
			fi ;;
		esac
	done
}

firewall_base() {	# firewall_base "FAMILY TABLE CHAIN" "type filter hook input priority filter; ..."
	local hook
	[[ $1 == @(ip|ip6|inet)\ * && $2 =~ 'type filter hook '(prerouting|input|output)' priority '([^;]*)';' ]] || return 0
	hook=${BASH_REMATCH[1]}
	[[ $hook != prerouting ]] || firewall_after_us "${BASH_REMATCH[2]}" || return 0
	FW_HOOK[$1]=$hook
	FW_BASE+=("$1")
	FW_POLICY[$1]=accept
	[[ $2 != *'policy drop'* ]] || FW_POLICY[$1]=drop
}

# firewall_after_us PRIORITY: as nft writes it, "raw", "mangle - 10", "-400". nf_flowpar
# rewrites at -350, a redirect at -100.
firewall_after_us() {
	local name=$1 offset=0
	[[ ! $1 =~ ^([a-z]+)\ ([+-])\ ([0-9]+)$ ]] || name=${BASH_REMATCH[1]} offset=${BASH_REMATCH[2]}${BASH_REMATCH[3]}
	case $name in
	raw) name=-300 ;; mangle) name=-150 ;; dstnat) name=-100 ;;
	filter) name=0 ;; security) name=50 ;; srcnat) name=100 ;;
	esac
	[[ $name =~ ^-?[0-9]+$ ]] || return 0
	if [[ ${LISTEN:-nat} == nft ]]; then
		((name + offset > -100))
	else
		((name + offset > -350))
	fi
}

# firewall_member VALUE WORDS: is VALUE in "8000", "{ 22, 8000-8100 }", "a,b", "bond*"?
firewall_member() {
	local element elements
	read -ra elements <<< "${2//[\{\},]/ }"
	for element in "${elements[@]}"; do
		if [[ $element == *\* ]]; then
			[[ $1 != "${element%\*}"* ]] || return 0
		elif [[ $1 =~ ^[0-9]+$ && $element =~ ^([0-9]+)-([0-9]+)$ ]]; then
			((BASH_REMATCH[1] > $1 || $1 > BASH_REMATCH[2])) || return 0
		elif [[ $element == "$1" ]]; then
			return 0
		fi
	done
	return 1
}

# The operand of a match starts at WORDS[AT]: into OPERAND, AT moves behind it.
firewall_operand() {
	OPERAND='' NEGATED=''
	case ${WORDS[AT]:-} in
	'!=') NEGATED=yes; AT=$((AT + 1)) ;;
	'=='|vmap) AT=$((AT + 1)) ;;
	esac
	if [[ ${WORDS[AT]:-} == '{' ]]; then
		while [[ ${WORDS[AT]:-'}'} != '}' ]]; do
			OPERAND+=" ${WORDS[AT]}" AT=$((AT + 1))
		done
	else
		OPERAND=${WORDS[AT]:-}
	fi
	AT=$((AT + 1))
	[[ $OPERAND != @* ]] || OPERAND=${FW_SETS[$FW_TABLE ${OPERAND#@}]:-$OPERAND}
}

# firewall_match VALUE: compares it with the operand; into MATCH. A verdict map's
# verdict goes into VERDICT.
firewall_match() {
	local pair
	if [[ ${WORDS[AT]:-} == . ]]; then	# a concatenation: more than this file reads
		MATCH=maybe
		return 0
	fi
	if [[ ${WORDS[AT]:-} == vmap ]]; then
		firewall_operand
		while IFS= read -r pair; do
			if firewall_member "$1" "${pair%%:*}"; then
				read -ra VERDICT <<< "${pair#*:}"
				return 0
			fi
		done <<< "${OPERAND//[,\{\}]/$'\n'}"
		MATCH=no
		return 0
	fi
	firewall_operand
	if [[ $OPERAND == @* ]]; then
		MATCH=maybe
	elif firewall_member "$1" "$OPERAND"; then
		[[ ! $NEGATED ]] || MATCH=no
	else
		[[ $NEGATED ]] || MATCH=no
	fi
}

# firewall_rule RULE PORT: for FW_DIRECTION, in or out; sets MATCH (yes, no, maybe),
# NAMED (the rule names the port) and VERDICT (words; empty if the rule has none)
firewall_rule() {
	local WORDS AT=0 OPERAND NEGATED before
	read -ra WORDS <<< "$1"
	MATCH=yes NAMED='' VERDICT=()
	while ((AT < ${#WORDS[@]})); do
		before=$MATCH
		case "$FW_DIRECTION ${WORDS[AT]} ${WORDS[AT + 1]:-}" in
		'in tcp dport'|'in th dport'|'out tcp sport'|'out th sport')
			AT=$((AT + 2))
			firewall_match "$2"
			[[ $MATCH == no ]] || NAMED=yes ;;
		'in ct state')		AT=$((AT + 2)); firewall_match new ;;
		'out ct state')		AT=$((AT + 2)); firewall_match established ;;
		'in iifname '*|'in iif '*|'out oifname '*|'out oif '*)
			AT=$((AT + 1)); firewall_match "$BOND" ;;
		*)	firewall_word ;;
		esac
		[[ $before == yes || $MATCH == no ]] || MATCH=maybe
		[[ $MATCH != no ]] || return 0
	done
}

# A word that means the same both ways.
firewall_word() {
	case "${WORDS[AT]} ${WORDS[AT + 1]:-}" in
	'meta l4proto')		AT=$((AT + 2)); firewall_match tcp ;;
	'meta nfproto')		AT=$((AT + 2)); firewall_match "$FW_FAMILY" ;;
	'ip '*|'ip6 '*)		firewall_header ;;
	'udp '*|'icmp '*|'icmpv6 '*|'sctp '*|'dccp '*|'esp '*|'ah '*|'igmp '*|'arp '*)
		MATCH=no ;;
	'counter '*)		AT=$((AT + 1)) ;;
	'log '*)		AT=$((AT + 1)) ;;
	'level '*|'group '*)	AT=$((AT + 2)) ;;
	'accept '*|'drop '*|'reject '*|'return '*|'jump '*|'goto '*|'queue '*|'continue '*)
		VERDICT=("${WORDS[@]:AT}")
		AT=${#WORDS[@]} ;;
	*)	MATCH=maybe AT=$((AT + 1)) ;;
	esac
}

# A field of IPv4's or IPv6's header.
firewall_header() {
	local header=ip
	[[ $FW_FAMILY == ipv4 ]] || header=ip6
	if [[ ${WORDS[AT]} != "$header" ]]; then
		MATCH=no
	elif [[ ${WORDS[AT + 1]:-} == @(protocol|nexthdr) ]]; then
		AT=$((AT + 2))
		firewall_match tcp
	else
		MATCH=maybe AT=$((AT + 1))
	fi
}

# firewall_walk "FAMILY TABLE CHAIN" PORT: prints accept, drop or nothing
firewall_walk() {
	local rule FW_TABLE=${1% *} MATCH NAMED VERDICT answer
	while IFS= read -r rule; do
		[[ $rule ]] || continue
		firewall_rule "$rule" "$2"
		[[ $MATCH != no ]] || continue
		case ${VERDICT[0]:-} in
		accept|queue)
			[[ $MATCH == maybe && ! $NAMED ]] || { echo accept; return; } ;;
		drop|reject)
			[[ $MATCH == maybe ]] || { echo drop; return; } ;;
		jump|goto)
			answer=$(firewall_walk "$FW_TABLE ${VERDICT[1]}" "$2")
			[[ $MATCH == maybe && $answer != accept ]] || [[ ! $answer ]] || { echo "$answer"; return; }
			[[ $MATCH == maybe || ${VERDICT[0]} == jump ]] || return 0 ;;
		return)
			[[ $MATCH == maybe ]] || return 0 ;;
		esac
	done <<< "${FW_RULES[$1]:-}"
}

# firewall_drops PUBLIC PORT...: the first base chain that would drop one of the ports, into
# REPLY; fails if none would. One that keeps IPv6 from the public port is meant to.
firewall_drops() {
	local public=$1 chain port FW_DIRECTION FW_FAMILY
	shift
	for FW_FAMILY in ipv4 ipv6; do
		for chain in "${FW_BASE[@]}"; do
			case $FW_FAMILY-$chain in
			ipv4-ip6\ *|ipv6-ip\ *) continue ;;
			esac
			FW_DIRECTION=in
			[[ ${FW_HOOK[$chain]} != output ]] || FW_DIRECTION=out
			[[ $FW_FAMILY == ipv4 ]] || ! firewall_drops_at "$chain" "$public" || continue
			for port; do
				if firewall_drops_at "$chain" "$port"; then
					REPLY=$chain
					return 0
				fi
			done
		done
	done
	return 1
}

firewall_drops_at() {	# firewall_drops_at "FAMILY TABLE CHAIN" PORT
	local answer
	answer=$(firewall_walk "$1" "$2")
	[[ ${answer:-${FW_POLICY[$1]}} == drop ]]
}

# firewall_load: the rulesets of this network namespace. Asking would load the
# modules, and without the modules there are no rules: ask only who is there.
firewall_load() {
	local text six
	if nft_there; then
		check_tool nft nftables
		text=$(nft -s list ruleset) || die "nft list ruleset: failed, see above; mend that, or give --no-firewall-check"
		firewall_read <<< "$text"
	fi
	for six in '' 6; do
		grep -qsx filter "/proc/net/ip${six}_tables_names" || continue
		check_tool "ip${six}tables-legacy-save" iptables
		text=$("ip${six}tables-legacy-save" -t filter | "ip${six}tables-restore-translate" -f /dev/stdin) ||
			die "ip${six}tables-legacy-save: failed, see above; mend that, or give --no-firewall-check"
		firewall_read <<< "${text//" ip$six filter "/" ip$six ip${six}tables-legacy "}"
	done
}
