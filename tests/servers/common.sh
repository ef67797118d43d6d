# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC1083,SC2016,SC2154,SC2317
# Sourced by the servers' tests: what the server guest sets up, and what clients ask.
#
#   client0 --- switch --- link 0 --- CPU 0 --- instance at 8000 (http), 9000 (https)
#   client1 --- switch --- link 1 --- CPU 1 --- instance at 8008,        9008
#
# HAProxy's application is a lighttpd per core at 10000 and 10008, of 127.0.0.1. $ways
# are the ways in which instances are started: run, by flowparctl, and unit, by systemd.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

servers=(lighttpd nginx haproxy)
templates=(lighttpd.conf.in nginx.conf.in haproxy.cfg.in)
declare -A generations=([run]='1 2' [unit]=1)	# reloads
big=4000000

# --- server guest ------------------------------------------------------------------

files() {
	mkdir -p /run/www/dir /etc/flowpar/tls
	echo 'of the directory' > /run/www/dir/index.html
	echo small > /run/www/small.txt
	head -c "$big" /dev/zero > /run/www/big.txt
	printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\necho "${HTTP_X_FORWARDED_PORT:-$SERVER_PORT}"\n' > /run/www/port.cgi
	chmod +x /run/www/port.cgi
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=www.example.com \
		-keyout /etc/flowpar/tls/cert.pem.key -out /etc/flowpar/tls/cert.pem 2> /dev/null
	chgrp www-data /etc/flowpar/tls/cert.pem.key
	chmod 640 /etc/flowpar/tls/cert.pem.key
	sed '/SERVER_PORT/d' /etc/nginx/fastcgi_params > /run/fastcgi_params
	cp configs/flowpar-ticket-keys out/bin/flowparctl /usr/sbin/
	cp configs/systemd/* /etc/systemd/system/
	sed 's|^FLOWPAR_CPUS=.*|FLOWPAR_CPUS=0-1|; s|^FLOWPAR_DOCROOT=.*|FLOWPAR_DOCROOT=/run/www|' configs/servers.env > /etc/flowpar/servers.env
}

# template SERVER GENERATION: the one that an administrator would have, with TLS; the
# generation shows in the type of text files, and the CPU in a header. Its patience with a
# client that reads nothing is that of the test, whose machine may be slow.
template() {
	local to=/etc/flowpar
	case $1 in
	lighttpd)
		sed "s|#ipv6 ||; s|#tls ||; s|text/plain|text/x-$2|" configs/lighttpd.conf.in > $to/lighttpd.conf.in.new
		cat >> $to/lighttpd.conf.in.new <<-'END'
			server.modules += ( "mod_setenv", "mod_cgi", "mod_redirect" )
			cgi.assign = ( ".cgi" => "" )
			setenv.add-response-header = ( "X-Cpu" => "{cpu}" )
			server.max-write-idle = 3600
			setenv.set-environment = ( "SERVER_PORT" => "80" )
			$HTTP["scheme"] == "https" { setenv.set-environment = ( "SERVER_PORT" => "443" ) }
			url.redirect = ( "^/secure$" => "https://${url.authority}/dir/" )
		END
		mv $to/lighttpd.conf.in.new $to/lighttpd.conf.in ;;
	nginx)
		sed -e "s|#ipv6 ||; s|#tls ||; s|text/plain|text/x-$2|" -e 's|root /var/www/html;|root /run/www; send_timeout 3600s; add_header X-Cpu {cpu};\
			location = /secure { return 301 https://$http_host/dir/; }\
			location ~ \\.cgi$ { include /run/fastcgi_params; fastcgi_param SERVER_PORT $public_port; fastcgi_pass 127.0.0.1:9900; }|' \
			configs/nginx.conf.in > $to/nginx.conf.in.new
		mv $to/nginx.conf.in.new $to/nginx.conf.in ;;
	haproxy)
		sed -e 's|#ipv6 ||; s|#tls ||; s/timeout \(client\|server\) .*/timeout \1 3600s/' -e "s|option forwardfor|&\\n\\thttp-response set-header X-Cpu {cpu}\\n\\thttp-response set-header Content-Type text/x-$2|" \
			-e 's|default_backend .*|&\n\thttp-request redirect location https://%[req.hdr(host)]/dir/ if { path /secure }|' \
			configs/haproxy.cfg.in > $to/haproxy.cfg.in.new
		mv $to/haproxy.cfg.in.new $to/haproxy.cfg.in ;;
	esac
}

