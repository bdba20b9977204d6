# SPDX-License-Identifier: Apache-2.0
"""Runs tests of survival in their full length and says what they counted."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from endurance.items import ITEMS, Item
from endurance.report import DOCUMENT, SCRIPT, Outcome, circumstances, renewed
from lab.build import SOURCE, install_packages
from lab.log import LabError, progress

_DESCRIPTION = """\
Kills and stops parts of vpowercap, thousands of times, under readers on the host and in a real guest.
scripts/test runs short forms of the same tests. Needs root."""


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


def build(directory: Path) -> None:
    """Builds all, tests too. Errors: LabError; the compiler's words are on stderr."""
    progress(f"building in {directory}")
    setup = ["meson", "setup", "--buildtype=debugoptimized", "-Dwerror=false", str(directory), str(SOURCE)]
    for command in ([] if (directory / "build.ninja").is_file() else setup,
                    ["ninja", "-C", str(directory), "--quiet"]):
        if command and subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode:
            raise LabError(f"`{' '.join(command[:2])} …` failed; the lines above say why")


def run(item: Item, directory: Path) -> Outcome:
    """Runs one item to its end; what it prints is shown on stderr only if it fails."""
    start, about = time.monotonic(), circumstances()
    result = subprocess.run([str(word) for word in item.command(directory)], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                            env={**os.environ, **item.environment(directory)}, check=False)
    if result.returncode != 0:
        sys.stderr.write(result.stdout)
    figures = item.figures(result.stdout)
    return Outcome(item.name, result.returncode == 0 and bool(figures), time.monotonic() - start, figures, about)


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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    outcomes = []
    try:
        install_packages("build", "lab", "test")
        build(options.build)
        for item in options.items:
            progress(f"{item.name}: {item.summary}")
            outcomes.append(run(item, options.build))
            if not options.json:
                print(outcomes[-1].text(), flush=True)
            if options.write_docs:
                DOCUMENT.write_text(renewed(outcomes[-1:]), encoding="utf-8")
    except LabError as error:
        print(f"{SCRIPT}: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps({"items": [outcome.as_json() for outcome in outcomes]}, indent=2))
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
