# SPDX-License-Identifier: Apache-2.0
"""The demo as a user runs it: its JSON, and that nothing of it stays."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import unittest
import uuid
from pathlib import Path

from environment import build_under_test, close_environment
from lab.build import SOURCE

_QUANTUM_JOULES = 0.001


def traces() -> list[str]:
    """What a demo that does not clean up would leave: processes, mounts, temporary files."""
    programs = ("qemu-system", "libvirtd", "virtlogd", "virtiofsd", "vpowercap")
    found = subprocess.run(["ps", "-eo", "comm="], text=True, check=True, capture_output=True)
    processes = [name for name in found.stdout.split() if name.startswith(programs)]
    left = [str(path) for path in Path(tempfile.gettempdir()).glob("vpowercap-*")]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    state = [path for path in ("/run/vpowercap", "/run/libvirt", "/var/lib/vpowercap",
                               "/var/lib/libvirt", "/etc/vpowercap", "/sys/fs/cgroup/machine")
             if Path(path).exists()]
    return processes + left + mounts + state


class DemoTest(unittest.TestCase):
    """scripts/demo with the programs under test."""

    maxDiff = None

    def setUp(self) -> None:
        close_environment()  # so that all that is seen is the demo's
        self.command = [SOURCE / "scripts/demo", "--build-dir", build_under_test().directory]

    def test_once_json_is_one_object_that_adds_up(self) -> None:
        before = traces()
        result = subprocess.run([*self.command, "--once", "--json"], text=True, check=False,
                                stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
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
        self.assertEqual(traces(), before)

    def test_an_interrupt_leaves_nothing(self) -> None:
        before = traces()
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(number.name), subprocess.Popen(
                    [*self.command, "--json"], text=True, stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as demo:
                self.assertTrue(demo.stdout.readline().startswith("{"))
                demo.send_signal(number)
                demo.communicate(timeout=30)
                self.assertEqual(demo.returncode, code)
                self.assertEqual(traces(), before)


if __name__ == "__main__":
    unittest.main()
