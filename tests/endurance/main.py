# SPDX-License-Identifier: Apache-2.0
"""Runs tests of survival in their full length and says what they counted."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from endurance.items import ITEMS, Item
from endurance.promises import PROMISES, Promise
from endurance.report import DOCUMENT, SCRIPT, Outcome, renewed
from endurance.runner import run
from lab.build import SOURCE, install_packages
from lab.log import LabError, progress

_DESCRIPTION = """\
Kills and stops parts of vpowercap, thousands of times, under readers on the host and in a real guest.
scripts/test runs short forms of the same tests. Needs root."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    names = [item.name for item in ITEMS]
    parser = argparse.ArgumentParser(prog=SCRIPT, description=_DESCRIPTION,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("items", nargs="*", metavar="ITEM", help=f"one of {', '.join(names)}; all by default")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end, no lines")
    parser.add_argument("--write-docs", action="store_true",
                        help="put what became of each item into the last report in docs/testing.md")
    parser.add_argument("--list", action="store_true", help="print the items and run none")
    parser.add_argument("--build", type=Path, default=SOURCE / "build/endurance", metavar="DIR",
                        help="where to build (default: build/endurance)")
    options = parser.parse_args(words)
    unknown = sorted(set(options.items) - set(names))
    if unknown:
        parser.error(f"there is no item {unknown[0]}; there are {', '.join(names)}")
    options.build = options.build.resolve()  # tests run in directories of their own
    options.items = [item for item in ITEMS if not options.items or item.name in options.items]
    return options


def prepare(directory: Path) -> None:
    """Installs what is missing and builds all, tests too. Errors: LabError; the compiler's words are on stderr."""
    install_packages("build", "lab", "test")
    progress(f"building in {directory}")
    setup = ["meson", "setup", "--buildtype=debugoptimized", "-Dwerror=false", str(directory), str(SOURCE)]
    for command in ([] if (directory / "build.ninja").is_file() else setup,
                    ["ninja", "-C", str(directory), "--quiet"]):
        if command and subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode:
            raise LabError(f"`{' '.join(command[:2])} …` failed; the lines above say why")


class Ended(Exception):
    """A signal asks this program to end."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.code = 128 + number


def _leave(number: int, _frame: object) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # once is enough: what is left to do is putting things in order
    raise Ended(number)


def promise_of(name: str) -> Promise:
    """Errors: LabError."""
    if name not in PROMISES:
        raise LabError(f"tests/endurance/promises.py does not say what {name} promises")
    return PROMISES[name]


def run_all(items: Sequence[Item], options: argparse.Namespace) -> int:
    """Runs items. Whatever happens, what became of each is said: one that was not run to its end has not passed."""
    outcomes: list[Outcome] = []
    reason = ""
    code = 0
    try:
        prepare(options.build)
        for item in items:
            progress(f"{item.name}: {item.summary}")
            outcomes.append(run(item, promise_of(item.name), options.build))
            if not options.json:
                print(outcomes[-1].text(), flush=True)
            if options.write_docs:
                DOCUMENT.write_text(renewed(outcomes[-1:]), encoding="utf-8")
    except (LabError, OSError) as error:
        reason, code = str(error), 1
    except Ended as error:
        reason, code = str(error), error.code
    finally:
        if reason:
            print(f"{SCRIPT}: {reason}", file=sys.stderr)
        outcomes += [Outcome(item.name, False, 0, [f"not run to its end: {reason or 'a mistake of this program'}"])
                     for item in items[len(outcomes):]]
        if options.json:
            print(json.dumps({"items": [outcome.as_json() for outcome in outcomes]}, indent=2), flush=True)
    return code or int(not all(outcome.passed for outcome in outcomes))


def main() -> int:
    """0: every item passed."""
    options = arguments()
    if options.list:
        for item in ITEMS:
            print(f"{item.name}: {item.summary}")
        return 0
    if os.geteuid() != 0:
        print(f"{SCRIPT}: mounting and booting guests needs root", file=sys.stderr)
        return 1
    for number in _SIGNALS:
        signal.signal(number, _leave)
    return run_all(options.items, options)


if __name__ == "__main__":
    sys.exit(main())
