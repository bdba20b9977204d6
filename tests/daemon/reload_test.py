#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The real vpowercapd reads its configuration again: what it takes over, what it names, and when it cannot.

Usage: reload_test.py VPOWERCAPD VPOWERCAP
"""
import json
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import unittest

import daemon_test

#: Options that differ after the reload, none of which a running daemon can change.
FIXED = {"group": "root", "stale-after": "120", "model-idle-watts": "3", "model-max-watts": "70",
         "libvirt-pid-dir": "/nowhere"}


class Reload(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="vpowercap-daemon-")
        self.addCleanup(directory.cleanup)
        self.host = daemon_test.Host(directory.name)
        self.addCleanup(lambda: self.host.process and self.host.process.poll() is None and self.host.stop())
        self.reloads = 0

    def reload(self, text: str) -> str:
        """Reads another configuration; what the log then says of it."""
        self.host.config.write_text(text)
        self.host.process.send_signal(signal.SIGHUP)
        self.reloads += 1

        def lines():
            return [line for line in self.host.log().splitlines()
                    if "configuration read again" in line or "keeping the old configuration" in line]
        self.host.wait_for(lambda: len(lines()) == self.reloads, "the reload")
        return lines()[-1]

    def test_what_needs_a_restart_is_named_when_it_differs(self):
        host = self.host
        host.start()
        self.assertRegex(self.reload("idle-policy = usage\n"), "read again$")
        for name, value in FIXED.items():
            if name != "group":  # given on the command line, which goes first
                self.assertRegex(self.reload(f"idle-policy = none\n{name} = {value}\n"), f": {name}$")
        both = self.reload("stale-after = 120\nmodel-max-watts = 70\ngrid = 5\n")
        self.assertRegex(both, "take effect: stale-after, model-max-watts$")
        self.assertRegex(self.reload("idle-policy = none\n"), "read again$", "nothing differs any more")

    def follow_a_vm(self) -> pathlib.Path:
        """Where the PID of the VM of libvirt's test driver stands."""
        pids = self.host.root / "pids"
        pids.mkdir()
        self.host.libvirt_uri = "test:///default"
        self.host.extra = ["--libvirt-pid-dir", str(pids)]
        return pids / "test.pid"

    def start_qemu(self, pid_file: pathlib.Path) -> subprocess.Popen:
        qemu = subprocess.Popen(["sh", "-c", "while :; do sleep 0.1; done", "qemu", "-uuid", daemon_test.TEST_VM])
        self.addCleanup(qemu.wait)
        self.addCleanup(qemu.kill)
        pid_file.write_text(f"{qemu.pid}\n")
        return qemu

    def state(self) -> str:
        return next((vm["state"] for vm in json.loads(self.host.list().stdout)["vms"]), "absent")

    def test_a_reload_without_memory_keeps_following_the_vms(self):
        host = self.host
        pid_file = self.follow_a_vm()
        qemu = self.start_qemu(pid_file)
        host.start()
        host.wait_for(lambda: self.state() == "running", "the VM")
        status = pathlib.Path(f"/proc/{host.process.pid}/status").read_text()
        size = int(re.search(r"VmSize:\s+(\d+) kB", status)[1]) * 1024
        if size > 1 << 40:
            self.skipTest("a sanitizer has all of the address space and ends when it gets no more")
        before = resource.prlimit(host.process.pid, resource.RLIMIT_AS)
        resource.prlimit(host.process.pid, resource.RLIMIT_AS, (size + (1 << 20), before[1]))  # no thread's stack
        self.assertIn("keeping the old configuration", self.reload("idle-policy = usage\n"))
        resource.prlimit(host.process.pid, resource.RLIMIT_AS, before)

        qemu.kill()
        qemu.wait()
        host.wait_for(lambda: self.state() == "stopped", "the end of the VM")
        self.start_qemu(pid_file)
        host.wait_for(lambda: self.state() == "running", "the VM to be followed again")
        self.assertRegex(self.reload("idle-policy = usage\n"), "read again$")


if __name__ == "__main__":
    daemon_test.DAEMON, daemon_test.COMMAND = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1], verbosity=2)
