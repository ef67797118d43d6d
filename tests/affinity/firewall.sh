#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: a ruleset is told apart by what it does to new connections from the bond to a per-core port
# Suite: unit
# shellcheck disable=SC2034
# shellcheck source=tests/affinity/common.sh
. "$(dirname "$0")/common.sh"

for part in say setting firewall check; do
	# shellcheck source=/dev/null
	. "$repo/affinity/lib/$part.sh"
done
BOND=bond0

# verdict: of the ruleset on standard input, "pass" or the chain that drops
verdict() {
	FW_RULES=() FW_POLICY=() FW_HOOK=() FW_SETS=() FW_BASE=()
	firewall_read
	if firewall_drops 80 8000 8008; then echo "$REPLY"; else echo pass; fi
}

# expect WANT TEXT < RULESET
expect() { same "$2" "$1" "$(verdict)"; }

# input WANT TEXT POLICY RULE...: the rules in the usual place
input() {
	local want=$1 text=$2 policy=$3
	shift 3
	{
		echo 'table inet filter {'
		echo '	chain input {'
		echo "		type filter hook input priority filter; policy $policy;"
		printf '\t\t%s\n' "$@"
		printf '\t}\n}\n'
	} | expect "$want" "$text"
}

drops='inet filter input'
expect pass 'no ruleset' <<< ''
input pass 'policy accept' accept 'tcp dport 22 accept'
input "$drops" 'policy drop' drop 'ct state established,related accept' 'iifname "lo" accept'
input "$drops" 'only the public port let in' drop 'tcp dport { 22, 80 } accept'
input pass 'both per-core ports let in' drop 'tcp dport { 22, 8000, 8008 } accept'
input "$drops" 'one of them let in' drop 'tcp dport { 22, 8000 } accept'
input pass 'a range that holds them' drop 'tcp dport 8000-8100 accept'
input pass 'a range in a set' drop 'tcp dport { 22, 8000-8100 } accept'
input "$drops" 'a range beside them' drop 'tcp dport 8001-8100 accept'
input pass 'the bond let in' drop 'iifname "bond0" accept'
input pass 'the bond by a pattern' drop 'iifname "bond*" accept'
input "$drops" 'another interface let in' drop 'iifname "eth9" accept'
input pass 'all but another interface let in' drop 'iifname != "eth9" accept'
input "$drops" 'all but them let in' drop 'tcp dport != 8000-8100 accept'
input "$drops" 'UDP let in' drop 'udp dport { 8000, 8008 } accept'
input "$drops" 'IPv6 let in' drop 'meta nfproto ipv6 tcp dport 8000-8100 accept'
input pass 'TCP let in' drop 'meta l4proto { tcp, udp } accept'
input "$drops" 'only established let in' drop 'ct state vmap { invalid : drop, established : accept, related : accept }' 'ct state established tcp dport 8000-8100 accept'
input pass 'new connections let in' drop 'ct state new,established accept'
input "$drops" 'a reject at the end' accept 'tcp dport 22 accept' 'reject with icmpx admin-prohibited'
input "$drops" 'a drop of high ports' accept 'tcp dport 1024-65535 counter log prefix "accept: " drop comment "accept"'
input pass 'free text that reads like a rule' accept 'tcp dport 22 log prefix " drop " accept comment "drop"'
input pass 'invalid dropped' accept 'ct state invalid drop'
input pass 'some sources dropped: not all clients' accept 'ip saddr { 192.0.2.0/24 } drop'
input "$drops" 'some sources let in to everything: the port is not thought of' drop 'ip saddr 192.0.2.0/24 accept'
input pass 'some sources let in to the port: it is' drop 'ip saddr 192.0.2.0/24 tcp dport 8000-8100 accept'
input pass 'a limit on accepted connections' drop 'tcp dport 8000-8100 limit rate 50/second accept'
input "$drops" 'accept after drop' accept 'tcp dport 8000-8100 drop' 'tcp dport 8000-8100 accept'

# Over IPv6 only what the public port has and the per-core ports do not.
input "$drops" 'IPv4 let in, of IPv6 the public port only' drop 'meta nfproto ipv4 accept' 'meta nfproto ipv6 tcp dport 80 accept'
input pass 'IPv4 let in, IPv6 not at all' drop 'meta nfproto ipv4 accept'
input pass 'IPv4 let in, some sources of IPv6 to all of them' drop 'ip protocol tcp accept' 'ip6 saddr 2001:db8::/32 tcp dport { 80, 8000-8008 } accept'
input "$drops" 'IPv4 let in, some sources of IPv6 to the public port' drop 'ip protocol tcp accept' 'ip6 saddr 2001:db8::/32 tcp dport 80 accept'
input "$drops" 'only IPv6 let in by its header' drop 'ip6 nexthdr tcp accept'
six() { printf 'table ip6 filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t\t%s\n\t}\n}\n' "$1"; }
expect pass 'a table of IPv6 that lets nothing in' <<< "$(six 'ct state established accept')"
expect 'ip6 filter input' '... the public port' <<< "$(six 'tcp dport 80 accept')"
expect pass '... and the per-core ports' <<< "$(six 'tcp dport { 80, 8000-8008 } accept')"

