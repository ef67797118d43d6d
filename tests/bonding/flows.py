#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Traffic whose CPU is known.

    flows.py udp CPU ADDRESS COUNT [ROUNDS [PORT]]
        from CPU, one datagram a round in each of COUNT flows that are the same
        at each call (source port 20000 + i, destination PORT, 9000)
    flows.py join GROUP ADDRESS
        joins the multicast group on the interface with ADDRESS, until it is killed
    flows.py serve PORT CPUS [ROUNDS]
        answers one connection with ROUNDS (4) writes from each CPU of CPUS (a count), so
        the task migrates within the flow; prints the CPU that the connection's
        segments arrive on, or CPUs if it changes
    flows.py fetch ADDRESS PORT
        reads one such answer; prints how many bytes came
"""
import os
import signal
import socket
import sys

SO_INCOMING_CPU = 49


def udp(cpu, address, count, rounds=1, port=9000):
    os.sched_setaffinity(0, {cpu})
    socks = []
    for i in range(count):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # Two senders may use the same flows at once.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", 20000 + i))
        socks.append(sock)
    for _ in range(rounds):
        for sock in socks:
            sock.sendto(b"x", (address, port))


def join(group, address):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(address))
    print("joined", flush=True)
    signal.pause()


def serve(port, cpus, rounds=4):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", port))
    listener.listen()
    print("listening", flush=True)
    listener.settimeout(120)    # a client that gave up never comes
    conn, _ = listener.accept()
    conn.settimeout(120)
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    conn.recv(1)
    incoming = {conn.getsockopt(socket.SOL_SOCKET, SO_INCOMING_CPU)}
    for _ in range(rounds):
        for cpu in range(cpus):
            os.sched_setaffinity(0, {cpu})
            conn.sendall(b"y" * 1000)
    conn.shutdown(socket.SHUT_WR)
    while conn.recv(4096):
        pass
    incoming.add(conn.getsockopt(socket.SOL_SOCKET, SO_INCOMING_CPU))
    print(*sorted(incoming), flush=True)


def fetch(address, port):
    conn = socket.create_connection((address, port), timeout=20)
    conn.sendall(b"?")
    total = 0
    while data := conn.recv(65536):
        total += len(data)
    conn.close()
    print(total)


command, *rest = sys.argv[1:] or [""]
if command == "udp":
    udp(int(rest[0]), rest[1], *map(int, rest[2:]))
elif command == "join":
    join(*rest)
elif command == "serve":
    serve(*map(int, rest))
elif command == "fetch":
    fetch(rest[0], int(rest[1]))
else:
    sys.exit(__doc__)
