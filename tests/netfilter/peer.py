#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Server and clients of the netfilter tests.

A server process stands for one instance: pinned to a CPU, on one port, and it says
which. Lines: "who" is answered with "PORT CPU", "local" with the port that the connection
has here, "public" with what FLOWPAR_SO_PUBLIC says, "get BYTES SECONDS" with that many bytes
of a known pattern, paced over that time, "digest TEXT" with TEXT's SHA-256, "bye" by closing,
"half" by closing its half and then reading: it prints how much of the pattern came.
TCP clients are bound to the interface or VRF in $DEVICE, if that is set.

  peer.py serve CPU:PORT...             one process per argument
  peer.py serve6 CPU:PORT...            the same, IPv6 and IPv4 by one socket
  peer.py serve-families CPU:PORT...    the same, by a socket for each; IPv6's comes half a second later
  peer.py serve-slow CPU:PORT...        as serve, with a backlog of 9, one connection per SIGUSR1
  peer.py serve-bound DEVICE CPU:PORT... as serve, by SO_BINDTODEVICE
  peer.py serve-transparent CPU:PORT... the same for any host's addresses (TPROXY)
  peer.py signed PORT                   a listener with a TCP-MD5 key
  peer.py serve-udp CPU:PORT...         the same over UDP; also "late" and whatever is to be echoed, see answer_udp()
  peer.py who ADDRESS PORT N            N connections one by one; prints "PORT COUNT" lines
  peer.py cpus ADDRESS PORT N           the same with "CPU COUNT" lines; also "refused COUNT", "reset COUNT"
  peer.py local ADDRESS PORT            the port that a connection has at the server
  peer.py idle ADDRESS PORT SECONDS     one connection, "who" before and after a pause
  peer.py get ADDRESS PORT BYTES SECONDS [FROM]   checks every byte; FROM: the client's address
  peer.py gets ADDRESS PORT BYTES SECONDS N   N of them at once; prints how many arrived whole
  peer.py public ADDRESS PORT           the server's answer to "public"; udp-public the same over UDP
  peer.py own-public ADDRESS PORT       what sockets of this process say that are bound there, ADDRESS "-" to any
  peer.py misused 0 PORT                errors of FLOWPAR_SO_PUBLIC, of a socket on a per-core port
  peer.py asking 0 PORT FILE            ask for it as fast as can be until FILE exists; says "begun", then the answers there were
  peer.py until ADDRESS PORT FILE       blocks back and forth until FILE exists; checks every byte; says "begun", then how many
  peer.py hold ADDRESS PORT N SECONDS   N connections, one by one, that ask for nothing
  peer.py refused ADDRESS PORT          exit 0 if connect is refused, 3 if it times out
  peer.py fragmented ADDRESS PORT       a SYN in two IP fragments; "PORT accepts", "PORT refuses" or "silence"
  peer.py nested ADDRESS PORT           a SYN over IPv6 in fragments of fragments, as above
  peer.py options ADDRESS PORT          a SYN behind a destination options header of IPv6, as above
  peer.py who-udp ADDRESS PORT N        N datagrams from as many ports; prints "PORT COUNT" lines, "silence COUNT"
  peer.py cpus-udp ADDRESS PORT N       the same with "CPU COUNT" lines, or "refused COUNT"
  peer.py pair-udp ADDRESS PORT SECONDS   "who" before and after a pause, from one port; "connect" first if 4th argument
  peer.py echo ADDRESS PORT BYTES COUNT   a datagram of BYTES, that comes back COUNT times; checks every byte
  peer.py unsummed ADDRESS PORT         as who-udp with 1, without checksums either way
  peer.py broadcast ADDRESS PORT        as who-udp with 1, to a broadcast address
  peer.py refused-udp ADDRESS PORT      exit 0 if an error says that the port is closed, 3 if nothing does
  peer.py late ADDRESS PORT             have the server find out that nobody listens any more
  peer.py forged ADDRESS PORT           an ICMP error from a raw socket, about a UDP datagram from there
  peer.py forged-flood ADDRESS PORT SECONDS  ICMP errors about TCP flows that there are not, at full speed
  peer.py stray ADDRESS PORT SECONDS    ACK segments of no flow from a raw socket, at full speed
