# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The journal: what each setting was before up changed it, and the way back.
#
# /run/flowpar is all the state there is:
#   config    what up was asked for, one NAME=VALUE a line, and whether all of that is there
#   journal   KIND <tab> OBJECT <tab> VALUE, the original values, oldest first
# Invariant: a line is in the journal before its setting changes, once, and stays
# until the setting is back. So down can start after any end of up, kill -9
# included, and after any end of down itself. A last line without its newline was
# cut off while being written: its setting has not changed, it does not count.

STATE=/run/flowpar
JOURNAL=$STATE/journal
CONFIG=$STATE/config
ENTRIES=()		# the journal's lines
LOCK_WAIT=10		# seconds; a watch that mends takes some
declare -A KEPT=()	# "KIND OBJECT" -> original value
declare -A FORESEEN=()	# with --dry-run: what settings would be by now

# One run at a time. The lock is on the directory itself, so it leaves nothing
# behind; a directory that was removed while we waited is not the one to hold.
journal_lock() {
	while :; do
		mkdir -p "$STATE"
		exec {LOCK}< "$STATE"
		# Not at once: the last command of a killed run may still hold it for a moment.
		flock -w "$LOCK_WAIT" "$LOCK" ||
			die "$STATE: another setup-flowpar.sh is at work; wait for it to end"
		[[ ! $STATE -ef /proc/self/fd/$LOCK ]] || return 0
		exec {LOCK}<&-
	done
}

journal_read() {
	local line kind object value
	ENTRIES=() KEPT=()
	[[ -r $JOURNAL ]] || return 0
	while IFS= read -r line; do
		ENTRIES+=("$line")
		IFS=$'\t' read -r kind object value <<< "$line"
		KEPT[$kind $object]=$value
	done < "$JOURNAL"
}

