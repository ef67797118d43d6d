#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: the packages build, lintian finds no error, they hold what they should and nothing that acts by being there
# Suite: unit
. "$(dirname "$0")/../lib.sh"

debs=$test_out/debs
check "the packages build" "$repo/debian/build-deb.sh" "$debs"
check "lintian finds no error" lintian --fail-on error --allow-root "$debs"/*.changes
version=$(sed -nE '1s/.*\((.*)\).*/\1/p' "$repo/debian/changelog")
same "three of them" "flowpar flowpar-bench flowpar-dkms " "$(cd "$debs" && ls ./*.deb | sed -E 's|./([a-z-]*)_.*|\1|' | LC_ALL=C sort | tr '\n' ' ')"
for name in flowpar flowpar-dkms flowpar-bench; do
	dpkg-deb -x "$debs/$name"_*.deb "$test_out/$name" || exit 1
	dpkg-deb -e "$debs/$name"_*.deb "$test_out/$name/DEBIAN" || exit 1
done
root=$test_out/flowpar

# --- flowpar ---------------------------------------------------------------------
check "flowparctl runs" "$root/usr/sbin/flowparctl" --help
check "setup-flowpar.sh finds its parts from /usr/sbin" "$root/usr/sbin/setup-flowpar.sh" --help
check "... all of them" diff -r "$repo/affinity/lib" "$root/usr/share/flowpar/affinity/lib"
# Whatever there is in the folders is in the package: wildcards that meet nothing are silent.
missing=''
for file in "$repo"/configs/*.in "$repo"/configs/*.conf "$repo"/configs/*.env; do
	[[ ! -e $file ]] || [[ -e $root/etc/flowpar/${file##*/} ]] || missing+=" $file"
done
for file in "$repo"/configs/systemd/*; do
	[[ ! -e $file ]] || [[ -e $root/usr/lib/systemd/system/${file##*/} ]] || missing+=" $file"
