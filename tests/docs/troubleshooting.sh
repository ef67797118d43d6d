#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: each entry of docs/troubleshooting.md is true: its cause, planted, shows what the entry quotes, and its remedy ends it; an entry without a test fails
#
#   client0, client1 --- br0 --- lag0 === eth0, eth1 > bond0      server guest
#
# An entry "Title of it" needs a function plant_title_of_it. Others may be there:
# gone_... instead of "the command no longer shows it", clean_... for what comes after.
# Functions whose names begin with plant, gone and clean are called by name.
# shellcheck disable=SC1083,SC2016,SC2034,SC2317
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

blocks=/run/blocks
up=(--bond bond0 --slaves 'eth0,eth1' --address "${LAB_SERVER:-}/24" --port 80 --base-port 8000)
setup() { setup-flowpar.sh "$@"; }

# on WHERE FILE: run a block; the other guest's is handed over through LAB_OUT. Called in
# subshells too, so what counts the requests is a file.
count=/run/requests
on() {
	local status n
	case $1 in
	server)	bash "$2" ;;
	*)	n=$(($(cat $count 2> /dev/null || echo 0) + 1))
		echo $n > $count
		cp "$2" "$LAB_OUT/request.$n"
		lab-post "request$n" "$1"
		status=$(lab-wait "done$n")
		cat "$LAB_OUT/answer.$n"
		return "$status" ;;
	esac
}
on_switch() { printf '%s\n' "$*" > /run/words; on switch /run/words; }
on_client() { printf '%s\n' "$*" > /run/words; on client /run/words; }

# shows FILE: its command, the entry's first block, prints every line of FILE
shows() {
	local said line pattern
	said=$(on "$show_on" "$show" 2>&1)
	while IFS= read -r line; do
		pattern=$(sed 's/[][\.*^$+?(){}|/]/\\&/g; s/\\\.\\\.\\\./.*/g' <<< "$line")
		grep -qE -- "$pattern" <<< "$said" || { printf 'said: %s\nexpected: %s\n' "$said" "$line"; return 1; }
	done < "$1"
}
no_longer() { ! shows "$quote" > /dev/null; }

serve() {	# one instance per core from /etc/flowpar, with what is added to the template
	mkdir -p /etc/flowpar /run/www/dir
	echo small > /run/www/index.html
	{ cat "$repo/configs/lighttpd.conf.in"; printf '%s\n' "$@"; } > /etc/flowpar/lighttpd.conf.in
	FLOWPAR_DOCROOT=/run/www flowparctl run --cpus 0-1 --port-base 8000 --template /etc/flowpar/lighttpd.conf.in \
		-- /usr/sbin/lighttpd -D -f {conf} >> "$LAB_OUT/serve.log" 2>&1 &
	wait_until 300 listen 2
}
listen() { (($(ss -Hltn '( sport = 8000 or sport = 8008 )' | wc -l) == $1)); }
stop_serving() {
	pkill -f '^[^ ]*flowparctl run '
	wait_until 300 listen 0
}

plant_the_module_cannot_be_loaded() { echo 'install nf_flowpar /bin/false' > /etc/modprobe.d/unused.conf; }
clean_the_module_cannot_be_loaded() { rmmod nf_flowpar; }

# What "up" refuses is tried again with --dry-run, which checks the same.
again_dry() { sed -i 's/up --bond/up --dry-run --bond/' "$show"; no_longer; }

plant_up_a_slave_carries_an_address() { ip address add 198.51.100.9/24 dev eth0; }
gone_up_a_slave_carries_an_address() { again_dry; }

