#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# setup-flowpar.sh: one core from a NIC's interrupt to the answer's way out.
#
#   eth0 --irq--> CPU 0 --> :8000 --\
#   eth1 --irq--> CPU 1 --> :8008 ---> bond0 (802.3ad, cpu-bound): CPU k answers through ethk
#   ...
#
# Beside the flow's way, as root: it sets the way up and takes it down. The original
# values are in /run/flowpar (lib/journal.sh owns it) before anything changes, so
# down brings the machine back from wherever up stopped.
#
# Read on in: configuration() below, what up sets and in which order; lib/setting.sh,
# how each setting is read and set; lib/check.sh, what is looked at first.
set -euo pipefail
export LC_ALL=C		# lengths are bytes, messages are the ones we know
# An ordinary user's path, also after su; one without /usr/bin was made on purpose.
[[ :$PATH: != *:/usr/bin:* ]] || export PATH=$PATH:/usr/sbin:/sbin

HERE=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR
. "$HERE/lib/say.sh"
. "$HERE/lib/list.sh"
. "$HERE/lib/address.sh"
. "$HERE/lib/conf.sh"
. "$HERE/lib/placement.sh"
. "$HERE/lib/setting.sh"
. "$HERE/lib/journal.sh"
. "$HERE/lib/firewall.sh"
. "$HERE/lib/check.sh"
. "$HERE/lib/lacp.sh"
. "$HERE/lib/report.sh"
. "$HERE/lib/watch.sh"
. "$HERE/lib/export.sh"

# What the administrator asks for.
BOND='' SLAVES=() CPUS=() ADDRESS='' GATEWAY='' PORT='' BASE_PORT='' STRIDE=8 PER_CORE=1
LISTEN=nat POLICY=''
RELEASE=$(uname -r)
LACP_TIMEOUT=60 FIREWALL_CHECK=yes SMT=no ADOPT=no
declare -A GIVEN=()	# names of the above that the command line or the file has

# What follows from that, and from the machine (derive, check_mtu).
declare -A NIC_CPUS=()	# slave -> its CPUs
PUBLIC=() BASES=()	# PORT and BASE_PORT as words: a service for each
declare -A CPU_OFFSET=()	# CPU -> from a base port to its first port
SPAN=0			# from a base port to the last core's last port
PORTS_LIST=''		# all per-core ports, of all services
MTU=''			# of the slaves, so of the bond

# How the run goes.
MODE=apply		# check: configuration() only compares; mend: what can be set is
STAGE=''		# how far an earlier up came: begun or complete
FIXED_IRQS=''		# irq settings that the kernel does not let us set, but right
FIXED_CHANNELS=''	# NICs whose driver does not let us set the number of queues
DRIFTS=0
ROLL_BACK=''
AGAIN=''		# up without any option, where something is set up
BOOT=''			# nobody is there to mend what is wrong: what can be set up is
OTHERS=''		# slaves of a bond taken over that are to stay as they are
NO_SERVICE=''		# then: why the service was left out

