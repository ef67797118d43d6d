#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: flowpar-dkms installs for the kernels it knows, and says in one line what stands in the way of the others
# Suite: unit
. "$(dirname "$0")/../lib.sh"

# The machine is made of files; dkms and others only note what they were asked.
stub=$test_out/bin fake=$test_out/machine
mkdir -p "$stub" "$fake"/{modules,sys/class/net,src,boot}
version=$(sed -nE '1s/.*\((.*)\).*/\1/p' "$repo/debian/changelog")
DESTDIR=$fake/root PREFIX=/usr "$repo/install.sh" dkms || exit 1
mv "$fake/root/usr/src"/* "$fake/src/"
tool=$fake/root/usr/sbin/flowpar-dkms

make_stub() {	# make_stub NAME: a script from standard input
	{ echo '#!/bin/bash'; cat; } > "$stub/$1"
	chmod +x "$stub/$1"
}
make_stub dkms << END
echo "dkms \$*" >> "$test_out/calls"
case "\$1 \$*" in
status*" -k "*) m=\$3 k=\${7}; ! cat "$fake/state.\$m.\$k" 2>/dev/null ;;
status*) [[ ! -e $fake/added.\$3 ]] || echo "\$3/$version: added" ;;
add*) touch "$fake/added.\$3" ;;
install*|build*)
	[[ ! -e $fake/broken ]] || exit 10
	[[ \$1 == build ]] && echo "x, y: built" > "$fake/state.\$3.\$7" || echo "x, y: installed" > "$fake/state.\$3.\$7" ;;
uninstall*) [[ ! -e $fake/broken ]] || exit 6; echo "x, y: built" > "$fake/state.\$3.\$7" ;;
remove*) rm -f "$fake"/state.\$3.* "$fake/added.\$3" ;;
esac
END
make_stub dpkg-query << END
case \$* in *linux-source-6.12) cat "$fake/source.6.12" ;; *) cat "$fake/source.6.1" ;; esac
END
make_stub uname << END
echo "6.12.117+deb12-amd64"
END
# As the real one: its exit status is 1 where the key is enrolled.
make_mokutil() {
	make_stub mokutil <<- END
	cat "$fake/mok"
	! grep -q ' is already ' "$fake/mok"
	END
}
make_mokutil
make_stub modinfo << END
echo new
END
make_stub lsinitramfs << END
cat "\$1"
END
make_stub update-initramfs << END
echo "update-initramfs \$*" >> "$test_out/calls"
[[ ! -e $fake/full ]]
END

kernel() {	# kernel RELEASE PACKAGE_VERSION
	mkdir -p "$fake/modules/$1/build/include/generated"
	echo "#define LINUX_PACKAGE_ID \" Debian $2\"" > "$fake/modules/$1/build/include/generated/package.h"
}
reset() {
	rm -rf "${fake:?}"/{modules,sys,boot}/* "$fake"/{state,added}.* "$fake"/{broken,full,kept,few} "$test_out/calls"
	mkdir -p "$fake/sys/class/net"
	touch "$fake/src/linux-source-6.12.tar.xz" "$fake/src/linux-source-6.1.tar.xz" "$test_out/calls" "$fake/mok.pub"
	mkdir -p "$fake/dkms/framework.conf.d"
	rm -f "$fake"/dkms/framework.conf.d/*
	echo "mok_certificate=$fake/mok.pub" > "$fake/dkms/framework.conf"
	printf 6.12.117-1~deb12u1 > "$fake/source.6.12"
	printf 6.1.192-2 > "$fake/source.6.1"
	echo "$fake/mok.pub is not enrolled" > "$fake/mok"
	kernel 6.12.117+deb12-amd64 6.12.117-1~deb12u1
}
run() {
	PATH=$stub:$PATH FLOWPAR_MODULES=$fake/modules FLOWPAR_SYS=$fake/sys FLOWPAR_BOOT=$fake/boot \
		FLOWPAR_SOURCES=$fake/src FLOWPAR_DKMS_CONF=$fake/dkms FLOWPAR_KEPT=$fake/kept "$tool" "$@"
}
efi() {		# efi NAME ATTRIBUTES VALUE
	mkdir -p "$fake/sys/firmware/efi/efivars"
	printf "\\x$2\\0\\0\\0\\x$3" > "$fake/sys/firmware/efi/efivars/$1"
}
secure_boot() { efi SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c 06 "$1"; }
validation() { efi MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23 "$1" "$2"; }
called() { grep -c "^dkms $1 -m $2 .*-k $3" "$test_out/calls" || true; }

reset
kernel 6.1.0-56-amd64 6.1.192-2
check_fails "both kernels get both modules" 0 'kernel 6.12.117\+deb12-amd64: has bonding' run install
for release in 6.12.117+deb12-amd64 6.1.0-56-amd64; do
	same "... dkms installs bonding for $release" 1 "$(called install flowpar-bonding "$release")"
	same "... and nf_flowpar" 1 "$(called install nf-flowpar "$release")"
done
: > "$test_out/calls"
check "again: nothing to do" run install
same "... dkms is not asked to" 0 "$(called install flowpar-bonding .)"
check "remove" run remove
check "... both modules" grep -q "^dkms remove -m nf-flowpar -v $version --all" "$test_out/calls"

reset
kernel 6.12.118+deb12-amd64 6.12.118-1~deb12u1
check_fails "a kernel that is not known gets one line" 1 '^flowpar-dkms: kernel 6.12.118\+deb12-amd64: not one that this version patches \(6\.12.*6\.1.*layer3\+4$' run install 6.12.118+deb12-amd64
same "... of it nothing but nf_flowpar is built" "0 1" "$(called install flowpar-bonding 6.12.118) $(called install nf-flowpar 6.12.118)"
kernel 5.10.0-30-amd64 5.10.218-1
check_fails "... of an older one nothing" 1 'not one that this version patches' run install 5.10.0-30-amd64
same "... at all" 0 "$(called install . 5.10.0)"
check "a kernel's hook is content with it" env PATH="$stub:$PATH" sh -c '
	sed "s|/usr/sbin/flowpar-dkms|$2|g" "$1" > "$3" && FLOWPAR_MODULES=$4 FLOWPAR_SYS=$4 FLOWPAR_SOURCES=$5 sh "$3" 5.10.0-30-amd64' \
	_ "$fake/root/etc/kernel/postinst.d/dkms-flowpar" "$tool" "$test_out/hook" "$fake/modules" "$fake/src"
same "the hook runs after dkms's and before the initramfs is written" "dkms dkms-flowpar initramfs-tools" \
	"$(printf '%s\n' initramfs-tools dkms "$(ls "$fake/root/etc/kernel/postinst.d")" | LC_ALL=C sort | paste -sd' ')"

reset
kernel 6.12.117+deb12-amd64 6.12.117-2
check_fails "headers of another version are told" 1 'headers are of 6.12.117-2, and only 6.12.117-1~deb12u1' run install
reset
rm -r "$fake/modules/6.12.117+deb12-amd64/build"
check_fails "no headers: status says so of the kernel that runs" 1 'kernel 6.12.117\+deb12-amd64, which runs: no headers, so no modules; boot one of the above, or apt-get install linux-headers-6.12.117\+deb12-amd64' run status
check_fails "no headers" 1 'apt-get install linux-headers-6.12.117\+deb12-amd64' run install 6.12.117+deb12-amd64
reset
rm "$fake/src/linux-source-6.12.tar.xz"
check_fails "no source" 1 'apt-get install linux-source-6.12=6.12.117-1~deb12u1' run install
reset
printf 6.12.118-1~deb12u1 > "$fake/source.6.12"
check_fails "source of another version" 1 'linux-source-6.12 is 6.12.118-1~deb12u1, and the kernel 6.12.117-1~deb12u1' run install
mkdir -p "$fake/kept" "$fake/linux-source-6.12/drivers/net/bonding"
sed -nE 's|^\+\+\+ b/([^[:space:]]+).*|\1|p' "$repo"/kernel-patches/6.12/*.patch | while read -r file; do
	install -D -m 644 /dev/null "$fake/linux-source-6.12/$file"
done
tar -C "$fake" -cf "$fake/kept/linux-source-6.12.117-1~deb12u1.tar" linux-source-6.12
check "... is no hindrance where the kernel's was kept" run install
reset
mkdir -p "$fake/kept" "$fake/few/linux-source-6.12/drivers/net/bonding"
printf 6.12.118-1~deb12u1 > "$fake/source.6.12"
tar -C "$fake/few" -cf "$fake/kept/linux-source-6.12.117-1~deb12u1.tar" linux-source-6.12
check_fails "... but where that lacks what the patches name" 1 'linux-source-6.12 is 6.12.118' run install
reset
touch "$fake/broken"
check_fails "what does not build names its log" 1 'flowpar-bonding does not build; see /var/lib/dkms/flowpar-bonding/.*/make.log' run install

