#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: flowparctl refuses bad input with one line that names it, exit status 2 for the command line and 1 for the machine; nothing is started.
# Suite: unit
# Placeholders in braces and functions called by name are meant.
# shellcheck disable=SC1083,SC2317
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

make -s -C "$repo/ctl" SAN=1 > "$test_out/build.log" 2>&1 || not_ok "flowparctl builds" "$(tail "$test_out/build.log")"
ctl=$repo/out/san/bin/flowparctl
cpu=$(awk '/^Cpus_allowed_list/ { sub(/[-,].*/, "", $2); print $2 }' /proc/self/status)
started=$test_out/started
printf '#!/bin/sh\ntouch %q\n' "$started" > "$test_out/server"
chmod +x "$test_out/server"
printf '#!/bin/sh\n' > "$test_out/not-executable"
printf 'port {port}\n' > "$test_out/template"
printf 'a\0b\n' > "$test_out/zero"

# refused TEXT STATUS REGEX ARGUMENT...: one line on stderr, nothing on stdout
refused() {
	local text=$1 want=$2 regex=$3 status=0 lines
	shift 3
	"$ctl" "$@" > "$test_out/stdout" 2> "$test_out/stderr" || status=$?
	lines=$(wc -l < "$test_out/stderr")
	if ((status != want || lines != 1)) || [[ -s $test_out/stdout ]] ||
	   ! grep -qE -- "^flowparctl: $regex" "$test_out/stderr"; then
		not_ok "$text" "exit $status, expected $want and: $regex
$(cat "$test_out/stdout" "$test_out/stderr")"
	else
		ok "$text"
	fi
}

refused "no subcommand" 2 'command line: a subcommand is missing'
refused "unknown subcommand" 2 'sevrice: no such subcommand' sevrice list
refused "half a subcommand" 2 'service: no such subcommand' service
refused "unknown option" 2 '--prot: no such option; see flowparctl service add --help' service add --prot 80
refused "option twice" 2 '--port: given twice' service del --port 80 --port 81
refused "value missing" 2 '--port: P is missing' service del --port
refused "interval 0" 2 "--interval: '0' is not a number from 1 to 3600" top --interval 0
refused "flag with a value" 2 '--json: takes no value' stats --json=yes
refused "required option missing" 2 '--cpus: missing' service add --port 80 --base-port 8000
refused "operand where none is taken" 2 '80: not expected here' stats 80
for bad in 0 65536 -1 +80 ' 80' 80x '' 0x50 99999999999999999999; do
	refused "port '$bad'" 2 "--port: '.*' is not a number from 1 to 65535" service del --port "$bad"
done
refused "bad CPU list" 2 "--cpus: '3-1': a range runs backwards" service add --port 80 --base-port 8000 --cpus 3-1
refused "bad address" 2 "--address: '10.77.0' is neither" service del --port 80 --address 10.77.0
refused "bad protocol" 2 "--protocol: 'sctp' is neither" service del --port 80 --protocol sctp

refused "a bond that there is not" 1 "--bond: no-such-bond is no bond of this network namespace; " doctor --bond no-such-bond
refused "doctor's interval" 2 "--interval: '3601' is not a number from 1 to 3600" doctor --interval 3601

server=("$test_out/server")
refused "run without a command" 2 'run: -- COMMAND .* is missing' run --cpus "$cpu" --port-base 17000
refused "more instances than stride" 2 '--per-core: 9 instances .* stride of 8' run --cpus "$cpu" --port-base 17000 --per-core 9 -- "${server[@]}"
refused "last port beyond 65535" 2 '--port-base: 8192 CPUs from port 8 on end at port 65536' run --cpus 0-8191 --port-base 8 -- "${server[@]}"
refused "last instance's port beyond 65535" 2 '--port-base: 1 CPUs from port 65535 on end at port 65536' run --cpus "$cpu" --port-base 65535 --per-core 2 -- "${server[@]}"
refused "{conf} without a template" 2 '\{conf\}: there is no --template' run --cpus "$cpu" --port-base 17000 -- "${server[@]}" {conf}
refused "--check without a template" 2 '--check: there is no --template' run --cpus "$cpu" --port-base 17000 --check 'true {conf}' -- "${server[@]}"
refused "--check of nothing" 2 '--check: does not name \{conf\}' run --cpus "$cpu" --port-base 17000 --template "$test_out/template" --check true -- "${server[@]}" {conf}
refused "template that is not used" 2 '--template: COMMAND does not name \{conf\}' run --cpus "$cpu" --port-base 17000 --template "$test_out/template" -- "${server[@]}"
refused "ready-fd that is not open" 2 '--ready-fd: 99 is not an open' run --cpus "$cpu" --port-base 17000 --ready-fd 99 -- "${server[@]}"
refused "unknown way to listen" 2 "--listen: 'magic' is neither nat, bpf nor reuseport; see flowparctl run --help" run --cpus "$cpu" --port-base 17000 --listen magic -- "${server[@]}"
refused "bpf without a public port" 2 '--listen: bpf needs to know the public port; give --port' run --cpus "$cpu" --port-base 17000 --listen bpf -- "${server[@]}"
refused "a public port without bpf" 2 '--port: with --listen nat the service has it' run --cpus "$cpu" --port-base 17000 --port 80 -- "${server[@]}"
refused "the public port among the per-core ports" 2 '--port: 17001 is also a per-core port; choose another --port-base' run --cpus "$cpu" --port-base 17000 --per-core 2 --listen bpf --port 17001 -- "${server[@]}"
refused "reuseport without a public port" 2 '--listen: reuseport needs to know the public port; give --port' run --cpus "$cpu" --listen reuseport -- "${server[@]}"
for option in port-base stride; do
	refused "reuseport with --$option" 2 "--$option: with --listen reuseport there are no per-core ports" run --cpus "$cpu" --listen reuseport --port 17000 --$option 17000 -- "${server[@]}"
