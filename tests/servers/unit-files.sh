#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: systemd takes the unit files without a word, and the configuration that a unit's own commands write out, TLS and all, is one that its server accepts
# Suite: unit
# shellcheck disable=SC2016	# systemd expands these
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

((EUID == 0)) || skip "needs root: servers look up and switch to their users when they check"
make -s -C "$repo/ctl" > "$test_out/build.log" 2>&1 || not_ok "flowparctl builds" "$(tail "$test_out/build.log")"
dir=$test_out/units
mkdir -p "$dir" "$test_out/tls" "$test_out/www" "$test_out/run"
# Where things are for this test.
here() {
	sed -e "s|/usr/sbin/\(setup-\)\?flowpar|$dir/\1flowpar|; s|/etc/flowpar/tls|$test_out/tls|; s|/etc/flowpar|$test_out|" -e "s|/run/flowpar-tickets|$test_out/tickets|" \
		-e "s|/run/nginx|$test_out/run|; s|/var/www/html|$test_out/www|; s|#tls ||" "$1"
}
for file in "$repo"/configs/systemd/*; do
	here "$file" > "$dir/${file##*/}"
done
for file in configs/lighttpd.conf.in configs/nginx.conf.in configs/haproxy.cfg.in configs/servers.env; do
	here "$repo/$file" > "$test_out/${file##*/}"
done
cp "$repo/configs/flowpar-ticket-keys" "$repo/out/bin/flowparctl" "$dir"
ln -s "$repo/affinity/setup-flowpar.sh" "$dir/"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=www.example.com \
	-keyout "$test_out/tls/cert.pem.key" -out "$test_out/tls/cert.pem" 2> "$test_out/openssl.log"
"$dir/flowpar-ticket-keys" "$test_out/tickets"

for server in lighttpd nginx haproxy; do
	unit=$dir/flowpar-$server@.service
	same "$server: systemd-analyze has nothing to say" '' "$(SYSTEMD_UNIT_PATH=$dir: systemd-analyze verify --man=no "flowpar-$server@2.service" "flowpar-$server.target" 2>&1)"
	same "$server: pinned to the CPU of its name, with local memory" 'CPUAffinity=%i NUMAPolicy=local' "$(grep -E '^(CPUAffinity|NUMAPolicy)=' "$unit" | xargs)"
	# Its command to write the configuration, for CPU 2 of 0-3
	command=$(sed -n 's/^ExecStartPre=\(.*flowparctl conf .*\)/\1/p' "$unit" | sed 's/%i/2/g')
	check "$server: the configuration is written" env RUNTIME_DIRECTORY="$test_out/run" bash -c "set -a; . '$test_out/servers.env'; $command"
	same "$server: with CPU 2's ports" "8016 9016" "$(grep -vE '^[[:space:]]*#' "$test_out/run/conf" | grep -oE '\b(8016|9016)\b' | sort -u | xargs)"
	# Its command to check it, as at a reload
	command=$(sed -n 's/^ExecReload=\(.*RUNTIME_DIRECTORY.*\)/\1/p' "$unit" | grep -v flowparctl)
	check "$server: and accepted" env RUNTIME_DIRECTORY="$test_out/run" FLOWPAR_DOCROOT="$test_out/www" bash -c "$command"
	same "$server: a reload writes what a start did" "$(sed -n 's/^ExecStartPre=\(.*flowparctl conf .*\)/\1/p' "$unit")" "$(sed -n 's/^ExecReload=\(.*flowparctl conf .*\)/\1/p' "$unit")"
done

says() { SYSTEMD_UNIT_PATH=$dir: systemd-analyze verify --man=no "$@" 2>&1; }
for unit in flowpar-ticket-keys.timer flowpar.service flowpar-watch.service; do
	same "$unit: systemd-analyze has nothing to say" '' "$(says "$unit")"
done
# setting NAME: of flowpar.service, as a list between blanks
setting() { echo " $(sed -n "s/^$1=//p" "$dir/flowpar.service" | xargs) "; }
check "flowpar.service: at boot what can be set up is" grep -q "/setup-flowpar.sh up --boot \$" <<< "$(setting ExecStart)"
same "flowpar.service: a wrong option is not tried again" ' 2 ' "$(setting RestartPreventExitStatus)"
# At shutdown in the opposite order: sshd and servers first, then the bond, then who made that.
check "flowpar.service: the network is there after it, and at shutdown until those that use it have ended" \
	bash -c '[[ $1 == *" network.target "* && $1 == *" network-online.target "* && $2 == *" network.target "* ]]' _ "$(setting Before)" "$(setting Wants)"
check "flowpar.service: after who makes the bond" \
	bash -c 'for who in network-pre.target systemd-networkd.service networking.service; do [[ $1 == *" $who "* ]] || exit; done' _ "$(setting After)"
check "export networkd" "$repo/affinity/setup-flowpar.sh" export networkd --to "$test_out" --bond bond0 --slaves eth0,eth1
cp -r "$test_out"/etc/systemd/system/*.d "$dir"
same "... with its drop-in systemd-analyze has nothing to say" '' "$(says flowpar.service)"
# Only of what is started together systemd sees a cycle.
printf '%s\n' '[Unit]' 'Description=All at once' 'Wants=flowpar.service flowpar-watch.service flowpar-lighttpd@2.service' \
	'Wants=systemd-networkd.service network-online.target network-pre.target' > "$dir/all.target"
same "all of them at once: no cycle" '' "$(says all.target)"
finish