# journal_cut COUNT: keep the first COUNT lines (one system call, so all or nothing)
journal_cut() {
	local i bytes=0
	[[ -e $JOURNAL ]] || return 0
	for ((i = 0; i < $1; i++)); do
		bytes=$((bytes + ${#ENTRIES[i]} + 1))
	done
	# By themselves: watch runs this where bash does not end at an error.
	truncate -s "$bytes" "$JOURNAL" || die "$JOURNAL: cannot be written; see what is wrong with /run"
}

# now KIND OBJECT: the value, into REPLY; fails if there is no such object
now() {
	if [[ ${FORESEEN[$1 $2]+x} ]]; then
		REPLY=${FORESEEN[$1 $2]}
	else
		"get_$1" "$2"
	fi
}

foresee() {
	[[ ! $DRY_RUN ]] || FORESEEN[$1 $2]=$3
}

# keep KIND OBJECT: record the original value, the first time only
keep() {
	[[ $MODE != check && ! ${KEPT[$1 $2]+x} ]] || return 0
	now "$1" "$2" || return 0
	KEPT[$1 $2]=$REPLY
	[[ ! $DRY_RUN ]] || return 0
	ENTRIES+=("$1"$'\t'"$2"$'\t'"$REPLY")
	printf '%s\n' "${ENTRIES[-1]}" >> "$JOURNAL" || die "$JOURNAL: cannot be written; is /run full?"
}

# want KIND OBJECT VALUE: make it so (up), or say where it is not so (verify)
want() {
	local found
	now "$1" "$2" || REPLY=absent
	[[ $REPLY != "$3" ]] || return 0
	found="set to $3, found $REPLY"
	((${#found} < 100)) || found='not what up set'
	case $MODE in
	check)	# A dry run of the setting prints its commands.
		# shellcheck disable=SC2030
		drift "$1 $2" "$found: $(why "$1" "$2")" "$(DRY_RUN=yes; "set_$1" "$2" "$3")" ;;
	mend)
		# One that cannot be mended does not keep the others.
		printf 'setup-flowpar.sh: %s %s: %s: %s\n' "$1" "$2" "$found" "$(why "$1" "$2")"
		if ("set_$1" "$2" "$3") && holds "$@"; then
			MENDED=$((MENDED + 1))
		else
			UNMENDED=$((UNMENDED + 1))
		fi ;;
	*)
		"set_$1" "$2" "$3"
		foresee "$1" "$2" "$3" ;;
	esac
}

# holds KIND OBJECT VALUE: did it take? Bans were asked for as a list of what is missing.
holds() {
	if [[ $1 == bans ]]; then
		# shellcheck disable=SC2034	# setting.sh's: ask again
		BANNED_KNOWN=''
		irqbalance_banned && [[ $BANNED ]] && list_has "$BANNED" "${2%%[-,]*}"
		return
	fi
	now "$1" "$2" && [[ $REPLY == "$3" ]]
}

# drift OBJECT "what was found" COMMANDS: one line of verify
drift() {
	local mend=${3//'[#] '/} and=' && '
	DRIFTS=$((DRIFTS + 1))
	printf 'setup-flowpar.sh: %s: %s; mend it with: %s\n' "$1" "$2" "${mend//$'\n'/"$and"}"
}

undo() {	# undo KIND OBJECT ORIGINAL
	if ! now "$1" "$2"; then
		echo "$1 $2: gone, nothing to bring back"
	elif [[ $REPLY != "$3" ]]; then
		"set_$1" "$2" "$3"
		foresee "$1" "$2" "$3"
	fi
}

# undo_irqs NIC: what an open NIC's interrupts had, while it is still open. A move that waits
# for an interrupt outlives its closing: to a closed one the kernel then takes a new CPU and
# still shows, and at the next interrupt goes to, the one that waits. A driver may request
# others when it is opened, so they are looked at again in their turn.
undo_irqs() {
	local entry kind object value
	for entry in "${ENTRIES[@]}"; do
		IFS=$'\t' read -r kind object value <<< "$entry"
		[[ $kind == irq && $object == "$1"/* ]] && now irq "$object" && [[ $REPLY != "$value" ]] || continue
		irq_of "$object" && put "$value" "/proc/irq/$REPLY/smp_affinity_list" || continue
		foresee irq "$object" "$value"
	done
}

# Bring everything back, newest first. One setting that does not go back does not
# keep the others: they are restored, it stays in the journal, and down can try
# again, since undoing what is undone does nothing.
# shellcheck disable=SC2031	# DRY_RUN changes in want's subshell only
undo_all() {
	local i kind object value failed=0
	for ((i = ${#ENTRIES[@]} - 1; i >= 0; i--)); do
		IFS=$'\t' read -r kind object value <<< "${ENTRIES[i]}"
		[[ $kind != master ]] || undo_irqs "$object"
		if [[ $DRY_RUN ]]; then
			undo "$kind" "$object" "$value"
		elif ! (undo "$kind" "$object" "$value"); then
			failed=1
		elif ((!failed)); then
			journal_cut "$i"
		fi
	done
	[[ ! $DRY_RUN ]] || return 0
	if ((failed)); then
		warn "$JOURNAL: not everything could be brought back, see above; mend that and run setup-flowpar.sh down again"
		return 1
	fi
	rm -f "$JOURNAL" "$CONFIG" "$CONFIG.new"
	rmdir --ignore-fail-on-non-empty "$STATE"	# flowparctl run keeps its templates there
}

# --- what up was asked for, and where it put it ----------------------------------------------------

CONFIG_NAMES=(BOND SLAVES ADOPT CPUS ADDRESS GATEWAY PORT BASE_PORT STRIDE PER_CORE LISTEN POLICY)

config_text() {
	local name
	for name in "${CONFIG_NAMES[@]}"; do
		declare -n variable=$name
		printf '%s=%s\n' "$name" "${variable[*]}"
	done
}

config_write() {	# config_write begun|complete
	local nic placed=''
	for nic in "${SLAVES[@]}"; do
		placed+=" $nic:${NIC_CPUS[$nic]// /,}"
	done
	{
		config_text
		printf '%s\n' "STAGE=$1" "MTU=$MTU" "FIXED_IRQS=$FIXED_IRQS" "FIXED_CHANNELS=$FIXED_CHANNELS" "NO_SERVICE=$NO_SERVICE" "OTHERS=$OTHERS" "PLACED=${placed# }"
	} > "$CONFIG.new"
	mv "$CONFIG.new" "$CONFIG"
}

config_read() {
	local name value nic
	[[ -r $CONFIG ]] || return 1
	while IFS='=' read -r name value; do
		case $name in
		SLAVES|CPUS) read -ra "${name?}" <<< "$value" ;;
		PLACED)	# eth0:0,2 eth1:1
			for nic in $value; do
				NIC_CPUS[${nic%:*}]=${nic##*:} NIC_CPUS[${nic%:*}]=${NIC_CPUS[${nic%:*}]//,/ }
			done ;;
		*) printf -v "$name" %s "$value" ;;
		esac
	done < "$CONFIG"
	# of an older version, which kept no placement
	((${#NIC_CPUS[@]})) || placement_deal yes
}