# The applications behind nginx (FastCGI) and HAProxy; helpers end with the guest.
applications() {
	python3 tests/servers/fastcgi.py 9900 &
	sed '/#tls/d' configs/lighttpd.conf.in > /run/application
	printf '%s\n' 'server.bind = "127.0.0.1"' 'server.modules += ( "mod_cgi" )' 'cgi.assign = ( ".cgi" => "" )' >> /run/application
	FLOWPAR_DOCROOT=/run/www flowparctl run --cpus 0-1 --port-base 10000 --template /run/application -- lighttpd -D -f {conf} \
		> "$LAB_OUT/application.log" 2>&1 &
}

run_command() {
	case $1 in
	lighttpd) command=(/usr/sbin/lighttpd -D -f {conf}) look='lighttpd -tt -f {conf}' signal=USR1 ;;
	nginx)	command=(nginx -c {conf}) look='nginx -t -q -c {conf}' signal=HUP ;;
	haproxy) command=(haproxy -W -db -f {conf}) look='haproxy -c -q -f {conf}' signal=HUP ;;
	esac
}

listening() { (($(ss -Hltn '( sport = 8000 or sport = 8008 or sport = 9000 or sport = 9008 )' | wc -l) == 8)); }	# IPv4 and IPv6
nobody_listens() { ! ss -Hltn '( sport = 8000 or sport = 8008 or sport = 9000 or sport = 9008 )' | grep -q .; }
processes() { pgrep -x "$1" | wc -l; }
as_before() { (($(processes "$1") == before)); }

start_run() {
	run_command "$1"
	FLOWPAR_DOCROOT=/run/www flowparctl run --cpus 0-1 --port-base 8000 --template "/etc/flowpar/$2" \
		--check "$look" -- "${command[@]}" > "$LAB_OUT/run.$1.log" 2>&1 &
	pid=$!
}
reload_run() { kill -"$signal" "$pid"; }
stop_run() { kill "$pid"; wait "$pid"; }

# A slip in the template: said, and nobody reloads.
slip() {	# slip SERVER TEMPLATE
	local was
	was=$(pgrep -x "$1" | xargs)
	echo 'nonsense {' >> "/etc/flowpar/$2"
	reload_run
	check "run $1: a slip is refused" wait_until 300 grep -q "/$2: --check of the configuration for port 8000 .*; nothing is reloaded" "$LAB_OUT/run.$1.log"
	same "run $1: ... and the servers go on" "$was" "$(pgrep -x "$1" | xargs)"
	sed -i '$d' "/etc/flowpar/$2"
}

# systemd, in a PID namespace of its own since it wants to be number 1, and without what
# it would do to a machine at its start.
start_systemd() {
	local file
	: > /etc/fstab
	rm -rf /etc/systemd/system/*.wants
	for file in /lib/systemd/system/{sysinit,local-fs,sockets,timers}.target.wants/* /lib/systemd/system/systemd-remount-fs.service; do
		ln -sf /dev/null "/etc/systemd/system/${file##*/}"
	done
	mkdir -p /run/systemd
	unshare --fork --pid --mount --mount-proc --cgroup env -i container=lab PATH="$PATH" /lib/systemd/systemd --system --unit=sysinit.target \
		--log-target=console --show-status=no > "$LAB_OUT/systemd.log" 2>&1 &
	wait_until 300 in_systemd systemctl is-active sysinit.target
}
in_systemd() {
	local main
	main=$(pgrep -f '^/lib/systemd/systemd --system' | tail -n 1)
	nsenter -t "$main" -m -p -C "$@"
}