expect pass 'a named set, over several lines' <<'END'
table inet filter {
	set services {
		type inet_service
		flags interval
		elements = { 22, 80,
			     8000-8100 }
	}
	chain input {
		type filter hook input priority filter; policy drop;
		tcp dport @services accept
	}
}
END
expect 'ip filter INPUT' 'chains as iptables-nft makes them' <<'END'
table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy drop;
		counter jump ufw-before
		counter jump ufw-user
	}
	chain ufw-before {
		iifname "lo" counter accept
		ct state related,established counter accept
	}
	chain ufw-user {
		tcp dport 80 counter accept
	}
}
END
expect pass 'zones as firewalld makes them, the port open' <<'END'
table inet firewalld {
	chain filter_INPUT {
		type filter hook input priority filter + 10; policy accept;
		ct state { established, related } accept
		iifname "lo" accept
		jump filter_INPUT_ZONES
		ct state { invalid } drop
		reject with icmpx admin-prohibited
	}
	chain filter_INPUT_ZONES {
		iifname vmap { "eth9" : goto filter_IN_public, "bond0" : goto filter_IN_work }
		goto filter_IN_public
	}
	chain filter_IN_public {
		meta l4proto { icmp, ipv6-icmp } accept
	}
	chain filter_IN_work {
		jump filter_IN_work_allow
		return
	}
	chain filter_IN_work_allow {
		tcp dport 22 ct state { new, untracked } accept
		tcp dport 8000-8100 ct state { new, untracked } accept
	}
}
END
expect 'inet second input' 'two base chains: both must let in' <<'END'
table inet first {
	chain input {
		type filter hook input priority filter; policy accept;
	}
}
table inet second {
	chain input {
		type filter hook input priority filter + 1; policy drop;
		tcp dport 80 accept
	}
}
END
expect pass 'chains at other hooks do not count' <<'END'
table inet filter {
	chain forward {
		type filter hook forward priority filter; policy drop;
	}
	chain pre {
		type filter hook prerouting priority raw; policy accept;
	}
}
END
expect 'ip filter INPUT' 'what iptables-restore-translate prints' <<'END'
# Translated by iptables-restore-translate v1.8.9 on Fri Nov 20 12:00:00 2026
add table ip filter
add chain ip filter INPUT { type filter hook input priority 0; policy drop; }
add chain ip filter OUTPUT { type filter hook output priority 0; policy accept; }
add rule ip filter INPUT iifname "lo" counter accept
add rule ip filter INPUT tcp dport 80 counter accept
END
expect pass 'the same with the ports open' <<'END'
add table ip filter
add chain ip filter INPUT { type filter hook input priority 0; policy drop; }
add rule ip filter INPUT ip protocol tcp tcp dport { 8000,8008 } counter accept
END
# other WANT TEXT HOOK PRIORITY RULE...: a chain of policy drop at another hook
other() {
	local want=$1 text=$2 hook=$3 priority=$4
	shift 4
	{
		echo 'table inet filter {'
		echo '	chain other {'
		echo "		type filter hook $hook priority $priority; policy drop;"
		printf '\t\t%s\n' "$@"
		printf '\t}\n}\n'
	} | expect "$want" "$text"
}
drops='inet filter other'
other pass 'output: answers of the per-core ports let out' output filter 'tcp sport { 22, 8000-8100 } accept'
other pass 'output: established let out' output filter 'ct state established,related accept'
other pass 'output: the bond let out' output filter 'oifname "bond0" accept'
other "$drops" 'output: only the public port let out' output filter 'tcp sport { 22, 80 } accept'
other "$drops" 'output: a port of the other end is none of ours' output filter 'tcp dport 8000-8100 drop'
other "$drops" 'prerouting after the rewriting: only the public port let in' prerouting mangle 'tcp dport { 22, 80 } accept'
other "$drops" 'prerouting just after it' prerouting 'raw - 10' 'tcp dport { 22, 80 } accept'
other pass 'prerouting before it sees the public port' prerouting 'raw - 100' 'tcp dport { 22, 80 } accept'
LISTEN=nft
other pass 'prerouting before a redirect does too' prerouting mangle 'tcp dport { 22, 80 } accept'
other pass 'forwarding is not on the way' forward filter 'tcp dport 22 accept'

# remedy TEXT WANT CHAIN HOOK: what is said to let the per-core ports in
remedy() {
	FW_HOOK=(["$3"]=$4)
	firewall_remedy "$3"
	same "$1" "$2" "$REPLY"
}
PORTS_LIST=8000,8008
remedy "what lets them in" "nft insert rule inet filter input iifname bond0 tcp dport '{ 8000, 8008 }' accept" 'inet filter input' input
remedy "... a rule a port in iptables' chains, which iptables-save can print" \
	'nft insert rule ip filter INPUT iifname bond0 tcp dport 8000 accept; nft insert rule ip filter INPUT iifname bond0 tcp dport 8008 accept' 'ip filter INPUT' input
remedy "... out, over IPv6" \
	'nft insert rule ip6 filter OUTPUT oifname bond0 tcp sport 8000 accept; nft insert rule ip6 filter OUTPUT oifname bond0 tcp sport 8008 accept' 'ip6 filter OUTPUT' output
remedy "... with iptables-legacy" 'iptables-legacy -I INPUT -i bond0 -p tcp -m multiport --dports 8000,8008 -j ACCEPT' 'ip iptables-legacy INPUT' input
finish
