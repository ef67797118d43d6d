#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: flowparctl run pins, restarts, signals and stops its servers as documented, and leaves none behind however it ends; plain and sanitizer build.
# Suite: unit
# Placeholders in braces and functions called by name are meant.
# shellcheck disable=SC1083,SC2009,SC2013,SC2016,SC2086,SC2317
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

cpus=$(awk '/^Cpus_allowed_list/ { print $2 }' /proc/self/status)
[[ $cpus =~ ^([0-9]+)[-,]([0-9]+) ]] || skip "needs two CPUs, has $cpus"
first=${BASH_REMATCH[1]} second=${BASH_REMATCH[2]}
[[ $cpus == "$first"-* ]] && second=$((first + 1))
export XDG_RUNTIME_DIR=$test_out

# A server that records what it was given and each signal it gets. Its second
# process stands for a worker; it dies of nothing but SIGKILL.
cat > "$test_out/server" <<'END'
#!/bin/bash
rec=$1/$FLOWPAR_PORT
{
	echo "arguments ${*:2}"
	echo "environment $FLOWPAR_PORT $FLOWPAR_CPU $FLOWPAR_INSTANCE"
	echo "cpus $(awk '/^Cpus_allowed_list/ { print $2 }' /proc/self/status)"
	echo "stdin $(readlink /proc/$$/fd/0)"
	echo "group leader $(($(ps -o pgid= -p $$) == $$))"
} > "$rec.given"
echo "$EPOCHREALTIME" >> "$rec.starts"
for sig in HUP USR1 USR2; do
	trap 'echo '$sig' >> "$rec.signals"' $sig
done
trap '${ON_TERM:-exit 0}' TERM
[[ ${FAILING:-} != *" $FLOWPAR_INSTANCE "* ]] || exit 3
(trap '' TERM HUP USR1 USR2; while :; do sleep 3600; done) &
echo $! > "$rec.worker"
echo $$ > "$rec.pid"
while :; do wait; done
END
chmod +x "$test_out/server"

