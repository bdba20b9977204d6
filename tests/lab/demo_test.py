# SPDX-License-Identifier: Apache-2.0
"""The demo's choice between the host's counters and the model, and what it prints."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path

from lab.demo import has_rapl
from lab.demo_view import as_json, as_table
from lab.log import LabError
from lab.measure import GuestReading, Sample, window


def sample(seconds: float, host: float, rest: float, *guests: float) -> Sample:
    return Sample(seconds, "model", host, rest, tuple(
        GuestReading(f"guest{number}", f"uuid{number}", joules + 0.0004, joules, joules)
        for number, joules in enumerate(guests)))


class SourceTest(unittest.TestCase):
    """has_rapl() on trees as machines have them."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)

    def zone(self, directory: str, name: str, energy: str) -> None:
        (self.root / directory).mkdir()
        (self.root / directory / "name").write_text(name)
        (self.root / directory / "energy_uj").write_text(energy)

    def test_an_empty_or_missing_tree_has_none(self) -> None:
        self.assertFalse(has_rapl(self.root))
        self.assertFalse(has_rapl(self.root / "missing"))

    def test_a_package_zone_is_enough(self) -> None:
        self.zone("intel-rapl:0", "package-0\n", "12\n")
        self.assertTrue(has_rapl(self.root))

    def test_other_zones_and_unreadable_energy_are_not(self) -> None:
        self.zone("intel-rapl:0:0", "core\n", "12\n")
        self.zone("intel-rapl:1", "package-1\n", "")
        self.zone("other:0", "package-0\n", "12\n")
        self.assertFalse(has_rapl(self.root))


class ViewTest(unittest.TestCase):
    """Windows and how they are shown."""

    def test_power_is_energy_over_the_ledgers_own_time(self) -> None:
        measured = window(sample(10, 100, 40, 30, 20), sample(14, 180, 60, 70, 40))
        self.assertEqual((measured.host_watts, measured.remainder_watts), (20, 5))
        self.assertEqual([round(power.watts, 6) for power in measured.guests], [10, 5])

    def test_a_ledger_that_stands_still_is_an_error(self) -> None:
        with self.assertRaises(LabError):
            window(sample(10, 1, 1), sample(10, 1, 1))

    def test_json_has_the_promised_keys(self) -> None:
        shown = json.loads(as_json(window(sample(1, 1, 1, 1), sample(2, 6, 3, 4)), "qemu"))
        self.assertEqual(shown["method"], "model")
        self.assertEqual((shown["host_watts"], shown["remainder_watts"]), (5, 2))
        self.assertEqual(shown["guests"], [{"name": "guest0", "uuid": "uuid0", "watts": 3,
                                            "ledger_joules": 4, "guest_joules": 4}])

    def test_a_table_fits_a_terminal_and_calls_an_estimate_so(self) -> None:
        table = as_table(window(sample(1, 1, 1, 1), sample(2, 6, 3, 4)), "qemu")
        self.assertIn("ESTIMATE", table)
        self.assertLessEqual(max(len(line) for line in table.splitlines()), 80)


if __name__ == "__main__":
    unittest.main()
