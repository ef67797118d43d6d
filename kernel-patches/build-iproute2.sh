#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds an ip that knows cpu-bound into the cache and prints its directory: build-iproute2.sh [--print]
#
# Debian's source package of iproute2 and iproute2/series; only the program ip. apt
# fetches the package, with its checks and the system's settings, but with
# a source list and state of its own: the system's are neither read nor written, and
# no root is needed. It comes from where apt has the binary packages from, or from
# FLOWPAR_DEBIAN_MIRROR.
# The package stays in the cache for the next build.
#
# The directory's name carries a hash of everything that went in, so one that
# exists is valid: it is built aside and renamed as the last step. --print says
# where it would be; exit status 1 if it is not there yet. The full output goes to
# build-iproute2.log in the cache.
set -euo pipefail
# shellcheck source=kernel-patches/tree.sh
. "$(dirname "$0")/tree.sh"

version=6.1.0-3
suite=bookworm
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
patches=${FLOWPAR_IPROUTE2_PATCHES:-$here/iproute2}	# tests break a copy
package=$cache/source-iproute2-$version

print=0
case ${1-} in
'') ;;
--print) print=1 ;;
*) sed -n '3s/.*: //p' "$0" >&2; exit 2 ;;
esac

need_tools gcc:gcc make:make patch:patch xz:xz-utils pkg-config:pkg-config flock:util-linux \
	dpkg-source:dpkg-dev $keyring:debian-archive-keyring /usr/include/libmnl/libmnl.h:libmnl-dev

names() {
	sed -e 's/[[:space:]]*#.*//' -e '/^$/d' "$patches/series"
}

set_dir() {
	local name lib hash
	hash=$({
		echo "$version"
		for name in $(names); do
			sha256sum < "$patches/$name"
		done
		cat "$here/tree.sh" "$here/build-iproute2.sh"
		gcc --version
		# What iproute2's configure finds is linked.
		for lib in libmnl libelf libbpf libcap libbsd libselinux libtirpc; do
			pkg-config --modversion "$lib" 2>/dev/null || echo "no $lib"
		done
	} | sha256sum)
	dir=$cache/iproute2-$version-${hash:0:12}
}

# set_mirror: where apt has the suite's binary packages from
set_mirror() {
	# shellcheck disable=SC2016	# apt's variable
	mirror=${FLOWPAR_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $suite" | head -n1)}
	[[ $mirror ]] || die "apt has no source of Debian $suite; set FLOWPAR_DEBIAN_MIRROR to one that has iproute2 $version"
}

# fetch: Debian's source package into $package
fetch() {
	local apt=(apt-get -q -o "Dir::Etc::sourcelist=$work/flowpar.sources" -o Dir::Etc::sourceparts=-
		-o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/apt"
		-o Acquire::AllowInsecureRepositories=false -o APT::Get::AllowUnauthenticated=false
		-o APT::Update::Error-Mode=any)
	# apt's own user cannot write into root's cache; what counts is the signature.
	((EUID)) || apt+=(-o APT::Sandbox::User=root)
	[[ ! -d $package ]] || return 0
	set_mirror
	say "$(elapsed)  fetching Debian's source of iproute2 $version"
	mkdir -p "$work"/{lists,apt/archives,package}/partial
	rmdir "$work/package/partial"
	cat > "$work/flowpar.sources" <<-END
		Types: deb-src
		URIs: $mirror
		Suites: $suite
		Components: main
		Signed-By: $keyring
	END
	if ! (
		cd "$work/package"
		"${apt[@]}" update && "${apt[@]}" source --only-source --download-only "iproute2=$version"
	) >> "$log" 2>&1; then
		die "iproute2 $version cannot be had from $mirror:" \
			"$(grep -m1 '^E: ' "$log" || tail -n1 "$log"); set FLOWPAR_DEBIAN_MIRROR to one that has it; full output: $log"
	fi
	mv -T "$work/package" "$package"
}

set_dir
if ((print)); then
	echo "$dir"
	[[ -d $dir ]]
	exit
fi

# In a function, because bash reads a script while it runs it.
build() {
	local name
	if [[ ! -d $dir ]]; then
		mkdir -p "$cache"
		exec 9>> "$cache/lock-iproute2"
		flock 9
	fi
	if [[ ! -d $dir ]]; then
		rm -rf "$cache"/tmp-iproute2.*	# left by a build that was killed: we hold the lock
		work_in "$cache" tmp-iproute2
		log=$cache/build-iproute2.log
		say "building iproute2 $version, log $log"
		: > "$log"
		fetch
		# It compares the files with the sums that came with the signature.
		dpkg-source -x "$package"/*.dsc "$work/src" >> "$log" 2>&1 ||
			die "$package: cannot be unpacked; remove it and run this again; full output: $log"
		for name in $(names); do
			patch -d "$work/src" -p1 -F0 --no-backup-if-mismatch -N -r - < "$patches/$name" >> "$log" 2>&1 ||
				die "kernel-patches/iproute2/$name does not apply to iproute2 $version with fuzz 0; full output: $log"
		done
		(
			cd "$work/src"
			./configure
			# As Debian's: its own headers, and where it keeps namespaces.
			setpriv --pdeathsig TERM make -j"$(nproc)" SUBDIRS='lib ip' V=1 KERNEL_INCLUDE=./include NETNS_RUN_DIR=/run/netns
		) >> "$log" 2>&1 9>&- || die "iproute2 does not build: $(grep -m1 -E 'error:|Error ' "$log" || tail -n1 "$log"); full output: $log"
		mkdir "$work/new"
		strip -o "$work/new/ip" "$work/src/ip/ip"
		mv -T "$work/new" "$dir"
		find "$cache" -maxdepth 1 -type d -name "iproute2-*-????????????" -printf '%T@ %p\n' |
			sort -rn | tail -n +4 | cut -d' ' -f2- | xargs -r -d '\n' rm -rf --
		say "$(elapsed)  done"
	fi
	touch "$dir"		# what was used last is cleaned up last
	echo "$dir"
}

build
