#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Requests to the flowpar family that flowparctl would not send. Says what went wrong.

Run as root with nf_flowpar loaded and no service on port 777.
"""
import errno
import socket
import struct
import sys

NETLINK_GENERIC, SOL_NETLINK = 16, 270
GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_CAPPED, NLM_F_ACK_TLVS = 1, 4, 0x100, 0x200
NETLINK_ADD_MEMBERSHIP, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 1, 10, 11
ADD, DEL, GET, ADD_NTF, DEL_NTF = 1, 2, 3, 4, 5
FAMILY, PROTOCOL, ADDRESS, PORT, BASE, STRIDE, PER_CORE, CPUS, SPILL = range(1, 10)


def attr(kind, data):
    return struct.pack("HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def attrs(data):
    found = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("HH", data)
        found[kind & 0x3FFF] = data[4:size]
        data = data[(size + 3) & ~3:]
    return found


class Genl:
    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.sock.bind((0, 0))
        self.sock.settimeout(5)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)

    def send(self, family, cmd, payload):
        body = struct.pack("BBH", cmd, 1, 0) + payload
        head = struct.pack("IHHII", 16 + len(body), family, NLM_F_REQUEST | NLM_F_ACK, 1, 0)
        self.sock.send(head + body)

    def receive(self):
        return self.sock.recv(65536)

    def ask(self, family, cmd, payload):
        """(errno, attribute at fault, message) of the answer"""
        self.send(family, cmd, payload)
        while True:
            data = self.receive()
            size, kind, flags = struct.unpack_from("IHH", data)
            if kind != 2:
                continue
            error = -struct.unpack_from("i", data, 16)[0]
            if not error:
                return 0, None, ""
            found = attrs(data[36:size]) if flags & NLM_F_ACK_TLVS else {}
            offset = struct.unpack("I", found[2])[0] if 2 in found else None
            sent = struct.pack("IHHII", 0, family, 0, 1, 0) + struct.pack("BBH", cmd, 1, 0) + payload
            bad = struct.unpack_from("HH", sent, offset)[1] if offset else None
            return error, bad, found.get(1, b"").rstrip(b"\0").decode()

    def family(self):
        self.send(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, attr(2, b"flowpar\0"))
        found = attrs(self.receive()[20:])
        self.receive()
        groups = attrs(attrs(found[7])[1])
        return struct.unpack("H", found[1])[0], struct.unpack("I", groups[2])[0]


failed = False


def expect(what, wanted, found):
    global failed
    if wanted != found:
        failed = True
        print(f"{what}: expected {wanted}, found {found}")


genl = Genl()
family, group = genl.family()
good = {
    FAMILY: struct.pack("B", socket.AF_INET),
    PROTOCOL: struct.pack("B", socket.IPPROTO_TCP),
    PORT: struct.pack("H", 777),
    BASE: struct.pack("H", 7000),
    CPUS: b"0\0",
    SPILL: b"\x32",
}


def request(**changes):
    """The good request with attributes changed; None leaves one out."""
    new = dict(good)
    for name, value in changes.items():
        new[globals()[name]] = value
    return b"".join(attr(k, v) for k, v in sorted(new.items()) if v is not None)


def refused(what, error, bad, payload, cmd=ADD):
    got = genl.ask(family, cmd, payload)
    expect(what, (error, bad), got[:2])
    expect(f"{what}: a reason given", True, bool(got[2]))


# What the policy refuses, then what the code does.
refused("port 0", errno.ERANGE, PORT, request(PORT=b"\0\0"))
refused("base port 0", errno.ERANGE, BASE, request(BASE=b"\0\0"))
refused("stride 0", errno.ERANGE, STRIDE, request(STRIDE=b"\0\0"))
refused("no instance", errno.ERANGE, PER_CORE, request(PER_CORE=b"\0\0"))
refused("more than full", errno.ERANGE, SPILL, request(SPILL=b"\x65"))
refused("a port of 4 bytes", errno.EINVAL, PORT, request(PORT=b"\1\0\0\0"))
refused("an unterminated CPU list", errno.EINVAL, CPUS, request(CPUS=b"0-1"))
refused("an unknown attribute", errno.EINVAL, 99, request() + attr(99, b""))
refused("an address of 3 bytes", errno.EINVAL, ADDRESS, request(ADDRESS=b"\x0a\x4d\0"))
refused("4 bytes of IPv6", errno.EINVAL, ADDRESS, request(FAMILY=struct.pack("B", socket.AF_INET6), ADDRESS=b"\x0a\x4d\0\1"))
refused("no family", errno.EAFNOSUPPORT, FAMILY, request(FAMILY=b"\0"))
refused("no protocol", errno.EPROTONOSUPPORT, PROTOCOL, request(PROTOCOL=b"\0"))
refused("an empty CPU list", errno.EINVAL, CPUS, request(CPUS=b"\0"))
refused("CPUs that are none", errno.EINVAL, CPUS, request(CPUS=b"x\0"))
for name in ("FAMILY", "PROTOCOL", "PORT", "BASE", "CPUS"):
    got = genl.ask(family, ADD, request(**{name: None}))
    expect(f"{name} left out", errno.EINVAL, got[0])
refused("delete of nothing", errno.ENOENT, PORT, request(BASE=None, CPUS=None, SPILL=None), DEL)
refused("delete with too much", errno.EINVAL, BASE, request(CPUS=None), DEL)
expect("get of nothing", errno.ENOENT, genl.ask(family, GET, request(BASE=None, CPUS=None, SPILL=None))[0])

listener = Genl()
listener.sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
expect("add", 0, genl.ask(family, ADD, request())[0])
refused("add again", errno.EEXIST, PORT, request())
refused("its ports again", errno.EADDRINUSE, BASE, request(PORT=struct.pack("H", 778)))
expect("delete", 0, genl.ask(family, DEL, request(BASE=None, CPUS=None, SPILL=None))[0])
for cmd in (ADD_NTF, DEL_NTF):
    message = listener.receive()
    expect("announced", cmd, message[16])
    found = attrs(message[20:])
    for kind, value in good.items():
        expect(f"attribute {kind} of announcement {cmd}", value, found.get(kind))
sys.exit(failed)
