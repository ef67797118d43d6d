#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sets and reads a bond slave's CPU list, and a bond's policy, over rtnetlink.

    slave-cpus.py get SLAVE
    slave-cpus.py dump BOND
    slave-cpus.py set SLAVE LIST
    slave-cpus.py policy BOND NUMBER
    slave-cpus.py mode BOND MODE-NUMBER
    slave-cpus.py create BOND MODE-NUMBER NUMBER

iproute2 does not know the attribute, and passes on none that it does not know.
Exit 1 with "ERRNO-NAME: EXTACK" if the kernel refuses. `set` may be told to send
bytes without a terminating NUL: a LIST of "raw:..." goes out as it is.
"""
import errno
import socket
import struct
import sys

RTM_NEWLINK, RTM_GETLINK = 16, 18
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_CREATE, NLM_F_EXCL = 1, 4, 0x300, 0x400, 0x200
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11
NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS = 1, 2
IFLA_IFNAME, IFLA_MASTER, IFLA_LINKINFO, IFLA_EXT_MASK = 3, 10, 18, 29
IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA = 1, 2, 4, 5
IFLA_BOND_MODE, IFLA_BOND_XMIT_HASH_POLICY = 1, 14
IFLA_BOND_SLAVE_CPUS = 32

# Two names for one number; the kernel only knows this one.
NAMES = {**errno.errorcode, errno.EOPNOTSUPP: "EOPNOTSUPP"}


def attr(kind, data):
    return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


def attrs(data):
    found = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3FFF] = data[4:size]
        data = data[(size + 3) & ~3:]
    return found


def talk(kind, flags, index, payload):
    """Sends one request; returns the links of the answer, each (index, attributes)."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
    sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
    body = struct.pack("=BxHiII", 0, 0, index, 0, 0) + payload
    sock.send(struct.pack("=IHHII", len(body) + 16, kind, flags, 1, 0) + body)
    links = []
    while True:
        data = sock.recv(1 << 18)
        while data:
            size, kind, flags, _, _ = struct.unpack_from("=IHHII", data)
            message, data = data[16:size], data[(size + 3) & ~3:]
            if kind == 3:       # NLMSG_DONE
                return links
            if kind == 2:       # NLMSG_ERROR, or the acknowledgement
                code = -struct.unpack_from("=i", message)[0]
                if not code:
                    return links
                said = attrs(message[20:]).get(NLMSGERR_ATTR_MSG, b"").rstrip(b"\0").decode()
                at = attrs(message[20:]).get(NLMSGERR_ATTR_OFFS)
                where = " (bad attribute)" if at else ""
                sys.exit(f"{NAMES.get(code, code)}: {said}{where}")
            links.append((struct.unpack_from("=BxHiII", message)[2], attrs(message[16:])))


def index_of(name):
    return socket.if_nametoindex(name)


def cpus_of(link):
    info = attrs(link.get(IFLA_LINKINFO, b""))
    slave = attrs(info.get(IFLA_INFO_SLAVE_DATA, b""))
    if info.get(IFLA_INFO_SLAVE_KIND) != b"bond\0" or IFLA_BOND_SLAVE_CPUS not in slave:
        return None
    return slave[IFLA_BOND_SLAVE_CPUS].rstrip(b"\0").decode()


def info(*parts):
    return attr(IFLA_LINKINFO, b"".join(parts))


def main(command, name, *rest):
    ack = NLM_F_REQUEST | NLM_F_ACK
    if command == "get":
        for _, link in talk(RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, index_of(name), b""):
            cpus = cpus_of(link)
            if cpus is None:
                sys.exit(f"{name}: no CPU list reported")
            print(cpus)
    elif command == "dump":
        # A dump with a mask is the one whose buffer is sized by get_slave_size().
        links = talk(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 0, attr(IFLA_EXT_MASK, struct.pack("=I", 1)))
        for _, link in links:
            if link.get(IFLA_MASTER) == struct.pack("=I", index_of(name)):
                print(link[IFLA_IFNAME].rstrip(b"\0").decode(), cpus_of(link))
    elif command == "set":
        raw = rest[0].startswith("raw:")
        text = rest[0][4:].encode() if raw else rest[0].encode() + b"\0"
        talk(RTM_NEWLINK, ack, index_of(name),
             info(attr(IFLA_INFO_SLAVE_KIND, b"bond\0"),
                  attr(IFLA_INFO_SLAVE_DATA, attr(IFLA_BOND_SLAVE_CPUS, text))))
    elif command == "policy":
        talk(RTM_NEWLINK, ack, index_of(name),
             info(attr(IFLA_INFO_KIND, b"bond\0"),
                  attr(IFLA_INFO_DATA, attr(IFLA_BOND_XMIT_HASH_POLICY, struct.pack("=B", int(rest[0]))))))
    elif command == "mode":
        talk(RTM_NEWLINK, ack, index_of(name),
             info(attr(IFLA_INFO_KIND, b"bond\0"),
                  attr(IFLA_INFO_DATA, attr(IFLA_BOND_MODE, struct.pack("=B", int(rest[0]))))))
    elif command == "create":
        data = attr(IFLA_BOND_MODE, struct.pack("=B", int(rest[0])))
        data += attr(IFLA_BOND_XMIT_HASH_POLICY, struct.pack("=B", int(rest[1])))
        talk(RTM_NEWLINK, ack | NLM_F_CREATE | NLM_F_EXCL, 0,
             attr(IFLA_IFNAME, name.encode() + b"\0") +
             info(attr(IFLA_INFO_KIND, b"bond\0"), attr(IFLA_INFO_DATA, data)))
    else:
        sys.exit(__doc__)


if len(sys.argv) < 3:
    sys.exit(__doc__)
main(*sys.argv[1:])
