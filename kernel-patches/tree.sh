# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Makes the kernel tree that everything is built from: Debian's source package,
# our files, our patches. Sourced by build.sh, build-deb.sh and the tests.
#
# Functions end the program through die(): a tree is complete or does not count.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/.." && pwd)
# A relative XDG_CACHE_HOME is invalid and ignored, as its specification says.
[[ ${XDG_CACHE_HOME:-} == /* ]] || XDG_CACHE_HOME=${HOME:?neither XDG_CACHE_HOME nor HOME is set}/.cache
cache=$XDG_CACHE_HOME/flowpar
# What `make V=1 test` means for us is nothing to the kernel's make.
unset MAKEFLAGS V
# Tests point this at a changed copy to break the build on purpose.
# shellcheck disable=SC2034 # for those who source this
configs=${FLOWPAR_CONFIGS:-$top/configs}

began=$SECONDS

say() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
	say "$@"
	exit 1
}

bases() {
	(cd "$here" && echo [0-9]*/series) | sed 's|/series||g'
}

# set_base X.Y: which kernel all that follows is about; one of bases.
set_base() {
	[[ -r $here/$1/series ]] || die "$1: no such kernel; there are $(bases)"
	base=$1
	# The package's file, or one given by hand: another tarball of X.Y.
	tarball=${FLOWPAR_LINUX_SOURCE:-/usr/src/linux-source-$base.tar.xz}
}
set_base 6.12

# need_tools NAME:PACKAGE...: every missing one in one apt-get line.
need_tools() {
	local need missing=()
	for need in "$@"; do
		[[ -e ${need%%:*} ]] || PATH=$PATH:/sbin:/usr/sbin command -v "${need%%:*}" >/dev/null ||
			missing+=("${need#*:}")
	done
	((${#missing[@]} == 0)) || die "missing tools; as root: apt-get install ${missing[*]}"
}
# shellcheck disable=SC2034
build_tools=(gcc:gcc make:make bc:bc flex:flex bison:bison patch:patch xz:xz-utils depmod:kmod
	setpriv:util-linux flock:util-linux /usr/include/libelf.h:libelf-dev)

# Our files, as "source:place in the kernel tree". Each exists once, here.
our_files() {
	local f
	for f in "$top"/bonding/bond_cpu_bound*.[ch]; do
		echo "$f:drivers/net/bonding/${f##*/}"
	done
	for f in "$top"/netfilter/*.[ch] "$top"/netfilter/{Kbuild,Kconfig}; do
		if [[ -e $f ]]; then
			echo "$f:net/netfilter/flowpar/${f##*/}"
		fi
	done
	for f in "$top"/netfilter/uapi/linux/*.h; do
		if [[ -e $f ]]; then
			echo "$f:include/uapi/linux/${f##*/}"
		fi
	done
}

series() {
	sed -e 's/[[:space:]]*#.*//' -e '/^$/d' "$here/$base/series"
}

package() {	# the installed source package and its version
	dpkg-query -W -f '${Package} ${Version}' "linux-source-$base" 2>/dev/null || true
}

# version_note: a line that says what the series was made for, if this is another one.
version_note() {
	local made
	made=$(sed -nE 's/.*, exactly: Debian.s (.*)\.$/\1/p' "$here/$base/README")
	[[ -n $made ]] || die "kernel-patches/$base/README: names no package"
	[[ $made == "$(package)" ]] ||
		echo "$(package): kernel-patches/$base was made for $made; if all tests pass, say so in its README"
}

# Which bytes go into a tree: tree_key patched|stock
tree_key() {
	local f name
	[[ -r $tarball ]] || die "$tarball: no kernel source; as root: apt-get install linux-source-$base"
	# The package is signed and versioned, so its 150 MB need no reading here.
	stat -Lc 'tarball %s' "$tarball"
	package
	echo
	[[ $1 != stock ]] || return 0
	for name in $(series); do
		sha256sum < "$here/$base/$name"
	done
	while IFS=: read -r f name; do
		echo "$name $(sha256sum < "$f")"
	done < <(our_files)
}

# unpack DIR: Debian's source in DIR.
unpack() {
	local is
	mkdir -p "$1"
	tar -C "$1" --strip-components=1 -I 'xz -T0' -xf "$tarball" ||
		die "$tarball: cannot be unpacked; reinstall linux-source-$base, or free space in $1"
	is=$(sed -nE 's/^(VERSION|PATCHLEVEL) = //p' "$1/Makefile" | paste -sd.)
	[[ $is == "$base" ]] || die "$tarball: is Linux $is; give FLOWPAR_LINUX_SOURCE one of $base"
}

add_our_files() {
	local f name
	while IFS=: read -r f name; do
		install -Dm644 "$f" "$1/$name"
	done < <(our_files)
}

# apply_patch DIR NAME: exactly as it was written, or not at all.
apply_patch() {
	local out
	out=$(patch -d "$1" -p1 -F0 --no-backup-if-mismatch -N -r - < "$here/$base/$2" 2>&1) ||
		die "kernel-patches/$base/$2 does not apply to $tarball with fuzz 0:"$'\n'"$out"
}

# patch_tree DIR: what is ours into an unpacked source.
patch_tree() {
	local name
	add_our_files "$1"
	for name in $(series); do
		apply_patch "$1" "$name"
	done
}

# make_tree DIR patched|stock
make_tree() {
	unpack "$1"
	[[ $2 == stock ]] || patch_tree "$1"
}

# set_make SRC: sets make_in to the make that builds there, with everything that
# must not differ between two builds of the same bytes. O=build below the
# source keeps every path that the compiler sees relative, so ccache hits
# whatever the directory is called.
set_make() {
	local cc=gcc
	if command -v ccache >/dev/null; then
		cc='ccache gcc'
		export CCACHE_DIR=${CCACHE_DIR:-$cache/ccache} CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-2G}
		export CCACHE_BASEDIR=$1 CCACHE_NOHASHDIR=1
		# With the preprocessor run of a miss saved, a cold cache costs little.
		export CCACHE_DEPEND=1
		# Freshly unpacked and generated files are as young as the build.
		export CCACHE_SLOPPINESS=include_file_mtime,include_file_ctime
	fi
	# pdeathsig: no orphan goes on building in a directory that the next run clears.
	make_in=(setpriv --pdeathsig TERM make -C "$1" O=build ARCH=x86_64 CC="$cc" HOSTCC="$cc"
		KBUILD_BUILD_TIMESTAMP="${KBUILD_BUILD_TIMESTAMP:-Thu Jan  1 00:00:00 UTC 1970}"
		KBUILD_BUILD_USER=flowpar KBUILD_BUILD_HOST=flowpar KBUILD_BUILD_VERSION=1)
}

