# SPDX-License-Identifier: Apache-2.0
"""The parts of a document that a program of scripts/ writes, each between two marks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lab.log import LabError


def _marks(mark: str, script: str) -> tuple[str, str]:
    return f"<!-- {mark}: by {script} -->\n", f"<!-- end of {mark} -->"


def _split(document: Path, text: str, mark: str, script: str) -> tuple[str, str, str]:
    begin, end = _marks(mark, script)
    before, found, rest = text.partition(begin)
    part, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise LabError(f"{document}: lacks the marks of \"{mark}\"")
    return before + begin, part, end + after


def part_of(document: Path, mark: str, script: str) -> str:
    """What is between the marks. Errors: LabError for a missing one."""
    return _split(document, document.read_text(encoding="utf-8"), mark, script)[1]


def with_parts(document: Path, parts: Mapping[str, str], script: str) -> str:
    """The document's text with these parts in place of its own. Errors: LabError for a missing mark."""
    text = document.read_text(encoding="utf-8")
    for mark, part in parts.items():
        before, _, after = _split(document, text, mark, script)
        text = before + part.rstrip("\n") + "\n" + after
    return text
