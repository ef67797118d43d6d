#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A TCP client without a kernel at the switch's ports: it says which link, so which core of
the server, each of its segments arrives on. Prints a line a point, as tests/lib.sh does.

  states.py SERVER_MAC             the tests of states.sh, whose server does what ask() says

Core k's listener is on port 8000 + 8k, 8200 + 8k with Fast Open; who answers tells where a
segment has been taken.
"""
import os
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from exact import ACK, BLOCK, FIN, PSH, RST, SYN, TCP, Peer, Wire, pattern  # noqa: E402

OUT = os.environ["LAB_OUT"]
failed = 0
asked = 0


def point(good, text, detail=""):
    global failed
    print(("ok - " if good else "not ok - ") + text)
    if not good:
        failed += 1
        print("#   " + detail.replace("\n", "\n#   "))
    sys.stdout.flush()


def ask(command):
    """Have the server's script run it; what it says."""
    global asked
    asked += 1
    with open(f"{OUT}/ask.{asked}", "w") as file:
        file.write(command)
    subprocess.run(["lab-post", f"ask{asked}"], check=True)
    if command == "over":
        return ""
    subprocess.run(["lab-wait", f"told{asked}"], check=True, stdout=subprocess.DEVNULL)
    with open(f"{OUT}/told.{asked}") as file:
        return file.read().rstrip()


