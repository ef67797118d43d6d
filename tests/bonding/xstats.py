#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a bond's policy cpu-bound has counted, over rtnetlink: one "name number" a line.

    xstats.py BOND

Exit 1 if the bond reports none.
"""
import socket
import struct
import sys

RTM_GETSTATS, NLM_F_REQUEST, NLMSG_ERROR = 94, 1, 2
IFLA_STATS_LINK_XSTATS, LINK_XSTATS_TYPE_BOND, BOND_XSTATS_CPU_BOUND = 2, 2, 2
NAMES = {1: "listed", 2: "shared", 3: "learned", 4: "node", 5: "any", 6: "relearned"}


def attrs(data):
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        yield kind & 0x3FFF, data[4:size]
        data = data[(size + 3) & ~3:]


if len(sys.argv) != 2:
    sys.exit(__doc__)
sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
body = struct.pack("=BxxxII", 0, socket.if_nametoindex(sys.argv[1]), 1 << (IFLA_STATS_LINK_XSTATS - 1))
sock.send(struct.pack("=IHHII", 16 + len(body), RTM_GETSTATS, NLM_F_REQUEST, 1, 0) + body)
data = sock.recv(1 << 16)
size, kind = struct.unpack_from("=IH", data)
if kind == NLMSG_ERROR:
    sys.exit(f"{sys.argv[1]}: error {struct.unpack_from('=i', data, 16)[0]}")
found = data[28:size]
for wanted in (IFLA_STATS_LINK_XSTATS, LINK_XSTATS_TYPE_BOND, BOND_XSTATS_CPU_BOUND):
    found = dict(attrs(found)).get(wanted)
    if found is None:
        sys.exit(f"{sys.argv[1]}: no statistics of the policy cpu-bound")
for kind, value in attrs(found):
    if kind in NAMES:
        print(NAMES[kind], struct.unpack("=Q", value)[0])