"""
import collections
import contextlib
import ctypes
import errno
import hashlib
import os
import signal
import socket
import struct
import sys
import threading
import time

BLOCK = 4096
IP_TRANSPARENT = 19
FLOWPAR_SO_PUBLIC = 26220


def block(i):
    return struct.pack(">Q", i) * (BLOCK // 8)


def send_paced(conn, size, seconds):
    start, blocks = time.monotonic(), size // BLOCK
    for i in range(blocks):
        wait = start + seconds * i / blocks - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        conn.sendall(block(i))


def receive_all(conn):
    """Until the other end closes; how many bytes of the pattern, or what is wrong."""
    data = bytearray()
    try:
        while more := conn.recv(65536):
            data += more
    except OSError as error:
        return errno.errorcode[error.errno]
    want = b"".join(block(i) for i in range(len(data) // BLOCK + 1))[:len(data)]
    return str(len(data)) if data == want else "damaged"


def public(sock):
    """What FLOWPAR_SO_PUBLIC says: "ADDRESS PORT" or the error's name."""
    ipv6 = sock.family == socket.AF_INET6
    try:
        got = sock.getsockopt(socket.IPPROTO_IPV6 if ipv6 else socket.IPPROTO_IP,
                              FLOWPAR_SO_PUBLIC, 28 if ipv6 else 16)
    except OSError as error:
        return errno.errorcode[error.errno]
    family, port = struct.unpack("=H", got[:2])[0], struct.unpack(">H", got[2:4])[0]
    assert family == sock.family and len(got) == (28 if ipv6 else 16)
    return f"{socket.inet_ntop(sock.family, got[8:24] if ipv6 else got[4:8])} {port}"


def answer(conn, port, cpu):
    with conn, conn.makefile("r") as lines, contextlib.suppress(ConnectionResetError):
        for line in lines:
            words = line.split()
            if words[0] == "who":
                conn.sendall(b"%d %d\n" % (port, cpu))
            elif words[0] == "local":
                conn.sendall(b"%d\n" % conn.getsockname()[1])
            elif words[0] == "public":
                conn.sendall(public(conn).encode() + b"\n")
            elif words[0] == "get":
                send_paced(conn, int(words[1]), float(words[2]))
            elif words[0] == "digest":
                conn.sendall(hashlib.sha256(words[1].encode()).hexdigest().encode() + b"\n")
            elif words[0] == "bye":
                return
            elif words[0] == "half":
                conn.shutdown(socket.SHUT_WR)
                print("half", receive_all(conn), flush=True)
                return


def serve_families(cpu, port):
    os.sched_setaffinity(0, [cpu])
    ipv4 = socket.create_server(("", port))
    threading.Thread(target=accept_all, args=(ipv4, port, cpu), daemon=True).start()
    time.sleep(0.5)
    accept_all(socket.create_server(("", port), family=socket.AF_INET6), port, cpu)


def accept_all(listener, port, cpu):
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=answer, args=(conn, port, cpu), daemon=True).start()


def serve(cpu, port, ipv6=False, slow=False, transparent=False, device=None):
    os.sched_setaffinity(0, [cpu])
    backlog = 9 if slow else 128
    if ipv6:
        listener = socket.create_server(("", port), family=socket.AF_INET6,
                                        dualstack_ipv6=True, backlog=backlog)
    elif device:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        listener.bind(("", port))
        listener.listen(backlog)
    else:
        listener = socket.create_server(("", port), backlog=backlog)
    if transparent:
        listener.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
    while True:
        if slow:
            signal.sigwait([signal.SIGUSR1])
        conn, _ = listener.accept()
        threading.Thread(target=answer, args=(conn, port, cpu), daemon=True).start()


UDP_SEGMENT, SO_NO_CHECK = 103, 11


