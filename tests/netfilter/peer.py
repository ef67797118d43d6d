#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Server and clients of the netfilter tests.

A server process stands for one instance: pinned to a CPU, on one port, and it says
which. Lines: "who" is answered with "PORT CPU", "get BYTES SECONDS" with that many
bytes of a known pattern, paced over that time.

  peer.py serve CPU:PORT...             one process per argument
  peer.py who ADDRESS PORT N            N connections one by one; prints "PORT COUNT" lines
  peer.py idle ADDRESS PORT SECONDS     one connection, "who" before and after a pause
  peer.py get ADDRESS PORT BYTES SECONDS   checks every byte
  peer.py refused ADDRESS PORT          exit 0 if connect is refused, 3 if it times out
  peer.py fragmented ADDRESS PORT       a SYN in two IP fragments; "PORT accepts", "PORT refuses" or "silence"
  peer.py stray ADDRESS PORT SECONDS    ACK segments of no flow from a raw socket, at full speed
"""
import collections
import errno
import os
import socket
import struct
import sys
import threading
import time

BLOCK = 4096


def block(i):
    return struct.pack(">Q", i) * (BLOCK // 8)


def answer(conn, port, cpu):
    with conn, conn.makefile("r") as lines:
        for line in lines:
            words = line.split()
            if words[0] == "who":
                conn.sendall(b"%d %d\n" % (port, cpu))
            elif words[0] == "get":
                size, seconds = int(words[1]), float(words[2])
                start, blocks = time.monotonic(), size // BLOCK
                for i in range(blocks):
                    wait = start + seconds * i / blocks - time.monotonic()
                    if wait > 0:
                        time.sleep(wait)
                    conn.sendall(block(i))


def serve(cpu, port):
    os.sched_setaffinity(0, [cpu])
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", port))
    listener.listen(128)
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=answer, args=(conn, port, cpu), daemon=True).start()


def connect(address, port, timeout=15):
    return socket.create_connection((address, port), timeout)


def ask(conn):
    conn.sendall(b"who\n")
    line = b""
    while not line.endswith(b"\n"):
        more = conn.recv(100)
        if not more:
            sys.exit("the server closed the connection")
        line += more
    return line.split()[0].decode()


def who(address, port, n):
    ports = collections.Counter()
    for _ in range(int(n)):
        with connect(address, port) as conn:
            ports[ask(conn)] += 1
    for found, count in sorted(ports.items()):
        print(found, count)


def idle(address, port, seconds):
    with connect(address, port) as conn:
        before = ask(conn)
        time.sleep(float(seconds))
        print(before, ask(conn))


def get(address, port, size, seconds):
    blocks = int(size) // BLOCK
    with connect(address, port, 60) as conn:
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
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    raw.connect((address, port))
    return raw


def segment_of(raw, *fields):
    ends = raw.getsockname()[0], raw.getpeername()[0]
    pseudo = b"".join(map(socket.inet_aton, ends)) + struct.pack(">HH", 6, 20)
    head = struct.pack(">HHIIBBH", *fields)
    return head + struct.pack(">HH", checksum(pseudo + head + b"\0\0\0\0"), 0)


def fragmented(address, port):
    raw = raw_socket(address, port)
    raw.settimeout(3)
    client = os.getpid() % 30000 + 10000
    segment = segment_of(raw, client, port, 1, 0, 5 << 4, 0x02, 1000)
    raw.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
    ends = [socket.inet_aton(end[0]) for end in (raw.getsockname(), raw.getpeername())]
    for offset, more in ((0, 0x2000), (8, 0)):
        part = segment[:8] if more else segment[8:]
        raw.send(struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(part), client, more | offset // 8,
                             64, socket.IPPROTO_TCP, 0, *ends) + part)
    try:
        while True:
            got = raw.recv(2000)[20:]
            if struct.unpack(">H", got[2:4])[0] == client:
                print(struct.unpack(">H", got[:2])[0], "refuses" if got[13] & 0x04 else "accepts")
                return
    except TimeoutError:
        print("silence")


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
    if command == "serve":
        for arg in args:
            if os.fork() == 0:
                serve(*map(int, arg.split(":")))
        os.wait()
        sys.exit("an instance ended")
    commands = {"who": who, "idle": idle, "get": get, "refused": refused,
                "fragmented": fragmented, "stray": stray}
    commands[command](args[0], int(args[1]), *args[2:])


main()
