#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# report.sh DIR: from the raw files of run-ab.sh under DIR/run to result.csv,
# sizes.csv, report.txt (also printed), SVG and report.html. Reads nothing else,
# so it can be run again on an old result.
set -euo pipefail

dir=${1:?usage: report.sh DIR}
cpus='' nics='' nic='' setups=() sizes=() requests='' concurrency=''
# shellcheck source=/dev/null
. "$dir/run/parameters"
readonly caveat='requests/s: emulated CPU, not a performance figure'

# --- from raw files to numbers -------------------------------------------------

# locality SETUP PHASE: "own_nic_pct one_core_pct connections served_min served_max"
# own NIC: packets of the service queued on a NIC (net:net_dev_queue) by the CPU
# that the NIC's interrupts are bound to. one core: connections of which receive
# softirqs, state changes and accept ran on one CPU. See lab/probe/flowpar_probe.c.
locality() {
	awk -v setup="$1" -f "${BASH_SOURCE[0]%/*}/locality.awk" \
		"$dir/run/$1/irqs" "$dir/run/$1/probe.$2"
}

# requests SETUP PHASE BYTES EXPECTED: "complete failed". Every reply counts: one
# that is missing, marked failed, not 2xx or short of bytes is a failure.
requests_of() {
	awk -v expected="$4" -v bytes="$3" '
	/^Complete requests:/ { complete += $3 }
	/^Failed requests:/ { failed += $3 }
	/^Non-2xx responses:/ { failed += $3 }
	/^HTML transferred:/ { html += $3 }
	END {
		if (expected > complete) failed += expected - complete
		short = complete - int(html / bytes)
		if (short > failed) failed = short
		print complete + 0, failed + 0
	}' "$dir/run/$1/ab.$2".*
}

rate() {	# rate SETUP PHASE COMPLETE
	awk -v n="$3" '{ printf "%.0f\n", n / ($2 - $1) }' "$dir/run/$1/times.$2"
}

lag_ports() {	# ports that really carry the bond: of the aggregator, or slaves that are up
	awk '/Number of ports:/ { agg = $NF } /^Slave Interface:/ { s = 1 } s && /^MII Status: up/ { up++ }
	     END { print agg != "" ? agg : up + 0 }' "$dir/run/$1/bond0"
}

# split SETUP PHASE: packets that each port of the switch sent to the server
split_of() {
	join "$dir/run/$1/split.$2.begin" "$dir/run/$1/split.$2.end" | awk '{ printf "%s%s %d", sep, $1, $3 - $2; sep = ", " }'
}

# row SETUP PHASE BYTES EXPECTED: the fields of a CSV line after setup,cpus,nics
row() {
	local own one complete failed
	read -r own one _ < <(locality "$1" "$2")
	read -r complete failed < <(requests_of "$@")
	echo "$(lag_ports "$1"),$complete,$failed,$own,$one,$(rate "$1" "$2" "$complete")"
}

csv() {
	local s size expected
	echo "setup,cpus,nics,lag_ports,requests,failed,own_nic_pct,one_core_pct,requests_per_s" > "$dir/result.csv"
	echo "setup,cpus,nics,file_bytes,lag_ports,requests,failed,own_nic_pct,one_core_pct,requests_per_s" > "$dir/sizes.csv"
	expected=$((requests * nics))
	for s in "${setups[@]}"; do
		echo "$s,$cpus,$nics,$(row "$s" "${sizes[0]}" "${sizes[0]}" $expected)" >> "$dir/result.csv"
		for size in "${sizes[@]}"; do
			echo "$s,$cpus,$nics,$size,$(row "$s" "$size" "$size" $expected)" >> "$dir/sizes.csv"
		done
	done
}

# --- text ------------------------------------------------------------------------

table() { column -t -s, -R "$(seq -s, 2 "$1")"; }

# perf_table SETUP PHASE: events by CPU, from perf stat -A -x,
perf_table() {
	awk -F, -v n="$cpus" '
	$1 ~ /^CPU/ { cpu = substr($1, 4) + 0; if (!($4 in seen)) { seen[$4]; order[++m] = $4 } v[$4, cpu] = $2 }
	END {
		printf "event"; for (c = 0; c < n; c++) printf ",cpu%d", c; print ""
		for (i = 1; i <= m; i++) { printf "%s", order[i]; for (c = 0; c < n; c++) printf ",%s", v[order[i], c]; print "" }
	}' "$dir/run/$1/perf.$2"
}