reset
secure_boot 01
check_fails "Secure Boot without the key: says how to enrol it" 1 "mokutil --import $fake/mok.pub" run install
echo "mok_certificate=\"$fake/own.\$kernelver.der\" # own" > "$fake/dkms/framework.conf.d/own.conf"
check_fails "... another key that DKMS was given is named, for its kernel" 1 "mokutil --import $fake/own.6.12.117\+deb12-amd64.der'" run install
check_fails "... by status too" 1 "$fake/own.6.12.117\+deb12-amd64.der not enrolled" run status
touch "$fake/own.6.12.117+deb12-amd64.der"
# As if the other one were enrolled.
make_stub mokutil << 'END'
[[ $2 == */own.* ]] || { echo "$2 is not enrolled"; exit; }
echo "$2 is already enrolled"
exit 1
END
check "... and it is the one that counts" run install
same "... indeed" 1 "$(called install flowpar-bonding 6.12)"
make_mokutil
reset
secure_boot 01
check_fails "Secure Boot without the key, again" 1 "mokutil --import $fake/mok.pub" run install
same "... builds, but installs nothing that would be refused" "1 0" "$(called build flowpar-bonding 6.12) $(called install flowpar-bonding 6.12)"
echo "$fake/mok.pub is already enrolled" > "$fake/mok"
check "... with it everything is installed" run install
same "... indeed" 1 "$(called install flowpar-bonding 6.12)"
reset
echo usr/lib/modules/6.12/updates/dkms/bonding.ko > "$fake/boot/initrd.img-6.12.117+deb12-amd64"
check "Secure Boot off: installed" run install
secure_boot 01
: > "$test_out/calls"
check_fails "... switched on later: status says what to do" 1 'refuses the modules; run flowpar-dkms install' run status
touch "$fake/broken"
check_fails "... what cannot be taken back is told, with the command" 1 'cannot be taken back; see what dkms uninstall -m flowpar-bonding' run install
rm "$fake/broken"
: > "$test_out/calls"
check_fails "... the distribution's bonding comes back" 1 "has the distribution's bonding again" run install
for module in flowpar-bonding nf-flowpar; do
	same "... $module is not installed any more, but built" "1 x, y: built" "$(called uninstall $module 6.12) $(cat "$fake/state.$module".*)"
