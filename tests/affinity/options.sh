#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: what is wrong with a command line or a machine is told on one line before anything is tried, root or not
# Suite: unit
# shellcheck disable=SC2119
# shellcheck source=tests/affinity/common.sh
. "$(dirname "$0")/common.sh"

# one TEXT STATUS REGEX ARGUMENT...: the tool says exactly that line
one() {
	local text=$1 want=$2 regex=$3 said status=0
	shift 3
	said=$(setup "$@" 2>&1) || status=$?
	if ((status == want)) && [[ $said != *$'\n'* ]] && grep -qE "^setup-flowpar.sh: $regex" <<< "$said"; then
		ok "$text"
	else
		not_ok "$text" "exit $status: $said"$'\n'"expected exit $want: $regex"
	fi
}

same 'no command: usage' 2 "$(setup > /dev/null 2>&1; echo $?)"
same '--help: usage, on standard output' 'usage: setup-flowpar.sh up --bond NAME --slaves NIC,NIC,... [option]...' "$(setup --help | head -n 1)"

usage='; see setup-flowpar.sh --help$'
one 'unknown command' 2 "sideways: unknown command$usage" sideways
one 'unknown option' 2 "--fast: unknown option$usage" up --fast
one 'option without its value' 2 "--bond: wants a value$usage" up --bond
one 'down takes no options of up' 2 "down: takes no option but --dry-run$usage" down --bond bond0
one 'no bond' 2 "up: --bond is missing$usage" up --slaves lo --dry-run
one 'no slaves' 2 "up: --slaves is missing$usage" up --bond bond0 --dry-run
one 'a path for a bond' 2 '--bond ../x: not a name' up --bond ../x --slaves lo --dry-run
one 'a path for a slave' 2 "--slaves eth0,../x: '../x' is no name" up --bond bond0 --slaves eth0,../x --dry-run
one 'a slave twice' 2 '--slaves a,b,a: a is named twice' up --bond bond0 --slaves a,b,a --dry-run
for list in 3-1 '1,' ',1' x 1-2-3 0-3:1/2 ''; do
	one "no list of CPUs: '$list'" 2 "--cpus $list: want a list of CPUs" up --bond bond0 --slaves lo --cpus "$list" --dry-run
done
one 'a CPU twice' 2 '--cpus 0-2,1: CPU 1 is named twice' up --bond bond0 --slaves lo --cpus 0-2,1 --dry-run
one 'an address without prefix' 2 '--address 192.0.2.1: want' up --bond bond0 --slaves lo --address 192.0.2.1 --dry-run
one 'an address that ip would read as octal' 2 '--address 192.0.2.010/24: 010 begins with 0; leave that out' up --bond bond0 --slaves lo --address 192.0.2.010/24 --dry-run
one '... its prefix too' 2 '--address 192.0.2.1/08: 08 begins with 0' up --bond bond0 --slaves lo --address 192.0.2.1/08 --dry-run
for list in 2001:db8::1 2001:db8::1::2/64 2001:db8::12345/64 1:2:3:4:5:6:7/64 g::1/64 ::/64 0.0.0.0/8 ::ffff:192.0.2.1/128 '192.0.2.1/' /24 '192.0.2.1/24,' ',192.0.2.1/24' '192.0.2.1/24 198.51.100.1/24' '192.0.2.1/24,,2001:db8::1/64' ''; do
	one "no address: '$list'" 2 "--address $list: want an address with its prefix length like" up --bond bond0 --slaves lo --address "$list" --dry-run
