#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: patches and kernel C pass checkpatch --strict; shell scripts pass shellcheck
# Suite: unit
. "$(dirname "$0")/../lib.sh"
. "$repo/kernel-patches/tree.sh"
set +e

[[ -r $tarball ]] || die "$tarball: no kernel source; as root: apt-get install linux-source-$base"
tar -C "$test_out" --strip-components=1 -I 'xz -T0' --wildcards -xf "$tarball" \
	'*/scripts/checkpatch.pl' '*/scripts/spelling.txt' '*/scripts/const_structs.checkpatch'

checkpatch() {
	"$test_out/scripts/checkpatch.pl" --strict --no-tree --terse --no-summary "$@"
}

for base in $(bases); do
	set_base "$base"
	for name in $(series); do
		check "checkpatch --strict: $base/$name" checkpatch "$here/$base/$name"
	done
	same "$base: series lists every patch there is" "$(cd "$here/$base" && ls ./*.patch | sed 's|^./||')" "$(series | sort)"
	check "$base: README names the package that the series was made for" version_note
done
subjects() {	# of a series, without what only 6.1 needs
	set_base "$1"
	for name in $(series); do
		sed -n '/^Subject: /,/^$/p' "$here/$base/$name" | tr -d '\n'
		echo
	done | grep -v 'PATCH\] netlink: '
}
same "6.1 has each patch that 6.12 has" "$(subjects 6.12)" "$(subjects 6.1)"
# The generated files say so; the generator's style is not ours to change.
while read -r file; do
	check "checkpatch --strict: ${file#"$repo"/}" checkpatch -f "$file"
done < <(our_files | cut -d: -f1 | grep '\.[ch]$' | xargs grep -L 'Do not edit directly, auto-generated')
check "no patch adds a file that could live in bonding/ or netfilter/" \
	bash -c '! grep -l "^--- /dev/null" "$@"' _ "$here"/[0-9]*/*.patch
scripts=0
while read -r file; do
	scripts=$((scripts + 1))
	check "shellcheck: $file" shellcheck -S warning -x -P SCRIPTDIR "$repo/$file"
done < <(cd "$repo" && git -c safe.directory='*' ls-files | xargs -d '\n' grep -lIE '^#!.*\bbash|^# shellcheck shell=bash' --)
check "there are scripts to check ($scripts)" test "$scripts" -gt 20
finish