def answer_udp(sock, data, client, port, cpu):
    """One datagram: its first word says what is wanted.

    who: "PORT CPU"; public: see public(); unsummed: the same without a checksum; connect: the same, and a
    socket of its own for this client from now on; late: such a socket sends to the
    client after 2 s and prints what the kernel says to that; echo COUNT: itself, COUNT
    times, in one go, or "not segmented" if the kernel cannot.
    """
    words = data.split(maxsplit=2) or [b""]
    if words[0] == b"public":
        sock.sendto(public(sock).encode(), client)
        return
    if words[0] == b"echo":
        count = int(words[1])
        if count > 1:
            sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, len(data))
        try:
            sock.sendto(data * count, client)
            refused = False
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            refused = True
        finally:
            sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 0)
        if refused:
            sock.sendto(b"not segmented", client)
        return
    if words[0] in (b"connect", b"late"):
        own = udp_socket(port)
        own.connect(client)
        if words[0] == b"late":
            threading.Thread(target=late_udp, args=(own,), daemon=True).start()
        else:
            threading.Thread(target=serve_udp_on, args=(own, port, cpu, b" connected"),
                             daemon=True).start()
            own.send(b"%d %d connected" % (port, cpu))
        return
    sock.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, words[0] == b"unsummed")
    sock.sendto(b"%d %d" % (port, cpu), client)


def late_udp(own):
    time.sleep(2)
    own.settimeout(5)
    try:
        own.send(b"late")
        own.recv(100)
    except ConnectionRefusedError:
        print("late refused", flush=True)
    except TimeoutError:
        print("late silence", flush=True)


def udp_socket(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", port))
    return sock


def serve_udp_on(sock, port, cpu, mark=b""):
    while True:
        try:
            data, client = sock.recvfrom(65535)
        except ConnectionRefusedError:
            continue
        if mark:
            sock.send(b"%d %d" % (port, cpu) + mark)
            continue
        try:
            answer_udp(sock, data, client, port, cpu)
        except (OSError, ValueError, IndexError):
            pass    # nobody that could be answered, or nothing that asks for it


def serve_udp(cpu, port):
    os.sched_setaffinity(0, [cpu])
    serve_udp_on(udp_socket(port), port, cpu)


def connect_udp(address, port, timeout=5):
    family, kind, _, _, end = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0]
    sock = socket.socket(family, kind)
    sock.settimeout(timeout)
    sock.connect(end)
    return sock


def ask_udp(sock, what=b"who"):
    """The answer to one datagram; it is repeated once, since datagrams may be lost."""
    for _ in range(2):
        sock.send(what)
        try:
            return sock.recv(65535)
        except TimeoutError:
            pass
    return b"silence"


def show(counts):
    for found, count in sorted(counts.items()):
        print(found, count)


def who_udp(address, port, n, timeout=5):
    ports = collections.Counter()
    for _ in range(int(n)):
        with connect_udp(address, port, float(timeout)) as sock:
            ports[ask_udp(sock).split()[0].decode()] += 1
    show(ports)


def cpus_udp(address, port, n):
    found = collections.Counter()
    for _ in range(int(n)):
        with connect_udp(address, port) as sock:
            try:
                found[ask_udp(sock).split()[-1].decode()] += 1
            except ConnectionRefusedError:
                found["refused"] += 1
    show(found)


def pair_udp(address, port, seconds, first="who"):
    with connect_udp(address, port) as sock:
        before = ask_udp(sock, first.encode()).split()
        time.sleep(float(seconds))
        after = ask_udp(sock).split()
    print(b" ".join(before[:1] + before[2:] + after[:1] + after[2:]).decode())


def echo(address, port, size, count):
    data = b"echo %s " % count.encode()
    data += bytes(i * 7 % 256 for i in range(int(size) - len(data)))
    with connect_udp(address, port) as sock:
        got = [ask_udp(sock, data)]
        while len(got) < int(count):
            got.append(sock.recv(65535))
    if any(one != data for one in got):
        sys.exit("a datagram is damaged")


def unsummed(address, port):
    with connect_udp(address, port) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
        print(ask_udp(sock, b"unsummed").split()[0].decode())