lag_facts() {
	awk -v n="$nics" '/Bonding Mode:/ { sub(/.*: /, ""); mode = $0 }
	/Transmit Hash Policy:/ { sub(/.*: /, ""); policy = ", " $0 }
	/Number of ports:/ { ports = $NF } /Partner Mac Address:/ { partner = $NF }
	END { printf "%s%s", mode, policy
	      if (ports != "") printf "; %d of %d ports in one aggregator, partner %s", ports, n, partner
	      print "" }' "$dir/run/$1/bond0"
}

# home_share SETUP PHASE NIC: percent of all packets that NIC sent for its own CPU
home_share() {
	awk -v nic="$3" '
	FILENAME ~ /irqs$/ { if ($1 == nic) own = $3; next }
	$1 == "sent" { all += $4; if ($2 == nic && $3 == own) mine += $4 }
	END { printf "%.1f\n", all ? 100 * mine / all : 0 }' "$dir/run/$1/irqs" "$dir/run/$1/probe.$2"
}

cut_facts() {	# what happened while a link was cut, from the phases cut and after
	local s=$1 complete failed longest own one
	[[ -r $dir/run/$s/probe.cut ]] || return 0
	read -r complete failed < <(requests_of "$s" cut 128 "$(< "$dir/run/$s/expected.cut")")
	longest=$(awk '!/^starttime/ { if ($(NF - 1) > max) max = $(NF - 1) } END { print max }' "$dir/run/$s"/gnuplot.cut.*)
	read -r own one _ < <(locality "$s" after)
	read -r _ after_failed < <(requests_of "$s" after 128 $((requests * nics)))
	cat <<END
link 1 cut for 1.5 s under load, carrier seen to drop and return at both ends:
  $complete requests while it happened, $failed failed, longest took $longest ms
  after it: $after_failed failed, own NIC $own %, one core $one %, eth1 carries $(home_share "$s" after eth1) % for its own core
END
}

