# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154	# who sources this sets $repo
# A Debian 12 of its own, for Debian's kernels and for the packages: sourced by debian-kernel
# and the tests of the packages. Needs $repo, and root, in mount namespaces of its own:
# nothing of the machine changes but the cache.

[[ ${XDG_CACHE_HOME:-} == /* ]] || XDG_CACHE_HOME=$HOME/.cache
debian_cache=$XDG_CACHE_HOME/flowpar
debian_mirror=http://deb.debian.org
# What the packages of debian/ depend on, so that they install without a network, and what
# their scripts meet.
debian_packages=(dkms ethtool initramfs-tools iproute2 libbpf1 libmnl0 make mokutil openssl patch xz-utils)
# A server as its administrator has it, and what the tests call in it.
debian_machine_packages=(apache2-utils busybox conntrack curl dbus gawk haproxy ifenslave ifupdown iputils-ping irqbalance jq
	kmod lighttpd netbase network-manager nftables nginx-light procps python3 systemd-sysv systemd-timesyncd udev)
debian_machine_disabled=(haproxy irqbalance lighttpd networking NetworkManager NetworkManager-wait-online nginx systemd-timesyncd)

debian_die() {
	echo "debian: $*" >&2
	exit 2
}

# debian_kernels: RELEASE VERSION SERIES, a line each
debian_kernels() {
	sed -e '/^#/d' -e '/^$/d' "$repo/bonding/dkms/kernels"
}

# debian_in ROOT COMMAND...: in it, with /proc and /dev
debian_in() {
	# shellcheck disable=SC2016	# expanded in there
	unshare --mount --propagation private --pid --fork --kill-child bash -c '
		set -e
		root=$1
		shift
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive \
			${http_proxy:+http_proxy="$http_proxy"} chroot "$root" "$@"' _ "$@"
}

# debian_over ROOT COMMAND...: COMMAND, on the host, with $over a writable copy of ROOT that
# is gone afterwards. Exported functions can use it.
debian_over() {
	# shellcheck disable=SC2016
	unshare --mount --propagation private bash -c '
		set -e
		root=$1
		shift
		mount -t tmpfs -o mode=0755 tmpfs /mnt
		mkdir /mnt/upper /mnt/work /mnt/root
		mount -t overlay overlay -o "lowerdir=$root,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
		export over=/mnt/root
		"$@"' _ "$@"
}

debian_make() {	# debian_make DIR: with the kernels, and what the packages of debian/ depend on
	local release version series packages=("${debian_packages[@]}")
	while read -r release version series; do
		packages+=("linux-image-$release" "linux-headers-$release" "linux-source-$series=$version")
	done < <(debian_kernels)
	debootstrap --variant=minbase --include=ca-certificates bookworm "$1" "$debian_mirror/debian" || return
	cat > "$1/etc/apt/sources.list" <<-END
		deb $debian_mirror/debian bookworm main
		deb $debian_mirror/debian bookworm-updates main
		deb $debian_mirror/debian-security bookworm-security main
	END
	# Nothing starts in there, and unpacking needs no disk flushes.
	printf '#!/bin/sh\nexit 101\n' > "$1/usr/sbin/policy-rc.d"
	chmod +x "$1/usr/sbin/policy-rc.d"
	echo force-unsafe-io > "$1/etc/dpkg/dpkg.cfg.d/lab"
	cp /etc/resolv.conf "$1/etc/resolv.conf"
	debian_in "$1" apt-get update || return
	# The tests make an initramfs when they want one; here each would take a minute.
	debian_in "$1" env INITRD=No apt-get install -y --no-install-recommends "${packages[@]}" || return
	debian_in "$1" apt-get clean
}

# debian_make_machine DIR: the same, that also boots, with who else may want to have a say
# about a server's network and interrupts, each disabled.
debian_make_machine() {
	cp -aT "$(debian_root)" "$1" || return
	debian_in "$1" apt-get install -y --no-install-recommends "${debian_machine_packages[@]}" || return
	debian_in "$1" apt-get clean
	debian_in "$1" systemctl disable "${debian_machine_disabled[@]}" || return
	# What is started in there from now on is started.
	rm "$1/usr/sbin/policy-rc.d"
	: > "$1/etc/machine-id"
}

# debian_cached NAME MAKE KEY: prints the directory that MAKE DIR makes, once for each KEY
debian_cached() {
	local dir log new
	((EUID == 0)) || debian_die "a Debian of its own needs root, for chroot and apt; run it as root"
	command -v debootstrap > /dev/null || debian_die "debootstrap: not found; apt-get install debootstrap"
	dir=$debian_cache/$1-$(sha256sum <<< "$3" | cut -c1-12)
	if [[ ! -d $dir ]]; then
		mkdir -p "$debian_cache"
		exec 8>> "$debian_cache/lock-$1"
		flock 8
		if [[ ! -d $dir ]]; then
			log=$debian_cache/build-$1.log
			echo "debian: making $1, a Debian with $(debian_kernels | wc -l) kernels, in the cache, log $log" >&2
			rm -rf "$debian_cache/tmp-$1".*
			new=$(mktemp -d "$debian_cache/tmp-$1.XXXXXX")
			chmod 755 "$new"
			"$2" "$new" > "$log" 2>&1 8>&- || {
				tail -n 5 "$log" >&2
				debian_die "Debian cannot be installed; full output: $log"
			}
			rm -rf "$debian_cache/$1"-????????????
			mv -T "$new" "$dir"
		fi
		exec 8>&-
	fi
	echo "$dir"
}

debian_root() {
	debian_cached debian debian_make "$(debian_kernels; declare -f debian_make; echo "${debian_packages[@]}")"
}

debian_machine() {
	debian_cached machine debian_make_machine \
		"$(debian_root; declare -f debian_make_machine; echo "${debian_machine_packages[@]}" "${debian_machine_disabled[@]}")"
}
