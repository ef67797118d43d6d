#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Debian packages that building, the lab and the tests need: deps.sh [GROUP]...
# Missing ones are installed as root; otherwise the apt-get line is printed and
# the exit status is 1. Without a group: all of them.
set -euo pipefail

packages() {	# GROUP PACKAGE WHY
	cat <<-END
	6.12   linux-source-6.12  the base that kernel-patches/6.12 applies to
	6.1    linux-source-6.1   the base that kernel-patches/6.1 applies to
	kernel gcc                compiles the kernel, flowparctl and the lab's programs
	kernel libc6-dev          headers for the above, libc.a for the lab's PID 1
	kernel make               kernel's and our build
	kernel flex               kernel configuration language
	kernel bison              kernel configuration language
	kernel bc                 kernel's time constants
	kernel libelf-dev         kernel's objtool
	kernel libssl-dev         kernel's certificate tools
	kernel patch              applies the series with fuzz 0
	kernel xz-utils           Debian's source is a .tar.xz
	kernel kmod               depmod for the built modules, modprobe in the guests
	kernel ccache             the second kernel build takes a fraction of the first
	kernel util-linux         flock, setpriv
	ctl    libmnl-dev         netlink messages of flowparctl
	ctl    pkg-config         finds libmnl
	ctl    clang              compiles the BPF program of --listen bpf
	ctl    bpftool            puts it into flowparctl, as a skeleton
	ctl    libbpf-dev         loads and attaches it
	iproute2 gcc              compiles ip
	iproute2 libc6-dev        headers for it
	iproute2 make             iproute2's build
	iproute2 patch            applies the series with fuzz 0
	iproute2 xz-utils         Debian's source is a .tar.xz
	iproute2 util-linux       flock, setpriv
	iproute2 pkg-config       finds the libraries
	iproute2 libmnl-dev       without it ip would not show why the kernel refuses
	iproute2 dpkg-dev         unpacks Debian's source package
	iproute2 debian-archive-keyring  whose signature apt asks for
	lab    qemu-system-x86    the guests
	lab    iproute2           bonds, bridges, namespaces in the guests; ss
	lab    ethtool            speed of virtio NICs, queues
	lab    procps             sysctl in the guests
	lab    cpio               the model lab's initramfs
	bench  lighttpd           the server of the original experiment
	bench  nginx              the server that can SO_REUSEPORT: set-up reuseport, SERVER=nginx
	bench  lighttpd-mod-openssl  https in lighttpd
	bench  haproxy            the proxy among the servers; neither started nor enabled
	bench  apache2-utils      ab, its load generator
	bench  nftables           --listen nft; firewall check of setup-flowpar.sh
	bench  linux-perf         perf stat beside the benchmark
	bench  gnuplot-nox        draws the figures
	bench  bsdextrautils      column, for the text tables
	test   shellcheck         scripts are checked by it
	test   sparse             kernel code is checked by it
	test   perl               checkpatch.pl
	test   python3            YNL's generator, raw netlink and packets in tests
	test   python3-yaml       YNL's generator
	test   tcpdump            captures at the switch
	test   openssl            certificates; which sessions a server resumes
	test   openvswitch-switch the lab's other switch, --switch ovs; not started
	test   systemd            runs the unit files in the lab
	test   mandoc             manual pages are checked by it
	test   curl               single requests with a chosen Host header
	test   iputils-ping       whether two hosts reach each other
	lab    jq                 writes run.json; reads JSON in the evaluation and tests
	test   pahole             structure layouts, stock against patched
	test   socat              TCP in the kernel selftest
	test   busybox            a small server for the set-up's tests
	test   irqbalance         what setup-flowpar.sh keeps off the NICs' interrupts
	test   git                which files the style test looks at
	package debhelper         packs flowpar itself
	package dh-dkms           knows flowpar-dkms's files
	package dpkg-dev          packs flowpar itself
	package lintian           what Debian would find wrong with the packages
	package debootstrap       a Debian to install the packages and Debian's kernels in
	deb    dpkg-dev           packs the kernel
	deb    debhelper          packs the kernel
	deb    cpio               kernel headers package
	deb    rsync              kernel headers package
	deb    pahole             kernel configurations with BTF, as Debian's
	deb    zstd               compressed kernel or modules, if the configuration asks
	deb    lz4                the same
	deb    lzop               the same
	deb    openssl            signed modules, if the configuration asks
	END
}

(($#)) || set -- kernel 6.12 6.1 iproute2 ctl lab bench test package
missing=()
while read -r group package _; do
	[[ " $* " == *" $group "* ]] || continue
	[[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done < <(packages)
((${#missing[@]})) || exit 0

line="apt-get install -y --no-install-recommends ${missing[*]}"
if ((EUID)); then
	printf 'flowpar: missing packages; as root:\n  %s\n' "$line" >&2
	exit 1
fi
[[ ${XDG_CACHE_HOME:-} == /* ]] || XDG_CACHE_HOME=$HOME/.cache
log=$XDG_CACHE_HOME/flowpar/apt.log
mkdir -p "${log%/*}"
echo "installing ${#missing[@]} packages (log: $log): ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
# A web server's package would enable and start it: on port 80, for everybody.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' > "$policy"
	chmod +x "$policy"
fi
# A fresh machine's package lists may be empty or old.
if ! { apt-get update && $line; } > "$log" 2>&1; then
	printf 'flowpar: installing failed; see %s\n' "$log" >&2
	tail -n 5 "$log" >&2
	exit 1
fi
if [[ -d /run/systemd/system ]]; then
	for package in lighttpd nginx haproxy irqbalance openvswitch-switch; do
		[[ " ${missing[*]} " != *" $package "* ]] || systemctl -q disable "$package" >> "$log" 2>&1 || true
	done
fi