kmake() {	# kmake SRC ARGS...
	set_make "$1"
	shift
	"${make_in[@]}" "$@"
}

elapsed() {
	printf '%4d s' $((SECONDS - began))
}

objects() {	# objects LOG: how many files the make behind LOG has made
	grep -cE '^  (CC|AS|LD|AR|HOSTCC) ' "$1" || true
}

# compile LOG ABOUT SRC ARGS...: kmake in the background, a line on stderr now and
# then. ABOUT, how many objects there will be, may be empty. Sets $builder
# while it runs, for the caller's cleanup.
builder=''
compile() {
	local log=$1 about=${2:+ of about $2} shown=$SECONDS status=0
	set_make "$3"
	shift 3
	# Our own child, not that of a function's subshell: pdeathsig is about us.
	"${make_in[@]}" "$@" > "$log" 2>&1 9>&- &
	builder=$!
	while kill -0 "$builder" 2>/dev/null; do
		sleep 1
		if ((SECONDS - shown >= 15)); then
			shown=$SECONDS
			say "$(elapsed)  compiling, $(objects "$log")$about objects"
		fi
	done
	wait "$builder" || status=$?
	builder=''
	((status == 0)) && return
	grep -aE -m 8 'error:|Error |undefined reference|No space left' "$log" >&2 || tail -n 8 "$log" >&2
	die "the kernel does not build, exit $status; full output: $log"
}

# work_in PARENT PREFIX: sets $work to a new directory, gone however we end.
work_in() {
	mkdir -p "$1"
	work=$(mktemp -d "$1/$2.XXXXXX")
	trap cleanup EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

cleanup() {
	if [[ -n $builder ]]; then
		kill "$builder" 2>/dev/null || true
		wait "$builder" 2>/dev/null || true
	fi
	rm -rf "$work"
}

# check_config .config FRAGMENT...: kconfig drops what it cannot satisfy without
# a word; here that is an error. A later fragment overrides an earlier one.
check_config() {
	awk -v config="$1" '
		function parse(line) {
			name = value = ""
			if (match(line, /^CONFIG_[A-Za-z0-9_]+=/)) {
				name = substr(line, 1, RLENGTH - 1); value = substr(line, RLENGTH + 1)
			} else if (match(line, /^# CONFIG_[A-Za-z0-9_]+ is not set$/)) {
				name = substr(line, 3, RLENGTH - 13); value = "n"
			}
			return name != ""
		}
		FILENAME == config { if (parse($0)) found[name] = value; next }
		parse($0) { want[name] = value; where[name] = FILENAME }
		END {
			for (name in want) {
				have = name in found ? found[name] : "n"
				if (have != want[name]) {
					n = split(where[name], part, "/")
					printf "%s: %s=%s did not make it into .config (there: %s); its dependencies are not met\n",
						part[n], name, want[name], have
					bad = 1
				}
			}
			exit bad
		}' "$@"
}

# configure SRC FRAGMENT...: SRC/build/.config out of nothing but the fragments.
configure() {
	local src=$1 bad
	shift
	mkdir -p "$src/build"
	cat "$@" > "$src/build/fragments"
	KCONFIG_ALLCONFIG=fragments kmake "$src" allnoconfig > "$src/build/configure.log" 2>&1 ||
		die "the kernel cannot be configured:"$'\n'"$(tail -n 20 "$src/build/configure.log")"
	bad=$(check_config "$src/build/.config" "$@") || die "not in .config:"$'\n'"$bad"
}
