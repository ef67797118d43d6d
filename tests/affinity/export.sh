#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: export writes what networkd or ifupdown need and nothing that they do not know, and what up then reads
# Suite: unit
# shellcheck disable=SC2119
# shellcheck source=tests/affinity/common.sh
. "$(dirname "$0")/common.sh"

to=$test_out/root
mkdir "$to"
asked=(--bond bond0 --slaves 'eth0,eth1' --address 192.0.2.1/24 --port 80 --base-port 8000 --cpus 0-1)

check 'networkd' setup export networkd --to "$to" "${asked[@]}"
same 'its files' "etc/flowpar/flowpar.conf
etc/systemd/network/10-bond0-slaves.network
etc/systemd/network/10-bond0.netdev
etc/systemd/network/10-bond0.network
etc/systemd/system/flowpar.service.d/10-networkd.conf
etc/systemd/system/systemd-networkd-wait-online@bond0.service.d/10-flowpar.conf" "$(cd "$to" && find . -type f | sed 's,^\./,,' | LC_ALL=C sort)"
same 'the options that up is to take' "ADOPT=yes
BOND=bond0
SLAVES=eth0,eth1
CPUS=0-1
PORT=80
BASE_PORT=8000" "$(grep -v '^#' "$to/etc/flowpar/flowpar.conf")"
check_fails 'up takes them, and looks for the bond' 1 '^setup-flowpar.sh: bond0: no such bond to take over' \
	setup up --config "$to/etc/flowpar/flowpar.conf" --dry-run
check 'the policy is one that networkd knows' grep -qx 'TransmitHashPolicy=layer3+4' "$to/etc/systemd/network/10-bond0.netdev"
check 'the address is there' grep -qx 'Address=192.0.2.1/24' "$to/etc/systemd/network/10-bond0.network"
check_fails 'a file that is there is not overwritten' 1 "^setup-flowpar.sh: $to/etc/systemd/network/10-bond0.netdev: already exists" \
	setup export networkd --to "$to" "${asked[@]}"

rm -r "${to:?}/etc"
check 'ifupdown' setup export ifupdown --to "$to" "${asked[@]}"
same 'its files' "etc/flowpar/flowpar.conf etc/network/interfaces.d/bond0 etc/systemd/system/flowpar.service.d/10-ifupdown.conf" \
	"$(cd "$to" && find . -type f | sed 's,^\./,,' | LC_ALL=C sort | paste -sd' ')"
check 'it has the address' grep -qx '    address 192.0.2.1/24' "$to/etc/network/interfaces.d/bond0"
check 'and has the rest set up and taken back, and serves without it too' \
	grep -qzP '\n    post-up systemctl --no-block restart flowpar.service \|\| true\n    pre-down systemctl stop flowpar.service \|\| true\n' "$to/etc/network/interfaces.d/bond0"
check 'down comes before its units take slaves out' grep -qx 'After=ifup@eth0.service ifup@eth1.service' "$to/etc/systemd/system/flowpar.service.d/10-ifupdown.conf"
same 'a slave that comes late goes into it' "allow-hotplug eth1
iface eth1 inet manual
    pre-up [ -e /sys/class/net/eth1/master ] || ! ip -o link show up dev bond0 2> /dev/null | grep -q . || ip link set eth1 master bond0" "$(tail -n 3 "$to/etc/network/interfaces.d/bond0")"

# As an installed system has it: the file is there, all of it comments.
rm -r "${to:?}/etc"
mkdir -p "$to/etc/flowpar"
cp "$repo/configs/flowpar.conf" "$to/etc/flowpar/"
check 'a flowpar.conf that sets nothing is not in the way' setup export ifupdown --to "$to" "${asked[@]}"
check '... and keeps its words' grep -qF -f <(head -n 3 "$repo/configs/flowpar.conf") "$to/etc/flowpar/flowpar.conf"
check_fails '... up takes what it has now' 1 '^setup-flowpar.sh: bond0: no such bond to take over' \
	setup up --config "$to/etc/flowpar/flowpar.conf" --dry-run
