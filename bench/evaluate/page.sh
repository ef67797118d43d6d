# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154	# variables of report.sh
# The report as one HTML page: figures inline, each with the caveat, then every table.

escape() { sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g'; }

html_table() {	# html_table NAME
	jq -r --arg name "$1" '
		def esc: gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub(">"; "&gt;");
		def row($tag): (length as $n | to_entries | map("<\($tag)\(if .value | test("NOT reached|reached at 110 only|not run:") then " class=\"bad\"" elif .value | test("  reached") then " class=\"good\"" else "" end)\(
			if $n == 2 and (.value | test("^not run")) then " colspan=\"99\"" else "" end)>\(.value | esc)</\($tag)>") | join(""));
		select(.name == $name)
		| "<section id=\"t-\(.name)\"><h2>\(.title | esc)</h2>", (.notes[] | "<p class=\"note\">\(esc)</p>"),
		  (if (.rows | length) > 60 then "<details><summary>\(.rows | length) lines</summary>" else empty end),
		  "<div class=\"wide\"><table><thead><tr>\(.header | row("th"))</tr></thead><tbody>",
		  (.rows[] | "<tr>\(row("td"))</tr>"), "</tbody></table></div>",
		  (if (.rows | length) > 60 then "</details>" else empty end), "</section>"' "$data/tables.jsonl"
}

html_figure() {	# html_figure NAME: the picture and what it is not
	local f=$1
	echo "<figure id=\"f-$f\">"
	# The file's own XML prologue has no place inside a page; gnuplot names its
	# elements alike in every file, so give each picture its own.
	sed -e '1,/<svg/{/<svg/!d}' -e "s/gnuplot_/$f&/g" -e "s/id=\"gp/id=\"${f}gp/g; s/url(#gp/url(#${f}gp/g; s/href='#gp/href='#${f}gp/g; s/id='gp/id='${f}gp/g" "$dir/$f.svg"
	echo "<figcaption>$(escape < "$data/$f.caption") <span class=\"note\">$(tr '\n' ' ' < "$data/caveat" | escape)</span></figcaption></figure>"
}

page() {
	local name f
	cat <<END
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>flowpar: the evaluation</title>
<style>body{font:16px/1.5 sans-serif;max-width:76em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;font-size:13px}td,th{border:1px solid #ccc;padding:.2em .5em;text-align:right;white-space:nowrap}
td:first-child,th:first-child{text-align:left}#t-left td:nth-child(n+6),#t-missing td,#t-missed td,#t-left-structures td:last-child,#t-left-causes td:last-child,#t-left-causes td:first-child,#t-mapping td{text-align:left;white-space:normal}
.wide{overflow-x:auto}svg{max-width:100%;height:auto}figure{margin:2em 0}figcaption{font-size:14px}
.note{color:#555;font-size:13px}.good{color:#176b2c}.bad{color:#a3271d}nav a{margin-right:1em;white-space:nowrap}</style></head><body>
<h1>flowpar: one flow, one core</h1>
<p><b>$(escape < "$data/caveat" | tr '\n' ' ')</b></p>
<p>$(wc -l < "$data/runs.jsonl") runs, budget ${budget:-none}. Every column is explained in docs/bench.md; the numbers are in summary.csv.</p>
<nav>
END
	jq -r '"<a href=\"#t-\(.name)\">\(.title | split(":")[0] | split(",")[0])</a>"' "$data/tables.jsonl"
	echo '</nav>'
	html_table bars
	for f in "${drawn[@]}"; do html_figure "$f"; done
	while read -r name; do
		[[ $name == bars ]] || html_table "$name"
	done < <(jq -r .name "$data/tables.jsonl")
	echo '</body></html>'
}