# The guest has no systemd, so systemctl is this.
plant_up_something_listens_on_the_public_port() {
	mkdir -p /run/www
	printf 'server.port = 80\nserver.document-root = "/run/www"\n' > /run/distribution.conf
	/usr/sbin/lighttpd -D -f /run/distribution.conf &
	echo $! > /run/distribution.pid
	printf '#!/bin/bash\n[[ "$*" == "disable --now lighttpd" ]] && kill "$(< /run/distribution.pid)"\n' > /usr/local/bin/systemctl
	chmod +x /usr/local/bin/systemctl
	wait_until 300 eval '(($(ss -Hltn "sport = 80" | wc -l) == 1))'
}
gone_up_something_listens_on_the_public_port() { wait_until 300 again_dry; }

plant_up_the_firewall_would_drop_the_per_core_ports() {
	nft 'table inet filter { chain input { type filter hook input priority filter; policy drop; ct state established,related accept; iifname "lo" accept; tcp dport { 22, 80 } accept; }; }'
}
gone_up_the_firewall_would_drop_the_per_core_ports() { again_dry; }
clean_up_the_firewall_would_drop_the_per_core_ports() { nft flush ruleset; }

plant_up_a_per_core_port_is_an_ephemeral_one() {
	range=$(sysctl -n net.ipv4.ip_local_port_range)
	sysctl -qw net.ipv4.ip_local_port_range='7000 60999'
}
gone_up_a_per_core_port_is_an_ephemeral_one() { again_dry; }
clean_up_a_per_core_port_is_an_ephemeral_one() { sysctl -qw net.ipv4.ip_local_reserved_ports= net.ipv4.ip_local_port_range="$range"; }

plant_up_no_lacp_partner() { on_switch 'for nic in eth0 eth1; do ip link set $nic nomaster; ip link set $nic up; done'; }
# This time it stays: what comes next is on a machine that is up.
gone_up_no_lacp_partner() { setup up "${up[@]}" --lacp-timeout 60 && setup verify; }

plant_a_link_is_not_used() { on_switch 'ip link set eth1 nomaster; ip link set eth1 up'; }

irq_of_eth1() {
	local device
	device=$(basename "$(realpath /sys/class/net/eth1/device)")
	awk -v device="$device" 'index($NF, device "-") == 1 { sub(":", "", $1); print $1 }' /proc/interrupts | tail -n 1
}
plant_interrupts_have_moved() { echo 0 > "/proc/irq/$(irq_of_eth1)/smp_affinity_list"; }

plant_rps_hands_packets_to_other_cores() { echo 2 > /sys/class/net/eth0/queues/rx-0/rps_cpus; }

plant_the_policy_is_gone() { echo layer2 > /sys/class/net/bond0/bonding/xmit_hash_policy; }

plant_ip_does_not_know_the_policy() { echo layer2 > /sys/class/net/bond0/bonding/xmit_hash_policy; }
gone_ip_does_not_know_the_policy() { grep -q '^cpu-bound ' /sys/class/net/bond0/bonding/xmit_hash_policy && setup verify; }

plant_a_core_has_no_listener() {
	export FLOWPAR_DOCROOT=/run/www
	flowparctl run --cpus 0 --port-base 8000 --template /etc/flowpar/lighttpd.conf.in -- /usr/sbin/lighttpd -D -f {conf} >> "$LAB_OUT/serve.log" 2>&1 &
	wait_until 300 listen 1
}

# By the entry before. What setup-flowpar.sh watch has running is nobody to stop, or to signal.
plant_run_a_per_core_port_is_taken() {
	flowparctl watch > /run/events &
	watch=$!
	wait_until 300 grep -q . /run/events && wait_until 300 listen 2
}
gone_run_a_per_core_port_is_taken() { wait_until 300 listen 0 && kill -0 "$watch"; }

plant_a_health_check_of_a_per_core_port_times_out() { serve; }
gone_a_health_check_of_a_per_core_port_times_out() { (($(flowparctl stats --json | jq 'map(.closed) | add') > 0)); }

flows() { on_client "curl -s -o /dev/null --retry 3 -H Connection:close 'http://$LAB_SERVER/?['1-30']'"; }
plant_one_core_does_all_the_work() {
	flowparctl service del --port 80
	flowparctl service add --port 80 --base-port 8000 --cpus 0-1
	flows
}
gone_one_core_does_all_the_work() { flows && no_longer; }