usage() {
	cat <<'END'
usage: setup-flowpar.sh up --bond NAME --slaves NIC,NIC,... [option]...
       setup-flowpar.sh up --adopt --bond NAME [option]...
       setup-flowpar.sh down | status | verify | watch
       setup-flowpar.sh export networkd | ifupdown [--to DIR] [option]...

up      makes an 802.3ad bond of the slaves with transmit policy cpu-bound, gives
        each NIC's interrupts to a core, and sets up the service; again: mends drift
down    brings back everything that up changed, wherever up or down stopped
status  shows the bond, its slaves and the service
verify  compares every setting with what up set; says why it may differ, and the
        command that mends it
watch   waits for events (a link up, a driver reloaded, queues changed, a CPU or
        irqbalance started) and mends what verify would name, until it is ended
export  writes configuration with which systemd-networkd or ifupdown makes the bond at
        boot, and up --adopt the rest; to standard output, or to files below DIR

  --config FILE        options that are not given here, NAME=VALUE a line
                       (/etc/flowpar/flowpar.conf, if that is there)
  --adopt              take over a bond that is there (802.3ad or balance-xor), with its
                       addresses and routes, without taking its links down; --no-adopt
  --cpus LIST          CPUs, dealt to the slaves in turn, to those on their NUMA node first
                       (for each slave a core of its node, for one with several queues more)
  --smt                without --cpus: both threads of a core; --no-smt: one
  --address CIDR       address of the bond, 192.0.2.1/24, or none; CIDR,CIDR,... for several,
                       of IPv6 too
  --gateway ADDRESS    default route by way of that, or none; A,A for IPv4 and IPv6
  --port P             public TCP port of the service, or none; needs --base-port, but
                       with reuseport; P,P,... for several services
  --base-port B        the first core's port; the next core's is B + stride; B,B,... for
                       several services, one for each
  --stride S           distance between two cores' ports (8)
  --per-core K         server instances a core, at B, B + 1, ... (1)
  --listen MODE        who brings flows to the cores' ports (nat; nft, with a warning, if
                       this kernel has no nf_flowpar), over IPv4 and IPv6:
                         nat  nf_flowpar, by rewriting ports
                         nft  nftables, the same with conntrack
                         bpf  a BPF program, nothing is rewritten: up sets nothing for it,
                              flowparctl run --listen bpf attaches it while it runs
                         reuseport  a SO_REUSEPORT group on the public port; the same, by
                              flowparctl run --listen reuseport
  --policy POLICY      xmit_hash_policy (cpu-bound; layer3+4, with a warning, if this
                       kernel's bonding knows no cpu-bound)
  --lacp-timeout S     how long to wait for the switch (60); then up goes on with
                       the slaves that LACP has settled on, or fails if there is none
  --no-firewall-check  do not look for rules that would drop the per-core ports;
                       --firewall-check: do
  --boot               up: nobody is there to mend what is wrong, so set up what can be: without
                       slaves that are not there after 30 s, without a service that would be
                       refused, with a warning for each
  --dry-run            with any command but watch: print the commands, change nothing

Exit status: 0 done, 1 refused, failed or (verify) drifted, 2 usage error.
END
}

# --- command line -------------------------------------------------------------

# Whatever sets an option, WHERE names it and its value: "--port 0", "flowpar.conf:3: PORT=0".