instances() { echo "flowpar-$1@0.service flowpar-$1@1.service"; }
start_unit() {
	# shellcheck disable=SC2046	# words
	in_systemd systemctl enable --now $(instances "$1") "flowpar-$1.target"
}
reload_unit() { in_systemd systemctl reload "flowpar-$1.target"; }
stop_unit() { in_systemd systemctl stop "flowpar-$1.target"; }

unit_placed() {
	local k main
	for k in 0 1; do
		main=$(in_systemd systemctl show -P MainPID "flowpar-$1@$k.service")
		same "unit $1@$k: affinity and memory policy" "$k local" \
			"$(in_systemd awk '/^Cpus_allowed_list/ { print $2 }' "/proc/$main/status") $(in_systemd awk '{ print $2; exit }' "/proc/$main/numa_maps")"
	done
}

server() {
	local k way name generation before port pid signal command look status
	files
	check 'setup-flowpar.sh up' affinity/setup-flowpar.sh up --bond bond0 --slaves eth0,eth1 --cpus 0-1 \
		--address "$LAB_SERVER/24" --port 80,443 --base-port 8000,9000
	ip address add fd77::1/64 dev bond0 nodad
	configs/flowpar-ticket-keys
	applications
	[[ " ${ways[*]} " != *' unit '* ]] || check 'systemd runs' start_systemd
	lab-ready
	for way in "${ways[@]}"; do
		for k in "${!servers[@]}"; do
			name=${servers[k]}
			template "$name" 0
			"start_$way" "$name" "${templates[k]}" || not_ok "$way $name: starts"
			check "$way $name: listens" wait_until 300 listening
			# Who answers has its workers; nginx listens before it has.
			for port in 8000 8008; do
				curl -s -m 300 -o /dev/null "http://127.0.0.1:$port/small.txt"
			done
			before=$(processes "$name")
			[[ $way == run ]] || unit_placed "$name"
			lab-post "up-$way-$name"
			for generation in ${generations[$way]}; do
				lab-wait "loaded-$way-$name-$generation" > /dev/null
				template "$name" "$generation"
				check "$way $name: reload $generation" "reload_$way" "$name"
				lab-post "reloaded-$way-$name-$generation"
			done
			lab-wait "done-$way-$name" > /dev/null
			check "$way $name: what went on with old requests has ended" wait_until 300 as_before "$name"
			[[ $way != run ]] || slip "$name" "${templates[k]}"
			status=0
			"stop_$way" "$name" || status=$?
			same "$way $name: stops in order" 0 "$status"
			check "$way $name: nobody listens any more" wait_until 300 nobody_listens
		done
	done
	lab-wait client-exit > /dev/null
}

# --- switch guest -------------------------------------------------------------------

curl_() { lab-client "$1" curl -sk -m 300 --connect-to "::$LAB_SERVER:" "${@:2}"; }
header() {	# header CLIENT NAME URL [OPTION]...
	curl_ "$1" -o /dev/null -D - "${@:3}" | tr -d '\r' | sed -n "s/^$2: //Ip"
}

redirects() {	# redirects NAME
	local scheme
	for scheme in http https; do
		same "$1, $scheme: redirect to a directory is a path" /dir/ "$(header 0 location "$scheme://www.example.com/dir")"
		same "$1, $scheme: ... with a port in the Host header" /dir/ "$(header 0 location "$scheme://www.example.com/dir" -H 'Host: www.example.com:8080')"
		same "$1, $scheme: ... followed, it arrives" 'of the directory' "$(curl_ 1 -L "$scheme://www.example.com/dir")"
		same "$1, $scheme: a redirect of one's own repeats the Host header" https://www.example.com/dir/ \
			"$(header 0 location "$scheme://www.example.com/secure")"
	done
	for scheme in http https; do
		same "$1, $scheme: over IPv6 the same" 'of the directory' "$(lab-client 0 curl -sk -m 300 "$scheme://[fd77::1]/dir/")"
	done
	same "$1, http: the application is told port 80" 80 "$(curl_ 1 http://www.example.com/port.cgi)"
	same "$1, https: and 443" 443 "$(curl_ 1 https://www.example.com/port.cgi)"
}