text() {
	local s first=${sizes[0]}
	echo "$cpus CPUs, $nics $nic NICs, $nics clients x $requests requests of $first bytes, $concurrency at a time, one connection each"
	echo
	sed 's/requests_per_s/requests_per_s*/' "$dir/result.csv" | table 9
	echo "* $caveat"
	echo "own_nic: packets of the service queued on a NIC by the CPU its interrupt is bound to (tracepoint net_dev_queue)"
	echo "one_core: connections whose receive softirqs, state changes and accept ran on one CPU"
	if ((${#sizes[@]} > 1)); then
		echo
		sed 's/requests_per_s/requests_per_s*/' "$dir/sizes.csv" | table 10
	fi
	for s in "${setups[@]}"; do
		read -r _ _ connections min max < <(locality "$s" "$first")
		echo
		echo "$s: kernel $(< "$dir/run/$s/kernel")"
		echo "  bond: $(lag_facts "$s")"
		echo "  switch sent: $(split_of "$s" "$first")"
		echo "  accepted per core: least $min, most $max, share $((connections / cpus))"
		[[ ! -r $dir/run/$s/perf.note ]] || echo "  perf: $(< "$dir/run/$s/perf.note")"
		cut_facts "$s" | sed 's/^/  /'
	done
	for s in "${setups[@]}"; do
		echo
		echo "perf stat, $s, $first bytes:"
		perf_table "$s" "$first" | table $((cpus + 1))
	done
}

# --- pictures ----------------------------------------------------------------------

plots() {
	local s data=$dir/run
	for s in "${setups[@]}"; do
		awk -v n="$cpus" '
		FILENAME ~ /irqs$/ { next }
		$1 == "sent" { if (!($2 in row)) { row[$2]; order[++m] = $2 } v[$2, $3] = $4; sum += $4 }
		END { for (i = 1; i <= m; i++) { for (c = 0; c < n; c++) printf "%.3f ", 100 * v[order[i], c] / sum; print "" } }' \
			"$dir/run/$s/probe.${sizes[0]}" > "$data/$s/matrix"
		awk '$1 == "served" { print $3 }' "$dir/run/$s/probe.${sizes[0]}" > "$data/$s/served"
	done
	(	# one column per set-up
		cd "$data"
		printf 'cpu'
		printf '\t%s' "${setups[@]}"
		echo
		paste <(seq 0 $((cpus - 1))) "${setups[@]/%//served}"
	) > "$data/served"
	gnuplot <<END
set terminal svg size 640,360 font 'sans,13' background '#ffffff'
set datafile separator ','
set style data histogram
set linetype 1 lc rgb '#9a9a9a'
set linetype 2 lc rgb '#e39a2d'
set linetype 3 lc rgb '#1b6ca8'
set style histogram clustered gap 1
set style fill solid 0.9 border -1
set boxwidth 0.9
set yrange [0:110]
set ytics 0,25,100
set grid y lc rgb '#dddddd'
set key outside bottom center horizontal
set title "Locality, $cpus CPUs and $nics NICs"
set ylabel 'percent'
set output '$dir/locality.svg'
plot '$dir/result.csv' using 7:xtic(1) every ::1 title 'sent through the own NIC' lc rgb '#1b6ca8', \
     '' using (\$0-0.17):(\$7+4):(sprintf('%.1f',\$7)) every ::1 with labels notitle, \
     '' using 8 every ::1 title 'connection on one core' lc rgb '#e39a2d', \
     '' using (\$0+0.17):(\$8+4):(sprintf('%.1f',\$8)) every ::1 with labels notitle

set datafile separator '\t'
set yrange [0:*]
set ytics auto
set title "Connections accepted by each core"
set ylabel 'connections'
set xlabel 'CPU'
set output '$dir/cores.svg'
plot for [i=2:$((${#setups[@]} + 1))] '$data/served' using i:xtic(1) title columnheader(i)

set output '$dir/matrix.svg'
set terminal svg size $((260 * ${#setups[@]} + 60)),320 font 'sans,12' background '#ffffff'
set datafile separator whitespace
unset grid
unset key
set multiplot layout 1,${#setups[@]}
set xlabel 'sending CPU'
set ylabel 'NIC'
set xrange [-0.5:$cpus-0.5]
set yrange [$nics-0.5:-0.5]
set xtics 0,1
set ytics 0,1
set palette defined (0 '#ffffff', 1 '#1b6ca8')
set cbrange [0:100.0/$nics]
unset colorbox
$(for s in "${setups[@]}"; do
	echo "set title '$s: % of packets'"
	echo "plot '$data/$s/matrix' matrix with image pixels, '' matrix using 1:2:(sprintf('%.0f',\$3)) with labels"
done)
unset multiplot
END
}

html() {
	local f
	cat <<END
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>flowpar: $cpus CPUs, $nics NICs</title>
<style>body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3em .7em;text-align:right}
td:first-child,th:first-child{text-align:left}pre{overflow-x:auto;background:#f6f6f6;padding:1em;font-size:13px}
svg{max-width:100%;height:auto}.note{color:#555}</style></head><body>
<h1>flowpar: one flow, one core</h1>
<p>$cpus CPUs, $nics $nic NICs, $nics clients &times; $requests requests of ${sizes[0]} bytes, $concurrency at a time,
one connection per request, through an 802.3ad switch. <b>$caveat</b>: both guests share this machine's cores.</p>
<table>
END
	awk -F, '{ t = NR == 1 ? "th" : "td"; printf "<tr>"; for (i = 1; i <= NF; i++) printf "<%s>%s</%s>", t, $i, t; print "</tr>" }' "$dir/result.csv"
	cat <<END
</table>
<p class="note">own_nic_pct: of the service's TCP packets, at tracepoint <code>net_dev_queue</code> on the slave, those whose CPU is
the one that the slave's interrupt is bound to. one_core_pct: of the service's connections, those whose receive softirqs
(<code>netif_receive_skb</code>), socket state changes (<code>inet_sock_set_state</code>) and accept
(return of <code>inet_csk_accept</code>) all ran on one CPU.</p>
END
	for f in locality matrix cores; do
		# The file's own XML prologue has no place inside a page; gnuplot names
		# its elements alike in every file, so give each picture its own.
		sed -e '1,/<svg/{/<svg/!d}' -e "s/gnuplot_/$f&/g" -e "s/id=\"gp/id=\"${f}gp/g; s/url(#gp/url(#${f}gp/g; s/href='#gp/href='#${f}gp/g; s/id='gp/id='${f}gp/g" "$dir/$f.svg"
	done
	echo '<h2>Everything that was counted</h2><pre>'
	sed 's/&/\&amp;/g; s/</\&lt;/g' "$dir/report.txt"
	echo '</pre></body></html>'
}

csv
text | tee "$dir/report.txt"
plots
html > "$dir/report.html"
echo
echo "$dir/result.csv  $dir/report.html"
