# SPDX-License-Identifier: Apache-2.0
"""Makes known_agents_table.cpp from the tables of docs/agents.md: known_agents.py DOCUMENT SOURCE."""

from __future__ import annotations

import json
import sys
from pathlib import Path

_TEXT = """\
// Generated from docs/agents.md.
#include "guest/mount/known_agents.hpp"

namespace vpowercap {{
namespace {{

constexpr KnownAgent agents[] = {{
{agents}}};

constexpr OtherPlace places[] = {{
{places}}};

}}  // namespace

std::span<const KnownAgent> known_agents() {{ return agents; }}
std::span<const OtherPlace> other_places() {{ return places; }}

}}  // namespace vpowercap
"""


def rows(document: str, first_column: str, columns: int) -> list[list[str]]:
    """The rows of the table whose head begins with that column. Errors: SystemExit when there is none."""
    lines = iter(document.splitlines())
    for line in lines:
        if line.startswith(f"| {first_column} |") and line.count("|") == columns + 1:
            break
    found = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append([cell.strip().replace("`", "") for cell in line.strip("|").split(" | ")])
    if len(found) < 2 or any(len(row) != columns for row in found[1:]):
        sys.exit(f"docs/agents.md: no table with {columns} columns that begins with \"{first_column}\"")
    return found[1:]


def main() -> None:
    document = Path(sys.argv[1]).read_text(encoding="utf-8")
    agents = [(name, version, reads, verdict, reason) for
              name, version, reads, verdict, _, _, _, reason in rows(document, "agent", 8)]
    places = rows(document, "agent elsewhere", 2)
    def initializers(table: list) -> str:
        return "".join(f"    {{{', '.join(json.dumps(cell, ensure_ascii=False) for cell in row)}}},\n"
                       for row in table)
    Path(sys.argv[2]).write_text(_TEXT.format(agents=initializers(agents), places=initializers(places)),
                                 encoding="utf-8")


if __name__ == "__main__":
    main()
