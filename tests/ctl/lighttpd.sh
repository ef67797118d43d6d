#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: lighttpd per core from the template serves, redirects to what the client asked for and never to its per-core port; a port in use is refused by name.
# Suite: unit
# Placeholders in braces and functions called by name are meant.
# shellcheck disable=SC1083,SC2016,SC2317
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

command -v lighttpd > /dev/null || { not_ok "lighttpd is installed"; finish; }
make -s -C "$repo/ctl" SAN=1 > "$test_out/build.log" 2>&1 || not_ok "flowparctl builds" "$(tail "$test_out/build.log")"
ctl=$repo/out/san/bin/flowparctl
cpu=$(awk '/^Cpus_allowed_list/ { sub(/[-,].*/, "", $2); print $2 }' /proc/self/status)
export XDG_RUNTIME_DIR=$test_out
export FLOWPAR_DOCROOT=$test_out/docs
pid=
trap '[[ -z $pid ]] || kill -KILL $pid' EXIT

mkdir -p "$FLOWPAR_DOCROOT/dir"
echo 'of the directory' > "$FLOWPAR_DOCROOT/dir/index.html"
printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\necho "$SERVER_NAME $SERVER_PORT"\n' > "$FLOWPAR_DOCROOT/env.cgi"
chmod +x "$FLOWPAR_DOCROOT/env.cgi"

# The template as it comes, for a test: loopback only. $1: further lines
template() {
	cp "$repo/configs/lighttpd.conf.in" "$test_out/template"
	printf 'server.bind = "127.0.0.1"\n%s\n' "${1:-}" >> "$test_out/template"
}

# Two instances on one CPU; a point once both listen
start() {	# start TEXT
	mkfifo "$test_out/ready"
	"$ctl" run --cpus "$cpu" --port-base 17100 --per-core 2 --wait-listen 20 --ready-fd 9 --template "$test_out/template" \
		--check 'lighttpd -tt -f {conf}' -- lighttpd -D -f {conf} > "$test_out/log" 2>&1 9> "$test_out/ready" &
	pid=$!
	read -r -t 30 < "$test_out/ready"
	same "$1" 0 $?
	rm "$test_out/ready"
}

stop() {	# stop TEXT
	local status=0
	kill -TERM "$pid"
	wait "$pid" || status=$?
	pid=
	same "$1" 0 "$status"
}

# What a client sees whose connection to public port 80 (or another) reached port 17101
location() {	# location PATH [curl option]...
	curl -s -o "$test_out/body" -D - "http://127.0.0.1:17101$1" "${@:2}" | tr -d '\r' | sed -n 's/^Location: //p'
}
get() { curl -s "http://127.0.0.1:17101$1" "${@:2}"; }

template
start "two lighttpd listen, said so on the ready descriptor"
check "and in words" grep -q '^flowparctl: run: 2 servers listen$' "$test_out/log"
same "a file is served" 'of the directory' "$(get /dir/index.html)"
same "redirect to a directory: a path, right for every client" /dir/ "$(location /dir -H 'Host: www.example.com')"
same "... with a public port that is not 80" /dir/ "$(location /dir -H 'Host: www.example.com:8080')"
same "... without a Host header" /dir/ "$(location /dir -0 -H 'Host:')"
same "followed through the public address, it arrives" 'of the directory' \
	"$(get /dir -L --connect-to ::127.0.0.1:17101 --url http://www.example.com:8080/dir | tail -n 1)"

check_fails "a port in use is refused by name" 1 \
	"^flowparctl: port 17101: in use by a listening socket on 127.0.0.1, user id [0-9]+; stop it" \
	"$ctl" run --cpus "$cpu" --port-base 17101 -- /bin/false
masters=$(pgrep -P "$pid" -x lighttpd | xargs)
kill -USR1 "$pid"
# lighttpd waits up to 5 s for its connections before it reads its configuration again
restarted() { (($(grep -c 'server started' "$test_out/log") == 4)); }
check "SIGUSR1, lighttpd's graceful restart, reaches both" wait_until 20 restarted
same "... and needs no new process" "$masters" "$(pgrep -P "$pid" -x lighttpd | xargs)"
same "... and they serve" 'of the directory' "$(get /dir/)"
# Stopped while it is starting again, lighttpd need not end well: both are to be through.
both_serve() { curl -sf -o /dev/null http://127.0.0.1:17100/dir/ && curl -sf -o /dev/null http://127.0.0.1:17101/dir/; }
check "... both" wait_until 20 both_serve
echo 'server.nonsense {' >> "$test_out/template"
kill -USR1 "$pid"
check "a reload with a slip in the template is refused in one line" wait_until 20 \
	grep -qE '^flowparctl: .*/template: --check of the configuration for port 17100 \(CPU [0-9]+\) exited with status 255; nothing is reloaded' "$test_out/log"
same "... and both go on, not even started again" "$masters 4" "$(pgrep -P "$pid" -x lighttpd | xargs) $(grep -c 'server started' "$test_out/log")"
same "... and serve" 'of the directory' "$(get /dir/)"
sed -i '$d' "$test_out/template"
kill -USR1 "$pid"
restarted_again() { (($(grep -c 'server started' "$test_out/log") == 6)); }
check "... until it is mended, and reloaded" wait_until 20 restarted_again
check "... they serve" wait_until 20 both_serve
stop "SIGTERM ends all, status 0"

template '
server.modules += ( "mod_redirect", "mod_cgi" )
cgi.assign = ( ".cgi" => "" )
url.redirect = (
	"^/authority/(.*)" => "http://${url.authority}/$1",
	"^/port/(.*)" => "http://www.example.com:${url.port}/$1",
)'
start "(starts with mod_redirect and mod_cgi)"
same 'url.redirect with ${url.authority} repeats the Host header' http://www.example.com/x \
	"$(location /authority/x -H 'Host: www.example.com')"
same '... with its port' http://www.example.com:8080/x "$(location /authority/x -H 'Host: www.example.com:8080')"
same 'url.redirect with ${url.port} shows the per-core port, as the template warns' http://www.example.com:17101/x \
	"$(location /port/x -H 'Host: www.example.com')"
same "SERVER_PORT of a CGI is the per-core port, as the template says" "www.example.com 17101" \
	"$(get /env.cgi -H 'Host: www.example.com')"
stop "(stops)"

template '
server.modules += ( "mod_setenv", "mod_cgi" )
cgi.assign = ( ".cgi" => "" )
server.feature-flags += ( "server.absolute-dir-redirect" => "enable" )
setenv.set-environment = ( "SERVER_PORT" => "80" )'
start "(starts with mod_setenv)"
same "setenv gives a CGI the public port" "www.example.com 80" "$(get /env.cgi -H 'Host: www.example.com')"
same "absolute-dir-redirect repeats the Host header" http://www.example.com:8080/dir/ \
	"$(location /dir -H 'Host: www.example.com:8080')"
same "... but names the per-core port without one, as the template warns" :17101/dir/ "$(location /dir -0 -H 'Host:' | grep -o ':17101/dir/')"
stop "(stops)"

template 'server.nonsense {'
check_fails "lighttpd that cannot start: waiting ends, status 1" 1 \
	'run: (nothing listens on port 17100 after 1 s|no server stays up)' \
	"$ctl" run --cpus "$cpu" --port-base 17100 --wait-listen 1 --template "$test_out/template" -- lighttpd -D -f {conf}
finish
