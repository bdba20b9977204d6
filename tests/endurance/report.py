# SPDX-License-Identifier: Apache-2.0
"""What became of the items: for a person, as JSON, and as the last report in docs/testing.md."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from endurance.items import ITEMS
from lab.build import SOURCE
from lab.document import part_of, with_parts
from lab.log import LabError

DOCUMENT = SOURCE / "docs/testing.md"
SCRIPT = "scripts/endurance"
_MARK, _FENCE = "endurance", "```"


@dataclass(frozen=True)
class Outcome:
    """What became of an item. One without figures has not run, and not passed."""

    name: str
    passed: bool
    seconds: float
    figures: list[str]
    circumstances: str = ""

    def text(self) -> str:
        """Lines for a person: how it ended, and below, indented, the figures."""
        about = ", ".join(filter(None, [f"{self.seconds:.0f} s", self.circumstances]))
        head = f"{'passed' if self.passed else 'FAILED'}  {self.name} ({about})"
        return "\n        ".join([head, *self.figures])

    def as_json(self) -> dict[str, object]:
        """The fields of the JSON list."""
        return {"name": self.name, "passed": self.passed, "figures": self.figures}


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(SOURCE), *words], check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def _sources() -> str:
    """The commit, and whether anything but the documentation differs from it."""
    commit = _git("describe", "--always").stdout.strip()
    changed = _git("diff", "--quiet", "HEAD", "--", ".", ":(exclude)docs").returncode != 0
    return commit + "-dirty" * changed if commit else "unknown sources"


def circumstances() -> str:
    """What a figure may depend on: date, sources, CPUs, and the other work on them (the load average now)."""
    return ", ".join([time.strftime("%Y-%m-%d", time.gmtime()), _sources(),
                      f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs before it"])


def last_report(document: Path = DOCUMENT) -> dict[str, str]:
    """Each item's lines in the document. Errors: LabError for lines that are not a report's."""
    report: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in part_of(document, _MARK, SCRIPT).splitlines():
        if line.startswith(("passed  ", "FAILED  ")):
            lines = report.setdefault(line.split()[1], [])
        elif line.startswith(_FENCE):
            lines = None
            continue
        if lines is None:
            raise LabError(f"{document}: \"{line}\" is no line of a report; delete it and run {SCRIPT} --write-docs")
        lines.append(line)
    return {name: "\n".join(lines) for name, lines in report.items()}


def renewed(outcomes: Sequence[Outcome], document: Path = DOCUMENT) -> str:
    """The document with these outcomes in place of those of the same items. Errors: LabError."""
    report = {**last_report(document), **{outcome.name: outcome.text() for outcome in outcomes}}
    texts = [report[item.name] for item in ITEMS if item.name in report]
    return with_parts(document, {_MARK: "\n".join([_FENCE, *texts, _FENCE])}, SCRIPT)
