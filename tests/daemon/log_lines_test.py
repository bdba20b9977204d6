#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The real vpowercapd in the hands of those who would fill its log: each kind of line comes once a minute.

Usage: log_lines_test.py VPOWERCAPD VPOWERCAP
"""
import os
import socket
import sys
import tempfile
import threading
import time
import unittest

import daemon_test

_MESSAGES = 1000
_TICKS = 30


def frame(kind: str, **fields: str) -> bytes:
    return "\0".join(["VPC1", kind, *(part for field in fields.items() for part in field), ""]).encode()


class LogLines(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="vpowercap-daemon-")
        self.addCleanup(directory.cleanup)
        self.host = daemon_test.Host(directory.name)
        self.host.start()
        self.addCleanup(self.host.stop)

    def send(self, message: bytes) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(str(self.host.run_dir / "control"))
            client.send(message)

    def send_as_nobody(self, messages: list[bytes]) -> None:
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                for message in messages:
                    self.send(message)
            finally:
                os._exit(0)
        os.waitpid(child, 0)

    def times(self, words: str) -> int:
        return sum(words in line for line in self.host.log().splitlines())

    def wait_for_answer(self) -> None:
        """The daemon has served what was sent before."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(str(self.host.run_dir / "control"))  # waits while the queue is full
            client.settimeout(20)
            client.send(frame("status"))
            self.assertTrue(client.recv(65536).startswith(b"VPC1\0status\0"))

    def test_a_thousand_bad_packets_are_a_line(self):
        for number in range(_MESSAGES):
            self.send(b"rubbish %d" % number)
        self.wait_for_answer()
        self.assertEqual(self.times("refused a message"), 1, self.host.log()[-2000:])

    def test_a_thousand_refusals_of_one_user_are_a_line(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to become another user")
        for directory in (self.host.root, self.host.run_dir):
            directory.chmod(0o755)
        (self.host.run_dir / "control").chmod(0o666)
        self.send_as_nobody([frame("hook", phase="prepare", uuid=str(number)) for number in range(_MESSAGES)])
        self.send_as_nobody([frame("import-state", state=str(number)) for number in range(_MESSAGES)])
        self.wait_for_answer()
        self.assertEqual(self.times("only root may send one"), 1, self.host.log()[-2000:])

    def test_a_thousand_broken_definitions_of_one_vm_are_a_line(self):
        for number in range(_MESSAGES):
            self.send(frame("hook", phase="prepare", uuid="one",
                            xml=f"<domain><uuid>bad {number}</uuid></domain>"))
        self.wait_for_answer()
        self.assertEqual(self.times("hook message of phase"), 1, self.host.log()[-2000:])

    def test_broken_definitions_of_a_thousand_vms_do_not_fill_the_log(self):
        for number in range(_MESSAGES):
            self.send(frame("hook", phase="prepare", uuid=str(number), xml="<domain/>"))
        self.wait_for_answer()
        self.assertTrue(0 < self.times("hook message of phase") <= 256, self.host.log()[-2000:])

    def test_a_zone_that_jumps_at_each_tick_is_a_line(self):
        host = self.host
        stop = threading.Event()
        values = [1_000_000_000, 200_000_000_000]

        def jump() -> None:
            number = 0
            with open(host.zone(1) / "energy_uj", "r+b", buffering=0) as counter:
                while not stop.wait(0.05):
                    number += 1
                    os.pwrite(counter.fileno(), b"%012d\n" % (values[number % 2] + number * 1_000_000), 0)

        (host.zone(1) / "energy_uj").write_text("000000000001\n")
        pump = threading.Thread(target=jump)
        pump.start()
        self.addCleanup(pump.join)
        self.addCleanup(stop.set)
        host.wait_for(lambda: self.times("jumped by"), "the line")
        first = host.tick()
        host.wait_for(lambda: host.tick() > first + _TICKS, "more ticks")
        time.sleep(0.5)
        self.assertEqual(self.times("intel-rapl:1: "), 1, host.log()[-2000:])


if __name__ == "__main__":
    daemon_test.DAEMON, daemon_test.COMMAND = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1], verbosity=2)
