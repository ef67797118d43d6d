#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: a Debian with systemd, booted with the packages: at boot up comes once systemd-networkd or ifupdown has made the bond, whatever they do later verify ends clean, and down comes at shutdown; NetworkManager; removal of packages that are in use
# Suite: long
#
#   client0, client1 -- br0 -- lag0 ==== eth0, eth1 > bond0
# shellcheck disable=SC2034,SC2317	# read by what is sourced; called by check
# shellcheck source=tests/affinity/common.sh
. "$(dirname "$0")/../affinity/common.sh"
# shellcheck source=tests/packages/common.sh
. "$repo/tests/packages/common.sh"

options=(--bond bond0 --slaves 'eth0,eth1' --address '10.77.0.1/24,fd77::1/64' --gateway '10.77.0.200,fd77::c0' --port 80 --base-port 8000 --cpus 0-1)
conf=(BOND=bond0 'SLAVES=eth0,eth1' 'ADDRESS=10.77.0.1/24,fd77::1/64' 'GATEWAY=10.77.0.200,fd77::c0' PORT=80 BASE_PORT=8000 CPUS=0-1)

# --- on the host --------------------------------------------------------------------

# booted SCENARIO: its function below, once the system that has been prepared is up
booted() {
	check "$1: what is enabled" in_debian systemctl enable -q flowpar-watch.service flowpar-lighttpd@0.service flowpar-lighttpd@1.service flowpar-lighttpd.target
	LAB_RUN=$1 lab_run --cpus 2 --nics 2 --timeout 900 --env SCENARIO="$1"
}

with_machine() {
	install_packages
	sed -i 's/^FLOWPAR_CPUS=.*/FLOWPAR_CPUS=0-1/' "$over/etc/flowpar/servers.env"
	mkdir -p "$over/var/www/html"
	echo 'it works' > "$over/var/www/html/index.html"
	# What the machine is once flowpar.service has been stopped.
	mkdir -p "$over/etc/systemd/system/flowpar.service.d"
	cat > "$over/etc/systemd/system/flowpar.service.d/test.conf" <<-'END'
	[Unit]
	RequiresMountsFor=/run/lab/out
	[Service]
	ExecStopPost=/bin/sh -c '{ setup-flowpar.sh status; grep -H "" /sys/class/net/bond0/bonding/slaves /sys/class/net/bond0/bonding/xmit_hash_policy; } > /run/lab/out/stopped 2>&1'
	END
	cp -a "$over/etc" "$test_out/etc"
	for kernel in ${KERNELS:-debian-6.12 debian-6.1}; do
		export LAB_KERNEL=$kernel
		for scenario in ${SCENARIOS:-plain own networkd ifupdown networkmanager nmbond}; do
			rm -rf "${over:?}/etc"
			cp -a "$test_out/etc" "$over/etc"
			[[ $scenario == plain ]] || "prepare_$scenario"
			booted "$scenario"
			[[ $scenario != @(networkd|ifupdown) ]] || down_at_shutdown "$scenario"
			[[ $scenario != own ]] || check 'own: at shutdown down came' grep -q 'nothing is set up' "$test_out/own/stopped"
			mv "$test_out/$scenario" "$test_out/$kernel.$scenario"
		done
	done
	echo "the end"
}