plant_a_service_is_not_changed_by_adding_it_again() { :; }
clean_a_service_is_not_changed_by_adding_it_again() {
	flowparctl service del --port 80
	flowparctl service add --port 80 --base-port 8000 --cpus 0-1
}

plant_clients_are_sent_to_port_8008() {
	stop_serving
	serve 'server.feature-flags += ( "server.absolute-dir-redirect" => "enable" )'
}
gone_clients_are_sent_to_port_8008() { wait_until 90 no_longer && kill -0 "$watch"; }
clean_clients_are_sent_to_port_8008() { stop_serving; kill "$watch"; setup down; }

slug() { tr '[:upper:]' '[:lower:]' <<< "$1" | sed 's/[^a-z0-9][^a-z0-9]*/_/g'; }

entry() {	# entry DIR: a section of the page
	local title name show quote remedy show_on=server remedy_on=server range
	read -r title < "$1/title"
	name=$(slug "$title")
	declare -F "plant_$name" > /dev/null || { not_ok "$title: has a test" "no function plant_$name"; return; }
	show=$(echo "$1"/1.sh.show*) quote=$1/2.text remedy=$(echo "$1"/3.sh.remedy*)
	[[ -r $show && -r $quote && -r $remedy ]] || { not_ok "$title: has a command, a quote and a remedy" "$(ls "$1")"; return; }
	[[ $show != *.client ]] || show_on=client
	[[ $remedy != *.switch ]] || remedy_on=switch
	"plant_$name" > "$1/planted" 2>&1 || { not_ok "$title: is planted" "$(< "$1/planted")"; return; }
	check "$title: shows what is quoted" wait_until 90 shows "$quote" || true
	shows "$quote" > "$1/shown" 2>&1 || sed 's/^/#   /' "$1/shown"
	if [[ $(< "$remedy") == *'&' ]]; then
		bash "$remedy" > "$1/mended" 2>&1	# goes on in the background
	else
		check "$title: the remedy runs" on $remedy_on "$remedy"
	fi
	if declare -F "gone_$name" > /dev/null; then
		check "$title: mended" "gone_$name"
	else
		check "$title: mended" wait_until 90 no_longer
	fi
	! declare -F "clean_$name" > /dev/null || "clean_$name"
}

server() {
	local dir name entries
	# As packages and make install have it, and nothing of the source in reach by a relative path.
	check "flowpar is installed" env PREFIX=/run/usr "$repo/install.sh" tools
	PATH=/run/usr/sbin:$PATH
	cd / || return
	python3 "$repo/tests/docs/blocks.py" "$repo/docs/troubleshooting.md" $blocks
	lab-ready
	for dir in "$blocks"/*; do
		entry "$dir"
	done
	entries=$(for dir in "$blocks"/*; do slug "$(< "$dir/title")"; done | sort)
	same 'each test has its entry' "$entries" "$(declare -F | sed -n 's/^declare -f plant_//p' | sort)"
	lab-post "request$(($(< $count) + 1))" over
}

client() {
	local n=1 where status
	while where=$(lab-wait "request$n") && [[ $where != over ]]; do
		status=0
		if [[ $where == switch ]]; then
			bash -e "$LAB_OUT/request.$n" > "$LAB_OUT/answer.$n" 2>&1 || status=$?
		else
			lab-client 0 bash -e "$LAB_OUT/request.$n" > "$LAB_OUT/answer.$n" 2>&1 || status=$?
		fi
		lab-post "done$n" $status
		n=$((n + 1))
	done
}

case ${LAB_ROLE:-host} in
host)
	make -s -C "$repo/ctl" || { not_ok 'flowparctl builds'; finish; }
	lab_run --cpus 2 --nics 2 --timeout 1500 ;;
server)
	server
	lab-wait client-exit > /dev/null ;;
client) client ;;
esac
finish