done
same "... nor in the initramfs" 1 "$(grep -c '^update-initramfs -u -k 6.12.117+deb12-amd64$' "$test_out/calls")"
: > "$test_out/calls"
check_fails "... again" 1 'mokutil --import' run install
same "... nothing is left to take back" 0 "$(grep -cE '^(dkms uninstall|update-initramfs)' "$test_out/calls")"
echo "x, y: installed" | tee "$fake/state.flowpar-bonding.6.12.117+deb12-amd64" > "$fake/state.nf-flowpar.6.12.117+deb12-amd64"
mkdir -p "$fake/sys/module/bonding"
echo new > "$fake/sys/module/bonding/version"
: > "$test_out/calls"
check "... the running kernel has taken it: it is signed with another key, and stays" run install
same "... indeed" 0 "$(grep -c '^dkms uninstall' "$test_out/calls")"
check "... and status has nothing to say" run status
rm -r "$fake/sys/module"
rm -r "$fake/modules/6.12.117+deb12-amd64/build"
echo "x, y: installed" > "$fake/state.flowpar-bonding.6.12.117+deb12-amd64"
check_fails "... also where the headers have gone" 1 'no headers' run install 6.12.117+deb12-amd64
same "... indeed" 1 "$(called uninstall flowpar-bonding 6.12)"
reset
secure_boot 01
echo "$fake/mok.pub is already in db" > "$fake/mok"
check "... or with it among the firmware's own" run install
same "... indeed" 1 "$(called install flowpar-bonding 6.12)"
reset
secure_boot 01
echo "$fake/mok.pub is already in the enrollment request" > "$fake/mok"
check_fails "... not while it waits for the reboot" 1 'mokutil --import' run install
reset
secure_boot 00
check "Secure Boot off: no key is needed" run install
same "... indeed" 1 "$(called install flowpar-bonding 6.12)"
reset
secure_boot 01
validation 06 01
check "shim checks nothing: no key is needed" run install
reset
secure_boot 01
validation 07 01
check_fails "... not on the word of somebody else" 1 'mokutil --import' run install
reset
secure_boot 01
validation 06 00
check_fails "... nor if it does" 1 'mokutil --import' run install
reset
mkdir -p "$fake/sys/module/module/parameters"
echo Y > "$fake/sys/module/module/parameters/sig_enforce"
check_fails "a kernel that wants signatures is like Secure Boot" 1 'mokutil --import' run install
reset
mkdir -p "$fake/sys/kernel/security"
echo "none [integrity] confidentiality" > "$fake/sys/kernel/security/lockdown"
check_fails "... so is one that is locked down" 1 'mokutil --import' run install
echo "[none] integrity confidentiality" > "$fake/sys/kernel/security/lockdown"
check "... not one that only could be" run install

