#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rule: flowpar.conf is read and never run, documents every option, yields to the command line, and an error in it is told with file and line
# Suite: unit
# shellcheck disable=SC2031,SC2119
# shellcheck source=tests/affinity/common.sh
. "$(dirname "$0")/common.sh"

conf=$test_out/flowpar.conf

# said TEXT STATUS REGEX [ARGUMENT]... < FILE: up with that file says exactly that line
said() {
	local text=$1 want=$2 regex=$3 out status=0
	shift 3
	cat > "$conf"
	out=$(setup up --config "$conf" --policy layer3+4 --dry-run "$@" 2>&1) || status=$?
	if ((status == want)) && [[ $out != *$'\n'* ]] && grep -qE "^setup-flowpar.sh: $regex" <<< "$out"; then
		ok "$text"
	else
		not_ok "$text" "exit $status: $out"$'\n'"expected exit $want: $regex"
	fi
}

there='nosuch0: no such network interface'
said 'the file alone is enough' 1 "$there" <<< $'BOND=bond0\nSLAVES=nosuch0'
said 'blanks, comments, quotes and a last line without its end are fine' 1 "$there" \
	< <(printf '# a comment\n\n  BOND="bond0"  \n\t# and one\nSLAVES='\''nosuch0'\')
said 'the command line wins' 1 "$there" --slaves nosuch0 <<< $'BOND=bond0\nSLAVES=nosuch1'
said '... whatever is wrong with what it replaces' 1 "$there" --stride 8 <<< $'BOND=bond0\nSLAVES=nosuch0\nSTRIDE=x'
said 'a service in the file can be left out' 1 "$there" --port none <<< $'BOND=bond0\nSLAVES=nosuch0\nPORT=80\nBASE_PORT=8000'
said 'two services in the file' 1 "$there" <<< $'BOND=bond0\nSLAVES=nosuch0\nPORT=80,443\nBASE_PORT=8000,9000'
said '... can be left out' 1 "$there" --port none <<< $'BOND=bond0\nSLAVES=nosuch0\nPORT=80,443\nBASE_PORT=8000,9000'
said '... one of them has no base port' 2 '--base-port 8000: not as many as in --port 80,443; give one for each; see' \
	<<< $'BOND=bond0\nSLAVES=nosuch0\nPORT=80,443\nBASE_PORT=8000'
said '... a port that is none' 2 "$conf:2: PORT=80,https: want a number from 1 to 65535, or several" <<< $'BOND=bond0\nPORT=80,https'
said 'it lacks the bond' 2 "up: --bond is missing, and BOND= in $conf; see" <<< 'SLAVES=nosuch0'
said 'an unknown name' 2 "$conf:2: SLAVE: no such option; see flowpar.conf\(5\)$" <<< $'\nSLAVE=nosuch0'
said 'no NAME=VALUE' 2 "$conf:1: want NAME=VALUE, found 'BOND bond0'; see" <<< 'BOND bond0'
said 'a name twice' 2 "$conf:3: BOND: is on line 1 already; see" <<< $'BOND=bond0\n\nBOND=bond1'
said 'a bad number' 2 "$conf:2: STRIDE=many: want a number from 1 to 4096; see" <<< $'BOND=bond0\nSTRIDE=many'
said 'a bad list' 2 "$conf:1: CPUS=0-: want a list of CPUs" <<< 'CPUS=0-'
said 'neither yes nor no' 2 "$conf:1: SMT=maybe: want yes or no" <<< 'SMT=maybe'
check_fails 'a file that is not there' 2 '^setup-flowpar.sh: --config /nothing/there: no such file' setup up --config /nothing/there --dry-run
check_fails 'only up reads it' 2 'verify: takes no option but --dry-run' setup verify --config "$conf"

# Nothing in it runs.
cat > "$conf" <<END
BOND=\$(touch $test_out/ran)
END
setup up --config "$conf" > /dev/null 2>&1
# shellcheck disable=SC2016
said 'a command as a name' 2 "$conf:2: SLAVES=" <<< 'BOND=bond0
SLAVES=a[$(touch '"$test_out"'/ran)]'
check 'none of it has run' test ! -e "$test_out/ran"

# The file that is shipped: every option, with the default that it says.
names=$(sed -n 's/^#\([A-Z_]*\)=.*/\1/p' "$repo/configs/flowpar.conf" | sort)
same 'the shipped file has every name that is read' \
	"$(. "$repo/affinity/lib/conf.sh"; for name in "${CONF_NAMES[@]}"; do conf_name "$name"; done | sort)" "$names"
same 'and sets nothing' '' "$(grep -v '^#' "$repo/configs/flowpar.conf" | grep .)"
said 'its defaults are values that are taken' 1 "$there" --slaves nosuch0 --policy cpu-bound --port none \
	< <(sed 's/^#\([A-Z_]*=\)/\1/' "$repo/configs/flowpar.conf")
for name in $names; do
	option=--${name,,} option=${option//_/-}
	check "--help has $option" grep -q -- "$option" <(setup --help)
	check "... and setup-flowpar(8)" grep -qE "^\.It.* Fl Fl ${option#--}( |\$)" "$repo/docs/man/setup-flowpar.8"
	check "flowpar.conf(5) has $name" grep -qx ".It Cm $name" "$repo/docs/man/flowpar.conf.5"
done
finish
