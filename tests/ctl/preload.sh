#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: the library that --listen reuseport preloads lets several sockets have the public port, of either family and protocol, and changes nothing else
# Suite: unit
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

make -s -C "$repo/ctl" > "$test_out/build.log" 2>&1 || not_ok "it builds" "$(tail "$test_out/build.log")"
library=$repo/out/lib/flowpar/reuseport.so

# binds PUBLIC FAMILY TYPE PORT: two sockets; says "twice", or which error the second had
binds() {
	LD_PRELOAD=$library FLOWPAR_PORT=${1#-} /usr/bin/python3 - "${@:2}" <<-'END'
	import errno, os, socket, sys
	family, kind, port = getattr(socket, sys.argv[1]), getattr(socket, sys.argv[2]), int(sys.argv[3])
	os.environ.pop("FLOWPAR_PORT", None)
	os.unsetenv("FLOWPAR_PORT")
	socks = [socket.socket(family, kind) for _ in range(2)]
	for sock in socks:
	    if family == socket.AF_INET6:
	        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
	    try:
	        sock.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", port))
	        if kind == socket.SOCK_STREAM:
	            sock.listen()
	    except OSError as error:
	        sys.exit(print(errno.errorcode[error.errno]))
	print("twice", *(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) for sock in socks))
	END
}

for family in AF_INET AF_INET6; do
	for kind in SOCK_STREAM SOCK_DGRAM; do
		same "$family, $kind: two have the public port" 'twice 1 1' "$(binds 17900 $family $kind 17900)"
		same "... and one any other" EADDRINUSE "$(binds 17900 $family $kind 17901)"
	done
done
same "a port that the kernel chooses is left alone" 'twice 0 0' "$(binds 17900 AF_INET SOCK_STREAM 0)"
same "without FLOWPAR_PORT none is shared" EADDRINUSE "$(binds - AF_INET SOCK_STREAM 17900)"
same "a socket of another kind is bound as ever" '/x' "$(cd "$test_out" && LD_PRELOAD=$library FLOWPAR_PORT=17900 /usr/bin/python3 -c '
import socket
s = socket.socket(socket.AF_UNIX)
s.bind("/x"[1:])
print("/" + s.getsockname())')"
finish