# session CLIENT VERSION in|out: "CPU New" or "CPU Reused"
session() {
	printf 'GET /small.txt HTTP/1.0\r\nHost: www.example.com\r\n\r\n' |
		lab-client "$1" openssl s_client "-tls$2" -ign_eof "-sess_$3" "/run/session$2" -connect "$LAB_SERVER:443" 2>&1 |
		tr -d '\r' | awk -F '[:,] *' 'tolower($1) == "x-cpu" { cpu = $2 } /^(New|Reused)/ && !how { how = $1 } END { print cpu, how }'
}

tickets() {	# tickets NAME
	local version first second
	first=$(header 0 x-cpu http://www.example.com/small.txt) second=$((1 - first))	# which link a client has is the switch's choice
	for version in 1_2 1_3; do
		same "$1: a TLS $version session that CPU $first's instance began" "$first New" "$(session 0 $version out)"
		same "$1: ... is resumed by CPU $second's" "$second Reused" "$(session 1 $version in)"
	done
}

load() {	# load CLIENT FILE: requests until /run/go is there; into FILE what came of them
	local n=0
	until [[ -e /run/go ]]; do
		n=$((n + 1))
		lab-client "$1" ab -q -r -n 40 -c 2 "http://$LAB_SERVER/small.txt" > "$2.$n" 2>&1 || echo "Failed requests: ab exit $?" >> "$2.$n"
	done
}
generation() {	# both cores serve it
	[[ $(for k in 0 1; do header "$k" content-type http://www.example.com/small.txt; done) == "text/x-$1"$'\n'"text/x-$1" ]]
}
held() { (($(grep -sxl held "$dir"/hold.* | wc -l) == $1)); }

reloads() {	# reloads WAY NAME
	local dir=$LAB_OUT/$1-$2 k n generation pids=() pid status=0
	mkdir -p "$dir"
	rm -f /run/go
	for k in 0 1; do
		load $k "$dir/ab.$k" &
		pids+=($!)
	done
	for generation in ${generations[$1]}; do
		for k in 0 1; do
			lab-client $k python3 tests/servers/hold.py "$LAB_SERVER" /big.txt /run/go > "$dir/hold.$generation.$k" 2>&1 &
			pids+=($!)
		done
		check "$1 $2: downloads under way before reload $generation" wait_until 300 held $((2 * generation))
		lab-post "loaded-$1-$2-$generation"
		lab-wait "reloaded-$1-$2-$generation" > /dev/null
		check "$1 $2: reload $generation arrives on both cores" wait_until 300 generation "$generation"
	done
	touch /run/go
	for pid in "${pids[@]}"; do
		wait "$pid" || status=1
	done
	n=$(wc -w <<< "${generations[$1]}")
	same "$1 $2: $((8 * n)) downloads across reloads are whole, kept connections answered or closed" \
		"0 $((8 * n)) $((2 * n))" "$status $(cat "$dir"/hold.* | grep -cE '^(80|443) whole$') $(cat "$dir"/hold.* | grep -cE '^kept (answered|closed)$')"
	same "$1 $2: of the requests meanwhile none failed" '' \
		"$(awk '/^Complete requests:/ { n += $3 } /^Failed requests:/ && $3 != 0 || /^Non-2xx/ { print FILENAME ": " $0 } END { if (n < 80 || n != 40 * (ARGC - 1)) print n " complete" }' "$dir"/ab.*)"
}

client() {
	local way name k
	for k in 0 1; do
		lab-client $k ip address add fd77::c$k/64 dev eth0 nodad
	done
	for way in "${ways[@]}"; do
		for name in "${servers[@]}"; do
			lab-wait "up-$way-$name" > /dev/null
			if [[ $way == run ]]; then
				redirects "$name"
				tickets "$name"
			fi
			reloads "$way" "$name"
			lab-post "done-$way-$name"
		done
	done
}

servers_lab() {
	case ${LAB_ROLE:-host} in
	host)
		make -s -C "$repo/ctl" || { not_ok 'flowparctl builds'; finish; }
		lab_run --cpus 2 --nics 2 --timeout 1500 ;;
	server) server ;;
	client) client ;;
	esac
	finish
}
