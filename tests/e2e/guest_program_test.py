# SPDX-License-Identifier: Apache-2.0
"""vpowercap-guest in a guest: places that its kernel lacks, one agent's own view, advice."""

from __future__ import annotations

import unittest

from environment import environment

_PLACE = "/sys/class/powercap"
_DEVICES = "/sys/devices/virtual/powercap"


class GuestProgramTest(unittest.TestCase):
    """In the guest `idle`, whose share is where it was after each test."""

    def setUp(self) -> None:
        self.guest = environment().idle
        self.addCleanup(self.guest.check, "vpowercap-guest mount")

    def test_a_class_that_the_kernel_lacks_is_made_and_taken_away(self) -> None:
        missing = "/sys/class/power-of-this-vm"
        program = f"vpowercap-guest --target {missing}"
        self.guest.check(f"{program} mount")
        self.assertGreater(int(self.guest.check(f"cat {missing}/intel-rapl:0/energy_uj")), 0)
        self.assertNotIn("problem:", self.guest.check(f"{program} check"))
        self.guest.check("test -e /sys/class/net/lo/address")
        self.assertIn("unmounted", self.guest.check(f"{program} umount"))
        self.assertNotEqual(self.guest.run(f"test -e {missing}").code, 0)
        self.guest.check(f"cat {_PLACE}/intel-rapl:0/energy_uj")

    def test_a_command_run_by_it_alone_sees_the_share_below_devices(self) -> None:
        read = f"cat {_DEVICES}/intel-rapl/intel-rapl:0/energy_uj"
        self.assertGreater(int(self.guest.check(f"vpowercap-guest run {read}")), 0)
        self.guest.check("vpowercap-guest run test -e /sys/devices/virtual/net/lo/address")
        self.assertNotEqual(self.guest.run(read).code, 0)

    def test_a_command_run_by_it_sees_a_share_that_is_elsewhere(self) -> None:
        self.guest.check("vpowercap-guest --force umount; mkdir -p /run/power; vpowercap-guest --target /run/power mount")
        self.addCleanup(self.guest.check, "vpowercap-guest --target /run/power umount")
        self.assertNotEqual(self.guest.run(f"cat {_PLACE}/intel-rapl:0/energy_uj").code, 0)
        self.assertIn("package-0", self.guest.check(
            "vpowercap-guest --target /run/power run powercap-info -p intel-rapl"))

    def test_a_command_ends_with_its_own_code(self) -> None:
        self.assertEqual(self.guest.run("vpowercap-guest run sh -c 'exit 7'").code, 7)
        self.assertEqual(self.guest.run("vpowercap-guest run no-such-agent").code, 127)
        self.assertEqual(self.guest.run("vpowercap-guest run /proc/version").code, 126)

    def test_without_root_it_says_so(self) -> None:
        for command in ("run true", "--target /run mount --force"):
            refused = self.guest.run(f"vpowercap-guest {command}", user="user")
            self.assertEqual(refused.code, 1)
            self.assertIn("needs root", refused.err)

    def test_the_advice_on_an_agent_is_that_of_this_moment(self) -> None:
        check = "vpowercap-guest --for {} check | grep '({}'"
        self.assertIn("ok: Kepler", self.guest.check(check.format("kepler", "13944a69")))
        refused = self.guest.check(check.format("joulehunter", "10dcc40"))
        self.assertIn(f"problem: joulehunter (10dcc40) reads {_DEVICES}, which has no zones here", refused)
        self.assertIn("ok: joulehunter", self.guest.check(
            f"vpowercap-guest run {check.format('joulehunter', '10dcc40')}"))
        self.assertIn("cannot work in a guest", self.guest.check(check.format("likwid", "5.2.2")))
        self.assertEqual(self.guest.run("vpowercap-guest --for kepler check").code, 0)
        self.assertEqual(self.guest.run("vpowercap-guest --for likwid check").code, 1)


if __name__ == "__main__":
    unittest.main()
