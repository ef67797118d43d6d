#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Segments whose order at the receiver is known.

    order.py serve PORT ROUNDS migrate|free
        answers one connection with ROUNDS bursts of four segments, each burst when the one
        before has arrived. migrate: each segment is sent from the next CPU; free: wherever the
        scheduler has put it. Prints how many CPUs it has sent from.
    order.py fetch ADDRESS PORT ROUNDS
        reads them, and prints "segments late again ofo": data segments that arrived; those that
        one sent after them had overtaken, by IP identification, which counts what a socket
        sends, so that a retransmit is not late; those whose bytes had arrived before; what TCP
        has queued out of order
    order.py hog CPUS
        keeps one CPU after the other from everybody else, 40 ms of 50, for ever
"""
import ctypes
import os
import socket
import struct
import sys
import time

SEGMENTS, SIZE = 4, 500
SO_RCVBUFFORCE, ETH_P_IP = 33, 0x0800


def serve(port, rounds, how):
    getcpu = ctypes.CDLL(None).sched_getcpu
    cpus = sorted(os.sched_getaffinity(0))
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", port))
    listener.listen()
    print("listening", flush=True)
    listener.settimeout(120)    # a client that gave up never comes
    conn, _ = listener.accept()
    conn.settimeout(120)
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    seen, at = set(), 0
    for _ in range(rounds):
        conn.recv(1)
        for _ in range(SEGMENTS):
            if how == "migrate":
                at += 1
                os.sched_setaffinity(0, {cpus[at % len(cpus)]})
            seen.add(getcpu())
            conn.sendall(b"y" * SIZE)
    conn.recv(1)
    print(len(seen), flush=True)


def queued():
    with open("/proc/net/netstat", encoding="ascii") as file:
        names, values = (line.split() for line in file if line.startswith("TcpExt:"))
    return int(values[names.index("TCPOFOQueue")])


def fetch(address, port, rounds):
    before = queued()
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
    tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
    conn = socket.create_connection((address, port), timeout=120)
    for _ in range(rounds):
        conn.sendall(b"?")
        missing = SEGMENTS * SIZE
        while missing:
            missing -= len(conn.recv(missing)) or sys.exit("the connection ended")
    conn.sendall(b"!")
    tap.setblocking(False)
    segments = late = again = 0
    newest, arrived = None, set()
    while True:
        try:
            packet = tap.recv(2048)
        except BlockingIOError:
            break
        at = 4 * (packet[0] & 15)
        if packet[9] != 6 or packet[12:16] != socket.inet_aton(address):
            continue
        number = struct.unpack_from("!H", packet, 4)[0]
        size = struct.unpack_from("!H", packet, 2)[0] - at - 4 * (packet[at + 12] >> 4)
        source, seq = struct.unpack_from("!HxxI", packet, at)
        if source != port or not size:
            continue
        segments += 1
        again += seq in arrived
        arrived.add(seq)
        if newest is not None and (number - newest) & 0xFFFF >= 0x8000:
            late += 1
        else:
            newest = number
    print(segments, late, again, queued() - before)


def hog(cpus):
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    cpu = 0
    while True:
        cpu = (cpu + 1) % cpus
        os.sched_setaffinity(0, {cpu})
        until = time.monotonic() + 0.04
        while time.monotonic() < until:
            pass
        time.sleep(0.01)


command, *rest = sys.argv[1:] or [""]
if command == "serve":
    serve(int(rest[0]), int(rest[1]), rest[2])
elif command == "fetch":
    fetch(rest[0], int(rest[1]), int(rest[2]))
elif command == "hog":
    hog(int(rest[0]))
else:
    sys.exit(__doc__)