rm "$to/etc/network/interfaces.d/bond0" "$to"/etc/systemd/system/flowpar.service.d/*
check_fails '... one that sets something is' 1 "^setup-flowpar.sh: $to/etc/flowpar/flowpar.conf: already exists, .* or move it and name it with --config" \
	setup export ifupdown --to "$to" "${asked[@]}"
same '... and nothing of the rest is written' "$to/etc/flowpar/flowpar.conf" "$(find "$to" -type f)"
mv "$to/etc/flowpar/flowpar.conf" "$test_out/moved.conf"
check '... moved and named, it is what the others are made from' setup export ifupdown --to "$to" --config "$test_out/moved.conf"
check '... its options too' grep -qx BASE_PORT=8000 "$to/etc/flowpar/flowpar.conf"

same 'two services' 'PORT=80,443 BASE_PORT=8000,9000' "$(setup export networkd --bond bond0 --slaves eth0,eth1 --port 80,443 --base-port 8000,9000 | grep PORT= | paste -sd' ')"
# On a machine that has been in use: what would configure the slaves as well.
rm -r "${to:?}/etc"
mkdir -p "$to/etc/network/interfaces.d" "$to/etc/NetworkManager"
printf 'auto lo\niface lo inet loopback\n\nallow-hotplug eth1\niface eth1 inet dhcp\n  gateway 192.0.2.254\n' > "$to/etc/network/interfaces"
same 'what has a slave already is named' "setup-flowpar.sh: $to/etc/network/interfaces: line 4 has eth1 already; take it out before the reboot
setup-flowpar.sh: $to/etc/network/interfaces: line 5 has eth1 already; take it out before the reboot" \
	"$(setup export ifupdown --to "$to" "${asked[@]}" 2>&1 > /dev/null)"
rm "$to/etc/network/interfaces.d/bond0" "$to/etc/flowpar/flowpar.conf"
check 'NetworkManager is there' setup export networkd --to "$to" "${asked[@]}"
check '... and told to leave them' grep -qx 'unmanaged-devices+=interface-name:bond0;interface-name:eth0;interface-name:eth1;' \
	"$to/etc/NetworkManager/conf.d/10-bond0.conf"

out=$(setup export networkd --bond bond0 --slaves eth0,eth1)
check 'without --to all is shown' grep -qx '# --- /etc/systemd/network/10-bond0.netdev' <<< "$out"
check 'without an address DHCP has it' grep -qx 'DHCP=yes' <<< "$out"
printf 'ADOPT=yes\nBOND=bond0\nADDRESS=192.0.2.7/24\n' > "$test_out/conf"
check 'the file is read' grep -qx 'Address=192.0.2.7/24' <(setup export networkd --config "$test_out/conf" --slaves eth0,eth1)

# Several addresses, of both families, and their gateways.
six=(--bond bond0 --slaves 'eth0,eth1' --address '192.0.2.1/24,2001:db8::1/64,198.51.100.1/24' --gateway '2001:db8::ff,192.0.2.254')
same 'networkd: all addresses and gateways' '[Route] Gateway=2001:db8::ff Metric=512 [Network] Address=192.0.2.1/24 Address=2001:db8::1/64 Address=198.51.100.1/24 Gateway=192.0.2.254' \
	"$(setup export networkd "${six[@]}" | sed -n '/10-bond0.network$/,/10-/p' | grep -E '^(Address|Gateway|DHCP|Metric)=|^.(Route|Network)' | paste -sd' ')"
same 'ifupdown: a stanza for each address, with the gateway of its network' 'iface bond0 inet static
    address 192.0.2.1/24
    gateway 192.0.2.254
iface bond0 inet static
    address 198.51.100.1/24
iface bond0 inet6 static
    dad-attempts 300
    address 2001:db8::1/64
    gateway 2001:db8::ff' "$(setup export ifupdown "${six[@]}" | grep -E '^iface bond0|^    (address|gateway|dad)')"
same '... once, if two addresses share that' 1 "$(setup export ifupdown "${six[@]}" --address 192.0.2.1/24,192.0.2.2/24 --gateway 192.0.2.254 | grep -c '^    gateway')"
same '... the bond is made by the first' 1 "$(setup export ifupdown "${six[@]}" | awk '/^iface/ { n++ } /bond-mode/ { print n }')"
same '... of IPv6 alone, with a link-local gateway' 'iface bond0 inet6 static
    address 2001:db8::1/64
    gateway fe80::1' "$(setup export ifupdown "${six[@]}" --address 2001:db8::1/64 --gateway fe80::1 | grep -E '^iface bond0|^    (address|gateway)')"
same '... up --adopt is not told of them' '' "$(setup export ifupdown "${six[@]}" | grep -E '^(ADDRESS|GATEWAY)=')"

check_fails 'no manager' 2 '^setup-flowpar.sh: export : want networkd or ifupdown' setup export
check_fails 'slaves are needed' 2 '^setup-flowpar.sh: export: --slaves is missing' setup export networkd --adopt --bond bond0
check_fails 'a directory that is not there' 2 '^setup-flowpar.sh: --to /nothing: no such directory' setup export networkd --to /nothing "${asked[@]}"
check_fails '--to is for export' 2 '^setup-flowpar.sh: --to: is for export' setup up --to /tmp
finish