reset
mkdir -p "$fake/sys/module/bonding"
check_fails "bonding loaded, no bond: modprobe -r is named" 0 "'modprobe -r bonding' or the next boot" run install
echo "bond0 bond1" > "$fake/sys/class/net/bonding_masters"
check_fails "... with bonds: the next boot" 0 'bond0, bond1 still run.* next boot' run install
echo new > "$fake/sys/module/bonding/version"
check "... none of this if the loaded one is the one" bash -c '! "$@" | grep "next boot"' _ env PATH="$stub:$PATH" FLOWPAR_MODULES="$fake/modules" \
	FLOWPAR_SYS="$fake/sys" FLOWPAR_BOOT="$fake/boot" FLOWPAR_SOURCES="$fake/src" "$tool" install

reset
echo usr/lib/modules/6.12/kernel/drivers/net/bonding/bonding.ko > "$fake/boot/initrd.img-6.12.117+deb12-amd64"
check "bonding in the initramfs: it is written anew" run install
same "... for that kernel" 1 "$(grep -c '^update-initramfs -u -k 6.12.117+deb12-amd64$' "$test_out/calls")"
check "... and on the way back" run remove
same "... too" 2 "$(grep -c '^update-initramfs -u' "$test_out/calls")"
touch "$fake/full"
check_fails "... one that cannot be written is named" 1 "amd64: its initramfs still has .* run update-initramfs -u -k 6.12.117\+deb12-amd64$" run install
rm -r "$fake/modules/6.12.117+deb12-amd64/build"
check_fails "... on the way back too, which ends well, also without headers" 0 "amd64: its initramfs still has flowpar's" run remove
reset
echo usr/bin/sh > "$fake/boot/initrd.img-6.12.117+deb12-amd64"
check "an initramfs without it is left alone" run install
same "... indeed" 0 "$(grep -c '^update-initramfs' "$test_out/calls")"
reset
echo usr/lib/modules/6.12/updates/dkms/bonding.ko > "$fake/boot/initrd.img-6.12.117+deb12-amd64"
check "a hook after which it is written does not write it" run install --initramfs-follows 6.12.117+deb12-amd64
same "... indeed" 0 "$(grep -c '^update-initramfs' "$test_out/calls")"
check_fails "an unknown command is a usage error" 2 '^usage: ' run update
check_fails "... so is an unknown option" 2 '^usage: ' run install --all
finish
