# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034	# read by evaluate.sh
# The matrix of evaluate.sh: which runs belong to which budget, and what they cost.
#
# A line is a run: SETUP CORES BYTES SEED C2C WORKLOAD VARIANT REQUESTS WARM, the
# last two per core. Most telling first, so that an interrupted evaluation has
# something to show. VARIANT is -, skew or nginx.

readonly every_setup=(balance-rr 8023ad-l34 nft-redirect nft-stateless reuseport sk-lookup rr-queue-id rr-queue-id-bpf team-cpu
	multiqueue flowpar-nat flowpar-bpf flowpar-reuseport flowpar-nat-tuned flowpar-direct)
# Candidates for "the best that stock Linux offers".
readonly tuned_stock=(nft-redirect nft-stateless reuseport sk-lookup rr-queue-id rr-queue-id-bpf team-cpu multiqueue)

lines() {	# lines SETUPS CORES BYTES SEEDS C2C WORKLOAD VARIANT REQUESTS WARM: every combination, each a list
	local s n b e c
	for n in $2; do for b in $3; do for e in $4; do for c in $5; do for s in $1; do
		echo "$s $n $b $e $c $6 $7 $8 $9"
	done; done; done; done; done
}

plan_setups() {	# plan_setups BUDGET: everybody at 8 cores
	case $1 in
	quick)	lines "balance-rr 8023ad-l34 reuseport flowpar-nat" 8 128 1 110 http - 100 100 ;;
	*)	lines "${every_setup[*]}" 8 128 1 110 http - 100 200 ;;
	esac
}

plan_rest() {	# plan_rest BUDGET BEST_STOCK: by cores, seeds, sizes; what depends on the above
	local four="balance-rr 8023ad-l34 $2 flowpar-nat" seeded=" ${every_setup[*]} "
	seeded=${seeded/ multiqueue / } seeded=${seeded/ flowpar-direct / }
	case $1 in
	quick)
		lines "8023ad-l34 flowpar-nat" 1 128 1 110 http - 400 200
		lines "8023ad-l34 flowpar-nat" 4 128 1 110 http - 100 100
		lines "balance-rr flowpar-nat" 4 128 1 110 transmit - 2000 1000
		;;
	*)
		# Every bar divides by stock on one core, which has few requests: more of them.
		lines "8023ad-l34" 1 128 "1 2 3" 110 http - 400 200
		lines "$four" "2 4" 128 1 110 http - 100 200
		lines "balance-rr $2 flowpar-nat" 1 128 1 110 http - 400 200
		lines "$four flowpar-bpf flowpar-nat-tuned" 8 128 2 110 http - 100 200
		lines "balance-rr 8023ad-l34 flowpar-nat" 4 128 "1 2 3" 110 transmit - 2000 1000
		lines "8023ad-l34 flowpar-nat" 8 128 1 "50 250" http - 100 200
		lines "8023ad-l34 flowpar-nat" 4 128 1 110 http skew 100 200
		lines "balance-rr 8023ad-l34 flowpar-nat" 4 "256 2048 32768" 1 110 http - 100 100
		lines "$four flowpar-bpf flowpar-nat-tuned" 8 128 3 110 http - 100 200
		lines "8023ad-l34 reuseport flowpar-nat" 8 128 1 110 http nginx 100 200
		;;
	esac
	# The order of all is a bar, so each has three seeds; multiqueue cannot run, and
	# flowpar-direct is in no order. Last: most of them are far from any bar.
	[[ $1 == quick ]] || lines "$seeded" 8 128 "2 3" 110 http - 100 200
	[[ $1 == full ]] || return 0
	lines "$four" "2 4" 128 "2 3" 110 http - 100 200
	lines "$four" 1 128 "2 3" 110 http - 400 200
	lines "$four" 8 128 "4 5" 110 http - 100 200
	lines "$four" 8 128 1 "50 250" http - 100 200
	lines "balance-rr 8023ad-l34 flowpar-nat" 4 "256 512 1024 2048 4096 8192 16384 32768" "1 2 3" 110 http - 100 100
	lines "$four" "16 32" 128 "1 2" 110 http - 100 200
	lines "8023ad-l34 reuseport flowpar-nat" 8 128 "2 3" 110 http nginx 100 200
}

# Rough seconds of a run with one CPU to itself: the boot grows with the number of
# vCPUs, the load with requests. evaluate.sh corrects it by what runs really took.
seconds_of() {	# seconds_of LINE: into $seconds
	local cores bytes workload requests warm per
	read -r _ cores bytes _ _ workload _ requests warm <<< "$1"
	per=27			# ms a request
	[[ $workload == http ]] || per=3
	seconds=$((5 + 4 * cores + cores * cores * cores / 64 + cores * (requests + warm) * (per + bytes / 400) / 1000))
}