def broadcast(address, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.settimeout(5)
    sock.sendto(b"who", (address, port))
    print(sock.recv(100).split()[0].decode())


def refused_udp(address, port):
    with connect_udp(address, port) as sock:
        try:
            if ask_udp(sock) == b"silence":
                sys.exit(3)
        except ConnectionRefusedError:
            sys.exit(0)
    sys.exit("answered")


def late(address, port):
    with connect_udp(address, port) as sock:
        sock.send(b"late")


def connect(address, port, timeout=15, source=None):
    device = os.environ.get("DEVICE")
    if not device:
        return socket.create_connection((address, port), timeout, source and (source, 0))
    family, kind, _, _, end = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    conn = socket.socket(family, kind)
    conn.settimeout(timeout)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    conn.connect(end)
    return conn


def ask_line(conn, what):
    conn.sendall(what + b"\n")
    line = b""
    while not line.endswith(b"\n"):
        more = conn.recv(100)
        if not more:
            sys.exit("the server closed the connection")
        line += more
    return line.decode().rstrip()


def ask(conn):
    return ask_line(conn, b"who").split()[0]


def ask_public(address, port):
    with connect(address, port) as conn:
        print(ask_line(conn, b"public"))


def ask_public_udp(address, port):
    with connect_udp(address, port) as sock:
        print(ask_udp(sock, b"public").decode())


def own_public(address, port):
    any_end = (socket.AF_INET6 if address == "-" else socket.AF_INET), 0, 0, "", ("", port)
    family, _, _, _, end = any_end if address in ("", "-") else \
        socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    for name, kind in ("tcp", socket.SOCK_STREAM), ("listening", socket.SOCK_STREAM), \
            ("udp", socket.SOCK_DGRAM), ("raw", socket.SOCK_RAW):
        with socket.socket(family, kind, socket.IPPROTO_TCP if name == "raw" else 0) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(end)
            if name == "listening":
                sock.listen()
            print(name, public(sock))


def misused(_, port):
    with socket.socket() as sock, socket.socket(socket.AF_INET6) as sock6:
        sock.bind(("", port))
        sock6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock6.bind(("", port))
        libc = ctypes.CDLL(None, use_errno=True)

        def get(sock, level, buffer, length):
            size = ctypes.c_int(length)
            if not libc.getsockopt(sock.fileno(), level, FLOWPAR_SO_PUBLIC, buffer, ctypes.byref(size)):
                return size.value
            return errno.errorcode[ctypes.get_errno()]

        space = ctypes.create_string_buffer(200)
        print("short", get(sock, socket.IPPROTO_IP, space, 15), get(sock6, socket.IPPROTO_IPV6, space, 27))
        print("negative", get(sock, socket.IPPROTO_IP, space, -1))
        print("long", get(sock, socket.IPPROTO_IP, space, 200), get(sock6, socket.IPPROTO_IPV6, space, 200))
        print("nowhere", get(sock, socket.IPPROTO_IP, None, 16), get(sock6, socket.IPPROTO_IPV6, None, 28))
        print("family", get(sock6, socket.IPPROTO_IP, space, 28))
        try:
            sock.setsockopt(socket.IPPROTO_IP, FLOWPAR_SO_PUBLIC, b"")
        except OSError as error:
            print("set", errno.errorcode[error.errno])


def asking(_, port, path):
    answers = collections.Counter()
    with socket.socket() as sock, socket.socket(socket.AF_INET6) as sock6:
        sock.bind(("", port))
        sock6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock6.bind(("", port))
        print("begun", flush=True)
        while not os.path.exists(path):
            for _ in range(1000):
                answers[public(sock)] += 1
                answers[public(sock6)] += 1
    print(*sorted(answers), sep="\n")


def cpus(address, port, n):
    found = collections.Counter()
    for _ in range(int(n)):
        try:
            with connect(address, port, 60) as conn:
                found[ask_line(conn, b"who").split()[1]] += 1
        except ConnectionRefusedError:
            found["refused"] += 1
        except ConnectionResetError:
            found["reset"] += 1
    show(found)


def local(address, port):
    with connect(address, port) as conn:
        print(ask_line(conn, b"local"))


def who(address, port, n):
    ports = collections.Counter()
    for _ in range(int(n)):
        with connect(address, port) as conn:
            ports[ask(conn)] += 1
    show(ports)


def hold(address, port, n, seconds):
    conns = [connect(address, port) for _ in range(int(n))]
    time.sleep(float(seconds))
    for conn in conns:
        conn.close()


TCP_MD5SIG = 14


def signed(port):
    listener = socket.create_server(("", port))
    peer = struct.pack("HH4s120s", socket.AF_INET, 0, socket.inet_aton("10.77.0.99"), b"")
    listener.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG,
                        peer + struct.pack("BBHi80s", 0, 0, 3, 0, b"key"))
    listener.accept()


