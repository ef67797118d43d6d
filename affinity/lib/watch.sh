# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2153
# watch: mend what events have undone. No polling: flowparctl watch sleeps until the
# kernel tells it of something, and writes one line for a burst of events.
#
# What it mends is what verify would name, in the order of up, under the same lock: the
# journal gets the originals of what is new (another interrupt's number after a driver
# reload), so down brings back those too. A NIC that is gone is left until it is back,
# then enslaved and set up again. In a bond that --adopt took over slaves are put back by
# whoever configures it; the rest follows from here. What cannot be set does not keep the
# others, and is tried again, some times.

MENDED=0 UNMENDED=0
RETRIES=5		# the first after 1 s, each next after twice as long
QUIET=60		# seconds after a failed try in which an event may be of the try itself

command_watch() {
	local events pid tries=0 failed_at=-$QUIET left line status wait=() table=() known=''
	need_root 'changes the machine'
	check_flowparctl
	if config_read; then
		[[ ! $PORT || $LISTEN != nft ]] || table=(--table flowpar)
		exec {events}< <(exec "$FLOWPARCTL" watch --links "$(comma "$BOND" "${SLAVES[@]}")" "${table[@]}")
		echo "setup-flowpar.sh: $BOND: watched, with $(comma "${SLAVES[@]}")"
	else
		exec {events}< <(exec "$FLOWPARCTL" watch)
		echo "setup-flowpar.sh: $STATE: nothing is set up; watching for setup-flowpar.sh up"
	fi
	pid=$!
	# shellcheck disable=SC2064	# now: it is this one
	trap "kill $pid 2>/dev/null" EXIT
	while :; do
		line='' status=0
		read -r -u "$events" "${wait[@]}" line || status=$?
		# more than 128: the time to try again has come
		((status == 0 || status > 128)) || die 'flowparctl watch: ended, see above; start this again'
		if [[ $line == *config* ]]; then
			# up or down has run: begin anew, with what is set up now
			kill "$pid" 2>/dev/null || true
			exec {events}<&-
			exec "$BASH" "$HERE/setup-flowpar.sh" watch
		fi
		left=$((failed_at + QUIET - SECONDS))
		if [[ $line ]] && ((left <= 0)); then
			tries=0
		elif [[ $line ]] && ((tries > RETRIES)); then
			wait=(-t "$left")
			continue
		fi
		wait=()
		strangers
		if [[ ${STRANGERS[*]} != "$known" ]]; then
			known=${STRANGERS[*]}
			for REPLY in "${STRANGERS[@]}"; do
				echo "setup-flowpar.sh: $REPLY"
			done
		fi
		if (mend "${line:-another try}"); then
			tries=0
			continue
		fi
		failed_at=$SECONDS
		if ((tries++ < RETRIES)); then
			wait=(-t $((1 << (tries - 1))))
		else
			warn "$BOND: given up until something else happens; see setup-flowpar.sh verify"
		fi
	done
}

# mend EVENT: fails if something could not be set
mend() {
	config_read || return 0
	LOCK_WAIT=600	# for an up or down at work
	trap at_exit EXIT
	journal_lock
	# A bond whose end was told of may still be half there in /sys. This takes the lock under
	# which it goes, so it is whole or gone after it.
	ip link show dev lo > /dev/null 2>&1 || true
	journal_read
	NIC_CPUS=()
	config_read || return 0
	[[ $STAGE == complete ]] || {
		echo "setup-flowpar.sh: $BOND: left as it is, since up or down was interrupted; run that again"
		return 0
	}
	[[ $ADOPT == no || -d /sys/class/net/$BOND/bonding ]] || return 0
	derive
	MODE=mend
	journal_cut "${#ENTRIES[@]}"
	configuration
	((MENDED + UNMENDED == 0)) || echo "setup-flowpar.sh: $BOND: mended $MENDED of $((MENDED + UNMENDED)) after: $1"
	((UNMENDED == 0))
}

# mend_can NIC: is it there, and in a bond that is not ours to fill?
mend_can() {
	get_master "$1" || return 1
	[[ $ADOPT == no || $REPLY == "$BOND" ]]
}
