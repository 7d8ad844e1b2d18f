# SPDX-License-Identifier: Apache-2.0
"""Somebody else's transfer: one TCP stream that takes what it gets.

    links_bulk.py receive PORT          until its sender is gone
    links_bulk.py send ADDRESS PORT     until it is killed
"""

import socket
import sys
import time

PIECE_BYTES = 1 << 18
PATIENCE_S = 10


def receive(port):
    with socket.create_server(("", port)) as server:
        peer, _ = server.accept()
        space = bytearray(PIECE_BYTES)
        while peer.recv_into(space):
            pass


def send(address, port):
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            peer = socket.create_connection((address, port))
            break
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
    piece = bytes(PIECE_BYTES)
    while True:
        peer.sendall(piece)


if sys.argv[1] == "receive":
    receive(int(sys.argv[2]))
else:
    send(sys.argv[2], int(sys.argv[3]))
