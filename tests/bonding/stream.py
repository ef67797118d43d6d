#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Traffic that goes on whatever happens to the bond below it, and how long it did not.

    stream.py send CPUS INTERVAL ADDRESS...
        a process on each CPU k: every INTERVAL ms a segment on each connection to port
        5100 + k, and a datagram in each of four flows to port 9100 + k of the k-th ADDRESS.
        SIGUSR1: each process moves to the CPU that its connections' segments arrive on, and
        writes it to /tmp/stream.k
    stream.py receive SERVER CLIENTS
        connects from each client k's namespace, reads for ever, and listens on the FIFO
        /tmp/stream.ctl, answering on /tmp/stream.out:
        mark      forget what was; answers "ok"
        report    since then, "lost=N tcp=MS broken=N flows=N+N silent=MS": the most
                  datagrams that one flow has lost (not: late), the longest silence of a connection, how many
                  connections have ended, how many flows of datagrams and connections there are,
                  and the longest silence of any that lasts
"""
import ctypes
import os
import select
import signal
import socket
import struct
import sys
import time

SO_INCOMING_CPU = 49
TCP_PORT, UDP_PORT, UDP_FLOWS, CONNECTIONS = 5100, 9100, 4, 2
TICK = 100      # bytes, of which the first 4 are a number


def send_on(k, interval, address):
    move = False

    def moves(*_):
        nonlocal move
        move = True

    signal.signal(signal.SIGUSR1, moves)
    cpu = k
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", TCP_PORT + k))
    listener.listen()
    listener.setblocking(False)
    flows = []
    for i in range(UDP_FLOWS):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind(("", 21000 + 16 * k + i))
        flows.append(sock)
    conns, number = [], 0
    due = time.monotonic()
    while True:
        if move and conns:
            move, cpu = False, conns[-1].getsockopt(socket.SOL_SOCKET, SO_INCOMING_CPU)
            os.sched_setaffinity(0, {cpu})
            with open(f"/tmp/stream.{k}", "w", encoding="ascii") as out:
                print(cpu, file=out)
        try:
            # a CPU that goes offline takes its affinity along
            os.sched_setaffinity(0, {cpu})
        except OSError:
            pass
        try:
            conn, _ = listener.accept()
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            conn.setblocking(False)
            conns.append(conn)
        except BlockingIOError:
            pass
        number += 1
        tick = struct.pack("!I", number) + b"y" * (TICK - 4)
        for sock in flows:
            try:
                sock.sendto(tick, (address, UDP_PORT + k))
            except OSError:
                pass        # no route, no slave, no room: it is lost
        for conn in conns[:]:
            try:
                conn.send(tick)
            except BlockingIOError:
                pass
            except OSError as error:
                if error.errno not in (101, 113):       # ENETUNREACH, EHOSTUNREACH pass
                    conns.remove(conn)
        due = max(due + interval, time.monotonic() - 2 * interval)
        time.sleep(max(0, due - time.monotonic()))


def send(cpus, interval, *addresses):
    children = []
    for k in range(cpus):
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            send_on(k, interval / 1000, addresses[k % len(addresses)])
        children.append(pid)

    def forward(number, _):
        for pid in children:
            os.kill(pid, number)
        if number == signal.SIGTERM:
            os._exit(0)

    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGUSR1, forward)
    while True:
        signal.pause()


class Flow:
    def __init__(self, sock):
        self.sock = sock
        self.last = time.monotonic()
        self.newest = None      # number; datagrams only
        self.mark()

    def mark(self):
        self.gap, self.got, self.first = 0, 0, self.newest

    def lost(self):
        return self.newest - self.first - self.got

    def heard(self, now, number=None):
        self.gap = max(self.gap, now - self.last)
        self.last = now
        if number is None:
            return
        if self.newest is None:
            self.first = self.newest = number - 1
        self.newest = max(self.newest, number)
        self.got += number > self.first


def connect(k, server):
    """Tries for a minute: the senders may still be starting."""
    for _ in range(600):
        sock = socket.socket()
        try:
            sock.connect((server, TCP_PORT + k))
            sock.setblocking(False)
            return sock
        except OSError:
            sock.close()
            time.sleep(0.1)
    sys.exit(f"client{k}: {server} does not answer")


def receive(server, clients):
    libc = ctypes.CDLL(None, use_errno=True)
    udp, tcp, broken = {}, {}, 0
    for k in range(clients):
        with open(f"/run/netns/client{k}", encoding="ascii") as namespace:
            if libc.setns(namespace.fileno(), 0):
                sys.exit(f"client{k}: {os.strerror(ctypes.get_errno())}")
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind(("", UDP_PORT + k))
        udp[sock.fileno()] = (sock, {})
        for _ in range(CONNECTIONS):
            flow = Flow(connect(k, server))
            tcp[flow.sock.fileno()] = flow
    for path in ("/tmp/stream.ctl", "/tmp/stream.out"):
        if not os.path.exists(path):
            os.mkfifo(path)
    ctl = os.open("/tmp/stream.ctl", os.O_RDWR)
    out = os.open("/tmp/stream.out", os.O_RDWR)
    poll = select.epoll()
    for fd in (ctl, *udp, *tcp):
        poll.register(fd, select.EPOLLIN)
    print("receiving", flush=True)
    while True:
        for fd, _ in poll.poll():
            now = time.monotonic()
            if fd in udp:
                sock, flows = udp[fd]
                try:
                    while True:
                        data, source = sock.recvfrom(TICK)
                        flows.setdefault(source, Flow(sock)).heard(now, struct.unpack_from("!I", data)[0])
                except BlockingIOError:
                    pass
            elif fd in tcp:
                try:
                    data = tcp[fd].sock.recv(1 << 16)
                except BlockingIOError:
                    continue
                except OSError:
                    data = b""
                if data:
                    tcp[fd].heard(now)
                else:
                    poll.unregister(fd)
                    tcp.pop(fd).sock.close()
                    broken += 1
            else:
                command = os.read(ctl, 100).decode().strip()
                datagrams = [flow for _, flows in udp.values() for flow in flows.values()]
                answer = "ok"
                if command == "mark":
                    broken = 0
                    for flow in (*datagrams, *tcp.values()):
                        flow.mark()
                else:
                    answer = "lost={} tcp={:.0f} broken={} flows={}+{} silent={:.0f}".format(
                        max(f.lost() for f in datagrams),
                        1000 * max(max(f.gap, now - f.last) for f in tcp.values()),
                        broken, len(datagrams), len(tcp),
                        1000 * max(now - f.last for f in (*datagrams, *tcp.values())))
                os.write(out, answer.encode() + b"\n")


command, *rest = sys.argv[1:] or [""]
if command == "send":
    send(int(rest[0]), int(rest[1]), *rest[2:])
elif command == "receive":
    receive(rest[0], int(rest[1]))
else:
    sys.exit(__doc__)
