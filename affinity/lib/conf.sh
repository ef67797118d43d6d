# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# /etc/flowpar/flowpar.conf: the options of up, one NAME=VALUE a line.
#
# Read, never sourced: a value is text that option_set() looks at as it looks at the
# command line's. What the command line gives wins. configs/flowpar.conf documents
# every name.

CONF=/etc/flowpar/flowpar.conf
CONF_NAMES=(bond slaves adopt cpus smt address gateway port base-port stride per-core listen policy lacp-timeout firewall-check)

conf_name() {	# conf_name base-port: BASE_PORT
	REPLY=${1//-/_}
	echo "${REPLY^^}"
}

# conf_read: what the file says where the command line says nothing
conf_read() {
	local line name value number=0 option WHERE
	local -A seen=() known=()
	[[ -e $CONF ]] || return 0
	[[ -r $CONF ]] || die "$CONF: cannot be read; run this as a user who may, or give another with --config"
	for option in "${CONF_NAMES[@]}"; do
		known[$(conf_name "$option")]=$option
	done
	# The last line may lack its newline.
	while IFS= read -r line || [[ $line ]]; do
		number=$((number + 1))
		line=${line#"${line%%[![:space:]]*}"} line=${line%"${line##*[![:space:]]}"}
		[[ $line && $line != '#'* ]] || continue
		[[ $line =~ ^([A-Z_]+)=(.*)$ ]] || die_conf "$CONF:$number: want NAME=VALUE, found '$line'"
		name=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
		[[ ! $value =~ ^\"([^\"]*)\"$ && ! $value =~ ^\'([^\']*)\'$ ]] || value=${BASH_REMATCH[1]}
		option=${known[$name]:-}
		[[ $option ]] || die_conf "$CONF:$number: $name: no such option"
		[[ ! ${seen[$name]+x} ]] || die_conf "$CONF:$number: $name: is on line ${seen[$name]} already"
		seen[$name]=$number
		[[ ! ${GIVEN[$option]+x} ]] || continue
		WHERE="$CONF:$number: $name=$value"
		option_set "$option" "$value"
	done < "$CONF"
}

die_conf() {
	printf 'setup-flowpar.sh: %s; see flowpar.conf(5)\n' "$*" >&2
	exit 2
}
