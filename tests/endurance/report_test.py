# SPDX-License-Identifier: Apache-2.0
"""The last report in docs/testing.md is whole, and a new one takes the place of what ran again."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from endurance.items import ITEMS
from endurance.report import DOCUMENT, Outcome, last_report, renewed
from lab.log import LabError

_EMPTY = "before\n<!-- endurance: by scripts/endurance -->\n<!-- end of endurance -->\nafter\n"


class ReportTest(unittest.TestCase):
    """The document of the project, and a made-up one."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.document = Path(directory.name) / "testing.md"
        self.document.write_text(_EMPTY, encoding="utf-8")

    def write(self, *outcomes: Outcome) -> str:
        self.document.write_text(renewed(outcomes, self.document), encoding="utf-8")
        return self.document.read_text(encoding="utf-8")

    def test_the_last_report_has_every_item_and_each_passed(self) -> None:
        report = last_report(DOCUMENT)
        self.assertEqual(list(report), [item.name for item in ITEMS])
        for text in report.values():
            self.assertRegex(text, r"^passed  \S+ \(\d+ s, .*\)\n        \S")

    def test_an_item_that_ran_again_takes_its_old_place(self) -> None:
        first, second = ITEMS[0].name, ITEMS[1].name
        self.write(Outcome(second, True, 7, ["2 reads"], "today"))
        text = self.write(Outcome(first, False, 6, ["1 read"]))
        self.assertEqual(text, "before\n<!-- endurance: by scripts/endurance -->\n```\n"
                               f"FAILED  {first} (6 s)\n        1 read\n"
                               f"passed  {second} (7 s, today)\n        2 reads\n```\n"
                               "<!-- end of endurance -->\nafter\n")
        self.assertIn(f"passed  {first} (8 s)\n", self.write(Outcome(first, True, 8, ["1 read"])))
        self.assertEqual(list(last_report(self.document)), [first, second])

    def test_lines_of_another_kind_are_refused(self) -> None:
        self.document.write_text(_EMPTY.replace("<!-- end", "by hand\n<!-- end"), encoding="utf-8")
        with self.assertRaisesRegex(LabError, "by hand.*is no line of a report"):
            last_report(self.document)
        self.document.write_text("nothing\n", encoding="utf-8")
        with self.assertRaisesRegex(LabError, "lacks the marks"):
            renewed([], self.document)


if __name__ == "__main__":
    unittest.main()
