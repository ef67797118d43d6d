#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: installed, upgraded, removed and purged on a Debian with its own kernels: modules for both, bonding as it was afterwards, nothing left
# Suite: long
. "$(dirname "$0")/../lib.sh"

# shellcheck source=tests/packages/common.sh
. "$repo/tests/packages/common.sh"

if [[ ${LAB_ROLE:-} != inside ]]; then
	build_packages
	# The next version, of a tree with another changelog.
	mkdir -p "$test_out/next"
	tar -C "$repo" --exclude=./out --exclude=./.git -c . | tar -C "$test_out/next" -x
	sed -i '1s/(\(.*\))/(\1+next)/' "$test_out/next/debian/changelog"
	check "... and those of a next version" "$test_out/next/debian/build-deb.sh" "$test_out/debs-next"
	inside debian_root
fi

# From here on in a mount namespace of its own, $over being a Debian that is gone afterwards.
: "${over:?}"
kernels=$(sed -n '/^[0-9]/s/[[:space:]].*//p' "$repo/bonding/dkms/kernels")
oldest=$(tail -n 1 <<< "$kernels")
path_of() { in_debian modinfo -k "$2" -n "$1"; }
initramfs_has() { in_debian lsinitramfs "/boot/initrd.img-$oldest" | grep 'bonding\.ko'; }
# What there is, but for caches, logs, dkms's key and the packages' database.
files() {
	(cd "$over" && find boot etc lib/modules opt root run srv usr var/lib \( -path var/lib/dpkg -o -path var/lib/apt -o -path var/lib/dkms/mok.\* \
		-o -name '__pycache__' -o -name '*.cache' \) -prune -o -print | sort)
}

cp "$test_out"/debs/*.deb "$over/root/"
mkdir "$over/root/next"
cp "$test_out"/debs-next/*.deb "$over/root/next/"
# An initramfs that an administrator wants bonding in, and little else.
echo bonding >> "$over/etc/initramfs-tools/modules"
sed -i 's/^MODULES=.*/MODULES=list/' "$over/etc/initramfs-tools/initramfs.conf"
in_debian update-initramfs -c -k "$oldest"
check "to begin with, the initramfs has the distribution's bonding" grep kernel/drivers/net/bonding <(initramfs_has)
wants=$over/etc/systemd/system/multi-user.target.wants
mkdir -p "$wants"
files > "$test_out/files.before"
check "install" in_debian sh -c 'dpkg -i /root/*.deb'
same "... all three" 3 "$(in_debian dpkg -s flowpar flowpar-dkms flowpar-bench | grep -c '^Status: install ok installed')"
for kernel in $kernels; do
	same "$kernel: bonding is flowpar's" "/lib/modules/$kernel/updates/dkms" "$(dirname "$(path_of bonding "$kernel")")"
	same "... so is nf_flowpar" "/lib/modules/$kernel/updates/dkms" "$(dirname "$(path_of nf_flowpar "$kernel")")"
	check "... it knows cpu-bound" grep cpu-bound <(in_debian modinfo -k "$kernel" -F parm bonding)
	check "... the distribution's is where it was" ls "$over/lib/modules/$kernel/kernel/drivers/net/bonding/"bonding.ko*
	check "... both are signed with DKMS's key" bash -c 'for m in bonding nf_flowpar; do debian_in "$1" modinfo -k "$2" -F signer $m | grep "^DKMS" || exit 1; done' _ "$over" "$kernel"
	# Debian's System.map is empty, but the headers know all symbols and their versions.
	same "... no symbol is missing or of another version" "" \
		"$(in_debian depmod -n -e -E "/lib/modules/$kernel/build/Module.symvers" "$kernel" 2>&1 > /dev/null | grep -E 'bonding|nf_flowpar')"
done
check "the initramfs has flowpar's bonding" grep updates/dkms/bonding <(initramfs_has)
check "the tools run" in_debian sh -c 'flowparctl --help && setup-flowpar.sh --help && flowpar-bench --help'
check_fails "... nothing is set up" 1 'nothing is set up' in_debian setup-flowpar.sh status
check "flowpar-dkms status names both" grep -c 'bonding: 6\..*+flowpar' <(in_debian flowpar-dkms status)
same "no unit is enabled" "" "$(find "$over/etc/systemd" -name '*flowpar*' 2>/dev/null)"