done
one 'more bits than an address has' 2 '--address 2001:db8::1/129: a prefix has at most 128 bits' up --bond bond0 --slaves lo --address 2001:db8::1/129 --dry-run
one 'a multicast address' 2 '--address ff02::1/64: ff02::1 is a multicast address' up --bond bond0 --slaves lo --address ff02::1/64 --dry-run
one '... of IPv4' 2 '--address 224.0.0.1/24: 224.0.0.1 is a multicast address' up --bond bond0 --slaves lo --address 224.0.0.1/24 --dry-run
one 'an address twice' 2 '--address 2001:db8::1/64,2001:DB8:0::1/48: 2001:DB8:0::1 is named twice' up --bond bond0 --slaves lo --address 2001:db8::1/64,2001:DB8:0::1/48 --dry-run
both=(up --bond bond0 --slaves lo --address '192.0.2.1/24,2001:db8::1/64' --dry-run)
one 'addresses and gateways of both families' 1 'lo: carries address' "${both[@]}" --gateway 192.0.2.254,2001:db8::ff
one 'a link-local gateway' 1 'lo: carries address' "${both[@]}" --gateway fe80::1
one '... without an address of IPv6' 2 '--gateway fe80::1: in no network of --address 192.0.2.1/24; choose' "${both[@]}" --address 192.0.2.1/24 --gateway fe80::1
one 'a gateway that no network has' 2 '--gateway 192.0.3.254: in no network of --address 192.0.2.1/24,2001:db8::1/64; choose' "${both[@]}" --gateway 192.0.3.254
one '... of IPv6' 2 '--gateway 2001:db8:0:1::1: in no network of' "${both[@]}" --gateway 2001:db8:0:1::1
one '... whose bits begin like those of an address of IPv4' 2 '--gateway 2001:db8::1: in no network of' "${both[@]}" --address 32.0.0.1/3 --gateway 2001:db8::1
one 'a broadcast address' 2 '--gateway 192.0.2.255: is the broadcast address of 192.0.2.1/24; choose' "${both[@]}" --gateway 192.0.2.255
one '... which one of two has not' 1 'lo: carries address' "${both[@]}" --address 192.0.2.0/31 --gateway 192.0.2.1
one 'two gateways with a blank' 2 '--gateway 192.0.2.2 fe80::1: want an address like' "${both[@]}" --gateway '192.0.2.2 fe80::1'
one "the bond's own" 2 "--gateway 2001:DB8::1: is the bond's own --address" "${both[@]}" --gateway 2001:DB8::1
one 'two of one family' 2 '--gateway 192.0.2.2,192.0.2.3: two of one family' "${both[@]}" --gateway 192.0.2.2,192.0.2.3
one 'a gateway with a prefix' 2 '--gateway 192.0.2.254/24: want an address like' "${both[@]}" --gateway 192.0.2.254/24
one 'a gateway without an address' 2 '--gateway 192.0.2.254: needs --address' "${both[@]}" --address none --gateway 192.0.2.254
one 'a directory for a file' 2 '--config /: no such file' up --config / --dry-run
one 'watch without doing' 2 'watch --dry-run: watch has nothing to print beforehand; verify says' watch --dry-run
one 'only up runs at boot' 2 "--boot: is for up$usage" verify --boot
one '... without a NIC that is not there' 1 'nosuch0: none of them is there; see ip link' up --boot --bond bond0 --slaves nosuch0 --dry-run
one 'port 0' 2 '--port 0: want a number from 1 to 65535' up --bond bond0 --slaves lo --port 0 --dry-run
one 'a port that is no number' 2 '--port http: want a number' up --bond bond0 --slaves lo --port http --dry-run
one 'port without base port' 2 '--port 80: needs --base-port' up --bond bond0 --slaves lo --port 80 --dry-run
one 'a base port with reuseport' 2 '--base-port 8000: with --listen reuseport there are no per-core ports' \
	up --bond bond0 --slaves lo --port 80 --base-port 8000 --listen reuseport --dry-run
one 'base port without port' 2 '--base-port 8000: needs --port' up --bond bond0 --slaves lo --base-port 8000 --dry-run
one 'more instances than the stride has room for' 2 '--per-core 9: more than --stride 8' \
	up --bond bond0 --slaves lo --port 80 --base-port 8000 --per-core 9 --dry-run
one 'several instances with nft' 2 '--per-core 2: needs --listen nat, bpf or reuseport' \
	up --bond bond0 --slaves lo --port 80 --base-port 8000 --per-core 2 --listen nft --dry-run
one 'per-core ports beyond the last port' 2 "--base-port 65530: the last core's port" \
	up --bond bond0 --slaves a,b --cpus 0-1 --port 80 --base-port 65530 --dry-run
