# SPDX-License-Identifier: Apache-2.0
"""What a guest must not be able to do with its share, as root and as another user."""

from __future__ import annotations

import unittest

from environment import environment
from lab.image import USER

_TREE = "/sys/class/powercap"

#: Each line is one attempt; those that succeed are named.
_ATTEMPTS = """
echo 1 > intel-rapl:0/energy_uj
echo 1 > intel-rapl:0/enabled
echo 1 > intel-rapl/enabled
echo 1 > intel-rapl:0/constraint_0_power_limit_uw
echo 1 > new
echo 1 > intel-rapl/intel-rapl:0/new
mkdir new
mkdir intel-rapl/new
mkdir intel-rapl/intel-rapl:0/new
mknod new p
ln -s intel-rapl new
ln intel-rapl/intel-rapl:0/name new
ln intel-rapl/intel-rapl:0/name intel-rapl/intel-rapl:0/new
mv intel-rapl:0 new
mv intel-rapl new
mv intel-rapl/intel-rapl:0/name intel-rapl/intel-rapl:0/new
rm intel-rapl:0
rm intel-rapl/intel-rapl:0/energy_uj
rmdir intel-rapl/intel-rapl:0/power
rm -rf intel-rapl/intel-rapl:0
chmod 0777 intel-rapl:0/energy_uj
chmod 0777 .
chown 1000 intel-rapl:0/energy_uj
truncate -s 0 intel-rapl:0/energy_uj
touch intel-rapl:0/energy_uj
dd if=/dev/zero of=intel-rapl:0/name bs=1 count=1 conv=notrunc
"""


class IsolationTest(unittest.TestCase):
    """The guest's root against its own share and against its neighbour's."""

    def setUp(self) -> None:
        self.lab = environment()
        self.guest = self.lab.busy
        self.listing = f"ls -lR {_TREE}"

    def attack(self) -> str:
        """The attempts that succeeded, one a line."""
        script = f"cd {_TREE}\n" + "".join(
            f"if ( {line} ) >/dev/null 2>&1; then echo '{line}'; fi\n"
            for line in _ATTEMPTS.strip().splitlines())
        return self.guest.check(script)

    def assert_attack_fails(self) -> None:
        before = self.guest.check(self.listing)
        self.assertIn("energy_uj", before)
        self.assertEqual(self.attack(), "")
        self.assertEqual(self.guest.check(self.listing), before)

    def test_root_cannot_change_anything(self) -> None:
        self.assert_attack_fails()

    def test_root_cannot_change_anything_after_a_writable_remount(self) -> None:
        self.guest.run(f"mount -o remount,rw {_TREE}")
        self.addCleanup(self.guest.run, f"mount -o remount,ro {_TREE}")
        self.assert_attack_fails()

    def test_root_cannot_change_anything_through_a_mount_of_its_own(self) -> None:
        # The device has one mount point at a time in the guest's kernel: the same superblock.
        self.guest.check("mkdir -p /tmp/mine && mount -t virtiofs -o rw vpowercap /tmp/mine")
        self.addCleanup(self.guest.run, "umount /tmp/mine")
        result = self.guest.run("echo 1 >/tmp/mine/new || mkdir /tmp/mine/new")
        self.assertNotEqual(result.code, 0)
        self.assertEqual(self.guest.check("ls /tmp/mine"), self.guest.check(f"ls {_TREE}"))

    def test_another_user_may_look_but_not_read_energy(self) -> None:
        self.assertEqual(self.guest.check(f"cat {_TREE}/intel-rapl:0/name", user=USER),
                         "package-0\n")
        result = self.guest.run(f"cat {_TREE}/intel-rapl:0/energy_uj", user=USER)
        self.assertNotEqual(result.code, 0)
        self.assertEqual(result.out, "")
        self.assertIn("Permission denied", result.err)
        self.assertEqual(self.guest.check(f"stat -c %a {_TREE}/intel-rapl:0/energy_uj"), "400\n")

    def test_a_guest_sees_its_own_tree_only(self) -> None:
        for guest, other, sockets in ((self.lab.busy, self.lab.idle, 1),
                                      (self.lab.idle, self.lab.busy, 2)):
            zones = {f"intel-rapl:{number}" for number in range(sockets)}
            self.assertEqual(set(guest.check(f"ls {_TREE}").split()), {"intel-rapl"} | zones)
            everything = guest.check(f"find {_TREE} | sort")
            self.assertNotIn(other.spec.uuid, everything)
            for escape in (f"../{other.spec.uuid}", f"intel-rapl/../../{other.spec.uuid}",
                           f"intel-rapl/{other.spec.uuid}", other.spec.uuid):
                self.assertNotEqual(guest.run(f"ls {_TREE}/{escape}").code, 0)

    def test_the_hosts_ledger_is_not_in_the_share(self) -> None:
        self.assertEqual(self.guest.check(f"find {_TREE} -name 'ledger*' -o -type s -o -type p"), "")


if __name__ == "__main__":
    unittest.main()
