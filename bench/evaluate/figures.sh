# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154	# variables of report.sh
# The pictures: data files by figures.jq, drawn by gnuplot, each with the caveat in
# the picture itself, because pictures travel alone.

drawn=()	# names of the figures there are, in the report's order

figure_data() {	# figure_data WHAT [LABEL]
	jq -rn -L "$here" --arg what "$1" --arg who "${2:-}" --slurpfile runs "$data/runs.jsonl" -f "$here/figures.jq"
}

colour() {
	case $1 in
	balance-rr) echo '#a8a8a8' ;;		8023ad-l34) echo '#5a5a5a' ;;
	nft-redirect) echo '#e8c37a' ;;		nft-stateless) echo '#e39a2d' ;;
	reuseport) echo '#c9702b' ;;		sk-lookup) echo '#8f4a1f' ;;
	rr-queue-id) echo '#b9a6d3' ;;		rr-queue-id-bpf) echo '#d4a017' ;;		team-cpu) echo '#8a6fb3' ;;
	multiqueue) echo '#5f8f5f' ;;		flowpar-bpf) echo '#4aa3d9' ;;
	flowpar-reuseport) echo '#0b3d66' ;;	flowpar-nat-tuned) echo '#5f7fd9' ;;	flowpar-direct) echo '#7fb8b0' ;;	*) echo '#1b6ca8' ;;
	esac
}

# draw NAME WIDTH HEIGHT CAPTION: gnuplot's commands from stdin
draw() {
	local name=$1 lines
	mapfile -t lines < "$data/caveat"
	{	cat <<-END
		set terminal svg size $2,$3 font 'sans,13' background '#ffffff'
		set output '$dir/$name.svg'
		set datafile separator '\t'
		set encoding utf8
		set bmargin at screen $(awk -v h="$3" -v n="${#lines[@]}" 'BEGIN { print (75 + 14 * n) / h }')
		set grid y lc rgb '#dddddd'
		set border 3
		set tics nomirror
		set style fill solid 0.85 noborder
		END
		for i in "${!lines[@]}"; do
			echo "set label \"$(sed 's/["\\]//g' <<< "${lines[i]}")\" at screen 0.01, screen $(awk -v h="$3" -v k=$((${#lines[@]} - i)) 'BEGIN { print (14 * k - 6) / h }') font ',10' tc rgb '#666666' noenhanced front"
		done
		cat
	} | gnuplot > "$data/$name.log" 2>&1 || die "figure $name: gnuplot failed; see $data/$name.log"
	echo "$4" > "$data/$name.caption"
	drawn+=("$name")
}

# curves FIGURE Y LOW HIGH: a line and its band for each set-up in ${labels[@]}
curves() {
	local l i=0 sep=''
	printf 'plot '
	for l in "${labels[@]}"; do
		printf "%s'%s' using 1:%d:%d with filledcurves lc rgb '%s' fs transparent solid 0.18 notitle" "$sep" "$data/$1.$l" "$3" "$4" "$(colour "$l")"
		sep=', '
	done
	for l in "${labels[@]}"; do
		i=$((i + 1))
		printf ", '%s' using 1:%d with linespoints lw 2 pt 7 ps 0.6 lc rgb '%s' title '%s' noenhanced" "$data/$1.$l" "$2" "$(colour "$l")" "$l"
	done
}

figure_costs() {
	figure_data costs > "$data/costs"
	[[ -s $data/costs ]] || return 0
	draw costs 860 430 "Server cycles per request by set-up at three prices of a cache-to-cache transfer, cheapest first; whiskers: seeds." <<-END
	set title 'Server cycles per request'
	set ylabel 'kilocycles per request'
	set yrange [0:*]
	set xtics rotate by -22 noenhanced
	set rmargin 9	# the last name hangs over
	set key top left horizontal
	set boxwidth 0.26
	plot '$data/costs' using (\$1-0.27):(\$3/1000) with boxes lc rgb '#a9cbe3' title 'c2c 50', \
	     '' using 1:(\$4/1000):xtic(2) with boxes lc rgb '#1b6ca8' title 'c2c 110', \
	     '' using (\$1+0.27):(\$5/1000) with boxes lc rgb '#0b3d66' title 'c2c 250', \
	     '' using 1:(\$6/1000):(0):((\$7-\$6)/1000) with vectors heads size graph 0.006,90 lc rgb '#000000' notitle, \
	     '' using 1:(\$4/1000):(sprintf('%.0f', \$4/1000)) with labels offset 0,0.6 font ',10' notitle
	END
}