# Whatever a failed point has left running: only what is a server of this test.
left_over() {
	local p
	for p in $(cat "$test_out"/*/*.{pid,worker} 2>/dev/null); do
		! grep -qsF "$test_out/" "/proc/$p/cmdline" || kill -KILL "$p"
	done
}
trap left_over EXIT

start() {	# start NAME ARGUMENT...: flowparctl run in the background, records in $rec
	rec=$test_out/$build-$1
	shift
	mkdir "$rec"
	"$ctl" run --cpus "$first,$second" --port-base 17000 "$@" < "$test_file" > "$rec/stdout" 2> "$rec/stderr" &
	pid=$!
}

up() {		# all of these ports' servers have got as far as their loop
	local port
	for port in "$@"; do
		wait_until 10 test -s "$rec/$port.pid" || return 1
	done
}

said() { grep -qE "$1" "$rec/stderr"; }
gone() {	# neither servers nor workers of $rec are left
	local p
	for p in $(cat "$rec"/*.pid "$rec"/*.worker); do
		! kill -0 "$p" 2>/dev/null || return 1
	done
}
no_zombie() { ! ps -o stat= --ppid "$pid" | grep -q Z; }
no_files() {	# the directory that the servers' {conf} was in
	local conf
	conf=$(sed -n 's/^arguments //p' "$rec/17000.given")
	[[ $conf == */17000.conf && ! -e ${conf%/*} ]]
}
keeper() { pgrep -P "$pid" -x flowpar-keeper; }
other_keeper() { local now; now=$(keeper) && [[ $now != "$1" ]]; }
starts() { (($(wc -l < "$rec/$1.starts") >= $2)); }

ends() {	# ends TEXT STATUS: flowparctl ends by itself with that status
	local status=0
	wait_until 20 bash -c "! kill -0 $pid" || kill -KILL "$pid"
	wait "$pid" || status=$?
	if ((status == $2)); then
		ok "$build: $1"
	else
		not_ok "$build: $1" "exit $status, expected $2
$(tail -n 20 "$rec/stderr")"
	fi
}

placement() {
	local port
	start placement --stop-timeout 1 --per-core 2 --stride 4 -- "$test_out/server" "$test_out/$build-placement" {port} {cpu}/{instance} '{x} {'
	check "$build: two instances on each of two CPUs start" up 17000 17001 17004 17005
	same "$build: placeholders, environment, CPU, stdin, process group" \
"arguments 17000 $first/0 {x} {
environment 17000 $first 0
cpus $first
stdin /dev/null
group leader 1
arguments 17001 $first/1 {x} {
environment 17001 $first 1
cpus $first
stdin /dev/null
group leader 1
arguments 17004 $second/0 {x} {
environment 17004 $second 0
cpus $second
stdin /dev/null
group leader 1
arguments 17005 $second/1 {x} {
environment 17005 $second 1
cpus $second
stdin /dev/null
group leader 1" "$(cat "$rec"/1700{0,1,4,5}.given)"
	same "$build: one line for each start" \
"$(for port in 17000 17001 17004 17005; do
	echo "flowparctl: port $port (CPU $( ((port > 17001)) && echo "$second" || echo "$first")): started, pid $(< "$rec/$port.pid")"
done)" "$(< "$rec/stderr")"
	if [[ -r /proc/self/numa_maps ]]; then
		same "$build: memory is local" local "$(awk '{ print $2; exit }' "/proc/$(< "$rec/17000.pid")/numa_maps")"
	fi

	# One at a time: bash may lose a trap that comes while it runs another.
	local sig
	for sig in HUP USR1 USR2; do
		kill -"$sig" "$pid"
		for port in 17000 17001 17004 17005; do
			check "$build: $port gets SIG$sig" wait_until 10 grep -qx "$sig" "$rec/$port.signals"
		done
	done

	local old worker others
	old=$(< "$rec/17001.pid") worker=$(< "$rec/17001.worker")
	others=$(cat "$rec"/1700{0,4,5}.pid)
	rm "$rec/17001.pid"
	kill -KILL "$old"
	check "$build: a server that dies is started again" up 17001
	check "$build: what killed it is said" said "port 17001 .*: killed by signal 9 \(Killed\) after .*; it is started again in 0.1 s"
	check "$build: its worker is gone" wait_until 5 bash -c "! kill -0 $worker"
	same "$build: the others keep running" "$others" "$(cat "$rec"/1700{0,4,5}.pid; kill -0 $others 2>&1)"
	check "$build: no zombie is left" wait_until 5 no_zombie

	kill -TERM "$pid"
	ends "SIGTERM, workers that ignore it: killed after the stop timeout, status 1" 1
	check "$build: all servers are gone" gone
	check "$build: said so" said 'port 17005 .*: still running after the stop timeout; killed'
}

stopping() {
	# Without a worker that ignores SIGTERM: exec a plain sleep
	start clean -- bash -c 'echo $$ > "$0/$FLOWPAR_PORT.pid"; touch "$0/$FLOWPAR_PORT.worker"; exec sleep 3600' "$test_out/$build-clean"
	up 17000 17008
	kill -TERM "$pid"
	ends "SIGTERM: every server ends by it, status 0" 0
	check "$build: they are gone" gone

	start interrupt -- bash -c 'echo $$ > "$0/$FLOWPAR_PORT.pid"; touch "$0/$FLOWPAR_PORT.worker"; exec sleep 3600' "$test_out/$build-interrupt"
	up 17000 17008
	kill -STOP "$(< "$rec/17000.pid")"
	kill -INT "$pid"
	ends "SIGINT does the same, also to a server that is stopped (SIGSTOP)" 0

	start other -- bash -c 'trap "exit 7" TERM; echo $$ > "$0/$FLOWPAR_PORT.pid"; while :; do sleep 0.1; done' "$test_out/$build-other"
	up 17000 17008
	kill -TERM "$pid"
	ends "a server that ends with status 7 when stopped: status 1" 1
	check "$build: said so" said 'port 17008 .*: exited with status 7 when it was asked to stop'
}

failing() {
	local rest delays
	FAILING=' 1 ' start failing --per-core 2 --stop-timeout 1 -- "$test_out/server" "$test_out/$build-failing"
	up 17000 17008
	rest=$(cat "$rec"/170*.pid)
	check "$build: failing servers are tried again and again" wait_until 20 starts 17001 6
	delays=$(awk 'NR > 1 { print ($1 - last) * 1000 } { last = $1 }' "$rec/17001.starts" |
		awk -v want=100 '$1 < want { print "restart " NR " after " $1 " ms, expected " want } { want *= 2 }')
	same "$build: delays double from 100 ms on" '' "$delays"
	same "$build: a standing failure is reported once" "exited with status 3 after
exited with status 3 after
exited with status 3, 3 times in a row" \
		"$(grep -E '^flowparctl: port 17001 .*exited' "$rec/stderr" | grep -oE 'exited with status 3( after|, [0-9]+ times in a row)')"
	same "$build: the rest keeps running" "$rest" "$(cat "$rec"/170*.pid; kill -0 $rest 2>&1)"
	kill -TERM "$pid"
	ends "status 1 when a server was failing" 1

	start hopeless -- "$test_out/false" {port}
	ends "gives up with status 1 when no server ever stays up" 1
	check "$build: says why" said 'run: no server stays up, giving up'
	same "$build: after 5 times each" "10" "$(wc -l < "$rec/stdout")"

	start background -- /bin/true
	ends "a server that goes to the background is a failure" 1
	check "$build: says what to do" said 'exited with status 0 \(a server has to stay in the foreground\)'

	start interpreter -- "$test_out/bad-interpreter"
	ends "a program that cannot be executed is a failure" 1
	check "$build: says why" said 'cannot be started: .*/bad-interpreter: No such file or directory'
}
# What it says goes where flowparctl's stdout goes.
printf '#!/bin/bash\necho "run as $1"\nexit 1\n' > "$test_out/false"
printf '#!/no/interpreter\n' > "$test_out/bad-interpreter"
chmod +x "$test_out/false" "$test_out/bad-interpreter"

template() {
	local written
	printf 'listen {port} on {cpu}; me {conf}; { other }\n' > "$test_out/template"
	start template --template "$test_out/template" --stop-timeout 1 -- "$test_out/server" "$test_out/$build-template" {conf}
	up 17000 17008
	written=$(sed -n 's/^arguments //p' "$rec/17008.given")
	same "$build: the template is written out" "listen 17008 on $second; me $written; { other }" "$(< "$written")"
	echo 'new {port}' > "$test_out/template"
	kill -HUP "$pid"
	check "$build: and again after SIGHUP" wait_until 10 grep -qx 'new 17008' "$written"
	check "$build: before the server hears of it" wait_until 10 grep -q HUP "$rec/17008.signals"
	rm "$test_out/template"
	kill -HUP "$pid"
	check "$build: a template that is gone is reported" wait_until 10 said '/template: No such file'
	same "$build: and changes nothing" 'new 17008' "$(< "$written")"
	kill -TERM "$pid"
	wait "$pid"
	check "$build: written-out files are removed" no_files
	checked
}

# Looks at a configuration as the test says in the template: good, bad for the second CPU, or slow.
checked() {
	local first_conf second_conf looked
	looked=$test_out/$build-looked
	cat > "$test_out/look" <<-'END'
	#!/bin/bash
	echo "$FLOWPAR_PORT $(< "$1")" >> "$2"
	case $(< "$1") in *slow*) echo $$ >> "$2.slow"; exec sleep 1000 ;; *bad*17008*) exit 9 ;; esac
	END
	chmod +x "$test_out/look"
	echo 'old {port}' > "$test_out/template"
	start checked --template "$test_out/template" --stop-timeout 1 --check "'$test_out/look' {conf} '$looked'; exit \$?" -- \
		"$test_out/server" "$test_out/$build-checked" {conf}
	up 17000 17008
	first_conf=$(sed -n 's/^arguments //p' "$rec/17000.given") second_conf=$(sed -n 's/^arguments //p' "$rec/17008.given")
	check "$build: --check is not for the start" test ! -e "$looked"
	echo 'bad {port} {conf}' > "$test_out/template"
	kill -HUP "$pid"
	check "$build: a configuration that --check refuses is reported" wait_until 10 \
		said "^flowparctl: .*/template: --check of the configuration for port 17008 \(CPU $second\) exited with status 9; nothing is reloaded, mend it and send the signal again\$"
	same "$build: it has looked at each as the server would see it" "17000 bad 17000 $first_conf
17008 bad 17008 $second_conf" "$(< "$looked")"
	same "$build: the configurations are as they were" $'old 17000\nold 17008' "$(cat "$first_conf" "$second_conf")"
	same "$build: of the refused ones nothing is left" 2 "$(find "${first_conf%/*}" -type f | wc -l)"
	kill -USR2 "$pid"
	check "$build: SIGUSR2 goes on without" wait_until 10 grep -qx USR2 "$rec/17008.signals"
	same "$build: the other signal has not gone to anybody" USR2 "$(sort -u "$rec"/*.signals)"

	echo 'slow {port}' > "$test_out/template"
	kill -HUP "$pid"
	check "$build: while one is looked at" wait_until 10 grep -q slow "$looked"
	kill -KILL "$(< "$rec/17000.pid")"
	check "$build: ... servers are started again, with the old one" wait_until 10 starts 17000 2
	same "$build: ... (the old one)" 'old 17000' "$(< "$first_conf")"
	echo 'good {port}' > "$test_out/template"
	kill -HUP "$pid"
	check "$build: ... a signal begins anew, and goes on" wait_until 10 grep -qx HUP "$rec/17008.signals"
	same "$build: ... with the new configuration in place" $'good 17000\ngood 17008' "$(cat "$first_conf" "$second_conf")"
	check "$build: ... nobody looks at the old one any more" wait_until 5 bash -c '! kill -0 "$1"' _ "$(< "$looked.slow")"
	echo 'slow {port}' > "$test_out/template"
	kill -HUP "$pid"
	wait_until 10 eval '(($(wc -l < "$looked.slow") == 2))'
	kill -TERM "$pid"
	wait "$pid"
	check "$build: ... who looks at one ends too" wait_until 5 bash -c '! kill -0 "$1"' _ "$(tail -n 1 "$looked.slow")"
	check "$build: ... and both files of each are removed" no_files

	# bash could lose one of two
	cat > "$test_out/both.py" <<-'END'
	import signal, sys
	def got(number, frame):
	    with open(sys.argv[2], "a") as out:
	        print(signal.Signals(number).name, file=out)
	for number in (signal.SIGHUP, signal.SIGUSR1):
	    signal.signal(number, got)
	print("ready", file=open(sys.argv[2], "w"))
	while True:
	    signal.pause()
	END
	start both --template "$test_out/template" --check "until test -e '$test_out/go'; do sleep 0.1; done; test -s {conf}" -- \
		python3 "$test_out/both.py" {conf} "$test_out/$build-both/{port}"
	check "$build: (servers start)" wait_until 20 eval 'grep -qx ready "$rec/17000" && grep -qx ready "$rec/17008"'
	kill -HUP "$pid"
	kill -USR1 "$pid"
	touch "$test_out/go"
	check "$build: two signals, one look: both go on" wait_until 20 bash -c '[[ $(sort "$1") == $'"'SIGHUP\nSIGUSR1\nready'"' ]]' _ "$rec/17008"
	kill -TERM "$pid"
	wait "$pid"
}

killed() {
	local old status=0
	printf 'x\n' > "$test_out/template"
	# Changing the user id clears PR_SET_PDEATHSIG; only root can.
	local drop=()
	((EUID)) || { drop=(setpriv --reuid=65534 --regid=65534 --clear-groups); }
	chmod 777 "$test_out"
	start killed --template "$test_out/template" -- "${drop[@]}" "$test_out/server" "$test_out/$build-killed" {conf}
	chmod 777 "$rec"
	up 17000 17008
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || status=$?
	same "$build: (flowparctl was killed)" 137 "$status"
	check "$build: servers and workers of a killed flowparctl are killed" wait_until 10 gone
	check "$build: and its files removed" wait_until 10 no_files

	start keeper --template "$test_out/template" -- "$test_out/server" "$test_out/$build-keeper" {conf}
	up 17000 17008
	old=$(keeper)
	kill -KILL "$old"
	check "$build: a keeper that is killed is replaced" wait_until 10 other_keeper "$old"
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	check "$build: and its successor does its work" wait_until 10 gone
	check "$build: files too" wait_until 10 no_files

	# A reader of stderr that goes away
	rec=$test_out/$build-pipe
	mkdir "$rec"
	"$ctl" run --cpus "$first" --port-base 17000 --stop-timeout 1 -- "$test_out/server" "$rec" > "$rec/stdout" 2> >(exec head -n 1 > "$rec/stderr") &
	pid=$!
	up 17000
	old=$(< "$rec/17000.pid")
	rm "$rec/17000.pid"
	wait_until 10 test -s "$rec/stderr"
	kill -KILL "$old"
	check "$build: survives a closed stderr" up 17000
	kill -TERM "$pid"
	wait "$pid"
}

for build in plain sanitized; do
	san=$([[ $build == plain ]] || echo 1)
	make -s -C "$repo/ctl" SAN="$san" > "$test_out/build.log" 2>&1 || not_ok "$build: flowparctl builds" "$(tail "$test_out/build.log")"
	ctl=$repo/out${san:+/san}/bin/flowparctl
	placement
	killed
	[[ $san ]] || continue	# nothing that a plain build could do differently
	stopping
	failing
	template
done
finish
