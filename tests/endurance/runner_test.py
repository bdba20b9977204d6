# SPDX-License-Identifier: Apache-2.0
"""An item passes if it did what it promises; one that hangs, fails, is not there, skips or does less has not."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import time
import unittest
from pathlib import Path

from endurance import runner
from endurance.items import ITEMS, Item
from endurance.promises import PROMISES, Count, Promise, Short
from endurance.report import Outcome
from lab.build import SOURCE

_NOWHERE = Short("", "", 0, "")


def outcome(script: str, *counts: Count, minutes: float = 1) -> Outcome:
    """Of a made-up item: a shell's script, whose figures are lines with "things"."""
    item = Item("made-up", "", "things", lambda _: ["sh", "-c", script])
    with contextlib.redirect_stderr(io.StringIO()):
        return runner.run(item, Promise(counts or (Count(r"(\d+) things", 10),), _NOWHERE, minutes), Path("/"))


class RunnerTest(unittest.TestCase):
    """Made-up items."""

    def test_what_does_as_much_as_promised_passes(self) -> None:
        done = outcome("echo 10 things; echo 4 passed, 0 failed, 0 skipped")
        self.assertEqual((done.passed, done.figures), (True, ["10 things"]))

    def test_what_does_less_has_not_passed(self) -> None:
        for script in ("echo 9 things", "echo some things", "echo 10 things; echo 3 things"):
            with self.subTest(script):
                done = outcome(script)
                self.assertFalse(done.passed)
                self.assertRegex(done.figures[-1], "promised")
        self.assertFalse(outcome("echo 10 things", Count(r"(\d+) things", 10, lines=2)).passed)

    def test_what_prints_no_figure_or_fails_has_not_passed(self) -> None:
        self.assertEqual(outcome("true").figures, ["it printed no figure"])
        done = outcome("echo 10 things; exit 1")
        self.assertEqual((done.passed, done.figures), (False, ["10 things", "it ended with 1"]))

    def test_a_missing_program_is_a_failure_with_its_name(self) -> None:
        item = Item("made-up", "", "things", lambda _: ["/nowhere/a-test"])
        done = runner.run(item, Promise((), _NOWHERE), Path("/"))
        self.assertFalse(done.passed)
        self.assertIn("/nowhere/a-test", done.figures[0])

    def test_a_skipped_test_is_a_failure(self) -> None:
        for line in ("[  SKIPPED ] A.Test (0 ms)", "skipped  e2e.a_test (0.1 s)", "OK (skipped=1)",
                     "test_a (a.A.test_a) ... skipped 'no reason'"):
            with self.subTest(line):
                done = outcome(f"echo 10 things; cat <<'end'\n{line}\nend")
                self.assertFalse(done.passed)
                self.assertIn("a test did not run", done.figures[-1])

    def test_what_does_not_end_is_killed_with_all_it_started(self) -> None:
        grace = runner.GRACE_SECONDS
        self.addCleanup(setattr, runner, "GRACE_SECONDS", grace)
        runner.GRACE_SECONDS = 0.5
        start = time.monotonic()
        done = outcome("echo 10 things; trap '' TERM; sleep 987.6543 & while :; do sleep 987.6543; done",
                       minutes=1 / 60)
        self.assertLess(time.monotonic() - start, 60)
        self.assertEqual((done.passed, done.figures), (False, ["10 things", "it had not ended after 1 s"]))
        self.assertEqual(subprocess.run(["pgrep", "-f", "^sleep 987.6543"], check=False).returncode, 1)


class PromisesTest(unittest.TestCase):
    """Those of the project."""

    def test_every_item_promises_figures_that_it_prints(self) -> None:
        self.assertEqual(list(PROMISES), [item.name for item in ITEMS])
        for name, promise in PROMISES.items():
            self.assertTrue(promise.counts, name)

    def test_every_item_has_a_short_form_and_the_documentation_its_length(self) -> None:
        lines = (SOURCE / "docs/testing.md").read_text(encoding="utf-8").splitlines()
        for name, promise in PROMISES.items():
            short = promise.short
            self.assertTrue(short.row(name) in lines, f"docs/testing.md lacks: {short.row(name)}")
            source = (SOURCE / short.file).read_text(encoding="utf-8").replace("1_000_000", "1000000")
            self.assertTrue(re.search(rf'"{short.setting}"[^"]{{1,90}}?"?\b{short.length}\b', source),
                            f"{short.file}: {short.setting} is not {short.length} by itself")


if __name__ == "__main__":
    unittest.main()
