#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A client without a kernel, at the switch's port: every frame that the server sends is
compared with the one that it should have sent, built here from nothing, byte for byte.

  exact.py DEVICE SERVER_MAC VLAN PORT SEGMENTS   all exchanges, from PORT on, for VLAN 0 untagged; prints how many
                                                 frames. SEGMENTS off: the server's kernel refuses UDP_SEGMENT

Free are the server's initial sequence number, its windows, PSH, IPv4's identification,
where it cuts the stream and which zero a checksum of TCP is; all else is known beforehand,
checksums included. The client has
addresses of its own, which the server has been told (exact.sh), so that no kernel answers
in its place. Server addresses: 10.77.VLAN.1 and fd77:VLAN::1; peer.py serves there.
"""
import errno
import hashlib
import socket
import struct
import sys
import time

CLIENT_MAC = bytes.fromhex("0200000000c8")
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 263, 8, 1 << 4
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
BLOCK = 4096
MTU = 1500


def checksum(*parts):
    data = b"".join(parts)
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Wire:
    """The port, and what has come in by it so far."""

    def __init__(self, device, server_mac, vlan=0):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.bind((device, 0))
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.server_mac, self.vlan = server_mac, vlan
        self.compared = 0

    def tag(self):
        return struct.pack(">HH", 0x8100, self.vlan) if self.vlan else b""

    def send(self, packet, ipv6):
        frame = self.server_mac + CLIENT_MAC + self.tag() + (b"\x86\xdd" if ipv6 else b"\x08\x00") + packet
        while True:
            try:
                return self.sock.send(frame)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                time.sleep(0.001)

    def receive(self, what):
        return self.take(60) or sys.exit(f"{what}: nothing comes")

    def take(self, seconds):
        """The next frame to the client, whole, with the tag that the kernel took off; or None."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                frame, control, _, address = self.sock.recvmsg(65536, 256)
            except TimeoutError:
                break
            if address[2] == socket.PACKET_OUTGOING or frame[:6] != CLIENT_MAC:
                continue
            for level, kind, data in control:
                status, _, _, _, _, tci, _ = struct.unpack("=IIIHHHH", data[:20])
                if level == SOL_PACKET and kind == PACKET_AUXDATA and status & TP_STATUS_VLAN_VALID:
                    frame = frame[:12] + struct.pack(">HH", 0x8100, tci) + frame[12:]
            return frame
        return None


