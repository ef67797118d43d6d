#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""blocks.py PAGE DIR: the fenced blocks of a page below docs/, for tests that run them.

Section N (from 1, each begins with "## ") becomes DIR/N/title and, for its block M,
DIR/N/M.INFO, where INFO is what follows the opening fence, blanks as dots ("sh.remedy.switch").
The addresses of the examples, 192.0.2.10 and the router's 192.0.2.254, become the lab's, of which
the server's is in the environment: LAB_SERVER.
"""
import os
import sys

page, out = sys.argv[1:]
server = os.environ['LAB_SERVER']
gateway = server.rsplit('.', 1)[0] + '.254'
section = block = 0
lines, info = [], None
for line in open(page, encoding='utf-8'):
    if info is None and line.startswith('## '):
        section, block = section + 1, 0
        os.makedirs(f'{out}/{section:02}')
        with open(f'{out}/{section:02}/title', 'w', encoding='utf-8') as f:
            f.write(line[3:])
    elif info is None and line.startswith('```'):
        info, lines = line[3:].strip().replace(' ', '.'), []
        if not section:
            sys.exit(f'{page}: a block before the first section')
    elif line.startswith('```'):
        block += 1
        with open(f'{out}/{section:02}/{block}.{info}', 'w', encoding='utf-8') as f:
            f.write(''.join(lines).replace('192.0.2.10', server).replace('192.0.2.254', gateway))
        info = None
    elif info is not None:
        lines.append(line)
if info is not None:
    sys.exit(f'{page}: a block has no end')