class Client:
    """One family's connections, one after the other, each from another port."""

    last_port = 20000

    def __init__(self, ipv6, mac, cores):
        self.links = [Wire(f"eth{k}", mac) for k in range(2)]
        self.wire = Wire("lag0", mac)
        self.peer = Peer(self.wire, ipv6)
        self.name, self.family = ("IPv6", "inet6") if ipv6 else ("IPv4", "inet")
        self.cores = cores

    def same(self, text, want, got):
        point(want == got, f"{self.name}: {text}", f"expected {want}\nfound    {got}")

    def fresh(self, port=80, base=8000):
        """A service in which no flow has moved."""
        ask(f"fresh {self.family} {port} {base}")
        self.next(port)

    def next(self, port=80):
        Client.last_port += 1
        self.port, self.from_port, self.seq = port, Client.last_port, 1000
        self.isn = None

    def send(self, core, flags, seq, ack=0, data=b"", options=b""):
        self.peer.wire = self.links[core]
        self.peer.send(TCP, self.peer.tcp(self.from_port, self.port, seq, ack, flags, 60000,
                                          options, data))
        self.peer.wire = self.wire

    def answer(self, want=None, seconds=60, data=False):
        """The first answer with the flags wanted, or with data: (flags, seq, ack, cookie, data)."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            frame = self.wire.take(left)
            if not frame:
                break
            # The other family's connections may repeat themselves yet.
            if frame[12:14] != (b"\x86\xdd" if self.peer.ipv6 else b"\x08\x00"):
                continue
            packet = frame[14:]
            packet = packet[:40 + int.from_bytes(packet[4:6], "big") if self.peer.ipv6 else
                            int.from_bytes(packet[2:4], "big")]
            if packet[6 if self.peer.ipv6 else 9] != TCP:
                continue
            segment = packet[self.peer.head:]
            source, dest, seq, ack, doff, flags = struct.unpack(">HHIIBB", segment[:14])
            if dest != self.from_port:
                continue
            flags &= ~PSH
            options, body = segment[20:(doff >> 4) * 4], segment[(doff >> 4) * 4:]
            if source != self.port:
                sys.exit(f"{self.name}: an answer from port {source}")
            if body if data else flags == want:
                return flags, seq, ack, fast_open_cookie(options), body
        return None

    def taken(self, core):
        """Wait until the server is through with what was sent on that core: links overtake each other."""
        kept, self.from_port, self.port = (self.from_port, self.port), 19999, 9
        self.send(core, SYN, 1)
        if not self.answer(RST | ACK):
            sys.exit(f"{self.name}: nothing refuses port 9")
        self.from_port, self.port = kept

    def syn(self, core):
        self.send(core, SYN, self.seq)
        answer = self.answer(SYN | ACK)
        if not answer:
            sys.exit(f"{self.name}: a SYN is answered by {answer}")
        self.isn = answer[1]
        return self.isn

    def open(self, core):
        self.syn(core)
        self.send(core, ACK, self.seq + 1, self.isn + 1)

    def who(self, core):
        """Ask the server who it is, by a segment on that core; what it says."""
        self.send(core, PSH | ACK, self.seq + 1, self.isn + 1, b"who\n")
        answer = self.answer(data=True)
        if answer:
            self.seq += 4
            self.isn += len(answer[4])
            self.send(core, ACK, self.seq + 1, self.isn + 1)
            return answer[4].decode().rstrip()
        return answer

    def said(self, what, *fields):
        """An answer's flags, and its sequence and acknowledgment numbers from ours."""
        return what and (what[:len(fields)] == fields or what[:3])

    def silence(self):
        """Nothing comes, and no RST above all."""
        return self.answer(RST, 1.5) or self.answer(RST | ACK, 0.1)

    # A SYN is answered again on another core. Whoever knows the first request is not asked
    # while no flow moves; then whichever answer the client takes, its flow is whole.
    def syn_again(self):
        self.fresh()
        first = self.syn(1)
        second = self.syn(0)
        self.same("a SYN repeated on another core is answered there, anew", True, first != second)
        self.isn = first
        self.send(0, ACK, self.seq + 1, self.isn + 1)
        self.same("the ACK of the first answer goes to the first request, past the one at home",
                  "8008 1", self.who(0))
        self.send(0, ACK, self.seq + 1, self.isn + 1)
        self.same("... as do the client's ACKs to a repeated answer of that one", None, self.silence())
        self.same("... and what follows on the first core", "8008 1", self.who(1))
        self.fresh()
        self.syn(1)
        self.open(0)
        self.same("a client that lost the first answer has the second core's", "8000 0", self.who(0))
        # The request on the other core is in the way there.
        self.same("... there, too, where the first request is", "8000 0", self.who(1))

        # Flows have moved now.
        self.next()
        first = self.syn(1)
        self.same("when flows have moved, a SYN repeated elsewhere finds its request", first, self.syn(0))
        self.send(0, ACK, self.seq + 1, self.isn + 7)
        answer = self.answer(RST)
        self.same("an ACK that fits no request is refused", True, self.said(answer, RST, (self.isn + 7) % 2**32))
        self.send(0, ACK, self.seq + 1, self.isn + 1)
        self.same("... which leaves the request to the ACK that fits", "8008 1", self.who(0))
        self.next()
        first = self.syn(1)
        self.seq += 900
        self.same("a SYN of another attempt does not find it", True, self.syn(0) != first)
        self.send(0, ACK, self.seq + 1, self.isn + 1)
        self.same("... and has its own core's listener", "8000 0", self.who(0))

    def resets(self):
        self.next()
        self.syn(1)
        self.send(0, RST, self.seq + 1)
        self.taken(0)
        self.send(1, ACK, self.seq + 1, self.isn + 1)
        self.same("a RST on another core ends the request", True,
                  self.said(self.answer(RST), RST, (self.isn + 1) % 2**32))
        self.next()
        self.open(1)
        self.same("(a flow on core 1)", "8008 1", self.who(1))
        self.send(0, RST, self.seq + 100)
        self.same("a RST beside what is expected is challenged, on another core too", True,
                  self.said(self.answer(ACK), ACK, (self.isn + 1) % 2**32, self.seq + 1))
        self.same("... and ends nothing", "8008 1", self.who(0))
        self.send(0, RST, self.seq + 1)
        self.taken(0)
        self.send(1, ACK, self.seq + 1, self.isn + 1)
        self.same("a RST on another core ends the flow", True,
                  self.said(self.answer(RST), RST, (self.isn + 1) % 2**32))

    def bye(self, core):
        """Have the server close; its FIN."""
        self.send(core, PSH | ACK, self.seq + 1, self.isn + 1, b"bye\n")
        self.seq += 4
        return self.answer(FIN | ACK)

    # Both ends close, and what is said comes by turns on either core.
    def closing(self):
        self.next()
        self.open(1)
        self.same("the server closes", True,
                  self.said(self.bye(1), FIN | ACK, (self.isn + 1) % 2**32, self.seq + 1))
        self.send(0, FIN | ACK, self.seq + 1, self.isn + 1)
        self.same("the client closes at the same time, on another core: acknowledged", True,
                  self.said(self.answer(ACK), ACK, (self.isn + 2) % 2**32, self.seq + 2))
        self.same("... both are closing", "8008", ask(f"at closing {self.from_port}"))
        self.send(1, ACK, self.seq + 2, self.isn + 2)
        self.same("... and the last ACK ends it", "8008", ask(f"at time-wait {self.from_port}"))
        self.send(0, FIN | ACK, self.seq + 1, self.isn + 2)
        self.same("a FIN repeated to TIME_WAIT on another core is acknowledged", True,
                  self.said(self.answer(ACK), ACK, (self.isn + 2) % 2**32, self.seq + 2))
        self.next()
        self.open(1)
        self.bye(1)
        self.send(1, ACK, self.seq + 1, self.isn + 2)
        self.same("the client has yet to close", "8008", ask(f"at fin-wait-2 {self.from_port}"))
        self.send(0, FIN | ACK, self.seq + 1, self.isn + 2)
        self.same("its FIN on another core is acknowledged", True,
                  self.said(self.answer(ACK), ACK, (self.isn + 2) % 2**32, self.seq + 2))
        self.same("... and ends it", "8008", ask(f"at time-wait {self.from_port}"))

    # A client's port comes again while its last flow is in TIME_WAIT on another core.
    def reuse(self):
        for moved in "", ", when flows have moved":
            self.fresh()
            if moved:
                self.open(1)
                self.who(0)
                self.next()
            self.open(1)
            self.bye(1)
            self.send(1, FIN | ACK, self.seq + 1, self.isn + 2)
            self.answer(ACK)
            old_seq, old_isn = self.seq, self.isn
            self.same(f"(a flow in TIME_WAIT{moved})", "8008", ask(f"at time-wait {self.from_port}"))
            self.seq = 900000
            self.open(0)
            self.same(f"its port again on another core is that core's{moved}", "8000 0", self.who(0))
            self.same(f"... past TIME_WAIT at home{moved}", "8000 0", self.who(1))
            self.send(1, FIN | ACK, old_seq + 1, old_isn + 2)
            self.same(f"... and the old FIN is no reason for a reset{moved}", None, self.silence())
            self.same(f"... or for an end{moved}", "8000 0", self.who(0))

    # Nothing is kept of a SYN whose answer is a cookie.
    def cookies(self):
        ask("sysctl -q net.ipv4.tcp_syncookies=2")
        self.fresh()
        self.syn(1)
        self.send(0, ACK, self.seq + 1, self.isn + 1)
        self.same("a SYN cookie answered on another core makes a flow of the first", "8008 1", self.who(0))
        self.next()
        self.syn(1)
        self.send(0, ACK, self.seq + 1, self.isn + 99)
        self.same("one that was never sent is refused", True,
                  self.said(self.answer(RST), RST, (self.isn + 99) % 2**32))
        ask("sysctl -q net.ipv4.tcp_syncookies=1")

    # Without budget, what may belong to a flow is dropped, never reset.
    def budget(self):
        self.fresh()
        self.open(1)
        self.same("(a flow on core 1)", "8008 1", self.who(1))
        ask("budget 0")
        before = ask("counter throttled 80")
        self.send(0, PSH | ACK, self.seq + 1, self.isn + 1, b"who\n")
        self.same("no budget: a segment on another core gets no answer", None, self.silence())
        self.same("... on its own core it does", "8008 1", self.who(1))
        flow = self.port, self.from_port, self.seq, self.isn
        self.next()
        self.send(0, ACK, 1, 1)
        self.same("... nor does a stray one", None, self.silence())
        self.same("... they are counted", 2, int(ask("counter throttled 80")) - int(before))
        self.port, self.from_port, self.seq, self.isn = flow
        ask("budget 1")
        self.same("the least budget finds the flow", "8008 1", self.who(0))
        ask("budget 0")
        self.same("... and where it was is remembered", "8008 1", self.who(0))
        for value in -1, 4294967296:
            self.same(f"a budget of {value} is refused", "refused 0", ask(f"budget {value} 2> /dev/null"))
        ask("budget 1000000")
        self.next()
        self.send(0, ACK, 1, 1)
        self.same("what is no flow's is reset again", True, self.said(self.answer(RST), RST, 1))

    # Fast Open answers what a SYN brings at once.
    def fast_open(self):
        self.fresh(82, 8200)
        self.send(1, SYN, self.seq, options=bytes.fromhex("22020101"))
        cookie = self.answer(SYN | ACK)[3]
        self.same("Fast Open: there is a cookie", 8, len(cookie))
        option = b"\x22\x0a" + cookie + b"\1\1"

        def data_from(core):
            self.send(core, SYN, self.seq, 0, b"who\n", option)
            answer = self.answer(data=True)
            return answer and answer[-1].decode().rstrip()

        self.next(82)
        self.same("Fast Open: the SYN's data are answered at once", "8208 1", data_from(1))
        self.same("Fast Open: ... on another core once more, where no flow is known to have moved",
                  "8200 0", data_from(0))
        self.next(82)
        self.open(1)
        self.who(0)
        self.next(82)
        self.same("Fast Open: when flows have moved, the SYN's data are answered", "8208 1", data_from(1))
        self.send(0, SYN, self.seq, 0, b"who\n", option)
        answer = self.answer(SYN | ACK)
        self.same("Fast Open: ... and the SYN that is repeated elsewhere is the first one's again", "8208",
                  ask(f"at syn-recv {self.from_port}"))
        self.isn = answer[1] + len("8208 1\n")
        self.seq += 4
        self.send(0, ACK, self.seq + 1, self.isn + 1)
        self.same("Fast Open: ... whose flow goes on", "8208 1", self.who(0))

    # Each half of a connection goes on while the other is closed, on either core by turns.
    def halves(self):
        self.next()
        self.open(1)
        size, got, turn = 16 * BLOCK, b"", 0
        self.send(1, PSH | ACK, self.seq + 1, self.isn + 1, b"get %d 0\n" % size)
        self.seq += len(b"get %d 0\n" % size)
        self.send(0, FIN | ACK, self.seq + 1, self.isn + 1)
        self.seq += 1
        end = time.monotonic() + 120
        while len(got) < size and time.monotonic() < end:
            answer = self.answer(data=True)
            if not answer:
                break
            at = (answer[1] - self.isn - 1) % 2**32
            if at <= len(got):
                got += answer[4][len(got) - at:]
            turn += 1
            self.send(turn % 2, ACK, self.seq + 1, (self.isn + 1 + len(got)) % 2**32)
        self.same("what the server sends after the client closed arrives whole", True,
                  got == pattern(size) or f"{len(got)} bytes")

        self.next()
        self.open(1)
        self.send(1, PSH | ACK, self.seq + 1, self.isn + 1, b"half\n\n")
        self.seq += 6
        self.same("the server closes its half", True,
                  self.said(self.answer(FIN | ACK), FIN | ACK, (self.isn + 1) % 2**32))
        data, mss = pattern(size), 1024
        for i in range(0, size, mss):
            self.send(i // mss % 2, PSH | ACK, self.seq + 1 + i, self.isn + 2, data[i:i + mss])
            # One by one: the server's window is not looked at.
            while (answer := self.answer(ACK)) and \
                    (answer[2] - self.seq - 1) % 2**32 < i + mss:
                pass
            if not answer:
                break
        self.send(0, FIN | ACK, self.seq + 1 + size, self.isn + 2)
        self.same("what the client sends after that arrives whole", f"half {size}",
                  ask("served_half"))

    # Flows of a core without a listener go to any instance of another; then they move.
    def instances(self):
        ask("two_instances")
        flows = []
        for _ in range(8):
            self.next(81)
            self.open(0)
            flows.append((self.from_port, self.seq, self.isn, self.who(0)))
        self.same("flows of a core without a listener are given to another's", {"1"},
                  {str(flow[3])[-1:] for flow in flows})
        missed = ask("counter missed 81")
        for number, flow in enumerate(flows):
            self.next(81)
            self.from_port, self.seq, self.isn, port = flow
            self.seq, self.isn = 1004, self.isn + 7
            self.same(f"flow {number} is found where it is, from that core", port, self.who(1))
        self.same("... none was missed", missed, ask("counter missed 81"))


def fast_open_cookie(options):
    while options and options[0]:
        if options[0] == 1:
            options = options[1:]
            continue
        if options[0] == 34:
            return options[2:options[1]]
        options = options[options[1]:]
    return b""


def main():
    mac = bytes.fromhex(sys.argv[1].replace(":", ""))
    try:
        for ipv6 in False, True:
            client = Client(ipv6, mac, 2)
            client.syn_again()
            client.resets()
            client.closing()
            client.reuse()
            client.cookies()
            client.budget()
            client.fast_open()
            client.halves()
            if not ipv6:
                client.instances()
    finally:
        ask("over")
    sys.exit(failed > 0)


main()
