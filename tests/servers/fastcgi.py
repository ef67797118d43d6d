#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""fastcgi.py PORT: a FastCGI application that answers with each SERVER_PORT it got."""
import socket
import struct
import sys


def records(s):
    while head := s.recv(8, socket.MSG_WAITALL):
        _, kind, ident, length, padding, _ = struct.unpack('>BBHHBB', head)
        body = s.recv(length + padding, socket.MSG_WAITALL) if length + padding else b''
        yield kind, ident, body[:length]


def pairs(data):
    def size(at):
        if data[at] < 128:
            return data[at], at + 1
        return struct.unpack('>I', data[at:at + 4])[0] & 0x7fffffff, at + 4
    at = 0
    while at < len(data):
        n, at = size(at)
        m, at = size(at)
        yield data[at:at + n], data[at + n:at + n + m]
        at += n + m


listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))
while True:
    s, _ = listener.accept()
    params = b''
    for kind, ident, body in records(s):
        if kind == 4:		# FCGI_PARAMS
            params += body
        if kind == 5 and not body:	# the end of FCGI_STDIN
            ports = [value for name, value in pairs(params) if name == b'SERVER_PORT']
            out = b'Content-Type: text/plain\r\n\r\n' + b' '.join(ports) + b'\n'
            s.sendall(struct.pack('>BBHHBB', 1, 6, ident, len(out), 0, 0) + out +
                      struct.pack('>BBHHBB', 1, 3, ident, 8, 0, 0) + bytes(8))
            break
    s.close()
