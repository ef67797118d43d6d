#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: the series for review applies by git am to the untouched source, is clean, and gives the tree that is built
# Suite: unit
. "$(dirname "$0")/../lib.sh"
. "$repo/kernel-patches/tree.sh"
set +e

series=$test_out/series
check "the series is written" "$repo/kernel-patches/upstream-series.sh" "$series"

trees=$test_out/trees
trap 'rm -rf "$trees"' EXIT
mkdir "$trees"
unpack "$trees/sent"
# Two names of the same files: git and patch replace a file, they do not write into it.
cp -al "$trees/sent" "$trees/built"
patch_tree "$trees/built"

git() { command git -C "$trees/sent" -c user.name=test -c user.email=test "$@"; }
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
git init -q
# The whole source would take a minute; git am refuses what is not in the index.
sed -nE 's|^--- a/||p' "$series"/*/*.patch | sort -u | git add -f --pathspec-from-file=-
git commit -qm untouched
for patch in "$series"/*/*[1-9]-*.patch; do
	check "git am: ${patch#"$series"/}" git am -q "$patch"
	# New files lie in directories that MAINTAINERS has.
	check "... checkpatch --strict" "$trees/sent/scripts/checkpatch.pl" --strict --no-tree --terse --no-summary \
		--ignore FILE_PATH_CHANGES "$patch"
done
same "the tree is the one that is built, but for the selftests" "" \
	"$(diff -rq -x .git "$trees/sent" "$trees/built" | grep -v 'tools/testing/selftests')"

cover=$(sed '1,/^$/d' "$series/bonding/0000-cover-letter.patch")
check "the cover letter has the numbers of README.md" grep -q "$(sed -nE 's/^\| balance-rr, one listener.* \| ([0-9,]+) .*/\1/p' "$repo/README.md")" <<< "$cover"
check "... and nothing left to fill in" bash -c '! grep -E "\*\*\*|^@"' <<< "$cover"
same "... and lines that a mail can carry" "" "$(grep -vE '^ create mode' <<< "$cover" | grep -E '.{76}')"
finish
