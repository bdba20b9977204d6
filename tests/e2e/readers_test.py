# SPDX-License-Identifier: Apache-2.0
"""Unmodified readers with default paths, inside real guests, show the package zone and its energy."""

from __future__ import annotations

import re
import time
import unittest

from environment import environment
from lab.guest import Guest
from lab.log import LabError
from lab.measure import take_sample, window

_QUANTUM_JOULES = 0.001
_GRID_SECONDS = 1.0


def powercap_info_energies(guest: Guest) -> dict[str, int]:
    """Zone name to microjoules, as Debian's powercap-info shows them."""
    zones = re.split(r"(?m)^\s*Zone ", guest.check("powercap-info -p intel-rapl"))[1:]
    energies = {}
    for zone in zones:
        name = re.search(r"(?m)^\s*name: (\S+)$", zone)
        energy = re.search(r"(?m)^\s*energy_uj: (\d+)$", zone)
        if not name or not energy:
            raise LabError(f"powercap-info shows a zone without name or energy: {zone}")
        energies[name[1]] = int(energy[1])
    return energies


class ReadersTest(unittest.TestCase):
    """The chain from the host's energy to a reader in a guest."""

    def setUp(self) -> None:
        self.lab = environment()
        self.guests = [self.lab.busy, self.lab.idle]

    def test_the_share_is_a_virtiofs_mount_where_agents_look(self) -> None:
        for guest in self.guests:
            mounts = guest.check("cat /proc/mounts")
            self.assertRegex(mounts, r"(?m)^vpowercap /sys/class/powercap virtiofs ")

    def test_node_exporter_shows_what_the_ledger_published(self) -> None:
        first = take_sample(self.lab.stack, self.guests)
        time.sleep(5)
        last = take_sample(self.lab.stack, self.guests)
        measured = window(first, last)
        for power in measured.guests:
            step = power.watts * _GRID_SECONDS + _QUANTUM_JOULES
            self.assertGreater(power.reading.guest_joules, 0)
            self.assertAlmostEqual(power.reading.guest_joules, power.reading.ledger_joules,
                                   delta=step)
            self.assertGreater(power.guest_watts, 0)
        busy, idle = measured.guests
        self.assertGreater(busy.watts, idle.watts)
        self.assertGreater(busy.guest_watts, idle.guest_watts)
        total = measured.remainder_watts + busy.watts + idle.watts
        self.assertAlmostEqual(measured.host_watts, total, delta=1e-4)

    def test_powercap_info_shows_moving_package_zones(self) -> None:
        for guest, sockets in ((self.lab.busy, 1), (self.lab.idle, 2)):
            first = powercap_info_energies(guest)
            self.assertEqual(sorted(first), [f"package-{number}" for number in range(sockets)])
            time.sleep(2.5)
            last = powercap_info_energies(guest)
            for name, energy in first.items():
                self.assertGreater(last[name], energy)

    def test_zones_have_the_numbers_of_the_guests_sockets(self) -> None:
        for guest in self.guests:
            packages = set(guest.check(
                "cat /sys/devices/system/cpu/cpu*/topology/physical_package_id").split())
            zones = set(guest.check("cd /sys/class/powercap; ls -d intel-rapl:*").split())
            self.assertEqual(zones, {f"intel-rapl:{number}" for number in packages})

    def test_the_guests_own_check_finds_nothing_wrong(self) -> None:
        for guest in self.guests:
            self.assertNotIn("problem:", guest.check("vpowercap-guest check"))

    def test_the_agent_reads_the_same_tree(self) -> None:
        shown = self.lab.busy.check("vpowercap-agent json --once")
        self.assertIn('"package-0"', shown)


if __name__ == "__main__":
    unittest.main()
