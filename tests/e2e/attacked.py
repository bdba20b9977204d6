# SPDX-License-Identifier: Apache-2.0
"""What an attack by one guest must not cost: the other guest's reads, the server's memory and descriptors."""

from __future__ import annotations

import re
import unittest
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from environment import environment
from lab.guest import Guest

TREE = "/sys/class/powercap"
_READ_SECONDS = 10
_MOST_GROWTH_KIB = 8192

#: Counts reads until time is up: reads, and those that failed or fell. A read takes the file whole:
#: the shell's own `read` takes single bytes, each a request of its own.
_READER = r"""
rm -f /tmp/read.stop
(sleep @seconds@; touch /tmp/read.stop) >/dev/null 2>&1 &
good=0; bad=; last=0
while [ ! -e /tmp/read.stop ]; do
  if value=$(cat @tree@/intel-rapl:0/energy_uj 2>&1) && [ "$value" -ge "$last" ]; then
    good=$((good + 1)); last=$value
  else
    bad="$bad; $value after $last"
  fi
done
echo $good "$bad"
"""


def filled(script: str, **values: object) -> str:
    """A script with its @words@ replaced; @tree@ always is."""
    for name, value in {"tree": TREE, **values}.items():
        script = script.replace(f"@{name}@", str(value))
    return script


class AttackedTestCase(unittest.TestCase):
    """The guest `busy` attacks, the guest `idle` reads on."""

    def setUp(self) -> None:
        self.lab = environment()

    def server(self) -> Path:
        """The server's directory in /proc."""
        found = [path.parent for path in self.lab.host.path("/proc").glob("[0-9]*/comm")
                 if path.read_text().strip() == "vpowercap-fs"]
        self.assertEqual(len(found), 1)
        return found[0]

    def resident_kib(self) -> int:
        found = re.search(r"VmRSS:\s+(\d+) kB", (self.server() / "status").read_text())
        assert found
        return int(found[1])

    def descriptors(self) -> int:
        return len(list((self.server() / "fd").iterdir()))

    def read_rate(self, guest: Guest) -> float:
        """Reads a second; fails when one fails or a value falls."""
        good, _, bad = guest.check(filled(_READER, seconds=_READ_SECONDS)).strip().partition(" ")
        self.assertEqual(bad, "")
        self.assertGreater(int(good), 0)
        return int(good) / _READ_SECONDS

    def assert_others_go_on(self, attack: Callable[[int], None], warm_up: int, seconds: int) -> str:
        """Runs an attack of so many seconds, twice; the second is the one that is judged. Returns what it
        did to the other guest and to the server, in words."""
        attack(warm_up)
        before = self.read_rate(self.lab.idle)
        resident, open_before = self.resident_kib(), self.descriptors()
        with ThreadPoolExecutor() as pool:
            running = pool.submit(attack, seconds)
            under = self.read_rate(self.lab.idle)
            running.result()
        growth = self.resident_kib() - resident
        self.assertLessEqual(growth, _MOST_GROWTH_KIB)
        self.assertEqual(self.descriptors(), open_before)
        return (f"other guest: {before:.0f} reads/s before, {under:.0f} under attack; server {resident} KiB, "
                f"grown by {growth} KiB, {open_before} descriptors")
