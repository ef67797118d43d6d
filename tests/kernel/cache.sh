#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: what is in the kernel cache is complete; a build that cannot end well says why and leaves nothing
# Suite: unit
. "$(dirname "$0")/../lib.sh"

build=$repo/kernel-patches/build.sh
# A cache of its own; compiled objects may come from the common one.
export CCACHE_DIR=${CCACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/flowpar/ccache}
export XDG_CACHE_HOME=$test_out/cache
cache=$XDG_CACHE_HOME/flowpar
trap 'rm -rf "$XDG_CACHE_HOME"' EXIT

nothing_left() {	# neither a kernel nor a directory to build one in
	! compgen -G "$cache/kernel-*" && ! compgen -G "$cache/tmp-*"
}

says() {	# says REGEX
	grep -qE -- "$1" "$test_out/said"
}

started() {	# started VARIANT: build in the background, killed or not by the caller
	"$build" "$1" > "$test_out/said" 2>&1 &
	pid=$!
}

check_fails "--print of what is not built: 1 and the place" 1 "^$cache/kernel-6.12-patched-[0-9a-f]{12}\$" "$build" --print patched
check_fails "an unknown variant: usage" 2 '\[patched\|stock\|debug\]' "$build" fast
check_fails "an unknown version: those there are" 1 '7\.1: no such kernel; there are 6\.1 6\.12$' "$build" patched-7.1
mkdir "$test_out/linux"
printf 'VERSION = 6\nPATCHLEVEL = 11\n' > "$test_out/linux/Makefile"
tar -C "$test_out" -cJf "$test_out/linux.tar.xz" linux
check_fails "a tarball of another version is named" 1 'linux.tar.xz: is Linux 6.11; .* one of 6.1$' \
	env FLOWPAR_LINUX_SOURCE="$test_out/linux.tar.xz" "$build" stock-6.1
check "... and nothing is left" nothing_left
check_fails "no source package: names it" 1 'apt-get install linux-source-6.12' \
	env FLOWPAR_LINUX_SOURCE=/nonexistent/linux.tar.xz "$build" stock

a=$("$build" --print patched)
for file in lab.config flowpar.config; do
	cp -r "$repo/configs" "$test_out/configs"
	echo "# changed" >> "$test_out/configs/$file"
	b=$(FLOWPAR_CONFIGS=$test_out/configs "$build" --print patched)
	check "another $file is another kernel" test "$a" != "$b"
	rm -r "$test_out/configs"
done
stock=$("$build" --print stock)
for kernel in patched stock; do
	check "$kernel of 6.1 is another kernel" test "$("$build" --print $kernel)" != "$("$build" --print $kernel-6.1)"
done
same "the version that is meant without one" "$a" "$("$build" --print patched-6.12)"
check "stock and patched are two kernels" test "${a##*-}" != "${stock##*-}"

cp -r "$repo/configs" "$test_out/configs"
printf 'CONFIG_NO_SUCH_THING=y\nCONFIG_IP_SET_HASH_IP=y\n' >> "$test_out/configs/lab.config"
FLOWPAR_CONFIGS=$test_out/configs "$build" stock > "$test_out/said" 2>&1
check "an option that cannot be had fails the build" test $? -eq 1
check "... one that does not exist is named with its fragment" says '^lab.config: CONFIG_NO_SUCH_THING=y did not make it'
check "... one without its dependencies too" says '^lab.config: CONFIG_IP_SET_HASH_IP=y did not make it'
check "... and nothing is left" nothing_left

started stock
check "a build starts" wait_until 180 compgen -G "$cache/tmp-*/src/Makefile"
"$build" stock > "$test_out/second" 2>&1 &
second=$!
check "a second one waits and says for whom" wait_until 10 grep -q "being built already (pid $pid)" "$test_out/second"
kill $second
wait_until 400 compgen -G "$cache/tmp-*/src/build/kernel/*.o"
pids=$(pgrep -f "make.*$cache/tmp" | wc -l)
kill -9 $pid
check "killed with -9 while compiling ($pids make): nobody goes on" \
	wait_until 60 bash -c '! pgrep -f "make.*$1/tmp"' _ "$cache"
check_fails "... and it does not count as built" 1 "^$stock\$" "$build" --print stock
left=$(compgen -G "$cache/tmp-*")

started stock
check "the next build removes what that one left" wait_until 300 test ! -e "$left"
wait_until 180 compgen -G "$cache/tmp-*/src/Makefile"
kill -TERM $pid
wait $pid
same "terminated: exit status" 143 $?
check "... and nothing is left" nothing_left
finish
