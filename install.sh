#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Installs what is built: install.sh tools|dkms|bench...
#
#   DESTDIR     put before every path (for packages)
#   PREFIX      /usr/local
#   SYSCONFDIR  /etc
#
# By wildcard over the folders, so that a new unit, template or page needs no line here.
# Files that name a program or a folder of ours in /usr get PREFIX instead.
set -euo pipefail
shopt -s nullglob
cd "$(dirname "$0")"

prefix=${PREFIX:-/usr/local} etc=${SYSCONFDIR:-/etc} dest=${DESTDIR:-}
[[ $prefix == /* && $etc == /* ]] || { echo "install.sh: PREFIX and SYSCONFDIR: want absolute paths" >&2; exit 2; }
version=$(sed -nE '1s/.*\((.*)\).*/\1/p' debian/changelog)

# put MODE DIR FILE...: nothing, if there is no FILE
put() {
	local mode=$1 dir=$2 file
	shift 2
	for file; do
		install -D -m "$mode" -t "$dest$dir" "$file"
	done
}

# Of paths below /usr, only those of ours: other programs stay where they are.
relocate() {	# relocate FILE...
	[[ $prefix == /usr ]] || (($# == 0)) ||
		sed -i -E "s#/usr/(s?bin/(flowpar|setup-flowpar)|(share|lib)/flowpar)#$prefix/\1#g" "$@"
}

# put_new MODE DIR FILE...: the administrator's, so one that is there stays as it is
put_new() {
	local mode=$1 dir=$2 file
	shift 2
	for file; do
		if [[ -e $dest$dir/${file##*/} ]]; then
			echo "install.sh: $dir/${file##*/}: kept as it is"
			continue
		fi
		put "$mode" "$dir" "$file"
		relocate "$dest$dir/${file##*/}"
	done
}

link() {	# link TARGET NAME: relative, so that it holds with any DESTDIR
	mkdir -p "$dest${2%/*}"
	ln -sfrn "$dest$1" "$dest$2"
}

executables() {	# executables FILE...: those that are programs, one a line
	local file
	for file; do
		[[ ! -f $file || ! -x $file ]] || echo "$file"
	done
}

install_tools() {
	local share=$prefix/share/flowpar file files
	[[ -x out/bin/flowparctl ]] || { echo "install.sh: out/bin/flowparctl: not built; run make ctl" >&2; exit 1; }
	put 755 "$prefix/sbin" out/bin/flowparctl
	put 644 "$prefix/lib/flowpar" out/lib/flowpar/reuseport.so
	put 755 "$share/affinity" affinity/*.sh
	put 644 "$share/affinity/lib" affinity/lib/*.sh
	# It finds its lib/ from where it really is.
	link "$share/affinity/setup-flowpar.sh" "$prefix/sbin/setup-flowpar.sh"
	mapfile -t files < <(executables configs/*)
	put 755 "$prefix/sbin" ${files[@]+"${files[@]}"}
	put 644 "$share/configs" configs/*.in
	# The units read the administrator's templates; the ones above stay as they came.
	put_new 644 "$etc/flowpar" configs/*.conf configs/*.in configs/*.env
	put 644 "$prefix/lib/systemd/system" configs/systemd/*.{service,target,timer,path,socket}
	put 644 "$prefix/share/doc/flowpar" README.md docs/*.md
	while read -r file; do
		install -D -m 644 "$file" "$dest$prefix/share/doc/flowpar/examples/${file#configs/}"
	done < <(find configs/switch -type f 2>/dev/null)
	for file in docs/man/*.[1-9]; do
		[[ ${file##*/} == flowpar-dkms.8 ]] || put 644 "$prefix/share/man/man${file##*.}" "$file"
	done
	# A page is looked for under the command's name.
	[[ ! -e docs/man/setup-flowpar.8 ]] ||
		ln -sf setup-flowpar.8 "$dest$prefix/share/man/man8/setup-flowpar.sh.8"
	relocate "$dest$prefix/lib/systemd/system"/flowpar* "$dest$share/configs"/*
	for file in configs/*; do
		[[ ! -f $file || ! -x $file ]] || relocate "$dest$prefix/sbin/${file##*/}"
	done
}

# DKMS looks for sources in /usr/src, and for nothing anywhere else.
install_dkms() {
	local dir=/usr/src/flowpar-bonding-$version series
	put 644 "$dir" bonding/dkms/{kernels,Kbuild,bond_flowpar_compat.h} bonding/bond_cpu_bound.[ch]
	put 755 "$dir" bonding/dkms/prepare
	echo "$version" > "$dest$dir/version"
	# The releases of `kernels` as one regular expression.
	sed -e "s/@VERSION@/$version/" \
		-e "s/@KERNELS@/$(sed -nE '/^[0-9]/{s/[[:space:]].*//; s/[.+]/\\\\&/g; p}' bonding/dkms/kernels | paste -sd'|')/" \
		bonding/dkms/dkms.conf.in > "$dest$dir/dkms.conf"
	for series in kernel-patches/[0-9]*/series; do
		series=${series%/series}
		put 644 "$dir/patches/${series##*/}" "$series"/series "$series"/*.patch
	done
	dir=/usr/src/nf-flowpar-$version
	put 644 "$dir" netfilter/*.[ch] netfilter/Kbuild
	put 644 "$dir/uapi/linux" netfilter/uapi/linux/*.h
	sed -e "s/@VERSION@/$version/" netfilter/dkms.conf.in > "$dest$dir/dkms.conf"
	put 755 "$prefix/sbin" bonding/dkms/flowpar-dkms
	sed -i "s/@VERSION@/$version/" "$dest$prefix/sbin/flowpar-dkms"
	put 755 "$etc/kernel/postinst.d" bonding/dkms/dkms-flowpar
	put 755 "$etc/kernel/header_postinst.d" bonding/dkms/dkms-flowpar
	put 644 "$prefix/share/man/man8" docs/man/flowpar-dkms.8
	relocate "$dest$etc"/kernel/{,header_}postinst.d/dkms-flowpar
}

# The benchmark and its lab as source, with the kernel's side that it boots: they build below
# where they lie, so flowpar-bench copies them first.
install_bench() {
	local dir=$prefix/share/flowpar/source file
	while read -r file; do
		put "$([[ -x $file ]] && echo 755 || echo 644)" "$dir/${file%/*}" "$file"
	done < <(find affinity bench bonding configs ctl debian/changelog docs kernel-patches netfilter tests/lib.sh -type f \
		! -name '*.o' ! -name '*.ko' ! -name '*.mod*' ! -name '.*.cmd' ! -name '*.pyc')
	put 644 "$dir" Makefile Kbuild README.md CONTRIBUTING.md
	put 755 "$dir" install.sh
	put 755 "$prefix/bin" bench/flowpar-bench
	relocate "$dest$prefix/bin/flowpar-bench"
}

(($#)) || { echo "usage: install.sh tools|dkms|bench..." >&2; exit 2; }
for part; do
	case $part in
	tools|dkms|bench) "install_$part" ;;
	*) echo "install.sh: $part: want tools, dkms or bench" >&2; exit 2 ;;
	esac
done