one 'the public port among the per-core ports' 2 '--port 8008: is also the per-core port of CPU 1' \
	up --bond bond0 --slaves a,b --cpus 0-1 --port 8008 --base-port 8000 --dry-run
one '... between those of two cores' 2 '--port 8003: lies among the per-core ports 8000-8008; choose' \
	up --bond bond0 --slaves a,b --cpus 0-1 --port 8003 --base-port 8000 --dry-run
one '... which only nat minds' 1 'a: no such network interface' \
	up --bond bond0 --slaves a,b --cpus 0-1 --port 8003 --base-port 8000 --listen bpf --policy layer3+4 --dry-run
one 'more per-core ports than a search looks at' 2 '--per-core 4096: 8192 per-core ports, more than 4096' \
	up --bond bond0 --slaves a,b --cpus 0-1 --port 80 --base-port 8000 --stride 4096 --per-core 4096 --dry-run
two=(up --bond bond0 --slaves 'a,b' --cpus 0-1 --dry-run)
one 'a list of ports with a hole' 2 '--port 80,,443: want a number from 1 to 65535, or several with commas between' "${two[@]}" --port 80,,443
one '... with one that is none' 2 '--base-port 8000,0: want a number from 1 to 65535' "${two[@]}" --port 80,443 --base-port 8000,0
one 'a port twice' 2 '--port 80,443,080: 80 is named twice' "${two[@]}" --port 80,443,080 --base-port 8000,9000,9100
one 'a base port twice' 2 '--base-port 8000,8000: 8000 is named twice' "${two[@]}" --port 80,443 --base-port 8000,8000
one 'two services, one base port' 2 '--base-port 8000: not as many as in --port 80,443; give one for each' "${two[@]}" --port 80,443 --base-port 8000
one 'two base ports with reuseport' 2 '--base-port 8000,9000: with --listen reuseport there are no' "${two[@]}" --port 80,443 --base-port 8000,9000 --listen reuseport
one 'per-core ports of two services overlap' 2 '--base-port 8000,8004: per-core ports 8004-8012 of port 443 overlap 8000-8008 of port 80; choose another' \
	"${two[@]}" --port 80,443 --base-port 8000,8004
one '... the other way round' 2 '--base-port 8004,8000: per-core ports 8000-8008 of port 443 overlap 8004-8012 of port 80; choose another' \
	"${two[@]}" --port 80,443 --base-port 8004,8000 --listen bpf
one '... and the first of them is beyond the last port' 2 "--base-port 65530: the last core's port" "${two[@]}" --port 80,443 --base-port 8000,65530
one "a public port among another service's per-core ports" 2 '--port 8003: lies among the per-core ports 8000-8008; choose' \
	"${two[@]}" --port 80,8003 --base-port 8000,9000
one '... the first one among those of the second' 2 '--port 9008: is also the per-core port of CPU 1; choose' \
	"${two[@]}" --port 9008,443 --base-port 8000,9000 --listen nft
one 'two services that are next to each other' 1 'a: no such network interface' \
	"${two[@]}" --port 80,443 --base-port 8000,8009 --listen nft --policy layer3+4
one 'two with reuseport' 1 'a: no such network interface' "${two[@]}" --port 80,443 --listen reuseport --policy layer3+4
one 'more services than nf_flowpar has' 2 '--port 1,.*,65: 65 services, more than 64' \
	"${two[@]}" --port "$(seq -s, 65)" --base-port "$(seq -s, 8000 100 14400)"
one 'an unknown listener' 2 '--listen magic: want nat, nft, bpf or reuseport' up --bond bond0 --slaves lo --listen magic --dry-run
one 'an unknown policy' 2 '--policy round: want cpu-bound' up --bond bond0 --slaves lo --policy round --dry-run

one 'unknown NIC' 1 'nosuch0: no such network interface; see ip link' up --bond bond0 --slaves nosuch0 --dry-run
one 'the loopback interface' 1 'lo: carries address 127.0.0.1/8; move it' up --bond bond0 --slaves lo --dry-run
for command in status verify; do
	one "$command with nothing set up" 1 '/run/flowpar: nothing is set up; run setup-flowpar.sh up' "$command"
