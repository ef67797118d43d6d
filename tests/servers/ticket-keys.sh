#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: flowpar-ticket-keys makes the next key the current one and so on, the same for nginx, HAProxy and lighttpd, readable by nobody else
# Suite: unit
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

((EUID == 0)) || skip "needs root, to give files to group www-data"
keys=$repo/configs/flowpar-ticket-keys
dir=$test_out/keys
sum() { sha256sum < "$dir/$1" | cut -d' ' -f1; }
# The current key as each of the three has it
of_haproxy() { sed -n "$1p" "$dir/haproxy" | base64 -d | sha256sum | cut -d' ' -f1; }
of_lighttpd() { tail -c 80 "$dir/lighttpd" | sha256sum | cut -d' ' -f1; }
ints() { od -A n -t d4 -N 12 "$dir/lighttpd" | xargs; }

check "the first call makes keys" "$keys" "$dir"
same "of 80 bytes, for nginx" "80 80 80" "$(stat -c %s "$dir"/nginx.{previous,current,next} | xargs)"
same "root and www-data read them, nobody else" "750 root www-data 640 root www-data" \
	"$(stat -c '%a %U %G' "$dir") $(stat -c '%a %U %G' "$dir"/nginx.* "$dir"/haproxy "$dir"/lighttpd | sort -u)"
same "HAProxy: previous, current, next" "$(sum nginx.previous) $(sum nginx.current) $(sum nginx.next)" "$(of_haproxy 1) $(of_haproxy 2) $(of_haproxy 3)"
same "lighttpd has the current one" "$(sum nginx.current)" "$(of_lighttpd)"
read -r version active expires <<< "$(ints)"
same "which counts from the start" "0 0" "$version $active"
check "for a day" test $((expires - EPOCHSECONDS)) -gt 86000

current=$(sum nginx.current) next=$(sum nginx.next)
check "--if-missing finds them" "$keys" --if-missing "$dir"
same "and leaves them" "$current $next" "$(sum nginx.current) $(sum nginx.next)"
check "the second call changes them" "$keys" "$dir"
same "current becomes previous, next current" "$current $next" "$(sum nginx.previous) $(sum nginx.current)"
check "and a new one comes" test "$(sum nginx.next)" != "$next"
same "HAProxy encrypts by the one that it knew as the next" "$next" "$(of_haproxy 2)"
same "lighttpd has it" "$next" "$(of_lighttpd)"
read -r version active expires <<< "$(ints)"
check "and begins once all instances have read it" test $((active - EPOCHSECONDS)) -gt 64
check_fails "a relative directory is a usage error" 2 '^flowpar-ticket-keys: keys: want at most one absolute path' "$keys" keys
check_fails "two are too" 2 '^flowpar-ticket-keys: /b: want at most one' "$keys" /a /b
finish
