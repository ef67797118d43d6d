# SPDX-License-Identifier: GPL-2.0
# awk -v setup=NAME -f locality.awk IRQS PROBE: from lines "NIC IRQ CPU" in a file
# called ...irqs and from /proc/flowpar_probe prints
#	own_nic_pct one_core_pct connections served_min served_max
FILENAME ~ /irqs$/ {
	if (($1 in own) && own[$1] != $3) {
		print "report: " setup ": " $1 ": interrupts bound to several CPUs" > "/dev/stderr"
		failed = 1
		exit
	}
	own[$1] = $3
	next
}
$1 == "sent" { all += $4; if (own[$2] == $3) mine += $4 }
$1 == "served" { n = $3; if (min == "" || n < min) min = n; if (n > max) max = n }
$1 == "connections" { connections = $2 }
$1 == "one_core" { one = $2 }
END {
	if (!failed && (!all || !connections)) {
		print "report: " setup ": no packet or no connection counted" > "/dev/stderr"
		failed = 1
	}
	if (failed)
		exit 1
	printf "%.2f %.2f %d %d %d\n", 100 * mine / all, 100 * one / connections, connections, min, max
}
