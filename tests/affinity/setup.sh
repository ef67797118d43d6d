#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: up sets what it says and nothing else, verify names each drift and its remedy, down brings back every file
#
#   client0, client1 -- br0 -- lag0 ==== eth0, eth1 > bond0    server guest
#                                 \----- eth2                  (not a slave)
# shellcheck disable=SC1083,SC2034,SC2119,SC2317	# placeholders; used by what is sourced, called by check
# shellcheck source=tests/affinity/common.sh
. "$(dirname "$0")/common.sh"

service+=(--address "${LAB_SERVER:-10.77.0.1}/24,fd77::1/64" --gateway '10.77.0.200,fd77::c0' --port '80,443' --base-port '8000,9000')
up=("${slaves[@]}" "${service[@]}")
core_ports='sport = 8000 or sport = 8008 or sport = 9000 or sport = 9008'

# One instance a core and service, that tells which port it has.
servers() {
	local port
	for port in 8000 8008 9000 9008; do
		mkdir -p "/run/www/$port"
		echo "port $port" > "/run/www/$port/index.html"
		busybox httpd -p "$port" -h "/run/www/$port"
	done
}

irqs_on() {	# irqs_on NIC CPU: all of them, at least two
	local irq irqs
	irqs=$(irqs_of "$1")
	(($(wc -w <<< "$irqs") >= 2)) || { echo "only interrupts: $irqs"; return 1; }
	for irq in $irqs; do
		grep -qx "$2" "/proc/irq/$irq/smp_affinity_list" || { echo "irq $irq: $(< "/proc/irq/$irq/smp_affinity_list")"; return 1; }
	done
}

# Each drift, and what verify must say of it.
drift_once() {
	local irq
	irq=$(irqs_of eth1 | tail -n 1)
	echo 0 > "/proc/irq/$irq/smp_affinity_list"
	echo 2 > /sys/class/net/eth0/queues/rx-0/rps_cpus
	echo layer2 > /sys/class/net/bond0/bonding/xmit_hash_policy
	echo 50 > /sys/class/net/bond0/bonding/miimon
	ip link set bond0 mtu 1450
	ip address del "$LAB_SERVER/24" dev bond0	# with it goes the route
	ip address del fd77::1/64 dev bond0
	ip -6 route del default dev bond0
	drifts=("irq eth1/[0-9]+: set to 1, found 0: [^;]*; mend it with: echo 1 > /proc/irq/$irq/smp_affinity_list"
		"rps eth0/rx-0: set to 0, found 2: [^;]*; mend it with: echo 0 > /sys/class/net/eth0/queues/rx-0/rps_cpus"
		"option bond0/xmit_hash_policy: set to ${policy//+/\\+}, found layer2: [^;]*; mend it with: echo ${policy//+/\\+} > "
		'option bond0/miimon: set to 100, found 50: [^;]*; mend'
		'mtu bond0: set to 1400, found 1450: [^;]*; mend it with: ip link set bond0 mtu 1400'
		"address bond0 $LAB_SERVER/24: set to present, found absent: [^;]*; mend it with: ip address add $LAB_SERVER/24 dev bond0"
		'address bond0 fd77::1/64: set to present, found absent: [^;]*; mend it with: ip address add fd77::1/64 dev bond0'
		'gateway bond0 10.77.0.200: set to present, found absent: [^;]*; mend it with: ip route add default via 10.77.0.200 dev bond0'
		'gateway bond0 fd77::c0: set to present, found absent: [^;]*; mend it with: ip -6 route add default via fd77::c0 dev bond0 metric 512')
	if [[ $listen == nat ]]; then
		flowparctl service del --port 80
		flowparctl service del --family inet6 --port 443
		echo 0-1 > /sys/class/net/eth0/bonding_slave/cpus
		drifts+=('service 80: set to 8000 8 1 0-1, found absent: [^;]*; mend it with: [^ ]*flowparctl service add --port 80'
			'service 6/443: set to 9000 8 1 0-1, found absent: [^;]*; mend it with: [^ ]*flowparctl service add --family inet6 --port 443'
			'cpus eth0: set to 0, found 0-1: [^;]*; mend it with: echo 0 > ')
	else
		nft flush chain inet flowpar closed
		drifts+=('table inet flowpar: not what up set: [^;]*; mend it with: nft delete table inet flowpar && nft ')
	fi
}