done
refused "no port base" 2 '--port-base: missing' run --cpus "$cpu" -- "${server[@]}"
mv "$repo/out/san/lib/flowpar/reuseport.so" "$test_out/"
refused "reuseport without its library" 1 '/.*/lib/flowpar/reuseport.so: No such file or directory; it comes with flowparctl' run --cpus "$cpu" --listen reuseport --port 17000 -- "${server[@]}"
mv "$test_out/reuseport.so" "$repo/out/san/lib/flowpar/"
refused "unknown way to listen, counters" 2 "--listen: 'nft' is neither nat, bpf nor reuseport; see flowparctl stats --help" stats --listen nft
refused "CPU that does not exist" 1 'CPU 8191: this machine has no such CPU; it has ' run --cpus "$cpu,8191" --port-base 17000 -- "${server[@]}"
refused "command not found" 1 'no-such-server: command not found; ' run --cpus "$cpu" --port-base 17000 -- no-such-server
refused "command by path not found" 1 '/no/server: command not found; ' run --cpus "$cpu" --port-base 17000 -- /no/server
refused "command not executable" 1 '.*/not-executable: Permission denied; ' run --cpus "$cpu" --port-base 17000 -- "$test_out/not-executable"
refused "command is a directory" 1 '/: Permission denied; ' run --cpus "$cpu" --port-base 17000 -- /
for bad in /no/template "$test_out" "$test_out/zero" /dev/zero; do
	refused "template ${bad##*/}" 1 "$bad: .*give --template" run --cpus "$cpu" --port-base 17000 --template "$bad" -- "${server[@]}" {conf}
done
refused "conf for a CPU that is not in the list" 1 'CPU 3: not in --cpus 0-1,4; ' conf --cpu 3 --cpus 0-1,4 --port-base 8000 --template "$test_out/template"
refused "conf beyond the last port" 2 '--port-base: CPU 4 is number 2 of 3 and would get port 65551, beyond 65535' conf --cpu 4 --cpus 0-1,4 --port-base 65535 --template "$test_out/template"
refused "conf without a template" 1 '/no/template: .*give --template' conf --cpu 0 --cpus 0 --port-base 8000 --template /no/template
refused "conf into no directory" 1 '/no/dir/x: cannot be written: No such file' conf --cpu 0 --cpus 0 --port-base 8000 --template "$test_out/template" --output /no/dir/x
same "conf writes out the template for one CPU" 'port 8016' "$("$ctl" conf --cpu 4 --cpus 0-1,4 --port-base 8000 --template "$test_out/template")"
"$ctl" conf --cpu 1 --cpus 0-1 --port-base 8000 --stride 4 --template "$test_out/template" --output "$test_out/written"
same "... to a file" 'port 8004' "$(< "$test_out/written")"
ln -sf server "$test_out/server-0"
refused "program of the second instance missing" 1 '.*/server-1: command not found' run --cpus "$cpu" --port-base 17000 --per-core 2 -- "$test_out/server-{instance}"
check "nothing was started" test ! -e "$started"

# Of a subcommand's section of the manual page: the options that its help has.
manual=$repo/docs/man/flowparctl.8
undocumented() {
	local section option
	section=$(sed -n "/^\\.Ss $1\$/,/^\\.S[sh] /p" "$manual" | sed '1!{/^\.S[sh] /d}')
	# shellcheck disable=SC2086
	for option in $("$ctl" $1 --help | grep -oE '^  --[a-z-]+' | grep -v help); do
		grep -qE -- "Fl Fl ${option#--}( |\$)" <<< "$section" || echo "$option"
	done
}
for cmd in "" "service add" "service del" "service list" stats top monitor run conf doctor irqbalance watch; do
	# shellcheck disable=SC2086
	check "help of '$cmd'" "$ctl" $cmd --help
	[[ -z $cmd ]] || same "... the manual page has its options" "" "$(undocumented "$cmd")"
done
same "the manual page has all that doctor checks, in its order" \
	"$(sed -n 's/^\t{ "\([a-z0-9-]*\)", [A-Z]*, check_.*/\1/p' "$repo/ctl/doctor.c")" \
	"$(sed -n '/^\.Ss doctor$/,/^\.Sh /p' "$manual" | sed -n '/^\.Bl -tag -width "shared-listener"$/,/^\.El$/s/^\.It //p' | sed 's/ , /\n/')"
check_fails "help that cannot be written is a failure" 1 'stdout: cannot be written: No space' \
	bash -c "'$ctl' --help > /dev/full"
if [[ ! -e /sys/module/nf_flowpar ]]; then
	refused "module not loaded" 1 'nf_flowpar: not loaded; modprobe nf_flowpar$' service list
	refused "module not loaded, rates" 1 'nf_flowpar: not loaded; modprobe nf_flowpar$' top --once
	refused "module not loaded, notifications" 1 'nf_flowpar: not loaded; modprobe nf_flowpar$' monitor --once
	refused "module not loaded, counters" 1 'nf_flowpar: not loaded; modprobe nf_flowpar$' stats --json
fi
finish
