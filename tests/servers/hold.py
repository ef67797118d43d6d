#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""hold.py ADDRESS PATH GO: downloads that stand still until file GO is there.

Two over http, two over https, with so little room at the receiver that the server
cannot have handed everything to its kernel. A fifth connection has got an answer and
is kept open. Prints "held" once all stand still; then, when GO is there, reads on and
prints what came of each. Exit status 0: all downloads whole, the kept one answered or
closed in order.
"""
import os
import socket
import ssl
import sys
import time

address, path, go = sys.argv[1:]


def connect(port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
    s.settimeout(120)
    s.connect((address, port))
    if port == 443:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        s = context.wrap_socket(s, server_hostname='www.example.com')
    return s


def answer(s, what, version, *fields):
    """Sends a request. Returns the length of the body and what came of it so far."""
    lines = [f'GET {what} HTTP/{version}', 'Host: www.example.com', *fields, '', '']
    s.sendall('\r\n'.join(lines).encode())
    got = b''
    while b'\r\n\r\n' not in got:
        part = s.recv(4096)
        if not part:
            raise ConnectionError(f'closed in the header, {len(got)} bytes')
        got += part
    head, body = got.split(b'\r\n\r\n', 1)
    if not head.split()[1] == b'200':
        raise ConnectionError(head.split(b'\r\n')[0].decode())
    for line in head.split(b'\r\n')[1:]:
        name, value = line.split(b':', 1)
        if name.lower() == b'content-length':
            return int(value), len(body)
    raise ConnectionError('no Content-Length')


held = []
for port in 80, 80, 443, 443:
    s = connect(port)
    held.append((port, s, *answer(s, path, '1.0')))
kept = connect(80)
length, n = answer(kept, '/small.txt', '1.1')
while n < length:
    n += len(kept.recv(4096))
print('held', flush=True)
while not os.path.exists(go):
    time.sleep(0.1)

bad = 0
for port, s, length, n in held:
    try:
        while part := s.recv(65536):
            n += len(part)
        how = 'whole' if n == length else f'closed after {n} of {length} bytes'
    except OSError as e:
        how = f'{e} after {n} of {length} bytes'
    bad |= how != 'whole'
    print(port, how)
try:
    kept.setblocking(False)
    try:
        how = 'closed' if not kept.recv(1) else 'talks unasked'
    except BlockingIOError:
        kept.settimeout(120)
        answer(kept, '/small.txt', '1.1')
        how = 'answered'
except OSError as e:
    how = str(e)
bad |= how not in ('closed', 'answered')
print('kept', how)
sys.exit(bad)
