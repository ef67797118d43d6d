#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Writes the patches of 6.12 as they would be sent for review: upstream-series.sh [DIR]
#
# DIR, out/upstream-series unless given, gets bonding/, a series with its cover letter
# for netdev, and netfilter/. They differ from the patches here in that each of our
# files comes as a whole, with the first patch that names it, and that the
# selftests are the last of bonding's.
set -euo pipefail
# shellcheck source=kernel-patches/tree.sh
. "$(dirname "$0")/tree.sh"

(($# <= 1)) || { sed -n '3s/.*: //p' "$0" >&2; exit 2; }
dest=${1:-$top/out/upstream-series}
need_tools git:git xz:xz-utils

# patches_of TOPIC: their files, in order
patches_of() {
	local name is
	for name in $(series); do
		is=bonding
		[[ $name != *-netfilter-* ]] || is=netfilter
		[[ $is != "$1" ]] || echo "$here/$base/$name"
	done
	[[ $1 != bonding ]] || compgen -G "$here/selftests/*.patch" || true
}

# Our files that no patch has brought yet, as our_files has them.
left_files() {
	local file place
	while IFS=: read -r file place; do
		[[ -e $work/$place ]] || echo "$file:$place"
	done < <(
		our_files
		for file in "$here"/selftests/*.sh; do
			[[ ! -e $file ]] || echo "$file:tools/testing/selftests/drivers/net/bonding/${file##*/}"
		done
	)
}

# named_by PATCH PLACE: whether a line that the patch adds names the file, its object, or
# its directory, if that is new as well; a header belongs to the one its name begins with
named_by() {
	local name=${2##*/} dir=${2%/*}
	local what="${name%.*}\.(o|sh)\b"
	git rev-parse -q --verify "base:$dir" > "$work/.git/about" || what+="|${dir##*/}/"
	name=${name%.*}
	[[ $dir != include/* ]] || what+="|${name%%_*}/"
	grep -qE "^\+.*\b($what)" "$1"
}

# What a request costs by README.md's table, numbers first: set-ups have long names.
costs() {
	awk -F ' *[|] *' '
		/^\| set-up \| cycles\/request \| lines moved/ { on = 1 }
		on && !/^\|/ { exit }
		on && !/^\|-/ {
			gsub(/\*\*/, ""); sub(/ \(.*/, "", $3); sub(/lines moved.*/, "lines moved", $4)
			n = split($2, word, " "); line = sprintf("%16s %12s  ", $3, $4); width = length(line)
			for (i = 1; i <= n; i++) {
				if (length(line) + length(word[i]) > 74) { print line; line = sprintf("%" width "s", "") }
				line = line " " word[i]
			}
			print line
			rows++
		}
		END { exit rows < 3 }' "$top/README.md" || die "README.md: no table of what a request costs"
}

cover_letter() {
	local table
	table=$(costs)
	awk -v table="$table" '$0 == "@costs@" { print table; next } { print }' "$here/$base/cover-letter"
}

work_in "${TMPDIR:-/tmp}" upstream-series
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_COMMITTER_NAME='flowpar developers' GIT_COMMITTER_EMAIL=flowpar@example.org
git() { command git -C "$work" "$@"; }

# A repository of no more than what the patches touch.
git init -q -b base
for topic in bonding netfilter; do patches_of $topic; done | xargs sed -nE 's|^--- a/|*/|p' | sort -u |
	tar -C "$work" --strip-components=1 -I 'xz -T0' --wildcards --no-wildcards-match-slash -T - -xf "$tarball" ||
	die "$tarball: lacks a file that a patch changes"
git add -f .
GIT_AUTHOR_NAME=base GIT_AUTHOR_EMAIL='' GIT_AUTHOR_DATE='@0 +0000' GIT_COMMITTER_DATE='@0 +0000' \
	git commit -q -m "Linux $base"

for topic in bonding netfilter; do
	git checkout -q -b $topic
	from=$(git rev-parse HEAD)
	while read -r patch; do
		git apply --index "$patch" || die "${patch#"$top"/}: does not apply"
		while IFS=: read -r file place; do
			named_by "$patch" "$place" || continue
			mode=644
			[[ ! -x $file ]] || mode=755
			install -Dm$mode "$file" "$work/$place"
			git add -f "$place"
		done < <(left_files)
		# Unpacked by git: author, date, subject, and the text down to the three dashes.
		command git mailinfo -b "$work/.git/message" "$work/.git/patch" < "$patch" > "$work/.git/about"
		field() { sed -n "s/^$1: //p" "$work/.git/about"; }
		date=$(field Date)
		{
			field Subject
			echo
			sed '/^---$/,$d' "$work/.git/message"
		} | GIT_AUTHOR_NAME=$(field Author) GIT_AUTHOR_EMAIL=$(field Email) GIT_AUTHOR_DATE=$date \
			GIT_COMMITTER_DATE=$date git commit -q -F -
	done < <(patches_of $topic)
	cover=(--no-cover-letter) tree=nf-next
	if [[ $topic == bonding ]]; then
		tree=net-next
		git config branch.bonding.description "$(cover_letter)"
		cover=(--cover-letter --cover-from-description=subject)
	fi
	rm -rf "${dest:?}/$topic"
	mkdir -p "$dest/$topic"
	GIT_COMMITTER_DATE=$date git format-patch -q --zero-commit --no-signature --numbered \
		"${cover[@]}" --subject-prefix="PATCH $tree" -o "$(realpath "$dest")/$topic" "$from"
done
left=$(left_files)
[[ -z $left ]] || die "no patch names ${left%%:*}; nobody would get it"
find "$dest" -name '*.patch' | sort
