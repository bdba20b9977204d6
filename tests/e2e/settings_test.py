# SPDX-License-Identifier: Apache-2.0
"""What a tenant sees is changed while its guest runs: by metadata and by the daemon's configuration."""

from __future__ import annotations

import signal
import tempfile
import time
import unittest
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from environment import build_under_test, environment
from lab.fake_rapl import FakeRapl, intel_cpuinfo
from lab.guest import Guest, GuestSpec
from lab.libvirtd import PrivateHost
from lab.stack import Stack, hook_text

_POWERCAP = "/sys/class/powercap"
_ENERGY = f"{_POWERCAP}/intel-rapl:0/energy_uj"
_CONFIGURATION = "/etc/vpowercap/vpowercapd.conf"
_PACKAGE_ONLY = {"intel-rapl", "intel-rapl:0"}
_ALL_ZONES = _PACKAGE_ONLY | {"intel-rapl:0:0", "intel-rapl:0:1", "intel-rapl:0:2"}


class SettingsTest(unittest.TestCase):
    """A guest on a host with a fake RAPL tree, so that there are sub-zones."""

    resources: ExitStack
    host: PrivateHost
    stack: Stack
    guest: Guest

    @classmethod
    def setUpClass(cls) -> None:
        with ExitStack() as resources:
            build = build_under_test()
            scratch = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="vpowercap-")))
            rapl = resources.enter_context(FakeRapl(scratch / "sys"))
            cls.host = resources.enter_context(PrivateHost(hook=hook_text(build)))
            cls.host.run(["mount", "--bind", intel_cpuinfo(scratch / "cpuinfo"), "/proc/cpuinfo"])
            cls.stack = Stack(cls.host, build, ["--source=powercap", f"--sysfs-root={rapl.root}"])
            cls.stack.start()
            cls.guest = Guest.create(cls.host, GuestSpec(
                "tenant", str(uuid.uuid4()), environment().image, 21000, load="30",
                accelerator=environment().accelerator))
            cls.guest.wait_ready()
            cls.stack.wait_for_vm(cls.guest.spec.uuid)
            cls.resources = resources.pop_all()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.resources.close()

    def setUp(self) -> None:
        self.configure("")
        self.set("")
        self.wait_for("all zones", lambda: self.zones() == _ALL_ZONES)

    def set(self, attributes: str) -> None:
        """Gives the running VM our metadata element with these attributes."""
        self.host.virsh("metadata", self.guest.spec.uuid, "--live", "--uri", "urn:vpowercap:domain:1",
                        "--key", "vpowercap", "--set", f"<vm {attributes}/>")

    def configure(self, text: str) -> None:
        """Writes the daemon's configuration and has it read."""
        self.host.path(_CONFIGURATION).parent.mkdir(parents=True, exist_ok=True)
        self.host.path(_CONFIGURATION).write_text(text)
        self.stack.signal("vpowercapd", signal.SIGHUP)

    def zones(self) -> set[str]:
        # One that goes away while it is listed makes ls complain: it is asked again.
        return set(self.guest.run(f"ls {_POWERCAP}").out.split())

    def energy(self) -> int:
        return int(self.guest.check(f"cat {_ENERGY}"))

    def values(self, seconds: float) -> tuple[list[int], float]:
        """Values of the guest's counter one after the other, and the seconds in which they were seen: at
        least `seconds`. However late a read comes, it shows no more of them."""
        begin = time.monotonic()
        seen = [self.energy()]
        while time.monotonic() - begin < seconds:
            now = self.energy()
            self.assertGreaterEqual(now, seen[-1])
            if now != seen[-1]:
                seen.append(now)
        return seen, time.monotonic() - begin

    def wait_for(self, what: str, is_so: Callable[[], bool], timeout: float = 10) -> None:
        deadline = time.monotonic() + timeout
        while not is_so():
            self.assertLess(time.monotonic(), deadline, f"waited for {what}")
            time.sleep(0.1)

    def test_zones_are_taken_away_and_given_back(self) -> None:
        before = self.energy()
        self.set("zones='package'")
        self.wait_for("the package alone", lambda: self.zones() == _PACKAGE_ONLY)
        self.assertEqual(self.guest.run(f"ls -d {_POWERCAP}/intel-rapl/intel-rapl:0/intel-rapl:0:0").code, 1)
        self.assertGreaterEqual(self.energy(), before)

    def test_off_leaves_the_control_type_alone_and_the_counter_goes_on_after_it(self) -> None:
        before = self.energy()
        self.set("off='yes'")
        self.wait_for("no zones", lambda: self.zones() == {"intel-rapl"})
        self.assertNotEqual(self.guest.run(f"cat {_ENERGY}").code, 0)
        self.set("off='no'")
        self.wait_for("all zones", lambda: self.zones() == _ALL_ZONES)
        self.assertGreater(self.energy(), before)

    def test_a_longer_grid_slows_the_counter(self) -> None:
        self.wait_for("steps of a second", lambda: len(self.values(4)[0]) > 3, timeout=60)
        self.set("grid='4'")
        self.wait_for("the grid", lambda: self.stack.vm(self.guest.spec.uuid)["grid_seconds"] == 4)
        seen, seconds = self.values(13)
        self.assertLessEqual(len(seen), seconds / 4 + 2)
        self.wait_for("a step", lambda: self.energy() > seen[-1])

    def test_a_quantum_rounds_the_counter(self) -> None:
        self.set("quantum-uj='5000000'")
        self.wait_for("a multiple", lambda: self.energy() % 5_000_000 == 0)
        first = self.energy()
        self.wait_for("a step", lambda: self.energy() > first)
        self.assertEqual(self.energy() % 5_000_000, 0)

    def test_the_configuration_is_the_default_of_all_vms(self) -> None:
        self.configure("zones = package\n")
        self.wait_for("the package alone", lambda: self.zones() == _PACKAGE_ONLY)
        self.set("zones='all'")
        self.wait_for("all zones", lambda: self.zones() == _ALL_ZONES)
        self.configure("zones = some\n")
        self.wait_for("the complaint", lambda: 'zones: "some"' in self.stack.log("vpowercapd"))
        self.assertEqual(self.zones(), _ALL_ZONES)


if __name__ == "__main__":
    unittest.main()
