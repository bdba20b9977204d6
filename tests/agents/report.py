# SPDX-License-Identifier: Apache-2.0
"""What the suite says: lines, JSON, and the generated parts of docs/agents.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from agents.agent import Agent, Result
from agents.power_tools import MMIO_ALIAS
from agents.ways import TEMPORARY
from lab.build import SOURCE

DOCUMENT = SOURCE / "docs/agents.md"
SCRIPT = "scripts/agents"
_HEAD = ("agent", "version", "reads", "verdict", "read J", "ledger J", "evidence", "what to know")


def line(result: Result) -> str:
    """One line of text."""
    figures = f"read {_joules(result.read_joules)} J, ledger {_joules(result.ledger_joules)} J" \
        if result.read_joules is not None else "read nothing"
    mark = "" if result.as_expected else "FAILED: "
    return f"{mark}{result.agent} ({result.version}): {figures}: {result.verdict}. {result.reason}"


def as_json(result: Result) -> dict[str, object]:
    """The fields of the JSON list."""
    return {"agent": result.agent, "version": result.version, "verdict": result.verdict,
            "read_joules": result.read_joules, "ledger_joules": result.ledger_joules,
            "reason": result.reason}


def table(agents: Sequence[Agent], results: Sequence[Result]) -> str:
    """The table of the document."""
    rows = [_HEAD, ("---",) * len(_HEAD)]
    for agent, result in zip(agents, results, strict=True):
        rows.append((result.agent, result.version, _code(agent.path), result.verdict,
                     _joules(result.read_joules), _joules(result.ledger_joules), agent.evidence,
                     result.reason))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def generated(agents: Sequence[Agent], results: Sequence[Result]) -> dict[str, str]:
    """The document's generated parts, by their mark."""
    return {"table": table(agents, results), **recipes()}


def recipes() -> dict[str, str]:
    """The recipes as the suite runs them."""
    return {mark: f"```sh\n{text}```\n" for mark, text in
            (("tmpfs", TEMPORARY), ("powerstat", MMIO_ALIAS))}


def verdicts_in(document: Path) -> list[tuple[str, str]]:
    """Agent and verdict of each row of the document's table."""
    return re.findall(r"(?m)^\| ([^|]+) \| [^|]+ \| [^|]+ \| (works|option|cannot) \|",
                      document.read_text(encoding="utf-8"))


def _joules(joules: float | None) -> str:
    return "-" if joules is None else f"{joules:.3f}"


def _code(text: str) -> str:
    return text if text == "-" else f"`{text}`"
