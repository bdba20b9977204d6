# SPDX-License-Identifier: Apache-2.0
"""Connects to a Unix socket (SOCK_SEQPACKET) until its queue is full; says so and holds on."""

import signal
import socket
import sys

held = []
while True:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.setblocking(False)
    try:
        connection.connect(sys.argv[1])
    except BlockingIOError:
        break
    held.append(connection)
print("full", flush=True)
signal.pause()
