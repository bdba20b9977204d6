# SPDX-License-Identifier: Apache-2.0
"""Guests of one, two and four sockets, and of libvirt's own topology: a package zone for each socket."""

from __future__ import annotations

import time
import unittest

from environment import environment
from lab.guest import Guest

_TREE = "/sys/class/powercap"
_IDS = "cat /sys/devices/system/cpu/cpu*/topology/physical_package_id"
#: More than two steps of the counters.
_SAMPLE_SECONDS = 2.5
#: Those of tests/agents/ways_of_reading.cpp that count zones up, or by the guest's sockets, as pyRAPL does.
_WAYS = ("sockets", "kept-seek")

#: Energy in µJ by zone and its name.
Energies = dict[tuple[str, str], int]


def samples(guest: Guest) -> dict[str, list[Energies]]:
    """By way, what two readings of the guest's tree find."""
    found: dict[str, list[Energies]] = {way: [{}, {}] for way in _WAYS}
    for line in guest.check(f"ways-of-reading {_TREE} 2 {_SAMPLE_SECONDS}").splitlines():
        way, number, zone, name, energy = line.split()
        if way in found:
            found[way][int(number)][zone, name] = int(energy)
    return found


class SocketsTest(unittest.TestCase):
    """A share's zones against the guest's own physical_package_id."""

    def wait_for_zones(self, guest: Guest, count: int) -> None:
        """The daemon asks libvirt for all definitions every 10 s."""
        deadline = time.monotonic() + 60
        while len(guest.check(f"ls -d {_TREE}/intel-rapl:*").split()) != count:
            self.assertLess(time.monotonic(), deadline, f"waited for {count} zones")
            time.sleep(0.2)

    def assert_a_zone_for_each_socket(self, guest: Guest, sockets: int) -> None:
        ids = {int(number) for number in guest.check(_IDS).split()}
        self.assertEqual(ids, set(range(sockets)))
        self.assertEqual(set(guest.check(f"ls {_TREE}").split()),
                         {"intel-rapl"} | {f"intel-rapl:{number}" for number in ids})
        wanted = {(f"intel-rapl:{number}", f"package-{number}") for number in ids}
        for way, (first, last) in samples(guest).items():
            self.assertEqual(set(first), wanted, way)
            self.assertEqual(set(last), wanted, way)
            for zone, energy in first.items():
                self.assertGreater(last[zone], energy, f"{way} {zone}")

    def test_one_socket(self) -> None:
        self.assert_a_zone_for_each_socket(environment().busy, 1)

    def test_two_sockets(self) -> None:
        self.assert_a_zone_for_each_socket(environment().idle, 2)

    def test_four_sockets_sockets_of_two_cores_and_libvirts_default(self) -> None:
        lab = environment()
        guests = [(lab.create("four", sockets=4), 4), (lab.create("cores", sockets=2, cores=2), 2),
                  (lab.create("untold", sockets=3, says_topology=False), 3)]
        for guest, _ in guests:
            self.addCleanup(guest.destroy)
        for guest, sockets in guests:
            with self.subTest(guest.spec.name):
                guest.wait_ready()
                lab.stack.wait_for_vm(guest.spec.uuid)
                self.assert_a_zone_for_each_socket(guest, sockets)

    def test_a_socket_without_a_vcpu_has_no_zone_until_one_is_plugged_in(self) -> None:
        lab = environment()
        guest = lab.create("plugged", sockets=4, says_topology=False, plugged=2)
        self.addCleanup(guest.destroy)
        guest.wait_ready()
        lab.stack.wait_for_vm(guest.spec.uuid)
        self.assert_a_zone_for_each_socket(guest, 2)
        lab.host.virsh("setvcpus", guest.spec.uuid, "3", "--live")
        self.wait_for_zones(guest, 3)
        guest.check("echo 1 >/sys/devices/system/cpu/cpu2/online")
        self.assert_a_zone_for_each_socket(guest, 3)


if __name__ == "__main__":
    unittest.main()
