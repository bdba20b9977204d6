#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests with real guests: a line for each, a JUnit report if asked for, a count at the end."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "e2e")]
sys.dont_write_bytecode = True

from environment import BUILD_VARIABLE, close_environment  # noqa: E402  (needs the path above)


class Results(unittest.TestResult):
    """Prints a line per test and keeps what the report needs."""

    def __init__(self) -> None:
        super().__init__()
        self.cases: list[ElementTree.Element] = []
        self.skip_count = 0
        self.bad_count = 0
        self._start = 0.0

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._start = time.monotonic()

    def addSuccess(self, test: unittest.TestCase) -> None:
        self._note(test, "passed")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.skip_count += 1
        self._note(test, "skipped", reason)

    def addFailure(self, test: unittest.TestCase, err: object) -> None:
        super().addFailure(test, err)  # type: ignore[arg-type]
        self._bad(test, "failure", self.failures[-1][1])

    def addError(self, test: unittest.TestCase, err: object) -> None:
        super().addError(test, err)  # type: ignore[arg-type]
        self._bad(test, "error", self.errors[-1][1])

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase,
                   err: tuple[type[BaseException], BaseException, object] | None) -> None:
        if err is not None:
            super().addSubTest(test, subtest, err)  # type: ignore[arg-type]
            kept = self.failures if issubclass(err[0], test.failureException) else self.errors
            self._bad(subtest, "failure", kept[-1][1])

    def write(self, path: Path) -> None:
        """Writes a JUnit report."""
        suite = ElementTree.Element("testsuite", name="e2e", tests=str(len(self.cases)))
        suite.extend(self.cases)
        ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)

    def _bad(self, test: unittest.TestCase, kind: str, trace: str) -> None:
        self.bad_count += 1
        self._note(test, kind, trace)

    def _note(self, test: unittest.TestCase, outcome: str, text: str = "") -> None:
        seconds = time.monotonic() - self._start
        class_name, _, name = test.id().rpartition(".")
        case = ElementTree.Element("testcase", classname=class_name, name=name,
                                   time=f"{seconds:.3f}")
        if outcome != "passed":
            ElementTree.SubElement(case, outcome, message=text.strip().splitlines()[-1]).text = text
        self.cases.append(case)
        words = {"failure": "FAILED", "error": "FAILED"}.get(outcome, outcome)
        print(f"{words:8} {test.id()} ({seconds:.1f} s)", flush=True)
        if text:
            print("         " + text.strip().replace("\n", "\n         "), flush=True)


def _leave(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def main() -> int:
    """0: no test failed and some ran."""
    parser = argparse.ArgumentParser(prog="tests/e2e/run.py", description=__doc__)
    parser.add_argument("--build", type=Path, required=True, help="build directory of the programs")
    parser.add_argument("--junit", type=Path, help="where to write a JUnit report")
    parser.add_argument("-k", dest="patterns", action="append", default=[], metavar="WORD",
                        help="run only tests whose name has this word (may be given several times)")
    options = parser.parse_args()
    os.environ[BUILD_VARIABLE] = str(options.build.resolve())
    signal.signal(signal.SIGTERM, _leave)

    loader = unittest.TestLoader()
    if options.patterns:
        loader.testNamePatterns = [f"*{word}*" for word in options.patterns]
    results = Results()
    try:
        for room in ("e2e", "lab", "agents"):
            loader.discover(str(TESTS / room), "*_test.py", str(TESTS)).run(results)
            close_environment()
    finally:
        close_environment()
        if options.junit:
            results.write(options.junit)
    passed = len(results.cases) - results.bad_count - results.skip_count
    print(f"{passed} passed, {results.bad_count} failed, {results.skip_count} skipped", flush=True)
    return 0 if passed and not results.bad_count else 1


if __name__ == "__main__":
    sys.exit(main())
