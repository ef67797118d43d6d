/* SPDX-License-Identifier: GPL-2.0 */
/*
 * proto.h - what the lab's PID 1 (guest) and labd (host) say to each other.
 *
 * One text line per message on the virtio port PORT_CTL. A request carries an
 * id that the guest chose; the answer repeats it:
 *
 *   guest -> host   ID post EVENT [VALUE]    VALUE may contain blanks
 *                   ID wait EVENT            answered when EVENT was posted
 *                   ID link K up|down        set the carrier of link K at both ends
 *   host -> guest   ID ok [VALUE] | ID err TEXT
 *
 * The verdict, "exit N", goes over PORT_VERDICT as the last thing a guest does:
 * no verdict is a failure, whatever was printed before.
 */
#ifndef FLOWPAR_LAB_PROTO_H
#define FLOWPAR_LAB_PROTO_H

#define PORT_CTL	"lab.ctl"
#define PORT_OUT	"lab.out"
#define PORT_VERDICT	"lab.verdict"
#define LINE_MAX_LEN	1024
#define CTL_SOCKET	"/run/lab/ctl"

#endif
