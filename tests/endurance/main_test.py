# SPDX-License-Identifier: Apache-2.0
"""However scripts/endurance ends, it says what became of every item."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import unittest

#: Runs the program with items of its own.
_PROGRAM = """
import os, sys
from unittest.mock import patch
import endurance.main as main
from endurance.items import Item
from endurance.promises import Count, Promise, Short
from lab.log import LabError

def made_up(name, script):
    return Item(name, "", "things", lambda _: ["sh", "-c", script])

items = [made_up("first", "echo 10 things"), made_up("second", sys.argv[1])]
promise = Promise((Count("things"),), Short("", "", 0, ""))
failure = sys.argv[2]
def prepare(_):
    if failure:
        raise eval(failure)
with patch.object(main, "ITEMS", items), patch.object(main, "prepare", prepare), \\
        patch.object(main, "PROMISES", {"first": promise, "second": promise}), patch("os.geteuid", lambda: 0):
    sys.argv[1:] = ["--json"]
    sys.exit(main.main())
"""


class MainTest(unittest.TestCase):
    """The whole program, in a process of its own, with two made-up items."""

    def start(self, second: str, failure: str = "") -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", _PROGRAM, second, failure], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def check(self, process: subprocess.Popen[str], code: int, *passed: bool) -> str:
        """Waits for its end; the last figure."""
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, code, err)
        items = json.loads(out)["items"]
        self.assertEqual([item["name"] for item in items], ["first", "second"])
        self.assertEqual(tuple(item["passed"] for item in items), passed)
        return str(items[-1]["figures"][-1])

    def test_items_that_pass(self) -> None:
        self.check(self.start("echo 11 things"), 0, True, True)

    def test_an_item_that_fails(self) -> None:
        self.assertEqual(self.check(self.start("exit 3"), 1, True, False), "it printed no figure")
        self.assertEqual(self.check(self.start("echo 11 things; exit 3"), 1, True, False), "it ended with 3")

    def test_what_could_not_be_prepared(self) -> None:
        for failure in ("LabError('no compiler')", "FileNotFoundError(2, 'no such file', 'meson')"):
            with self.subTest(failure):
                self.assertRegex(self.check(self.start("true", failure), 1, False, False), "no compiler|meson")

    def test_a_signal_while_an_item_runs(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                process = self.start("sleep 600")
                assert process.stderr
                self.assertTrue(any("second" in line for line in process.stderr))
                process.send_signal(number)
                self.assertEqual(self.check(process, 128 + number, True, False),
                                 f"not run to its end: ended by {number.name}")


if __name__ == "__main__":
    unittest.main()