# There is no DHCP here: neither is it tried nor waited for. Hooks of ifenslave, which
# NetworkManager's dispatcher runs some moments after a link was down, would take out of the
# bond what NetworkManager has just put in.
prepare_networkmanager() {
	rm "$over"/etc/network/if-*.d/ifenslave
	printf '[main]\nno-auto-default=*\n' > "$over/etc/NetworkManager/conf.d/test.conf"
	in_debian systemctl enable -q NetworkManager
	in_debian systemctl disable -q NetworkManager-wait-online
}
# As its own tools write them. flowpar.service tries until the bond is there.
prepare_nmbond() {
	local dir=$over/etc/NetworkManager/system-connections nic
	prepare_networkmanager
	printf '[connection]\nid=bond0\ntype=bond\ninterface-name=bond0\n[bond]\nmode=802.3ad\nlacp_rate=fast\nmiimon=100\nxmit_hash_policy=layer3+4\n[ipv4]\nmethod=manual\naddress1=10.77.0.1/24\n' > "$dir/bond0.nmconnection"
	for nic in eth0 eth1; do
		printf '[connection]\nid=bond0-%s\ntype=ethernet\ninterface-name=%s\nmaster=bond0\nslave-type=bond\n' $nic $nic > "$dir/bond0-$nic.nmconnection"
	done
	chmod 600 "$dir"/*
	printf '%s\n' ADOPT=yes BOND=bond0 SLAVES=eth0,eth1 PORT=80 BASE_PORT=8000 CPUS=0-1 >> "$over/etc/flowpar/flowpar.conf"
	in_debian systemctl enable -q flowpar.service
}
prepare_own() {
	printf '%s\n' "${conf[@]}" >> "$over/etc/flowpar/flowpar.conf"
	check "own: what the guide says" in_debian systemctl enable flowpar.service flowpar-watch.service
}
prepare_networkd() {
	check "networkd: export" in_debian setup-flowpar.sh export networkd --to / "${options[@]}"
	check "networkd: what it says then" in_debian systemctl enable systemd-networkd flowpar.service flowpar-watch.service
}
prepare_ifupdown() {
	check "ifupdown: export" in_debian setup-flowpar.sh export ifupdown --to / "${options[@]}"
	check "ifupdown: what it says then" in_debian systemctl enable networking flowpar.service flowpar-watch.service
}

down_at_shutdown() {
	local stopped=$test_out/$1/stopped
	check "$1: at shutdown down came while the bond was there" grep -q 'xmit_hash_policy:layer3+4' "$stopped"
	same "$1: ... and had its slaves" "eth0 eth1" "$(sed -n 's/.*slaves://p' "$stopped" | tr ' ' '\n' | sort | paste -sd' ')"
	check "$1: ... and left nothing" grep -q 'nothing is set up' "$stopped"
}

# --- in the server ------------------------------------------------------------------

running() {
	local state
	state=$(systemctl is-system-running --wait)
	same "$1: the system is up and nothing has failed" running "$state"
	[[ $state == running ]] || systemctl --failed --no-legend
}

own_nic() {	# own_nic TEXT: under load
	local top own k
	wait_until 60 lag_ready bond0 2
	for k in 0 1; do
		same "$1: client $k is served" 'it works' "$(on-client $k curl -s http://10.77.0.1/)"
	done
	flowparctl top --json > /run/top & top=$!
	for k in 0 1; do
		check "$1: client $k loads it" on-client $k ab -q -n 300 -c 4 http://10.77.0.1/
	done
	sleep 2
	kill "$top"
	wait "$top" 2>/dev/null
	own=$(jq -s 'map(.seconds as $s | .bonds[] | [.own * $s, .other * $s]) | [(map(.[0]) | add), (map(.[1]) | add)]
		| if .[0] > 1000 then (10000 * .[0] / (.[0] + .[1]) | round) / 100 else 0 end' /run/top)
	check "$1: own NIC $own % is at least 99" awk -v o="$own" 'BEGIN { exit !(o >= 99) }'
}

# addressed TEXT: both addresses, and both default routes
addressed() {
	has_all() { [[ $(all) == "$want" ]]; }
	all() {
		ip -o address show dev bond0 scope global | awk '{ print $4 }'
		{ ip route show default; ip -6 route show default; } | awk '{ print $3, $5 }'
	}
	local want=$'10.77.0.1/24\nfd77::1/64\n10.77.0.200 bond0\nfd77::c0 bond0'
	wait_until 30 has_all || true
	same "$1: both addresses and both default routes" "$want" "$(all)"
}

# What it finds is shown, if it still does.
clean() { wait_until 60 setup verify; check "$1: verify finds nothing" setup verify; }

cut_link() {
	lab-link 1 down
	check "$1: a link is cut" wait_until 30 grep -qx 0 /sys/class/net/eth1/carrier
	sleep 2
	lab-link 1 up
	check "$1: it is back" wait_until 60 lag_ready bond0 2
	clean "$1: after that"
}

# What a driver's reload or a firmware update does: the NIC goes, and another comes.
reload() {
	local device
	device=$(basename "$(realpath /sys/class/net/eth1/device)")	# virtioN
	echo "$device" > /sys/bus/virtio/drivers/virtio_net/unbind
	check "$1: a NIC is gone" wait_until 30 test ! -e /sys/class/net/eth1
	sleep 2
	echo "$device" > /sys/bus/virtio/drivers/virtio_net/bind
	check "$1: it is back in the bond" wait_until 60 lag_ready bond0 2
	clean "$1: after that"
}

plain() {
	local before said
	running plain
	same 'plain: nothing is set up' inactive "$(systemctl is-active flowpar.service)"
	lived_in
	before=$(snapshot)
	printf '%s\n' "${conf[@]}" >> /etc/flowpar/flowpar.conf
	check 'plain: enabled and started' systemctl enable --now flowpar.service
	clean plain
	addressed plain
	own_nic plain
	cut_link plain
	said=$(dpkg -r flowpar 2>&1)
	check 'plain: the package is not removed from under it' grep -q "run 'setup-flowpar.sh down' first" <<< "$said"
	clean 'plain: and after that'
	check 'plain: the modules are removed in use' dpkg -r flowpar-dkms
	clean 'plain: and after that'
	check 'plain: stopped' systemctl disable --now flowpar.service flowpar-lighttpd@0.service flowpar-lighttpd@1.service
	unchanged 'plain: every file is as before'
}

own() {
	running own
	same 'own: it is set up' 'active active active' "$(systemctl is-active flowpar.service flowpar-watch.service flowpar-lighttpd@1.service | paste -sd' ')"
	clean own
	addressed own
	own_nic own
	cut_link own
	reload own
	addressed 'own: after that'
	check 'own: the bond is deleted' ip link del bond0
	check 'own: it is back' wait_until 60 lag_ready bond0 2
	clean 'own: after that'
	addressed 'own: after that'
	own_nic 'own: after that'
}

networkd() {
	running networkd
	same 'networkd: it is set up' 'active active active active' \
		"$(systemctl is-active systemd-networkd flowpar.service flowpar-watch.service flowpar-lighttpd@1.service | paste -sd' ')"
	same 'networkd: the policy' cpu-bound "$(cut -d' ' -f1 /sys/class/net/bond0/bonding/xmit_hash_policy)"
	clean networkd
	addressed networkd
	own_nic networkd
	cut_link networkd
	reload networkd
	check 'networkd: reload' networkctl reload
	check 'networkd: reconfigure' networkctl reconfigure bond0 eth0 eth1
	sleep 3
	clean 'networkd: after that'
	check 'networkd: restart' systemctl restart systemd-networkd
	sleep 3
	clean 'networkd: after that'
	own_nic 'networkd: after that'
	addressed 'networkd: after that'
	check 'networkd: flowpar.service started anew' systemctl restart flowpar.service
	clean networkd
}

ifupdown() {
	running ifupdown
	same 'ifupdown: it is set up' 'active active active active' \
		"$(systemctl is-active networking flowpar.service flowpar-watch.service flowpar-lighttpd@1.service | paste -sd' ')"
	same 'ifupdown: the policy' cpu-bound "$(cut -d' ' -f1 /sys/class/net/bond0/bonding/xmit_hash_policy)"
	clean ifupdown
	addressed ifupdown
	own_nic ifupdown
	cut_link ifupdown
	reload ifupdown
	check 'ifupdown: ifdown' ifdown bond0
	check_fails 'ifupdown: nothing is set up then' 1 'nothing is set up' setup status
	check 'ifupdown: ifup' ifup bond0
	clean 'ifupdown: after that'
	own_nic 'ifupdown: after that'
	check 'ifupdown: networking is started anew' systemctl restart networking
	clean 'ifupdown: after that'
	addressed 'ifupdown: after that'
}

networkmanager() {
	local line
	running networkmanager
	wait_until 60 grep -qsE '^managed=(true|1)' "/run/NetworkManager/devices/$(< /sys/class/net/eth1/ifindex)"
	line=$(setup up "${options[@]}" 2>&1)
	same 'networkmanager: its NICs are left to it' 1 "$(grep -c "^setup-flowpar.sh: eth0: NetworkManager manages it; take it away with 'nmcli device set eth0 managed no'" <<< "$line")"
	check 'networkmanager: what that says' nmcli device set eth0 managed no
	check 'networkmanager: ... for eth1' nmcli device set eth1 managed no
	check 'networkmanager: then up' setup up "${options[@]}"
	clean networkmanager
	own_nic networkmanager
	check 'networkmanager: started anew' systemctl restart NetworkManager
	nm-online -q -s -t 60
	clean 'networkmanager: after that'
	cut_link networkmanager
	check 'networkmanager: down' setup down
}

nmbond() {
	running nmbond
	same 'nmbond: it is set up' 'active active active' \
		"$(systemctl is-active NetworkManager flowpar.service flowpar-watch.service | paste -sd' ')"
	clean nmbond
	same 'nmbond: the policy' cpu-bound "$(cut -d' ' -f1 /sys/class/net/bond0/bonding/xmit_hash_policy)"
	own_nic nmbond
	cut_link nmbond
	check 'nmbond: NetworkManager activates it again' nmcli connection up bond0
	wait_until 60 lag_ready bond0 2
	clean 'nmbond: after that'
	own_nic 'nmbond: after that'
}

case ${LAB_ROLE:-host} in
host)	build_packages; inside debian_machine ;;
inside)	with_machine ;;
server)	lab-ready
	"$SCENARIO"
	journalctl --no-pager > "$LAB_OUT/journal" ;;
client)	"$repo/bench/lab/guest/shell-client" ;;
esac
finish