# --- a kernel that nobody knows, as its package would install it ------------------------
new=6.12.999+deb12-amd64
cp -a "$over/lib/modules/$(head -n 1 <<< "$kernels")" "$over/lib/modules/$new"
rm -rf "$over/lib/modules/$new/updates"
check "another kernel's installation ends well" \
	in_debian sh -c "INITRD=No run-parts --exit-on-error --arg=$new --arg=/boot/vmlinuz-$new /etc/kernel/postinst.d > /root/hook.log 2>&1; s=\$?; cat /root/hook.log; exit \$s"
same "... with one line about it" 1 "$(grep -c "^flowpar-dkms: kernel $new: not one that this version patches" "$over/root/hook.log")"
check "... it keeps the distribution's bonding" grep "/lib/modules/$new/kernel/" <(path_of bonding "$new")
check "... but has nf_flowpar" grep "/lib/modules/$new/updates/dkms/" <(path_of nf_flowpar "$new")

# --- upgrade, after the archive has moved on to another source ---------------------------
mkdir "$over/root/sources"
mv "$over"/usr/src/linux-source-*.tar.xz "$over/root/sources/"
echo '# mine' >> "$over/etc/flowpar/lighttpd.conf.in"
check "upgrade" in_debian sh -c 'dpkg --force-confold -i /root/next/*.deb'
same "... dkms has the new version only" "" "$(in_debian dkms status | grep -v '+next')"
for kernel in $kernels; do
	check "... $kernel has it" grep '+next$' <(in_debian modinfo -k "$kernel" -F version bonding)
done
check "... the administrator's file is as he left it" grep '# mine' "$over/etc/flowpar/lighttpd.conf.in"
mv "$over"/root/sources/* "$over/usr/src/"
rmdir "$over/root/sources"
check "... again: nothing changes" in_debian dpkg-reconfigure flowpar-dkms flowpar

# --- remove and purge -------------------------------------------------------------------
mkdir -p "$over/run/flowpar"
touch "$over/run/flowpar/journal"
check_fails "flowpar is not removed from a machine that is set up" 1 "run 'setup-flowpar.sh down' first" in_debian dpkg -r flowpar
check "... it is still there, whole" in_debian sh -c 'dpkg -s flowpar | grep "^Status: .* ok installed" && setup-flowpar.sh --help'
rm -r "$over/run/flowpar"
check "remove" in_debian dpkg -r flowpar flowpar-dkms flowpar-bench
for kernel in $kernels; do
	check "$kernel: bonding is the distribution's" grep "/lib/modules/$kernel/kernel/" <(path_of bonding "$kernel")
	check "... no nf_flowpar" bash -c '! debian_in "$1" modinfo -k "$2" nf_flowpar' _ "$over" "$kernel"
done
check "the initramfs has the distribution's bonding" grep kernel/drivers/net/bonding <(initramfs_has)
check "the hooks that stay until purge are harmless" in_debian sh -c "INITRD=No run-parts --exit-on-error --arg=$oldest --arg=/boot/vmlinuz-$oldest /etc/kernel/postinst.d"
# As systemctl enable leaves them, and keys that flowpar-ticket-keys made.
ln -s /usr/lib/systemd/system/flowpar-watch.service "$wants/flowpar-watch.service"
mkdir -p "$over/etc/systemd/system/flowpar-nginx.target.wants" "$over/run/flowpar-tickets"
ln -s /lib/systemd/system/flowpar-nginx@.service "$over/etc/systemd/system/flowpar-nginx.target.wants/flowpar-nginx@0.service"
check "purge" in_debian dpkg -P flowpar flowpar-dkms flowpar-bench
rm -rf "$over/lib/modules/$new" "$over/root/hook.log"
files > "$test_out/files.after"
same "nothing is left" "" "$(diff "$test_out/files.before" "$test_out/files.after" | grep '^[<>]')"
echo "the end"