figure_scaling() {
	local l
	labels=()
	while read -r l; do
		figure_data scaling "$l" > "$data/scaling.$l"
		(($(wc -l < "$data/scaling.$l") < 2)) || labels+=("$l")
	done < <(jq -rn -L "$here" 'include "lib"; [inputs | select(.workload == "http" and .variant == "-") | .label] | unique | sort_by(rank_of(.))[]' "$data/runs.jsonl")
	((${#labels[@]})) || return 0
	draw throughput 760 460 "Throughput by server cores, the original's figure 5. Band: least and most over seeds and c2c costs 50, 110, 250. The original: stock grows to 3 cores and not after; flow-parallel about 300% better at 8." <<-END
	set title "Throughput by server cores (original: fig. 5)\n{/*0.8 the original: stock stops growing at 3 cores, flow-parallel about 300% better at 8}"
	set xlabel 'server cores'
	set ylabel 'requests per Mcycle of the busiest core'
	set yrange [0:*]
	set key top left
	$(curves scaling 2 3 4)
	END
	awk -F'\t' '$5 > 0 { found = 1 } END { exit !found }' "$data"/scaling.* || return 0
	draw efficiency 760 430 "Efficiency: throughput against 8023ad-l34 on one core times the cores; 100 is linear. Band as above." <<-END
	set title 'Efficiency against linear'
	set xlabel 'server cores'
	set ylabel '% of (8023ad-l34 on one core) x cores'
	set yrange [0:*]
	set key bottom left
	$(curves scaling 5 6 7), 100 with lines dt 2 lc rgb '#999999' title 'linear'
	END
}

figure_transmit() {
	figure_data transmit > "$data/transmit"
	[[ -s $data/transmit ]] || return 0
	draw transmit 640 430 "Transmit alone, pktgen on every core through bond0, the original's figure 4 (4 NICs): cycles per packet of balance-rr against each set-up's. Whiskers: seeds and c2c costs. The original's bar is its own ratio of requests served." <<-END
	set title 'Transmit alone: cycles per packet of balance-rr against it (original: fig. 4)'
	set ylabel 'times cheaper than balance-rr'
	set yrange [0:*]
	set key top left
	set boxwidth 0.36
	set xtics noenhanced
	plot '$data/transmit' using (\$0-0.19):2 with boxes lc rgb '#1b6ca8' title 'here, Linux 6.12', \
	     '' using (\$0+0.19):5:xtic(1) with boxes lc rgb '#d9b38c' title 'original, Linux 2.6.20', \
	     '' using (\$0-0.19):3:(0):(\$4-\$3) with vectors heads size graph 0.006,90 lc rgb '#000000' notitle, \
	     '' using (\$0-0.19):4:(sprintf('%.2f', \$2)) with labels offset 0,0.6 notitle, \
	     '' using (\$0+0.19):5:(\$5 > 0 ? sprintf('%.0f', \$5) : '') with labels offset 0,0.6 notitle
	END
}

figure_sizes() {
	local l have=()
	for l in balance-rr 8023ad-l34; do
		figure_data sizes "$l" > "$data/sizes.$l"
		(($(wc -l < "$data/sizes.$l") < 2)) || have+=("$l")
	done
	((${#have[@]})) || return 0
	labels=("${have[@]}")
	draw sizes 700 430 "Gain of flowpar-nat over the stock set-ups by file size, the original's figure 6 (its gain did not depend on the size). Band: seeds and c2c costs." <<-END
	set title 'Gain of flowpar-nat by file size (original: fig. 6)'
	set xlabel 'bytes'
	set ylabel 'times the throughput of'
	set logscale x 2
	set format x '%.0f'
	set yrange [0:*]
	set key bottom left
	$(curves sizes 2 3 4), 1 with lines dt 2 lc rgb '#999999' notitle
	END
}

stacked() {	# stacked NAME TABLE TITLE: transfers per request of each set-up, stacked by the rows of TABLE
	local n shown=12
	# rows become stacks: transpose, so that gnuplot has a set-up a line; small ones together
	jq -r --arg name "$2" --argjson shown $shown 'select(.name == $name) | .header[1:] as $labels | .rows[:-2] as $rows
		| ($rows[:-1][:$shown]) as $own | ($rows[($own | length):]) as $rest
		| def num: gsub(","; "") | tonumber;
		  (["set-up"] + [$own[][0]] + ["all others"] | join("\t")),
		  (range(0; $labels | length) as $i | [$labels[$i]] + [$own[][$i + 1] | num] + [[$rest[][$i + 1] | num] | add // 0] | map(tostring) | join("\t"))' \
		"$data/tables.jsonl" > "$data/$1"
	n=$(awk -F'\t' 'NR == 1 { print NF }' "$data/$1")
	((${n:-0} > 1)) || return 0
	draw "$1" 980 520 "$3, per request, mean over seeds; the $shown largest and the rest." <<-END
	set title '$3 per request'
	set ylabel 'transfers between server cores per request'
	set style data histogram
	set style histogram rowstacked
	set boxwidth 0.7
	set yrange [0:*]
	set rmargin at screen 0.66
	set key outside right center vertical reverse Left noenhanced invert font ',11'
	set xtics rotate by -22 noenhanced
	plot for [i=2:$n] '$data/$1' using i:xtic(1) title columnheader(i) lc rgb word('#1b6ca8 #e39a2d #5f8f5f #a3271d #8a6fb3 #8f4a1f #d65f9c #4a4a4a #b5b52f #3fb0b0 #f0c27f #8fb7dd #cccccc', i - 1)
	END
}

figure_balance() {
	local n
	figure_data balance > "$data/balance"
	n=$(awk -F'\t' 'NR == 1 { print NF }' "$data/balance")
	((${n:-0} > 1)) || return 0
	draw balance 980 430 "Load of each server core in the region, in modelled Mcycles." <<-END
	set title 'Load of each server core'
	set ylabel 'Mcycles'
	set xlabel 'core'
	set style data histogram
	set style histogram clustered gap 1
	set yrange [0:*]
	set rmargin at screen 0.8
	set key outside right center vertical Left reverse noenhanced
	plot $(for ((i = 2; i <= n; i++)); do
		l=$(awk -F'\t' -v i=$i 'NR == 1 { print $i }' "$data/balance")
		printf "%s'%s' using %d:xtic(1) title columnheader(%d) lc rgb '%s'" "$([[ $i == 2 ]] || echo ', ')" "$data/balance" $i $i "$(colour "$l")"
	done)
	END
}

figures() {
	figure_costs
	figure_scaling
	figure_transmit
	figure_sizes
	stacked by-function functions 'Cache-to-cache transfers by function'
	stacked by-structure structures 'Cache-to-cache transfers by structure'
	figure_balance
}
