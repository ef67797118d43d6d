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

debian_make() {	# debian_make DIR
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

# debian_root: prints the directory, made once for each set of versions
debian_root() {
	local dir log new
	((EUID == 0)) || debian_die "a Debian of its own needs root, for chroot and apt; run it as root"
	command -v debootstrap > /dev/null || debian_die "debootstrap: not found; apt-get install debootstrap"
	dir=$debian_cache/debian-$( (debian_kernels; declare -f debian_make; echo "${debian_packages[@]}") | sha256sum | cut -c1-12)
	if [[ ! -d $dir ]]; then
		mkdir -p "$debian_cache"
		exec 8>> "$debian_cache/lock-debian"
		flock 8
		if [[ ! -d $dir ]]; then
			log=$debian_cache/build-debian.log
			echo "debian: installing Debian with $(debian_kernels | wc -l) kernels into the cache, log $log" >&2
			rm -rf "$debian_cache"/tmp-debian.*
			new=$(mktemp -d "$debian_cache/tmp-debian.XXXXXX")
			chmod 755 "$new"
			debian_make "$new" > "$log" 2>&1 8>&- || {
				tail -n 5 "$log" >&2
				debian_die "Debian cannot be installed; full output: $log"
			}
			rm -rf "$debian_cache"/debian-????????????
			mv -T "$new" "$dir"
		fi
		exec 8>&-
	fi
	echo "$dir"
}
