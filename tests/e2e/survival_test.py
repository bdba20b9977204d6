# SPDX-License-Identifier: Apache-2.0
"""Parts of the stack die, stay away and come back while real guests run and read."""

from __future__ import annotations

import os
import random
import re
import signal
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from environment import MODEL_MAX_WATTS, environment
from lab.guest import Guest, domain_xml

_ENERGY = "/sys/class/powercap/intel-rapl:0/energy_uj"
_HOOK = "/etc/libvirt/hooks/qemu.d/50-vpowercap"
_HOOK_SECONDS = 0.2
#: How many servers are killed under a guest's readers, some ten a second.
_KILLS = int(os.environ.get("VPOWERCAP_GUEST_KILLS", "50"))
_STORM_SECONDS = 15
#: How soon a guest reads again after the start that heals a lost mount.
_HEAL_SECONDS = float(os.environ.get("VPOWERCAP_HEAL_SECONDS", "20"))

#: Reads for ever, 20 times a second; a failed read leaves a line that is no number.
_READER = f"""
while [ ! -e /tmp/stop ]; do
  cat {_ENERGY} || echo error
  usleep 50000
done >/tmp/reads 2>&1
"""


class SurvivalTest(unittest.TestCase):
    """Each test leaves the stack whole."""

    def setUp(self) -> None:
        self.lab = environment()
        self.stack = self.lab.stack

    def read(self, guest: Guest) -> int:
        return int(guest.check(f"cat {_ENERGY}"))

    def wait_until_reads_move(self, guest: Guest, timeout: float) -> None:
        """Fails unless the guest's counter is read and moves before `timeout` seconds have passed."""
        deadline = time.monotonic() + timeout
        seen: set[str] = set()
        while len(seen) < 2:
            result = guest.run(f"cat {_ENERGY}")
            if result.code == 0:
                seen.add(result.out)
            self.assertLess(time.monotonic(), deadline, f"reads do not move: {result}")
            time.sleep(0.2)

    def test_a_killed_daemon_costs_no_read_and_counters_go_on(self) -> None:
        guest = self.lab.busy
        guest.check(f"rm -f /tmp/stop /tmp/reads; ({_READER}) >/dev/null 2>&1 </dev/null &")
        time.sleep(2)
        before = self.stack.vm(guest.spec.uuid)["joules"]
        self.stack.stop("vpowercapd", signal.SIGKILL)
        killed = time.monotonic()
        time.sleep(3)
        self.stack.start_daemon()
        away = time.monotonic() - killed
        after = self.stack.vm(guest.spec.uuid)["joules"]
        time.sleep(4)
        reads = guest.check("touch /tmp/stop; sleep 0.3; cat /tmp/reads").splitlines()
        self.assertEqual([line for line in reads if not line.isdigit()], [])
        values = [int(line) for line in reads]
        self.assertGreater(len(values), 20)  # of some 180: an emulated guest may be slow
        self.assertEqual(values, sorted(values))
        self.assertGreaterEqual(after, before)
        self.assertLessEqual(after - before, (away + 2) * MODEL_MAX_WATTS)
        self.assertGreater(values[-1] / 1e6, after)

    def test_killed_servers_cost_a_guest_no_read(self) -> None:
        """Descriptors that the guest keeps and files that it opens, while the server behind them changes."""
        kills = reads = changes = 0
        while kills < _KILLS:
            killed, seen = self.kill_servers_under_a_storm()
            self.assertGreater(killed, _STORM_SECONDS, "less than a kill each second")
            kills, reads, changes = kills + killed, reads + seen[0], changes + seen[1]
        print(f"{kills} servers killed; the guest: {reads} reads, none failed, {changes} saw a new value", flush=True)
        self.assertGreater(changes, 0)

    def kill_servers_under_a_storm(self) -> tuple[int, tuple[int, int]]:
        """How many servers died under a guest's readers, who saw nothing of it; their reads, and new values."""
        command = f"read-storm --threads 4 --reads 100000000 --seconds {_STORM_SECONDS} /sys/class/powercap"
        kills = 0
        with ThreadPoolExecutor() as pool:
            storm = pool.submit(self.lab.busy.run, command, timeout=_STORM_SECONDS + 60)
            while not storm.done():
                kills += self.lab.host.run(["pkill", "-KILL", "-x", "vpowercap-fs"], check=False).returncode == 0
                time.sleep(random.random() * 0.1)
        result = storm.result()
        self.assertEqual((result.code, result.err), (0, ""), result.out)
        found = re.match(r"(\d+) reads of .* (\d+) saw a new value\n"
                         r"failed 0, empty 0, torn 0, malformed 0, decreasing 0\n\Z", result.out)
        assert found, result.out
        return kills, (int(found[1]), int(found[2]))

    def test_a_lost_mount_heals_without_touching_the_vm(self) -> None:
        guest = self.lab.busy
        before = self.read(guest)
        pid = self.qemu_pid(guest)
        self.stack.stop("vpowercap-mount")
        self.lab.host.run(["umount", "-l", "/run/vpowercap/fs"], check=False)
        self.assertFalse(self.stack.is_mounted())
        self.assertNotEqual(guest.run(f"cat {_ENERGY}").code, 0)
        start = time.monotonic()
        self.stack.start_mount()
        while guest.run(f"cat {_ENERGY}").code != 0:
            self.assertLess(time.monotonic() - start, _HEAL_SECONDS, "the mount is there, the guest cannot read")
        healed = time.monotonic() - start
        self.assertLess(healed, _HEAL_SECONDS)
        self.wait_until_reads_move(guest, 20)
        self.assertGreater(self.read(guest), before)
        self.assertEqual(self.qemu_pid(guest), pid)
        print(f"a lost mount: the guest reads again {healed:.2f} s after the start of the next, QEMU is the same",
              flush=True)

    def test_a_killed_mount_and_server_heal_without_touching_the_vm(self) -> None:
        guest = self.lab.busy
        before = self.read(guest)
        pid = self.qemu_pid(guest)
        self.lab.host.run(["pkill", "-KILL", "-f", str(self.lab.build.server)])
        self.stack.stop("vpowercap-mount", signal.SIGKILL)
        self.stack.start_mount()
        self.wait_until_reads_move(guest, 20)
        self.assertGreater(self.read(guest), before)
        self.assertEqual(self.qemu_pid(guest), pid)

    def test_a_vm_starts_with_the_daemon_stopped(self) -> None:
        self.stack.stop("vpowercapd")
        try:
            guest = self.boot_without_daemon("daemon-stopped")
        finally:
            self.stack.start_daemon()
        self.assert_found(guest)

    def test_a_vm_starts_with_the_hooks_socket_hanging(self) -> None:
        # A stopped process keeps its listening socket: connections are taken, nobody answers.
        self.stack.signal("vpowercapd", signal.SIGSTOP)
        try:
            self.fill_socket_queue()
            guest = self.boot_without_daemon("socket-hanging")
        finally:
            self.stack.signal("vpowercapd", signal.SIGCONT)
        self.assert_found(guest)

    def qemu_pid(self, guest: Guest) -> str:
        return self.lab.host.path(f"/run/libvirt/qemu/{guest.spec.name}.pid").read_text()

    def boot_without_daemon(self, name: str) -> Guest:
        """Starts a guest, and calls the hook for it by hand to see how long it takes."""
        guest = self.lab.create(name)
        self.addCleanup(guest.destroy)
        for phase in ("prepare", "start", "started", "reconnect", "stopped", "release"):
            self.assert_hook_is_quick(guest, phase)
        guest.wait_ready()
        return guest

    def assert_hook_is_quick(self, guest: Guest, phase: str) -> None:
        xml = domain_xml(guest.spec)
        start = time.monotonic()
        result = self.lab.host.run([_HOOK, guest.spec.name, phase, "begin", "-"], check=False,
                                   input=xml)
        seconds = time.monotonic() - start
        self.assertEqual((result.returncode, result.stdout), (0, ""), phase)
        self.assertLess(seconds, _HOOK_SECONDS, phase)

    def fill_socket_queue(self) -> None:
        """Takes all places in the queue of the daemon's socket, so that a connect would wait."""
        script = Path(__file__).with_name("fill_socket.py")
        filler = self.lab.host.popen(["/usr/bin/python3", script, "/run/vpowercap/control"],
                                     stdout=-1, text=True)
        self.addCleanup(filler.communicate)
        self.addCleanup(filler.kill)
        self.assertEqual(filler.stdout.readline(), "full\n")

    def assert_found(self, guest: Guest) -> None:
        """The daemon has found the VM that started without it, and the guest reads its energy."""
        self.stack.wait_for_vm(guest.spec.uuid, 20)
        guest.run("vpowercap-guest mount")
        self.wait_until_reads_move(guest, 20)


if __name__ == "__main__":
    unittest.main()
