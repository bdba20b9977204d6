# SPDX-License-Identifier: Apache-2.0
"""The demo as a user runs it: its JSON, and that nothing of it stays behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import uuid
from pathlib import Path

from environment import build_under_test, close_environment
from lab.build import SOURCE

_QUANTUM_JOULES = 0.001


def mounts() -> list[str]:
    """The mounts out here that could be ours."""
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in table if "vpowercap" in line or "libvirt" in line]


def state() -> list[str]:
    """The places that a stack or a libvirtd out here would make."""
    return [path for path in ("/run/vpowercap", "/run/libvirt", "/var/lib/vpowercap",
                              "/var/lib/libvirt", "/etc/vpowercap", "/sys/fs/cgroup/machine")
            if Path(path).exists()]


def namespaces(marker: str | None = None) -> set[str]:
    """The PID namespaces of all processes, or of those with a word in their environment."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if marker is None or marker.encode() in (process / "environ").read_bytes():
                found.add(os.readlink(process / "ns/pid"))
        except OSError:
            continue  # gone
    return found


def heed_interrupts() -> None:
    """A shell's background jobs, and what they start, are born ignoring SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class DemoTest(unittest.TestCase):
    """scripts/demo with the programs under test."""

    maxDiff = None

    def setUp(self) -> None:
        close_environment()  # one libvirtd at a time is enough for a small machine
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        self.marker = f"VPOWERCAP_DEMO={uuid.uuid4()}"
        name, _, value = self.marker.partition("=")
        self.environment = dict(os.environ, TMPDIR=scratch.name, **{name: value})
        self.command = [SOURCE / "scripts/demo", "--build-dir", build_under_test().directory]
        self.before = (mounts(), state())

    def assert_nothing_left(self) -> None:
        self.assertEqual(namespaces(self.marker), set())
        self.assertEqual(list(self.scratch.iterdir()), [])
        self.assertEqual((mounts(), state()), self.before)

    def test_once_json_is_one_object_that_adds_up(self) -> None:
        result = subprocess.run([*self.command, "--once", "--json"], text=True, check=False,
                                stdin=subprocess.DEVNULL, capture_output=True, timeout=300,
                                env=self.environment)
        self.assertEqual(result.returncode, 0, result.stderr[-2000:])
        shown = json.loads(result.stdout)
        self.assertEqual(result.stdout.count("\n"), 1)
        self.assertIn(shown["method"], ("rapl", "model"))
        busy, idle = shown["guests"]
        self.assertEqual((busy["name"], idle["name"]), ("busy", "idle"))
        self.assertGreater(busy["watts"], idle["watts"])
        for guest in shown["guests"]:
            uuid.UUID(guest["uuid"])
            self.assertGreater(guest["ledger_joules"], 0)
            self.assertAlmostEqual(guest["ledger_joules"], guest["guest_joules"],
                                   delta=_QUANTUM_JOULES + guest["watts"])
        total = shown["remainder_watts"] + busy["watts"] + idle["watts"]
        self.assertAlmostEqual(shown["host_watts"], total, delta=0.01)
        self.assert_nothing_left()

    def test_a_signal_ends_it_and_leaves_nothing(self) -> None:
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)):
            with self.subTest(number.name):
                self.end_with(number, code)

    def end_with(self, number: signal.Signals, code: int) -> None:
        with subprocess.Popen([*self.command, "--json"], text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              start_new_session=True, env=self.environment,
                              preexec_fn=heed_interrupts) as demo:
            self.assertTrue(demo.stdout.readline().startswith("{"))
            private = namespaces(self.marker) - {os.readlink("/proc/self/ns/pid")}
            self.assertNotEqual(private, set())
            demo.send_signal(number)
            demo.communicate(timeout=30)
            self.assertEqual(demo.returncode, code)
        deadline = time.monotonic() + 10
        while private & namespaces() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(private & namespaces(), set())
        if number == signal.SIGKILL:
            for path in self.scratch.iterdir():  # all that a kill can leave is the guests' image
                self.assertEqual([file.name for file in path.iterdir()], ["initrd.gz"])
                shutil.rmtree(path)
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main()
