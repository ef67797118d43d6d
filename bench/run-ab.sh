#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The benchmark: lighttpd in the lab's server guest, one ab per client behind the
# 802.3ad switch, several set-ups (bench/setups/) in one invocation.
#
# Prints a table and writes DIR/result.csv, SVG and report.html (report.sh). The
# guests' CPUs are emulated and share the host's: locality is the result here,
# requests/s only tell that work was done.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/.." && pwd)

usage() {
	cat <<END
usage: run-ab.sh [options]
  --out DIR          where results go                  (out/ab)
  --cpus N           server CPUs, and NICs             (4)
  --nics N           NICs if other than CPUs
  --nic MODEL        virtio-net or e1000e              (virtio-net)
  --switch KIND      bridge or ovs, as for lab run     (bridge)
  --setups LIST      comma separated                   (balance-rr,8023ad-l34,flowpar)
  --sizes LIST       file sizes in bytes, the first is the row of result.csv (128)
                     "all" is 128,256,512,...,32768
  --requests N       per client and size               (500)
  --concurrency N    of each client                    (8)
  --server NAME      lighttpd or nginx, for all set-ups    (lighttpd)
  --cut              flowpar also with a link cut and restored under load
  --kernel K         one kernel for all set-ups: patched, stock, debug, debian-X.Y, DIR
  --deb FILE         flowpar's tools from this package, not from the repository
  --base X.Y         version of the kernels that set-ups ask for: 6.12 or 6.1 (6.12)
Set-ups: $(cd "$here/setups" && echo *.sh | sed 's/common\.sh *//; s/\.sh//g')
END
}
die() { echo "run-ab.sh: $*" >&2; exit 2; }

out=$repo/out/ab cpus=4 nics='' nic=virtio-net switch=bridge setups=balance-rr,8023ad-l34,flowpar
sizes=128 requests=500 concurrency=8 server=lighttpd cut=0 one_kernel='' base=6.12 deb=''
while (($#)); do
	case $1 in
	--cut) cut=1; shift; continue ;;
	-h|--help) usage; exit ;;
	--*) (($# > 1)) || die "$1: wants a value" ;;
	*) usage >&2; die "$1: not an option" ;;
	esac
	case $1 in
	--out) out=$2 ;;
	--cpus) cpus=$2 ;;
	--nics) nics=$2 ;;
	--nic) nic=$2 ;;
	--switch) switch=$2 ;;
	--setups) setups=$2 ;;
	--sizes) sizes=$2 ;;
	--requests) requests=$2 ;;
	--concurrency) concurrency=$2 ;;
	--server) server=$2 ;;
	--kernel) one_kernel=$2 ;;
	--deb) deb=$(realpath -e "$2") || die "--deb $2: no such file" ;;
	--base) base=$2 ;;
	*) usage >&2; die "$1: unknown option" ;;
	esac
	shift 2
done
nics=${nics:-$cpus}
[[ $sizes == all ]] && sizes=128,256,512,1024,2048,4096,8192,16384,32768
[[ $sizes =~ ^[1-9][0-9]*(,[1-9][0-9]*)*$ ]] || die "--sizes $sizes: want byte counts with commas between them, or all"
for n in "$cpus" "$nics" "$requests" "$concurrency"; do
	[[ $n =~ ^[1-9][0-9]{0,5}$ ]] || die "$n: want a whole number of at least 1"
done
((!cut || nics > 1)) || die "--cut: the link that is cut is the second; give --nics 2 or more"
[[ $nic == virtio-net || $nic == e1000e ]] || die "--nic $nic: want virtio-net or e1000e"
[[ $server == lighttpd || $server == nginx ]] || die "--server $server: want lighttpd or nginx"
((cpus <= 24 && nics <= 24)) || die "--cpus $cpus --nics $nics: the lab's machine has slots for 24 NICs"
IFS=, read -ra todo <<< "$setups"
for s in "${todo[@]}"; do
	[[ -r $here/setups/$s.sh && $s != common ]] || { usage >&2; die "--setups $s: no such set-up"; }
	# shellcheck source=bench/setups/multiqueue.sh
	refuses=$(. "$here/setups/$s.sh"; echo "${refuses:-${model_only:-}}")
	[[ -z $refuses ]] || die "--setups $s: $refuses"
done

make -s -C "$repo/ctl" || die "flowparctl does not build; see above"
make -s -C "$here/steer" || die "steer does not build; see above"
mkdir -p "$out"
out=$(cd "$out" && pwd)
rm -f "$out"/{result.csv,sizes.csv,report.html,report.txt,locality.svg,cores.svg,matrix.svg}
[[ ! -d $out/run || -e $out/run/parameters ]] || die "--out $out: has a run/ that is none of ours; choose another"
rm -rf "$out/run"
mkdir -p "$out/run"

cat > "$out/run/parameters" <<END
cpus=$cpus
nics=$nics
nic=$nic
setups=(${todo[*]})
sizes=(${sizes//,/ })
requests=$requests
concurrency=$concurrency
END

n=0
for s in "${todo[@]}"; do
	n=$((n + 1))
	# shellcheck source=bench/setups/flowpar.sh
	read -r lag kernel < <(. "$here/setups/$s.sh"; echo "$lag $kernel")
	kernel=${one_kernel:-$kernel-$base}
	echo "[$n/${#todo[@]}] $s: $cpus CPUs, $nics $nic NICs, $kernel kernel" >&2
	kdir=$kernel
	case $kernel in
	*/*) ;;
	debian-*) kdir=$("$here/lab/debian-kernel" "$kernel") ;;
	*) kdir=$("$repo/kernel-patches/build.sh" "$kernel") ;;
	esac
	probe=$("$here/lab/module" "$kdir" "$here/lab/probe")
	do_cut=0
	[[ $s == flowpar ]] && do_cut=$cut
	slow=1
	grep -q '^CONFIG_KASAN=y' "$kdir/config" && slow=4
	# Open vSwitch takes its time on emulated CPUs: its daemons, and each new flow.
	[[ $switch == bridge ]] || slow=4
	status=0
	# A lab must not outlive who started it.
	setpriv --pdeathsig TERM "$here/lab/lab" run --cpus "$cpus" --nics "$nics" --nic "$nic" --kernel "$kdir" --lag "$lag" --switch "$switch" \
		--server "$here/guest/ab-server" --client "$here/guest/ab-client" --out "$out/run/$s" \
		--env SETUP="$s" --env SERVER="$server" --env SIZES="${sizes//,/ }" --env REQUESTS="$requests" \
		--env CONCURRENCY="$concurrency" --env CUT="$do_cut" --env DEB="$deb" \
		--env PROBE="$probe" --timeout $((slow * (240 + cpus * requests / 10))) || status=$?
	if ((status)); then
		echo "run-ab.sh: $s: the lab run failed (exit $status); logs in $out/run/$s:" >&2
		tail -qn 20 "$out/run/$s"/{server,client}.log >&2 || true
		exit 1
	fi
	basename "$kdir" > "$out/run/$s/kernel"
done
exec "$here/report.sh" "$out"