def idle(address, port, seconds):
    with connect(address, port) as conn:
        before = ask(conn)
        time.sleep(float(seconds))
        print(before, ask(conn))


def get(address, port, size, seconds, source=None, quiet=False):
    blocks = int(size) // BLOCK
    with connect(address, port, 60, source) as conn:
        if not quiet:
            print(ask(conn), flush=True)
        conn.sendall(b"get %s %s\n" % (size.encode(), seconds.encode()))
        for i in range(blocks):
            data = b""
            while len(data) < BLOCK:
                more = conn.recv(BLOCK - len(data))
                if not more:
                    sys.exit(f"the stream ended in block {i} of {blocks}")
                data += more
            if data != block(i):
                sys.exit(f"block {i} is damaged")


def gets(address, port, size, seconds, count):
    whole = []

    def one():
        get(address, port, size, seconds, quiet=True)
        whole.append(1)

    threads = [threading.Thread(target=one) for _ in range(int(count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(len(whole))


def until(address, port, path):
    blocks = 0
    with connect(address, port, 60) as conn:
        while not blocks or not os.path.exists(path):
            conn.sendall(b"get %d 0\n" % BLOCK)
            data = b""
            while len(data) < BLOCK:
                more = conn.recv(BLOCK - len(data))
                if not more:
                    sys.exit(f"the stream ended in block {blocks}")
                data += more
            if data != block(0):
                sys.exit(f"block {blocks} is damaged")
            if not blocks:
                print("begun", flush=True)
            blocks += 1
    print(blocks)


def refused(address, port):
    try:
        connect(address, port, 3).close()
    except ConnectionRefusedError:
        sys.exit(0)
    except TimeoutError:
        sys.exit(3)
    sys.exit("connected")


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def raw_socket(address, port):
    family, _, _, _, end = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
    raw.connect(end)
    return raw


def ends_of(raw):
    """Both addresses of a connected socket, in network order, and whether they are IPv6's."""
    ends = [end[0].split("%")[0] for end in (raw.getsockname(), raw.getpeername())]
    return [socket.inet_pton(raw.family, end) for end in ends], raw.family == socket.AF_INET6


def segment_of(raw, *fields, options=b""):
    ends, _ = ends_of(raw)
    # Either pseudo header adds up to the same as this.
    pseudo = b"".join(ends) + struct.pack(">HH", 6, 20 + len(options))
    head = struct.pack(">HHIIBBH", *fields)
    return head + struct.pack(">HH", checksum(pseudo + head + b"\0\0\0\0" + options), 0) + options


def answer_to(raw, port, client):
    """What comes back to a SYN from port client."""
    raw.settimeout(3)
    try:
        while True:
            got = raw.recv(2000)
            if raw.family == socket.AF_INET:
                got = got[20:]
            if struct.unpack(">H", got[2:4])[0] == client:
                print(struct.unpack(">H", got[:2])[0], "refuses" if got[13] & 0x04 else "accepts")
                return
    except TimeoutError:
        print("silence")


def syn(raw, port):
    client = os.getpid() % 30000 + 10000
    mss = struct.pack(">BBH", 2, 4, 1000)
    return client, segment_of(raw, client, port, 1, 0, 8 << 4, 0x02, 1000, options=mss + b"\1" * 8)


IPV6_HDRINCL, NEXTHDR_TCP, NEXTHDR_FRAGMENT, NEXTHDR_DEST = 36, 6, 44, 60


def send_ipv6(raw, number, header, payload, inner=NEXTHDR_TCP):
    """Send payload, which begins with the header inner, behind the extension header number."""
    ends, _ = ends_of(raw)
    payload = bytes([inner]) + header + payload
    out = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    out.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
    out.sendto(struct.pack(">IHBB", 6 << 28, len(payload), number, 64) + b"".join(ends) + payload,
               (raw.getpeername()[0], 0))


def fragmented(address, port):
    raw = raw_socket(address, port)
    client, segment = syn(raw, port)
    ends, ipv6 = ends_of(raw)
    if not ipv6:
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
    # IPv6 wants all of the header but its options in the first.
    cut = 24 if ipv6 else 8
    for offset, more in ((0, 1), (cut, 0)):
        part = segment[:cut] if more else segment[cut:]
        if ipv6:
            send_ipv6(raw, NEXTHDR_FRAGMENT, struct.pack(">BHI", 0, offset | more, client), part)
        else:
            raw.send(struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(part), client, more << 13 | offset // 8,
                                 64, socket.IPPROTO_TCP, 0, *ends) + part)
    answer_to(raw, port, client)


def nested(address, port):
    raw = raw_socket(address, port)
    client, segment = syn(raw, port)
    for offset, more, part in ((0, 1, segment[:24]), (24, 0, segment[24:])):
        inner = struct.pack(">BBHI", NEXTHDR_TCP, 0, offset | more, client) + part
        for start, rest in ((0, 1), (8, 0)):
            send_ipv6(raw, NEXTHDR_FRAGMENT, struct.pack(">BHI", 0, start | rest, client + 1 + offset),
                      inner[start:8] if rest else inner[start:], NEXTHDR_FRAGMENT)
    answer_to(raw, port, client)


def options(address, port):
    raw = raw_socket(address, port)
    client, segment = syn(raw, port)
    # 8 bytes: the header's length 0, one PadN option of 4.
    send_ipv6(raw, NEXTHDR_DEST, b"\0\1\4\0\0\0\0", segment)
    answer_to(raw, port, client)


def error_about(raw, address, protocol, port, to):
    """An ICMP error about what ADDRESS, PORT has sent to our port TO."""
    quote = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 36, 1, 0, 64, protocol, 0,
                        socket.inet_aton(address), socket.inet_aton(raw.getsockname()[0]))
    quote += struct.pack(">HHHH", port, to, 16, 0) + bytes(8)
    error = struct.pack(">BBHI", 3, 3, 0, 0) + quote
    return error[:2] + struct.pack(">H", checksum(error)) + error[4:]


def forged(address, port):
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    raw.connect((address, 0))
    raw.send(error_about(raw, address, socket.IPPROTO_UDP, port, 9))


def forged_flood(address, port, seconds):
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    raw.connect((address, 0))
    end, i = time.monotonic() + float(seconds), 0
    while time.monotonic() < end:
        i += 1
        with contextlib.suppress(OSError):  # ENOBUFS: it is only a flood
            raw.send(error_about(raw, address, socket.IPPROTO_TCP, port, 20000 + i % 10000))


def stray(address, port, seconds):
    raw = raw_socket(address, port)
    end, i = time.monotonic() + float(seconds), 0
    while time.monotonic() < end:
        i += 1
        segment = segment_of(raw, 20000 + i % 10000, port, i, i, 5 << 4, 0x10, 1000)
        while True:
            try:
                raw.send(segment)
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                time.sleep(0.001)


def main():
    command, args = sys.argv[1], sys.argv[2:]
    if command.startswith("serve"):
        device = args.pop(0) if command == "serve-bound" else None
        for arg in args:
            cpu, port = map(int, arg.split(":"))
            if os.fork() == 0:
                if command == "serve-udp":
                    serve_udp(cpu, port)
                if command == "serve-families":
                    serve_families(cpu, port)
                signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
                serve(cpu, port, command == "serve6", command == "serve-slow",
                      command == "serve-transparent", device)
        os.wait()
        sys.exit("an instance ended")
    if command == "signed":
        signed(int(args[0]))
    commands = {"who": who, "cpus": cpus, "local": local, "cpus-udp": cpus_udp, "idle": idle, "hold": hold, "get": get, "gets": gets,
                "until": until, "refused": refused, "fragmented": fragmented,
                "nested": nested, "options": options, "stray": stray, "who-udp": who_udp,
                "pair-udp": pair_udp, "echo": echo, "unsummed": unsummed,
                "broadcast": broadcast, "refused-udp": refused_udp, "late": late,
                "forged": forged, "forged-flood": forged_flood, "public": ask_public, "udp-public": ask_public_udp,
                "own-public": own_public, "misused": misused, "asking": asking}
    commands[command](args[0], int(args[1]), *args[2:])


main()
