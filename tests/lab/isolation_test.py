# SPDX-License-Identifier: Apache-2.0
"""The laboratory leaves an existing libvirtd, its domains, hooks, files, mounts and processes alone.

The existing libvirtd is a first PrivateHost with a running guest and a hook; the laboratory under test
is a second one, made by a program that runs inside the first, where that libvirtd is at its usual place.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid
from pathlib import Path

from lab.guest import Guest, GuestSpec
from lab.image import build_image
from lab.libvirtd import PrivateHost

_HOOK = '#!/bin/sh\ncat >/dev/null\necho "$1 $2 $3" >>/run/hook.log\n'

#: Everything that a second libvirtd could disturb, as text. Sockets and files: inode and change time.
_SNAPSHOT = r"""
cat /run/hook.log
virsh -q -c qemu:///system list --all --uuid
virsh -q -c qemu:///system net-list --all
find /etc/libvirt /etc/vpowercap /var/lib/vpowercap -type f -exec sha256sum {} + | sort
find /run /var/lib/libvirt /etc/libvirt -printf '%p %i %y %m %C@\n' | grep -v '\.log ' | sort
cat /proc/self/mountinfo
ip -o address
awk '$4 == "0A" { print $2 }' /proc/net/tcp
find /sys/fs/cgroup -type d | grep -E 'machine|libvirt|qemu' | sort
echo PROCESSES
ps -eo pid,args --no-headers | grep -Ev ' (sh -c|ps -eo|grep -Ev) ?'
"""

#: The second laboratory: boots a guest of the same name and UUID, says so, then waits to be told.
_SECOND = """
import sys
from pathlib import Path
from lab.guest import Guest, GuestSpec
from lab.image import Image
from lab.libvirtd import PrivateHost

kernel, initrd, name, uuid = sys.argv[1:]
with PrivateHost(hook="#!/bin/sh\\nexit 0\\n") as host:
    spec = GuestSpec(name, uuid, Image(Path(kernel), Path(initrd)), 20000, wired=False)
    guest = Guest.create(host, spec)
    guest.wait_ready()
    host.run(["mkdir", "-p", "/run/vpowercap", "/etc/vpowercap", "/var/lib/vpowercap"])
    host.run(["sh", "-c", "echo 1 >/var/lib/vpowercap/state"])
    host.run(["mount", "-t", "tmpfs", "--make-shared", "tmpfs", "/run/vpowercap"])
    print(host.virsh("list", "--name").strip(), flush=True)
    sys.stdin.readline()
"""


class IsolationTest(unittest.TestCase):
    """One existing libvirtd; each test runs a second laboratory beside it and compares."""

    @classmethod
    def setUpClass(cls) -> None:
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.image = build_image(Path(scratch.name))
        cls.host = cls.enterClassContext(PrivateHost(hook=_HOOK))
        cls.spec = GuestSpec("existing", str(uuid.uuid4()), cls.image, 20000, wired=False)
        cls.guest = Guest.create(cls.host, cls.spec)
        cls.guest.wait_ready()

    maxDiff = None

    def snapshot(self) -> str:
        return self.host.run(["sh", "-c", _SNAPSHOT], check=False).stdout

    def settled_snapshot(self) -> str:
        """A snapshot that does not change any more: what an earlier test ended is gone."""
        before = self.snapshot()
        while True:
            time.sleep(0.3)
            after = self.snapshot()
            if after == before:
                return after
            before = after

    def start_second(self) -> subprocess.Popen[str]:
        """A second laboratory that has a guest, made where the existing libvirtd is."""
        lab = str(Path(__file__).resolve().parent.parent)
        second = self.host.popen(
            [sys.executable, "-c", _SECOND, self.image.kernel, self.image.initrd, "existing",
             self.spec.uuid], env={"PYTHONPATH": lab, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(second.communicate)
        self.addCleanup(second.kill)
        self.assertEqual(second.stdout.readline(), "existing\n")
        return second

    def assert_unchanged(self, before: str) -> None:
        deadline = time.monotonic() + 10
        while (after := self.snapshot()) != before and time.monotonic() < deadline:
            time.sleep(0.2)
        self.assertEqual(before.splitlines(), after.splitlines())
        self.assertEqual(self.guest.run("true").code, 0)

    def test_leaves_an_existing_libvirtd_as_it_was(self) -> None:
        before = self.settled_snapshot()
        self.assertIn("existing started begin", before)
        second = self.start_second()
        second.communicate("\n")
        self.assertEqual(second.returncode, 0)
        self.assert_unchanged(before)

    def test_changes_nothing_outside_while_it_runs(self) -> None:
        def without_processes(text: str) -> list[str]:
            return text.partition("PROCESSES")[0].splitlines()

        before = self.settled_snapshot()
        self.start_second()
        self.assertEqual(without_processes(before), without_processes(self.snapshot()))

    def test_vanishes_whole_when_killed(self) -> None:
        before = self.settled_snapshot()
        second = self.start_second()
        second.send_signal(signal.SIGKILL)
        second.wait()
        self.assert_unchanged(before)


if __name__ == "__main__":
    unittest.main()