class Peer:
    """Client and server of one address family: what packets between them look like."""

    def __init__(self, wire, ipv6):
        self.wire, self.ipv6 = wire, ipv6
        if ipv6:
            self.client = socket.inet_pton(socket.AF_INET6, f"fd77:{wire.vlan}::c8")
            self.server = socket.inet_pton(socket.AF_INET6, f"fd77:{wire.vlan}::1")
        else:
            self.client = bytes([10, 77, wire.vlan, 200])
            self.server = bytes([10, 77, wire.vlan, 1])
        self.head = 40 if ipv6 else 20
        self.mss = MTU - self.head - 20

    def name(self, what):
        return f"{'IPv6' if self.ipv6 else 'IPv4'}{f' VLAN {self.wire.vlan}' if self.wire.vlan else ''} {what}"

    def packet(self, source, dest, protocol, payload, ident=0, tos=0, fragment=0x4000):
        if self.ipv6:
            return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + source + dest + payload
        head = struct.pack(">BBHHHBB", 0x45, tos, 20 + len(payload), ident, fragment, 64, protocol)
        return head + struct.pack(">H", checksum(head, source, dest)) + source + dest + payload

    def pseudo(self, protocol, length):
        """Both directions of a flow have the same."""
        return self.client + self.server + struct.pack(">IHH", length, 0, protocol)

    def tcp(self, source, dest, seq, ack, flags, window, options=b"", data=b"", damage=0):
        head = struct.pack(">HHIIBBH", source, dest, seq % 2**32, ack % 2**32,
                           (5 + len(options) // 4) << 4, flags, window)
        rest = b"\0\0" + options + data
        total = checksum(self.pseudo(TCP, len(head) + 2 + len(rest)), head, b"\0\0", rest)
        return head + struct.pack(">H", total ^ damage) + rest

    def udp(self, source, dest, data, damage=0, summed=True):
        head = struct.pack(">HHH", source, dest, 8 + len(data))
        total = checksum(self.pseudo(UDP, 8 + len(data)), head, b"\0\0", data) or 0xFFFF
        return head + struct.pack(">H", total ^ damage if summed else 0) + data

    def send(self, protocol, payload):
        self.wire.send(self.packet(self.client, self.server, protocol, payload), self.ipv6)

    def receive(self, what):
        """A frame from the server: (frame, its packet)."""
        while True:
            frame = self.wire.receive(what)
            at = 12 + len(self.wire.tag())
            kind, packet = frame[at:at + 2], frame[at + 2:]
            # Short ones are filled up.
            if kind == b"\x86\xdd" and self.ipv6:
                if packet[6] == ICMPV6 and packet[40] >= 133:
                    continue    # a router or neighbour is asked for
                length = 40 + struct.unpack(">H", packet[4:6])[0]
            elif kind == b"\x08\x00" and not self.ipv6:
                length = struct.unpack(">H", packet[2:4])[0]
            elif self.wire.vlan and frame[12:14] != b"\x81\x00" or kind == b"\x08\x06":
                continue        # not of this exchange
            else:
                sys.exit(self.name(what) + f": a frame of another kind: {frame.hex()}")
            if any(packet[length:]) or len(packet) < length:
                sys.exit(self.name(what) + f": what fills it up is not zero: {frame.hex()}")
            packet = packet[:length]
            return frame[:at + 2] + packet, packet

    def compare(self, what, frame, packet):
        """frame is what came, packet what should be in it."""
        want = CLIENT_MAC + self.wire.server_mac + self.wire.tag() + \
            (b"\x86\xdd" if self.ipv6 else b"\x08\x00") + packet
        # 0 and ffff are one number in ones' complement (RFC 1071). UDP must send ffff; what
        # the kernel sums in a device's place, it sends as ffff for TCP too.
        at = len(frame) - len(packet) + self.head + 16
        if packet[6 if self.ipv6 else 9] == TCP and want[at:at + 2] == b"\0\0" and frame[at:at + 2] == b"\xff\xff":
            frame = frame[:at] + b"\0\0" + frame[at + 2:]
        if frame != want:
            differ = [i for i in range(max(len(frame), len(want))) if frame[i:i + 1] != want[i:i + 1]]
            sys.exit(f"{self.name(what)}: differs at bytes {differ[:8]}\n"
                     f"  came     {frame[:128].hex()}\n  expected {want[:128].hex()}")
        self.wire.compared += 1

    def ident(self, packet):
        return 0 if self.ipv6 else struct.unpack(">H", packet[4:6])[0]

    def reassembled(self, what, frame, packet):
        """QEMU's NIC cuts a large segment into fragments of IP: put them together again."""
        if self.ipv6:
            return frame, packet
        parts, ident = {}, packet[4:6]
        while True:
            field = struct.unpack(">H", packet[6:8])[0]
            if not field & 0x3FFF and not parts:
                return frame, packet
            if packet[4:6] != ident:
                sys.exit(self.name(what) + ": fragments of two datagrams")
            parts[(field & 0x1FFF) * 8] = packet[20:]
            if not field & 0x2000:
                break
            frame, packet = self.receive(what)
        data, at = b"", 14 + len(self.wire.tag())
        for offset in sorted(parts):
            if offset != len(data):
                sys.exit(self.name(what) + ": fragments with gaps")
            data += parts[offset]
        whole = self.packet(packet[12:16], packet[16:20], packet[9], data, self.ident(packet))
        return frame[:at] + whole, whole


class Connection:
    def __init__(self, peer, client, port):
        self.peer, self.client, self.port = peer, client, port
        self.seq = self.ack = 0

    def send(self, flags, data=b"", damage=0, options=b""):
        self.peer.send(TCP, self.peer.tcp(self.client, self.port, self.seq, self.ack, flags,
                                          65535, options, data, damage))

    def expect(self, what, flags, seq, options=b"", data=None, ack=None):
        """A segment from the server; data is what the stream has from seq on."""
        frame, packet = self.peer.reassembled(what, *self.peer.receive(what))
        segment = packet[self.peer.head:]
        if packet[6 if self.peer.ipv6 else 9] != TCP or len(segment) < 20:
            sys.exit(self.peer.name(what) + f": no TCP: {frame.hex()}")
        window = struct.unpack(">H", segment[14:16])[0]
        if flags & RST:
            window = 0
        came = segment[20 + len(options):]
        data = b"" if data is None else data[:max(len(came), 1)]
        if data and flags & ACK:
            flags |= segment[13] & PSH
        self.peer.compare(what, frame, self.peer.packet(
            self.peer.server, self.peer.client, TCP,
            self.peer.tcp(self.port, self.client, seq, self.seq if ack is None else ack, flags,
                          window, options, data), self.peer.ident(packet)))
        return len(came), segment

    def open(self):
        self.seq, mss = 1000, struct.pack(">BBH", 2, 4, self.peer.mss)
        self.send(SYN, options=mss)
        # Its sequence number is free: read it first.
        frame, packet = self.peer.receive("SYN-ACK")
        isn, window = struct.unpack(">4xI6xH", packet[self.peer.head:self.peer.head + 16])
        self.seq += 1
        self.peer.compare("SYN-ACK", frame, self.peer.packet(
            self.peer.server, self.peer.client, TCP,
            self.peer.tcp(self.port, self.client, isn, self.seq, SYN | ACK, window, mss),
            self.peer.ident(packet)))
        self.ack = isn + 1
        self.send(ACK)

    def say(self, data):
        self.send(PSH | ACK, data)
        self.seq += len(data)

    def hear(self, what, data):
        """data, in as many segments as the server likes; ACKs without data may come between."""
        got = 0
        while got < len(data):
            length, _ = self.expect_data(what, data[got:])
            got += length
            self.ack += length
            self.send(ACK)

    def expect_data(self, what, data):
        frame, packet = self.peer.reassembled(what, *self.peer.receive(what))
        segment = packet[self.peer.head:]
        seq, ack, doff, _, window = struct.unpack(">4xIIBBH", segment[:16])
        came = segment[(doff >> 4) * 4:]
        # A repeated one, of a server that waited long for an ACK: it was compared when it first came.
        again = (self.ack - seq) % 2**32
        if came and (segment[2:4] != struct.pack(">H", self.client) or 0 < again <= 1 << 20):
            return 0, segment
        # What was acknowledged meanwhile is not known; it is never less, and never more.
        if not came:
            if (self.seq - ack) % 2**32 > 1 << 20:
                sys.exit(self.peer.name(what) + f": acknowledges {ack}, said was up to {self.seq}")
        elif ack != self.seq % 2**32:
            sys.exit(self.peer.name(what) + f": acknowledges {ack} instead of {self.seq}")
        self.peer.compare(what, frame, self.peer.packet(
            self.peer.server, self.peer.client, TCP,
            self.peer.tcp(self.port, self.client, self.ack, ack,
                          ACK | (segment[13] & PSH if came else 0), window, b"", data[:len(came)]),
            self.peer.ident(packet)))
        return len(came), segment


def pattern(size):
    return b"".join(struct.pack(">Q", i) * (BLOCK // 8) for i in range(size // BLOCK))


def tcp(peer, client):
    conn = Connection(peer, client, 80)
    conn.open()
    conn.say(b"who\n")
    conn.hear("answer", b"8000 0\n")
    # What it sends in bulk, which offloads cut.
    conn.say(b"get 131072 0\n")
    conn.hear("bulk", pattern(131072))
    # What it gets in bulk, which GRO merges; the last segment has an odd length.
    line = b"digest " + bytes(97 + i * 7 % 26 for i in range(20 * peer.mss)) + b"\n"
    for i in range(0, len(line), peer.mss):
        conn.say(line[i:i + peer.mss])
    conn.hear("digest", hashlib.sha256(line[7:-1]).hexdigest().encode() + b"\n")
    # A damaged one stays so: were it taken, the right one after it would come too late.
    conn.send(PSH | ACK, b"bad\n", damage=1)
    conn.say(b"who\n")
    conn.hear("answer after a damaged segment", b"8000 0\n")
    conn.say(b"bye\n")
    while True:
        frame, packet = peer.receive("FIN")
        segment = packet[peer.head:]
        flags, window = segment[13] & ~PSH, segment[14:16]
        if flags in (ACK, ACK | FIN):
            break
        sys.exit(peer.name("FIN") + f": flags {flags:x}")
    peer.compare("FIN", frame, peer.packet(peer.server, peer.client, TCP, peer.tcp(
        80, client, conn.ack, conn.seq, flags, struct.unpack(">H", window)[0]), peer.ident(packet)))
    if flags == ACK:
        conn.expect("FIN", FIN | ACK, conn.ack)
    conn.ack += 1
    conn.send(FIN | ACK)
    conn.seq += 1
    conn.expect("last ACK", ACK, conn.ack)
    # A port whose cores have no listener; once the RST's checksum is 0.
    for ack in 1, struct.unpack(">H", peer.tcp(81, client + 2, 0, 0, RST | ACK, 0)[16:18])[0]:
        client += 1
        conn = Connection(peer, client, 81)
        conn.seq = ack - 1
        conn.send(SYN)
        conn.expect("RST", RST | ACK, 0, ack=ack)
    assert peer.tcp(81, client, 0, ack, RST | ACK, 0)[16:18] == b"\0\0"


def echoed(peer, text, client):
    """A datagram that comes back; two bytes of it make the checksum 0, which is sent as ffff."""
    data = text + b"\0\0" + b"x" * (len(text) % 2)
    at = len(text)
    if at % 2:
        data, at = text + b"x\0\0", at + 1
    total = struct.unpack(">H", peer.udp(client, 53, data)[6:8])[0]
    return data[:at] + struct.pack(">H", total) + data[at + 2:]


def udp(peer, client, segments):
    def ask(what, data, answers, summed=True):
        # The kernel takes what is to be segmented for one datagram, larger than the MTU.
        fragment = 0x4000 if len(answers) == 1 else 0
        peer.send(UDP, peer.udp(client, 53, data, summed=summed))
        for answer in answers:
            frame, packet = peer.reassembled(what, *peer.receive(what))
            peer.compare(what, frame, peer.packet(peer.server, peer.client, UDP, peer.udp(
                53, client, answer, summed=summed), peer.ident(packet), fragment=fragment))

    # A damaged one stays so; an answer to it would come first.
    peer.send(UDP, peer.udp(client + 1, 53, b"damaged", damage=1))
    ask("UDP answer", b"who", [b"5000 0"])
    data = echoed(peer, b"echo 1 ", client)
    assert peer.udp(client, 53, data)[6:8] == b"\xff\xff"
    ask("UDP checksum 0", data, [data])
    data = b"echo 5 " + bytes(i * 7 % 251 for i in range(1000))
    ask("UDP segments", data, [data] * 5 if segments else [b"not segmented"])
    if not peer.ipv6:
        ask("UDP without checksum", b"unsummed", [b"5000 0"], summed=False)

    # No instance: the error quotes what was sent, public port and checksum.
    sent = peer.packet(peer.client, peer.server, UDP, peer.udp(client, 54, b"nobody"))
    peer.send(UDP, peer.udp(client, 54, b"nobody"))
    frame, packet = peer.receive("ICMP")
    kind = b"\1\4" if peer.ipv6 else b"\3\3"
    body = b"\0\0\0\0" + sent
    pseudo = peer.pseudo(ICMPV6, 4 + len(body)) if peer.ipv6 else b""
    error = kind + struct.pack(">H", checksum(pseudo, kind, b"\0\0", body)) + body
    peer.compare("ICMP", frame, peer.packet(peer.server, peer.client, ICMPV6 if peer.ipv6 else ICMP,
                                            error, peer.ident(packet), 0xC0, 0))


def closed(peer, client):
    """Per-core ports are nobody's, whoever asks; exact.sh counts that they were refused."""
    if peer.ipv6:
        odd = [socket.inet_pton(socket.AF_INET6, text) for text in ("::", "fe80::1")]
    else:
        odd = [bytes(4), bytes([127, 0, 0, 1]), bytes([224, 0, 0, 1]), bytes([255] * 4)]
    was = peer.client
    for peer.client in [was, peer.server] + odd:
        peer.send(TCP, peer.tcp(client + 2, 8000, 1000, 0, SYN, 65535))
        peer.send(TCP, peer.tcp(client + 2, 8000, 1000, 1, RST | ACK, 65535))
        peer.send(UDP, peer.udp(client + 2, 5000, b"who"))
    peer.client = was


def main():
    device, mac, vlan, client = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    wire = Wire(device, bytes.fromhex(mac.replace(":", "")), vlan)
    for ipv6 in False, True:
        peer = Peer(wire, ipv6)
        closed(peer, client)
        tcp(peer, client)
        udp(peer, client, sys.argv[5] == "on")
    print(wire.compared)


if __name__ == "__main__":
    main()