server() {
	local dry out status drifts expect remedies
	lived_in
	before=$(snapshot)

	dry=$(setup up "${up[@]}" --dry-run 2>&1)
	unchanged 'up --dry-run changes nothing'
	out=$(setup up "${up[@]}" 2>&1)
	same 'up succeeds, printing what up --dry-run printed' "$dry" "$out"

	[[ ${LAB_KERNEL:-} != *-plain ]] ||
		same '... and warning of both that this kernel does not know' 2 \
			"$(grep -cE '^setup-flowpar.sh: (bonding: .* knows no policy cpu-bound; the bond gets layer3\+4, |nf_flowpar: no such module .*; port 80 is served by --listen nft instead)' <<< "$out")"

	check 'the bond is 802.3ad' grep -qx '802.3ad 4' /sys/class/net/bond0/bonding/mode
	check "its policy is $policy" grep -q "^$policy " /sys/class/net/bond0/bonding/xmit_hash_policy
	if [[ $listen == nat ]]; then
		same 'both services are there for IPv4 and IPv6' '*:443 *:80 [::]:443 [::]:80' "$(flowparctl service list | awk 'NR > 1 { print $2 }' | LC_ALL=C sort | paste -sd' ')"
	fi
	check 'both slaves are in one aggregator' grep -qx 2 /sys/class/net/bond0/bonding/ad_num_ports
	check 'with the switch as partner' grep -qi '^52:54:00:00:02:' /sys/class/net/bond0/bonding/ad_partner_mac
	check 'all interrupts of eth0 are on CPU 0' irqs_on eth0 0
	check 'all interrupts of eth1 are on CPU 1' irqs_on eth1 1
	check 'RPS is off' grep -qx 0 /sys/class/net/eth0/queues/rx-0/rps_cpus
	[[ $policy != cpu-bound ]] ||
		check 'each slave has the CPU list of its interrupts' \
			test "$(cat /sys/class/net/eth{0,1}/bonding_slave/cpus | paste -sd' ')" = '0 1'
	same 'both default routes lead through it' "10.77.0.200 fd77::c0" "$({ ip route show default dev bond0; ip -6 route show default dev bond0; } | awk '{ print $3 }' | paste -sd' ')"
	same 'its address of IPv6 can be bound' fd77::1/64 "$(ip -o address show dev bond0 to fd77::1 -tentative | awk '{ print $4 }')"
	servers
	lab-post up
	lab-wait served
	out=$(setup status)
	check 'status shows NIC, link, aggregator, interrupts, CPU, ports and listeners' \
		grep -qE '^eth1 +up +1 +[0-9-]+ +1 +(1|-) +8008,9008 +yes,yes' <<< "$out"
	same '... and both services' "port 80: to a port per core by $listen|port 443: to a port per core by $listen" "$(grep ^port <<< "$out" | paste -sd'|')"
	[[ $listen != nat ]] || check '... with the counters of both' grep -q '\*:443 ' <<< "$out"

	check 'verify finds nothing' setup verify
	journal=$(cat /run/flowpar/*)
	out=$(setup up "${up[@]}" 2>&1); status=$?
	same 'up again changes nothing' '0 ' "$status $out"
	same 'up again records nothing' "$journal" "$(cat /run/flowpar/*)"
	check_fails 'up with other options is refused' 1 'up was run with other options \(CPUS=0 1\); run' \
		setup up "${up[@]}" --cpus 1,0

	drift_once
	out=$(setup verify 2>&1); status=$?
	same 'verify fails after drift' 1 "$status"
	same 'verify has a line for each drift' "${#drifts[@]}" "$(grep -c . <<< "$out")"
	for expect in "${drifts[@]}"; do
		check "verify says: $expect" grep -qE "^setup-flowpar.sh: $expect" <<< "$out"
	done
	# The remedies are commands: run them as they stand.
	remedies=$(awk -F '; mend it with: ' '{ print $2 }' <<< "$out")
	check 'the remedies run' bash -ec "$remedies"
	check 'and leave nothing to verify' setup verify

	ip link set eth1 nomaster
	check_fails 'verify misses a slave that was taken out' 1 'master eth1: set to bond0, found none: [^;]*; mend it with: ip link set eth1 master bond0' setup verify
	check 'up mends it' setup up "${up[@]}"
	check 'so that verify finds nothing' setup verify

	dry=$(setup down --dry-run)
	out=$(setup down 2>&1)
	same 'down succeeds, printing what down --dry-run printed' "$dry" "$out"
	unchanged 'down brings back every file'
	check 'down again is fine' setup down
	unchanged 'and changes nothing'

	[[ $listen != nat ]] || others_service
	firewall
	bpf
}

# nf_flowpar may serve others by the time we are done with it.
others_service() {
	local out
	setup up "${up[@]}" > /dev/null
	flowparctl service add --port 444 --base-port 9100 --cpus 0-1
	out=$(setup down 2>&1)
	check 'down leaves the module to a service that is not its own' \
		grep -q '^nf_flowpar: stays loaded, in use by service \*:444$' <<< "$out"
	check 'and the service' grep -q ' \*:444 ' <(flowparctl service list)
	flowparctl service del --port 444
	modprobe -r nf_flowpar	# and what it has loaded, where that is a module
	unchanged 'no more is left of it'
}

# A firewall that lets the public ports in, and nothing else, as people have.
firewall() {
	local out rule status
	nft 'table inet filter { chain input { type filter hook input priority filter; policy drop; ct state established,related accept; iifname "lo" accept; meta l4proto ipv6-icmp accept; tcp dport { 22, 80, 443 } accept; }; }'
	before=$(snapshot)
	out=$(setup up "${slaves[@]}" "${service[@]}" --listen nft 2>&1); status=$?
	same 'a firewall that drops the per-core ports is an error' 1 "$status"
	check 'on one line that names chain and rule' \
		grep -qE '^setup-flowpar.sh: firewall: chain inet filter input would drop .*; let them in with: nft insert rule ' <<< "$out"
	unchanged 'and nothing is changed'
	rule=${out#*let them in with: }
	check 'the rule that it names can be added' bash -ec "$rule"
	check 'and then up goes through, with --listen nft' setup up "${slaves[@]}" "${service[@]}" --listen nft
	lab-post up-nft
	lab-wait served-nft
	setup down > /dev/null
	nft delete rule inet filter input handle "$(nft -a list chain inet filter input | sed -n 's/.*iifname "bond0".*# handle //p')"
	unchanged 'down leaves the firewall as it was'
}

# With --listen bpf up brings the way to the port, flowparctl run the rest; the same
# firewall stands, and needs no rule for the per-core ports.
bpf() {
	local up=("${slaves[@]}" "${service[@]}" --listen bpf) out status pid
	local run='flowparctl run --cpus 0-1 --port-base 8000 --listen bpf --port 80 -- SERVER...' second
	local hints="port 80: nobody serves it before $run does|port 443: nobody serves it before ${run/8000*80/9000 --listen bpf --port 443} does"
	# shellcheck disable=SC2046	# pids
	kill $(ss -Hltnp "$core_ports" | grep -o 'pid=[0-9]*' | cut -d= -f2)
	before=$(snapshot)
	out=$(setup up "${up[@]}" 2>&1); status=$?
	same '--listen bpf: up succeeds and says last who is to serve the ports' "0 $hints" \
		"$status $(tail -n 2 <<< "$out" | paste -sd'|')"
	check 'no nf_flowpar, no table' bash -c '! grep -q ^nf_flowpar /proc/modules && ! nft list tables | grep -q flowpar'
	out=$(setup verify); status=$?
	same 'verify finds nothing, but says that nobody serves' "0 $hints" "$status $(head -n 2 <<< "$out" | paste -sd'|')"
	check 'status says so too' grep -qxF "port 80: to a port per core by bpf, not attached: $run does that" <(setup status)

	flowparctl run --cpus 0-1 --port-base 8000 --listen bpf --port 80 -- busybox httpd -f -p {port} -h /run/www/{port} &
	pid=$!
	check 'flowparctl run serves it' wait_until 30 eval "flowparctl stats --listen bpf --json --port 80 | jq -e 'map(.listening) == [true, true]'"
	same 'verify says that nobody serves the other' "${hints#*|}" "$(setup verify | head -n 1)"
	flowparctl run --cpus 0-1 --port-base 9000 --listen bpf --port 443 -- busybox httpd -f -p {port} -h /run/www/{port} &
	second=$!
	check 'another flowparctl run serves that' wait_until 30 eval "flowparctl stats --listen bpf --json --port 443 | jq -e 'map(.listening) == [true, true]'"
	same 'verify has nothing more to say' 'setup-flowpar.sh: bond0: everything is as up set it' "$(setup verify)"
	out=$(setup status)
	check 'status says whose it is' grep -qxF "port 80: to a port per core by bpf, attached by flowparctl run (pid $pid)" <<< "$out"
	check '... of the other too' grep -qxF "port 443: to a port per core by bpf, attached by flowparctl run (pid $second)" <<< "$out"
	check '... with its counters' grep -qE "^tcp \*:80 +$pid +1 +8008 +yes +0 " <<< "$out"
	out=$(setup up "${up[@]}" 2>&1); status=$?
	same 'up again changes nothing, and says nothing' '0 ' "$status $out"
	lab-post up-bpf
	lab-wait served-bpf
	kill "$pid" "$second"
	wait "$pid" "$second"

	flowparctl run --cpus 0 --port-base 8000 --listen bpf --port 80 -- busybox httpd -f -p {port} -h /run/www/{port} &
	pid=$!
	wait_until 30 flowparctl stats --listen bpf --port 80
	check_fails 'verify tells one that serves other CPUs' 1 \
		"^setup-flowpar.sh: port 80: flowparctl run \(pid $pid\) serves it with other CPUs or ports; stop it with kill $pid and start flowparctl run --cpus 0-1 " setup verify
	out=$(setup down); status=$?
	same 'down succeeds, and says that it still serves' "0 port 80: still served by flowparctl run (pid $pid), which up did not start; stop it with kill $pid" \
		"$status $(tail -n 1 <<< "$out")"
	check_fails 'another up is refused while it does' 1 "^setup-flowpar.sh: port 80: flowparctl run \(pid $pid\) serves it with other CPUs" setup up "${up[@]}"
	kill "$pid"
	wait "$pid"
	unchanged 'down brought back everything'
}

# Both slaves carry flows, each to the instance of its core; the per-core ports
# are not there from outside.
served() {
	local k i host out port
	for host in "$LAB_SERVER" '[fd77::1]'; do
		out=''
		for ((k = 0; k < LAB_NICS; k++)); do
			lab-client "$k" ip address replace "fd77::c$k/64" dev eth0 nodad
			for ((i = 0; i < 4; i++)); do
				for port in 80 443; do
					out+="$port, $(lab-client "$k" curl -sS -m 5 "http://$host:$port/" 2>&1)"$'\n'
				done
			done
		done
		# Which link an IPv6 address hashes to nobody has chosen.
		case $host in
		"$LAB_SERVER") same "$1: each public port is answered by its instances of both cores, always" \
			$'443, port 9000\n443, port 9008\n80, port 8000\n80, port 8008' "$(grep . <<< "$out" | LC_ALL=C sort -u)" ;;
		*)	same "$1, IPv6: each public port is answered by its instances, always" $((8 * LAB_NICS)) "$(grep -cE '^(80, port 80|443, port 90)0[08]$' <<< "$out")" ;;
		esac
		check_fails "$1, $host: a per-core port is not there from outside" 28 'timed out|Timeout' \
			lab-client 0 curl -sS -m 2 "http://$host:8000/"
	done
}

client() {
	lab-wait up
	served "$listen"
	lab-post served
	lab-wait up-nft
	served nft
	lab-post served-nft
	lab-wait up-bpf
	served bpf
	lab-post served-bpf
	lab-wait server-exit
}

case ${LAB_ROLE:-host} in
host)	affinity_lab ;;
server)	lab-ready; server ;;
client)	client ;;
esac
finish