done
for file in "$repo"/docs/man/*.[1-9]; do
	[[ ${file##*/} != flowpar-dkms.8 ]] || continue
	[[ ! -e $file ]] || [[ -e $root/usr/share/man/man${file##*.}/${file##*/}.gz ]] || missing+=" $file"
done
same "every template, unit and page is in it" "" "$missing"
same "the administrator's files are conffiles" "" \
	"$(cd "$root" && find etc -type f | sed 's|^|/|' | grep -vxF -f DEBIAN/conffiles)"
same "no unit is enabled or started" "" \
	"$(grep -hE '^[^#]*(systemctl|deb-systemd-(helper|invoke)).*(enable|start)' "$root"/DEBIAN/{post,pre}* 2>/dev/null)"
check "flowparctl is not linked to what the package does not depend on" \
	bash -c '! ldd "$1" | grep "not found"' _ "$root/usr/sbin/flowparctl"

# --- make install --------------------------------------------------------------
make -s -C "$repo/ctl" || exit 1
check "install.sh knows DESTDIR and PREFIX" env DESTDIR="$test_out/local" PREFIX=/opt/flowpar SYSCONFDIR=/opt/etc "$repo/install.sh" tools
same "... nothing is outside of them" "opt " "$(ls "$test_out/local" | tr '\n' ' ')"
check "... it runs from there" "$test_out/local/opt/flowpar/sbin/setup-flowpar.sh" --help
bond=(--bond bond0 --slaves nosuch0 --policy layer3+4 --listen bpf --port 80 --base-port 8000)
check_fails "... and finds flowparctl, though PATH does not have it" 1 'nosuch0: no such network interface' \
	env PATH=/usr/bin:/bin "$test_out/local/opt/flowpar/sbin/setup-flowpar.sh" up "${bond[@]}" --dry-run
mv "$test_out/local/opt/flowpar/sbin/flowparctl" "$test_out/"
check_fails "... which it needs" 1 'flowparctl: not found: neither beside this script nor in PATH; install' \
	env PATH=/usr/bin:/bin "$test_out/local/opt/flowpar/sbin/setup-flowpar.sh" up "${bond[@]}" --dry-run
mv "$test_out/flowparctl" "$test_out/local/opt/flowpar/sbin/"
same "... no file of ours is looked for in /usr" "" \
	"$(grep -rlE '/usr/(sbin/(flowpar|setup-)|(share|lib)/flowpar)' "$test_out/local/opt/flowpar/lib" "$test_out/local/opt/etc" 2>/dev/null)"
echo '# mine' >> "$test_out/local/opt/etc/flowpar/lighttpd.conf.in"
rm "$test_out/local/opt/etc/flowpar/flowpar.conf"
mkdir "$test_out/local/opt/etc/flowpar/tls"
check_fails "... again: names the administrator's files" 0 '^install.sh: /opt/etc/flowpar/lighttpd.conf.in: kept' \
	env DESTDIR="$test_out/local" PREFIX=/opt/flowpar SYSCONFDIR=/opt/etc "$repo/install.sh" tools
same "... leaves them alone" '# mine' "$(tail -n 1 "$test_out/local/opt/etc/flowpar/lighttpd.conf.in")"
check "... and brings what is missing" test -e "$test_out/local/opt/etc/flowpar/flowpar.conf"
check_fails "... a relative PREFIX is refused" 2 'want absolute paths' env PREFIX=usr "$repo/install.sh" tools

# --- flowpar-dkms -----------------------------------------------------------------
root=$test_out/flowpar-dkms
source=$root/usr/src/flowpar-bonding-$version
check "the whole series is in it, for each kernel" bash -c '
	for series in "$1"/kernel-patches/[0-9]*; do diff -r -x README -x cover-letter "$series" "$2/patches/${series##*/}" || exit 1; done' _ "$repo" "$source"
same "what it patches bonding for is what the series were made for" \
	"$(sed -nE "s/.*, exactly: Debian's linux-source-([0-9.]+) (.*)\.$/\2 \1/p" "$repo"/kernel-patches/[0-9]*/README | sort)" \
	"$(awk '!/^#/ && NF { print $2, $3 }' "$source/kernels" | sort)"
same "its page names the same kernels" "$(awk '!/^#/ && NF { print $1 "\t" $2 }' "$source/kernels")" \
	"$(sed -n '/^\.TS/,/^\.TE/p' "$repo/docs/man/flowpar-dkms.8" | grep '^[0-9]')"
# dkms reads it as bash does.
kernels=$(bash -c '. "$1"; echo "$BUILD_EXCLUSIVE_KERNEL"' _ "$source/dkms.conf")
for release in $(awk '!/^#/ && NF { print $1 }' "$source/kernels"); do
	check "dkms builds bonding for $release" test "$(grep -cE "$kernels" <<< "$release")" = 1
	check "... not for ${release%-amd64}-arm64" test "$(grep -cE "$kernels" <<< "${release%-amd64}-arm64")" = 0
done
check "... nor for what only looks alike" test "$(grep -cE "$kernels" <<< "6a12a117adeb12-amd64")" = 0
check "dkms runs prepare before the build" bash -c '. "$1"; [[ $PRE_BUILD == prepare* && ! ${AUTOINSTALL:-} ]]' _ "$source/dkms.conf"

# --- flowpar-bench ------------------------------------------------------------------
root=$test_out/flowpar-bench
sed -i "s|^source=.*|source=$root/usr/share/flowpar/source|" "$root/usr/bin/flowpar-bench"
check "flowpar-bench copies itself and runs make" bash -c '"$1" --dir "$2" help | grep "make demo"' _ "$root/usr/bin/flowpar-bench" "$test_out/copy"
same "... all of the bench" "$(cd "$repo" && find bench kernel-patches configs -type f ! -name '*.o' ! -name '*.ko' ! -name '*.mod*' ! -name '.*.cmd' ! -name '*.pyc' | sort)" \
	"$(cd "$test_out/copy" && find bench kernel-patches configs -type f | sort)"
echo other > "$test_out/copy/debian/changelog"
check_fails "... not over one of another version" 1 'not of this version' "$root/usr/bin/flowpar-bench" --dir "$test_out/copy" help
check_fails "... no other target than the bench's" 2 '^usage: ' "$root/usr/bin/flowpar-bench" clean-cache
finish