number() {	# number VALUE MIN MAX
	if ! [[ $1 =~ ^[0-9]{1,5}$ ]] || ((10#$1 < $2 || 10#$1 > $3)); then
		die_usage "$WHERE: want a number from $2 to $3"
	fi
}

# several_ports VALUE: one, or more with commas between; without leading zeroes into REPLY
several_ports() {
	local port ports=()
	[[ $1 =~ ^[0-9]{1,5}(,[0-9]{1,5})*$ ]] || die_usage "$WHERE: want a number from 1 to 65535, or several with commas between"
	for port in ${1//,/ }; do
		number "$port" 1 65535
		ports+=($((10#$port)))
	done
	! twice "${ports[@]}" || die_usage "$WHERE: $REPLY is named twice"
	REPLY=$(IFS=,; echo "${ports[*]}")
}

# address_of_us TEXT EXAMPLE: one that the bond or a gateway can have; its bits into REPLY
address_of_us() {
	local number
	if [[ $1 =~ ^([0-9]{1,3}\.){3}[0-9]{1,3}$ ]]; then
		for number in ${1//./ }; do
			# ip reads it as octal, others do not
			[[ $number != 0?* ]] || die_usage "$WHERE: $number begins with 0; leave that out"
			((number <= 255)) || die_usage "$WHERE: $number is more than 255"
		done
	fi
	address_bits "$1" && [[ $REPLY == *1* ]] || die_usage "$WHERE: want $2"
	[[ ${#REPLY}-$REPLY != @(32-1110|128-11111111)* ]] || die_usage "$WHERE: $1 is a multicast address"
}

# several_addresses VALUE: one, or more with commas between, each with its prefix length
several_addresses() {
	local address length named=() want='an address with its prefix length like 192.0.2.1/24 or 2001:db8::1/64; several with commas between'
	[[ $1 != *[[:space:]]* && ,$1 != *,@(,*|) ]] || die_usage "$WHERE: want $want"
	for address in ${1//,/ }; do
		length=${address#*/}
		[[ $address == */* && $length =~ ^[0-9]{1,3}$ ]] || die_usage "$WHERE: want $want"
		[[ $length != 0?* ]] || die_usage "$WHERE: $length begins with 0; leave that out"
		address_of_us "${address%/*}" "$want"
		((length <= ${#REPLY})) || die_usage "$WHERE: a prefix has at most ${#REPLY} bits"
		named+=("$REPLY")
		! twice "${named[@]}" || die_usage "$WHERE: ${address%/*} is named twice"
	done
}

# several_gateways VALUE: one for each family at most
several_gateways() {
	local gateway families=() want='an address like 192.0.2.254 or fe80::1; one of IPv4 and one of IPv6 with a comma between'
	[[ $1 != *[[:space:]]* && ,$1 != *,@(,*|) ]] || die_usage "$WHERE: want $want"
	for gateway in ${1//,/ }; do
		address_of_us "$gateway" "$want"
		families+=("${#REPLY}")
		! twice "${families[@]}" || die_usage "$WHERE: two of one family; a machine has one default route for each"
	done
}

twice() {	# twice WORD...: is one there twice? It goes into REPLY
	local -A seen=()
	for REPLY; do
		[[ ! ${seen[$REPLY]+x} ]] || return 0
		seen[$REPLY]=1
	done
	return 1
}

yes_or_no() {
	[[ $1 == @(yes|no) ]] || die_usage "$WHERE: want yes or no"
}

options() {
	local count=0 option given=() WHERE
	if [[ $COMMAND == export ]]; then
		[[ ${1:-} == @(networkd|ifupdown) ]] || die_usage "export ${1:-}: want networkd or ifupdown"
		EXPORT_FOR=$1
		shift
	fi
	while (($#)); do
		option=$1
		shift
		case $option in
		--dry-run) DRY_RUN=yes; continue ;;
		--boot)
			[[ $COMMAND == up ]] || die_usage "$option: is for up"
			BOOT=yes
			continue ;;
		-h|--help) usage; exit ;;
		--firewall-check|--smt|--adopt)	given=("${option#--}" yes) ;;
		--no-firewall-check|--no-smt|--no-adopt) given=("${option#--no-}" no) ;;
		--bond|--slaves|--cpus|--address|--gateway|--port|--base-port|--stride|--per-core|--listen|--policy|--lacp-timeout|--config)
			(($#)) || die_usage "$option: wants a value"
			given=("${option#--}" "$1")
			shift ;;
		--to)
			[[ $COMMAND == export ]] || die_usage "$option: is for export"
			(($#)) || die_usage "$option: wants a value"
			[[ -d $1 ]] || die_usage "--to $1: no such directory"
			EXPORT_TO=$(realpath "$1")
			shift
			continue ;;
		*) die_usage "$option: unknown option" ;;
		esac
		count=$((count + 1))
		WHERE="$option ${given[1]}"
		option_set "${given[@]}"
	done
	[[ $COMMAND == @(up|export) ]] || ((count == 0)) || die_usage "$COMMAND: takes no option but --dry-run"
	[[ $COMMAND != watch || ! $DRY_RUN ]] || die_usage "watch --dry-run: watch has nothing to print beforehand; verify says what it would mend"
	if [[ $COMMAND == @(up|export) ]]; then
		conf_read
		# What is set up already is asked for as it was.
		if [[ $COMMAND == up && ${#GIVEN[@]} == 0 && -r $CONFIG ]]; then
			AGAIN=yes
		else
			options_complete
		fi
	fi
}

# option_set NAME VALUE: as the command line names it, without its dashes
option_set() {
	local nic cpu
	case $1 in
	bond)
		[[ $2 =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$ ]] || die_usage "$WHERE: not a name for an interface"
		BOND=$2 ;;
	slaves)
		IFS=, read -ra SLAVES <<< "$2"
		for nic in "${SLAVES[@]}"; do
			[[ $nic =~ ^[A-Za-z0-9_][A-Za-z0-9_.:+@-]{0,14}$ ]] || die_usage "$WHERE: '$nic' is no name of an interface"
		done
		! twice "${SLAVES[@]}" || die_usage "$WHERE: $REPLY is named twice" ;;
	cpus)
		cpu=$(list_expand "$2") || die_usage "$WHERE: want a list of CPUs like 0-3,8"
		read -ra CPUS <<< "$cpu"
		! twice "${CPUS[@]}" || die_usage "$WHERE: CPU $REPLY is named twice" ;;
	address)
		ADDRESS=''
		[[ $2 == none ]] || { several_addresses "$2"; ADDRESS=$2; } ;;
	gateway)
		GATEWAY=''
		[[ $2 == none ]] || { several_gateways "$2"; GATEWAY=$2; } ;;
	port)
		PORT=''
		if [[ $2 != none ]]; then
			several_ports "$2"
			PORT=$REPLY
		fi ;;
	base-port)	several_ports "$2"; BASE_PORT=$REPLY ;;
	stride)		number "$2" 1 4096; STRIDE=$((10#$2)) ;;
	per-core)	number "$2" 1 4096; PER_CORE=$((10#$2)) ;;
	lacp-timeout)	number "$2" 1 3600; LACP_TIMEOUT=$((10#$2)) ;;
	firewall-check)	yes_or_no "$2"; FIREWALL_CHECK=$2 ;;
	smt)		yes_or_no "$2"; SMT=$2 ;;
	adopt)		yes_or_no "$2"; ADOPT=$2 ;;
	listen)
		[[ $2 == @(nat|nft|bpf|reuseport) ]] || die_usage "$WHERE: want nat, nft, bpf or reuseport"
		LISTEN=$2 ;;
	policy)
		[[ $2 == @(cpu-bound|layer2|layer2+3|layer3+4|encap2+3|encap3+4|vlan+srcmac) ]] ||
			die_usage "$WHERE: want cpu-bound or one of the kernel's, such as layer3+4"
		POLICY=$2 ;;
	config)
		[[ -r $2 && ! -d $2 ]] || die_usage "$WHERE: no such file that one could read"
		CONF=$2 ;;
	esac
	GIVEN[$1]=$2
}

options_complete() {
	[[ $BOND ]] || missing --bond
	((${#SLAVES[@]})) || [[ $ADOPT == yes && $COMMAND == up ]] || missing --slaves
	[[ $ADOPT == no || ! $ADDRESS || $COMMAND == export ]] || die_usage "--address $ADDRESS: the bond that --adopt takes over keeps those it has; leave this out"
	[[ $ADOPT == no || ! $GATEWAY || $COMMAND == export ]] || die_usage "--gateway $GATEWAY: the bond that --adopt takes over keeps its routes; leave this out"
	gateways_complete
	# A file that has both: what turns the service off there needs one line only.
	[[ ${GIVEN[port]:-} != none ]] || BASE_PORT=''
	if [[ $LISTEN == reuseport ]]; then
		[[ ! $BASE_PORT ]] || die_usage "--base-port $BASE_PORT: with --listen reuseport there are no per-core ports"
	else
		[[ ! $PORT || $BASE_PORT ]] || die_usage "--port $PORT: needs --base-port"
	fi
	[[ ! $BASE_PORT || $PORT ]] || die_usage "--base-port $BASE_PORT: needs --port"
	[[ ! $BASE_PORT || ${PORT//[0-9]/} == "${BASE_PORT//[0-9]/}" ]] ||
		die_usage "--base-port $BASE_PORT: not as many as in --port $PORT; give one for each"
	[[ $LISTEN == reuseport ]] || ((PER_CORE <= STRIDE)) || die_usage "--per-core $PER_CORE: more than --stride $STRIDE leaves room for"
	[[ $LISTEN != nft || $PER_CORE == 1 ]] || die_usage "--per-core $PER_CORE: needs --listen nat, bpf or reuseport"
}

# Each gateway is next to an address of the bond.
gateways_complete() {
	local gateway address next
	[[ ! $GATEWAY || $ADDRESS ]] || die_usage "--gateway $GATEWAY: needs --address"
	for gateway in ${GATEWAY//,/ }; do
		next=''
		for address in ${ADDRESS//,/ }; do
			! address_in "${address%/*}" "$gateway/128" || die_usage "--gateway $gateway: is the bond's own --address"
			! gateway_of "$gateway" "$address" || next=yes
			! broadcast_of "$gateway" "$address" || die_usage "--gateway $gateway: is the broadcast address of $address; choose another"
		done
		[[ $next ]] || die_usage "--gateway $gateway: in no network of --address $ADDRESS; choose one that is"
	done
}

missing() {
	[[ ! -e $CONF ]] || die_usage "$COMMAND: $1 is missing, and $(conf_name "${1#--}")= in $CONF"
	die_usage "$COMMAND: $1 is missing"
}

# The services and their per-core ports, of the CPUs that placement() has chosen or
# config_read() found.
derive() {
	local i k cpu offset=0 all=() ascending=()
	IFS=, read -ra PUBLIC <<< "$PORT"
	IFS=, read -ra BASES <<< "$BASE_PORT"
	((${#BASES[@]})) || return 0
	# A service counts its CPUs in ascending order, whatever order they were given in.
	for cpu in "${CPUS[@]}"; do
		ascending[cpu]=$cpu
	done
	for cpu in "${ascending[@]}"; do
		CPU_OFFSET[$cpu]=$offset
		offset=$((offset + STRIDE))
	done
	SPAN=$((offset - STRIDE + PER_CORE - 1))
	for i in "${!BASES[@]}"; do
		((BASES[i] + SPAN <= 65535)) ||
			die_usage "--base-port ${BASES[i]}: the last core's port would be beyond 65535"
		for ((k = 0; k < i; k++)); do
			((BASES[i] > BASES[k] + SPAN || BASES[k] > BASES[i] + SPAN)) ||
				die_usage "--base-port $BASE_PORT: per-core ports $(core_range "$i") of port ${PUBLIC[i]} overlap $(core_range "$k") of port ${PUBLIC[k]}; choose another"
		done
		core_ports "${BASES[i]}"
		for k in "${CORE_PORTS[@]}"; do
			all[k]=$k
		done
		derive_public "$i"
	done
	PORTS_LIST=$(IFS=,; echo "${all[*]}")
	# What nf_flowpar would refuse, after everything else was set.
	[[ $LISTEN == nat ]] || return 0
	((${#CORE_PORTS[@]} <= 4096)) || die_usage "--per-core $PER_CORE: ${#CORE_PORTS[@]} per-core ports, more than 4096"
	((${#PUBLIC[@]} <= 64)) || die_usage "--port $PORT: ${#PUBLIC[@]} services, more than 64"
}

# derive_public I: no public port may be one of service I's per-core ports, nor, for
# nf_flowpar, be between them.
derive_public() {
	local port cpu first
	for port in "${PUBLIC[@]}"; do
		for cpu in "${ascending[@]}"; do
			first=$((BASES[$1] + CPU_OFFSET[$cpu]))
			((port < first || port >= first + PER_CORE)) ||
				die_usage "--port $port: is also the per-core port of CPU $cpu; choose another --base-port"
		done
		[[ $LISTEN != nat ]] || ((port < BASES[$1] || port > BASES[$1] + SPAN)) ||
			die_usage "--port $port: lies among the per-core ports $(core_range "$1"); choose another --base-port"
	done
}

core_range() {	# core_range I: of service I, from the first per-core port to the last
	echo "${BASES[$1]}-$((BASES[$1] + SPAN))"
}

# core_ports BASE: those of all cores, ascending, into CORE_PORTS
core_ports() {
	local i k
	CORE_PORTS=()
	for ((i = 0; i <= SPAN; i += STRIDE)); do
		for ((k = 0; k < PER_CORE; k++)); do
			CORE_PORTS+=($(($1 + i + k)))
		done
	done
}

# --- what up sets, in its order; verify walks the same way ----------------------

configuration() {
	local nic there=()
	want_module bonding
	[[ ! $PORT ]] || service_part want_listen_modules
	if [[ $ADOPT == yes ]]; then
		keep option "$BOND/xmit_hash_policy"
		want option "$BOND/xmit_hash_policy" "$POLICY"
	else
		want_bond
	fi
	[[ $MODE != mend || -d /sys/class/net/$BOND/bonding ]] || return 0
	for nic in "${SLAVES[@]}"; do
		case $MODE in
		check)	verify_slave "$nic" || continue ;;
		mend)	mend_can "$nic" || continue ;;
		apply)	[[ ! ${ABSENT[$nic]+x} ]] || continue ;;
		esac
		keep_nic "$nic"
		want_slave "$nic"
		[[ ${ABSENT[$nic]+x} ]] || there+=("$nic")
	done
	[[ $ADOPT == yes ]] || want link "$BOND" up
	want_bans
	# Now: opening a NIC requests its interrupts anew and may forget their CPU.
	for nic in "${there[@]}"; do
		want_queues "$nic"
	done
	case $MODE in
	check)	verify_strangers
		verify_lacp ;;
	apply)	[[ $DRY_RUN || $ADOPT == yes ]] || lacp_wait ;;
	esac
	# Last what brings traffic.
	[[ ! $PORT ]] || service_part want_service
	want_addresses
}

# The bond is ours, and takes them along when it goes: there is nothing to keep.
want_addresses() {
	local address gateway
	for address in ${ADDRESS//,/ }; do
		want_at_boot address "$BOND $address" present
	done
	for gateway in ${GATEWAY//,/ }; do
		want_at_boot gateway "$BOND $gateway" present
	done
}

# want_at_boot KIND OBJECT VALUE: want, with --boot also what check_all looks at otherwise; its
# failing then does not cost the rest
want_at_boot() {
	if [[ ! $BOOT || $MODE != apply || $DRY_RUN ]]; then
		want "$@"
	elif ! ("check_$1" "${2#* }"; want "$@"); then
		warn "$1 ${2#* }: left out, see above; mend that and run setup-flowpar.sh up"
	fi
}

want_bond() {
	keep bond "$BOND"
	want bond "$BOND" 802.3ad
	want option "$BOND/miimon" 100
	want option "$BOND/lacp_rate" fast
	want option "$BOND/xmit_hash_policy" "$POLICY"
	[[ ! $MTU ]] || want mtu "$BOND" "$MTU"
}

# want_module NAME: with everything that it needs, each on its own, so that down
# takes out exactly what came in.
want_module() {
	local how path name
	now module "$1"
	if [[ $REPLY != loaded ]]; then
		while read -r how path _; do
			[[ $how == insmod ]] || continue
			name=${path##*/} name=${name%%.ko*}
			keep module "${name//-/_}"
		done < <(modprobe --show-depends "$1" 2>/dev/null)
	fi
	want module "$1" loaded
}

want_listen_modules() {
	local name
	case $LISTEN in
	nat) want_module nf_flowpar ;;
	nft)	# The kernel would load them by itself, and nobody would know what to take out.
		for name in nf_tables nft_chain_nat nft_redir nft_numgen; do
			! module_known "$name" || want_module "$name"
		done ;;
	bpf|reuseport) : ;;	# part of every kernel that can
	esac
}

# Everything of a NIC that changes with us or with its driver's answer to us.
# Settings come back last to first: queues and link before the interrupts that
# are requested with them.
keep_nic() {
	local i path
	[[ $MODE != check ]] || return 0
	nic_irqs "$1"
	for i in "${!IRQS[@]}"; do
		keep irq "$1/$i"
	done
	for path in /sys/class/net/"$1"/queues/*; do
		case ${path##*/} in
		rx-*)	keep rps "$1/${path##*/}"
			keep rfs "$1/${path##*/}" ;;
		tx-*)	keep xps "$1/${path##*/}"
			keep xps_rxqs "$1/${path##*/}" ;;
		esac
	done
	[[ ${NIC_CPUS[$1]} != *' '* ]] || keep channels "$1"
	if [[ $ADOPT == yes ]]; then
		[[ $POLICY != cpu-bound ]] || keep cpus "$1"
	else
		keep mtu "$1"	# a bond gives back only what the NIC had when it was put in last
		keep link "$1"
		keep master "$1"
	fi
}

want_slave() {
	local cpus
	read -ra cpus <<< "${NIC_CPUS[$1]}"
	((${#cpus[@]} == 1)) || [[ " $FIXED_CHANNELS " == *" $1 "* ]] || ! now channels "$1" ||
		want channels "$1" "${#cpus[@]}"
	if [[ $ADOPT == no ]]; then
		if [[ $BOOT && ! $DRY_RUN ]]; then
			(want master "$1" "$BOND") || {
				ABSENT[$1]=yes
				warn "$1: left out, see above; mend that and run setup-flowpar.sh up"
				return 0
			}
		fi
		want master "$1" "$BOND"
		want link "$1" up
	fi
	[[ $POLICY != cpu-bound ]] || want cpus "$1" "$(list_of "${cpus[@]}")"
}

# Queue q of a NIC is served by the q-th of its CPUs, round and round.
want_queues() {
	local nic=$1 i cpu cpus path queue
	keep_nic "$nic"	# what appeared with the link
	read -ra cpus <<< "${NIC_CPUS[$nic]}"
	irq_queues "$nic"
	((${#IRQS[@]})) || [[ $MODE != apply || $DRY_RUN ]] ||
		{ no_irqs "$nic"; die "$nic: $REPLY"; }
	for i in "${!IRQS[@]}"; do
		[[ $MODE == apply || " $FIXED_IRQS " != *" $nic/$i "* ]] || continue
		[[ $MODE == apply ]] || is_online "${cpus[QUEUES[i] % ${#cpus[@]}]}" "$nic/$i" || continue
		want irq "$nic/$i" "${cpus[QUEUES[i] % ${#cpus[@]}]}"
	done
	for path in /sys/class/net/"$nic"/queues/*; do
		queue=${path##*/}
		cpu=${cpus[${queue#*-} % ${#cpus[@]}]}
		case $queue in
		rx-*)	! now rps "$nic/$queue" || want rps "$nic/$queue" 0
			! now rfs "$nic/$queue" || want rfs "$nic/$queue" 0 ;;
		tx-*)	# A map by receive queue goes before that by CPU.
			! now xps_rxqs "$nic/$queue" || want xps_rxqs "$nic/$queue" 0
			if now xps "$nic/$queue"; then
				list_mask "$cpu"
				want xps "$nic/$queue" "$REPLY"
			fi ;;
		esac
	done
}

# is_online CPU IRQ-OBJECT: no interrupt can go to a CPU that is not; the event of its coming
# back mends that.
is_online() {
	read_file /sys/devices/system/cpu/online && ! list_has "$REPLY" "$1" || return 0
	[[ $MODE != check ]] ||
		drift "irq $2" "set to CPU $1, which is offline, so it is elsewhere" "echo 1 > /sys/devices/system/cpu/cpu$1/online && setup-flowpar.sh up"
	return 1
}

# irqbalance goes on balancing, but not these. All bans in one request, since it reads the
# machine anew after each.
want_bans() {
	local nic irq ours=() free=()
	irqbalance_pid || return 0
	for nic in "${SLAVES[@]}"; do
		nic_irqs "$nic"
		ours+=("${IRQS[@]}")
	done
	irqbalance_told "${ours[@]}" || {
		# Unless up has said it already: the links brought more than it knew of.
		if [[ $MODE == apply ]]; then IRQS_LATER=yes; else check_irqbalance; fi
		return 0
	}
	for irq in "${ours[@]}"; do
		now ban "$irq"
		[[ $REPLY == yes ]] || free+=("$irq")
		keep ban "$irq"
	done
	((${#free[@]} == 0)) || want bans "$(list_of "${free[@]}")" yes
}

# service_part COMMAND...: what only the service needs. With --boot its failing does not cost
# the network: the rest is set up, and why this is not goes into NO_SERVICE.
service_part() {
	local said
	# Of several services those that were there before one failed are looked at all the same.
	[[ ! $NO_SERVICE || $MODE-$1 == check-want_service ]] || return 0
	if [[ ! $BOOT || $MODE != apply ]]; then
		"$@"
		return
	fi
	if ! { said=$("$@" 2>&1 >&3); } 3>&1; then
		NO_SERVICE=${said##*setup-flowpar.sh: }
		said+=$'\n'"setup-flowpar.sh: port $PORT: left out, see above; mend that and run setup-flowpar.sh up"
	fi
	[[ ! $said ]] || printf '%s\n' "$said" >&2
	journal_read	# with what it has added
}

want_service() {
	local i object
	case $LISTEN in
	nat)
		for i in "${!PUBLIC[@]}"; do
			for object in $(service_objects "${PUBLIC[i]}"); do
				# A watch leaves alone what is somebody else's.
				[[ ! $NO_SERVICE ]] || ours service "$object" || continue
				[[ $MODE != mend ]] || ours service "$object" || { now service "$object" && [[ $REPLY == absent ]]; } || continue
				keep service "$object"
				want service "$object" "${BASES[i]} $STRIDE $PER_CORE $(list_of "${CPUS[@]}")"
			done
		done ;;
	nft)
		[[ ! $NO_SERVICE ]] || return 0
		keep table 'inet flowpar'
		want table 'inet flowpar' "$(nft_table | one_line)" ;;
	bpf|reuseport)	# Attached by who runs the servers, and gone with it: nothing to set or undo.
		[[ $MODE == check && ! $NO_SERVICE ]] || return 0
		for i in "${!PUBLIC[@]}"; do
			verify_bpf "$i"
		done ;;
	esac
}

# The table as nft lists it. A packet that comes in with a per-core port was sent to
# it from outside, where those ports do not exist: ours are still public here. A CPU
# without a port (its NIC is no slave) hands its connections to the others in turn.
nft_table() {
	local k
	cat <<END
table inet flowpar {
	chain closed {
		type filter hook prerouting priority mangle; policy accept;
		iifname "$BOND" tcp dport { ${PORTS_LIST//,/, } } drop
	}
	chain core {
		type nat hook prerouting priority dstnat; policy accept;
END
	for k in "${!PUBLIC[@]}"; do
		nft_redirects "${PUBLIC[k]}" "${BASES[k]}"
	done
	printf '\t}\n}\n'
}

nft_redirects() {	# nft_redirects PORT BASE
	local cpu port i=0 by_cpu='' by_turn=''
	for cpu in $(printf '%s\n' "${!CPU_OFFSET[@]}" | sort -n); do
		port=$(($2 + CPU_OFFSET[$cpu]))
		by_cpu+=", $cpu : $port"
		by_turn+=", $i : $port"
		i=$((i + 1))
	done
	cat <<END
		iifname "$BOND" tcp dport $1 redirect to :meta cpu map { ${by_cpu#, } }
		iifname "$BOND" tcp dport $1 redirect to :numgen inc mod $i map { ${by_turn#, } }
END
}

# --- commands -----------------------------------------------------------------

need_root() {
	((EUID == 0)) || die "$COMMAND: $1, and user $(id -un) may not; run it as root${2:-}"
}

# Options whose default comes from the machine, and which were not given: what an
# earlier run found there stays. As an expression for grep.
not_given() {
	local name names=none
	for name in cpus policy slaves listen; do
		[[ ${GIVEN[$name]+x} ]] || names+="|${name^^}"
	done
	echo "$names"
}

command_up() {
	local asked other i
	asked=$(config_text)
	journal_read
	if [[ $AGAIN ]]; then
		config_read
	elif config_read; then
		other=$(grep -vxF -f <(echo "$asked") <(config_text) | grep -vE "^($(not_given))=" | paste -sd' ') || true
		[[ ! $other ]] ||
			die "${CONFIG%/*}: up was run with other options ($other); run setup-flowpar.sh down first"
	else
		[[ $ADOPT == no || ${#SLAVES[@]} != 0 ]] || adopt_slaves
		[[ ! $BOOT ]] || find_nics
		policy_default
		listen_default
		placement
	fi
	FIXED_IRQS='' FIXED_CHANNELS='' IRQS_LATER='' IRQS_SAID='' NO_SERVICE=''	# found anew
	derive
	check_all
	if [[ ! $DRY_RUN ]]; then
		# A line that kill -9 cut off must not run into the next one.
		journal_cut "${#ENTRIES[@]}"
		# Only a set-up that was never complete is rolled back: what served up to now
		# stays, even if it cannot be mended.
		if [[ $STAGE != complete ]]; then
			ROLL_BACK=yes
			config_write begun
		fi
	fi
	configuration
	[[ $DRY_RUN ]] || config_write complete
	ROLL_BACK=''
	[[ $DRY_RUN || ! $IRQS_LATER || $IRQS_SAID ]] || check_irqbalance
	by_bpf && [[ ! $NO_SERVICE ]] || return 0
	for i in "${!PUBLIC[@]}"; do
		bpf_attached "${PUBLIC[i]}" || bpf_hint "$i"
	done
}

command_down() {
	local failed=0 port
	journal_read
	if ! config_read && ((${#ENTRIES[@]} == 0)); then
		echo "setup-flowpar.sh: nothing is set up"
		return
	fi
	# What of it is done must not be mended by a watch, should we not come to the end.
	[[ $DRY_RUN || $STAGE != complete ]] || config_write begun
	warn_uppers
	undo_all || failed=1
	for port in ${PORT//,/ }; do
		! by_bpf || ! bpf_attached "$port" ||
			echo "port $port: still served by flowparctl run (pid $REPLY), which up did not start; stop it with kill $REPLY"
	done
	return "$failed"
}

# A bond of ours goes, and takes along what others have built on it since.
warn_uppers() {
	local upper uppers=''
	[[ $ADOPT == no ]] || return 0
	for upper in /sys/class/net/"$BOND"/upper_*; do
		[[ ! -e $upper ]] || uppers+=" ${upper##*/upper_}"
	done
	[[ ! $uppers ]] || warn "$BOND: is deleted, and with it what was built on it since up:$uppers"
}

# However a run ends. No signal may interrupt the way back: down could still finish
# it, but the administrator asked for one way or the other.
at_exit() {
	local status=$?
	trap '' INT TERM HUP PIPE
	set +e
	[[ ! $ROLL_BACK ]] || { journal_read; undo_all; }	# with what service_part was at
	# left empty by a run that changed nothing
	[[ $DRY_RUN || ! -d $STATE || ! ${LOCK:-} ]] || rmdir --ignore-fail-on-non-empty "$STATE"
	exit "$status"
}

main() {
	(($#)) || { usage >&2; exit 2; }
	COMMAND=$1
	shift
	case $COMMAND in
	up|down|status|verify|watch|export) options "$@" ;;
	-h|--help|help) usage; exit ;;
	*) die_usage "$COMMAND: unknown command" ;;
	esac
	FLOWPARCTL_ASKED=${FLOWPARCTL:-}
	FLOWPARCTL=$(flowparctl_path) || FLOWPARCTL=''
	if [[ $COMMAND == @(up|down) && ! $DRY_RUN ]]; then
		need_root 'changes the machine' ', or with --dry-run'
		trap at_exit EXIT
		trap 'exit 129' HUP
		trap 'exit 130' INT
		trap 'exit 141' PIPE	# who reads our output has gone
		trap 'exit 143' TERM
		# What a watch mends may take as long as LACP does, and a unit that stops has no second try.
		[[ $COMMAND == up && ! $BOOT ]] || LOCK_WAIT=300
		journal_lock
	fi
	"command_$COMMAND"
}

main "$@"