done
check 'down with nothing set up' setup down --dry-run

# Each tool that is not there is told with its package.
mkdir "$test_out/bin"
for tool in bash dirname realpath uname grep cat ip ethtool modprobe modinfo awk flock nft; do
	path=$(command -v "$tool") || { not_ok "$tool is installed"; finish; }
	ln -s "$path" "$test_out/bin/"
done
while read -r tool package; do
	mv "$test_out/bin/$tool" "$test_out/hidden"
	PATH=$test_out/bin one "$tool missing" 1 "$tool: not found in PATH; apt-get install $package\$" \
		up --bond bond0 --slaves nosuch0 --policy layer3+4 --listen nft --port 80 --base-port 8000 --dry-run
	mv "$test_out/hidden" "$test_out/bin/$tool"
done <<-'END'
	ip iproute2
	ethtool ethtool
	modprobe kmod
	flock util-linux
	nft nftables
END
while read -r mode base; do
	# shellcheck disable=SC2086	# none or two words
	FLOWPARCTL=$test_out/nothing one "flowparctl missing, --listen $mode" 1 'flowparctl: not found: .*nothing' \
		up --bond bond0 --slaves nosuch0 --listen "$mode" --port 80 $base --dry-run
done <<-'END'
	nat --base-port 8000
	bpf --base-port 8000
	reuseport
END
one '--listen bpf: several instances are fine' 1 'nosuch0: no such network interface' \
	up --bond bond0 --slaves nosuch0 --policy layer3+4 --listen bpf --per-core 2 --port 80 --base-port 8000 --dry-run
one '--listen reuseport: no base port, several instances are fine' 1 'nosuch0: no such network interface' \
	up --bond bond0 --slaves nosuch0 --policy layer3+4 --listen reuseport --per-core 9 --port 80 --dry-run

# Where a bonding with the policy comes from, as the machine is.
remedy() {	# remedy PARAMETER-ON-DISK [COMMAND-THAT-IS-THERE]
	bash -c '. "$1/say.sh"; . "$1/check.sh"; modinfo() { echo "$parameter"; }
		command() { [[ $2 == "$there" ]]; }; parameter=$2 there=$3; policy_remedy; echo "$REPLY"' - "$repo/affinity/lib" "$1" "${2:-}"
}
same 'neither the policy nor flowpar-dkms: both ways to it' 'apt-get install flowpar-dkms, or boot the patched kernel' "$(remedy layer3+4)"
same 'flowpar-dkms is there: it knows what is missing' "run 'flowpar-dkms status', which says what is missing" "$(remedy layer3+4 flowpar-dkms)"
same 'the right one on disk: that is to be loaded' "get the one on disk, which knows it, with 'modprobe -r bonding' once no bond is left, or reboot" \
	"$(remedy 'xmit_hash_policy: cpu-bound' flowpar-dkms)"

# The forms of a set of CPUs.
. "$repo/affinity/lib/list.sh"
mask() { list_mask "$@"; echo "$REPLY"; }
short() { list_mask_short "$1"; echo "$REPLY"; }
same 'a list in words, in its order' '8 0 1 2 10' "$(list_expand 8,0-2,10)"
same 'a list with leading zeroes is decimal' '8 9' "$(list_expand 08-09)"
same 'words to the list that the kernel prints' 0-2,8,10-11 "$(list_of 8 0 11 2 1 10)"
same 'no words to no list' '' "$(list_of)"
same 'one word' 5 "$(list_of 5)"
same 'a mask' 5 "$(mask 0 2)"
same 'a mask of more than 32 bits' '80000001,00000000,80000000' "$(mask 95 31 64)"
same 'the highest bit of a 64-bit half' '80000000,00000000' "$(mask 63)"
same 'no CPU, no bit' 0 "$(mask)"
same 'a mask however wide it is printed' '1,00000000' "$(short 00000000,00000001,00000000)"
same 'the empty mask however wide it is printed' 0 "$(short 00,00000000)"
check '8 is in 0-2,8' list_has 0-2,8 8
check_fails '3 is not in 0-2,8' 1 '' list_has 0-2,8 3
finish
