# SPDX-License-Identifier: Apache-2.0
"""The share in guests with Debian's systemd: at boot, attached and detached while they run, by fstab."""

from __future__ import annotations

import unittest
from contextlib import ExitStack

from lab.guest import Guest
from system_host import SystemHost, attach, detach, wait_for

_SHARE = "/sys/class/powercap"
_ENERGY = f"{_SHARE}/intel-rapl:0/energy_uj"
_FSTAB = f"vpowercap {_SHARE} virtiofs ro,nosuid,nodev,noexec,nofail 0 0"
_BOOT_SECONDS = 300  # two emulated systems at a time
#: The drop-in of docs/agents.md, in a unit that looks as Scaphandre's does before it starts.
_DROP_IN_UNIT = """
[Service]
Type=oneshot
TemporaryFileSystem=/sys/devices/virtual:ro
BindReadOnlyPaths=/sys/class/powercap:/sys/devices/virtual/powercap
ExecStart=/bin/sh -c 'find /sys/devices/virtual/powercap -name energy_uj -exec cat {} +'
StandardOutput=truncate:/run/drop-in.out
"""


class SystemTest(unittest.TestCase):
    """A guest that has the share from its start and one that has none."""

    wired: Guest
    bare: Guest

    @classmethod
    def setUpClass(cls) -> None:
        lab = SystemHost(cls.enterClassContext(ExitStack()))
        cls.wired = lab.create("wired", wired=True)
        cls.bare = lab.create("bare", wired=False)
        for guest in (cls.wired, cls.bare):
            guest.wait_ready(_BOOT_SECONDS)
            lab.stack.wait_for_vm(guest.spec.uuid)

    def test_the_share_is_there_before_node_exporter(self) -> None:
        self.wait_for_boot(self.wired)
        self.assertEqual(self.wired.check("systemctl is-active vpowercap-guest").strip(), "active")
        share, exporter = (int(self.wired.check(
            f"systemctl show --value -p {stamp}TimestampMonotonic {unit}"))
            for stamp, unit in (("ActiveEnter", "vpowercap-guest"),
                                ("InactiveExit", "prometheus-node-exporter")))
        self.assertGreater(share, 0)
        self.assertLess(share, exporter)
        self.assertGreater(self.wired.package_joules(), 0)

    def test_a_guest_without_the_device_skips_the_unit_and_fails_in_nothing(self) -> None:
        self.wait_for_boot(self.bare)
        self.assertEqual(self.bare.check("systemctl show --value -p Result vpowercap-guest").strip(),
                         "exec-condition")
        self.assertEqual(self.bare.check(f"ls {_SHARE}"), "")

    def test_the_unit_unmounts_and_fstab_mounts_in_its_stead(self) -> None:
        self.wired.check("systemctl stop vpowercap-guest")
        self.assertFalse(self.is_mounted(self.wired))
        self.wired.check(f"echo '{_FSTAB}' >/etc/fstab; systemctl daemon-reload; systemctl start local-fs.target;"
                         "systemctl start sys-class-powercap.mount")
        self.assertGreater(self.energy(self.wired), 0)
        self.wired.check("systemctl start vpowercap-guest")  # nothing is left to do
        self.assertEqual(self.wired.check("cat /proc/mounts").count(f" {_SHARE} "), 1)
        self.wired.check(">/etc/fstab; systemctl stop sys-class-powercap.mount; systemctl daemon-reload;"
                         "systemctl restart vpowercap-guest")
        self.assertGreater(self.energy(self.wired), 0)

    def test_the_share_comes_and_goes_with_its_device(self) -> None:
        last = 0
        for _ in range(2):
            attach(self.bare)
            wait_for("the share", lambda: self.bare.run(f"cat {_ENERGY}").code == 0)
            self.assertGreaterEqual(self.energy(self.bare), last)
            self.assertGreater(self.bare.package_joules(), 0)
            # Some agents keep a file open: that must not keep the dead mount.
            self.bare.check(f"exec 3<{_ENERGY}; sleep 1000 >/dev/null 2>&1 &")
            last = self.energy(self.bare)
            detach(self.bare)
            wait_for("the unmount", lambda: not self.is_mounted(self.bare))
            self.assertEqual(self.bare.check(f"ls {_SHARE}"), "")
            wait_for("the unit's end", lambda: self.state(self.bare) == "inactive")
        self.wait_for_boot(self.bare)

    def test_the_drop_in_shows_a_unit_the_share_and_leaves_udev_its_devices(self) -> None:
        before = self.energy(self.wired)
        self.wired.check(f"cat >/run/systemd/system/drop-in.service <<'END'{_DROP_IN_UNIT}END\n"
                         "systemctl daemon-reload; systemctl start drop-in")
        seen = int(self.wired.check("cat /run/drop-in.out"))
        self.assertLessEqual(before, seen)
        self.assertLessEqual(seen, self.energy(self.wired))
        self.assertNotEqual(self.wired.run("ls /sys/devices/virtual/powercap/intel-rapl").code, 0)
        self.assertIn("DEVPATH=/devices/virtual/net/lo", self.wired.check("udevadm info -p /class/net/lo -q property"))

    def wait_for_boot(self, guest: Guest) -> None:
        """Waits until systemd has no job left; no unit may have failed."""
        wait_for("the end of the boot", lambda: guest.run("systemctl is-system-running").out.strip()
                 not in ("initializing", "starting"), _BOOT_SECONDS)
        self.assertEqual(guest.check("systemctl --failed --no-legend --no-pager"), "")

    def state(self, guest: Guest) -> str:
        return guest.run("systemctl is-active vpowercap-guest").out.strip()

    def is_mounted(self, guest: Guest) -> bool:
        return f" {_SHARE} " in guest.check("cat /proc/mounts")

    def energy(self, guest: Guest) -> int:
        return int(guest.check(f"cat {_ENERGY}"))


if __name__ == "__main__":
    unittest.main()
