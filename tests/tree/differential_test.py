#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our mounted trees against the recorded listings and behaviour of the kernel's.

Fails on a difference that explained.json does not explain, and on an explanation of none.
Usage (by with_tree): differential_test.py MOUNT
"""
import json
import pathlib
import re
import sys
import unittest

import walk

HERE = pathlib.Path(__file__).parent
MACHINES = {"client": "00000000-0000-4000-8000-00000000000c", "server": "00000000-0000-4000-8000-00000000000e"}
MOUNT = ""


def recorded(machine: str) -> dict[str, dict[str, str]]:
    """The kernel's listing: path (with class/ or devices/ before it) to items."""
    listing = {}
    for line in (HERE / f"{machine}.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        path, kind, mode, size, *rest = line.split(" ", 4)
        # sysfs answers statx with what stat has, no more.
        items = {"type": kind, "mode": mode, "size": size, "owner": "0:0", "blocks": "0", "statx mask": "7ff",
                 "statx size": size, "statx blocks": "0", "statx links": "1"}
        text = rest[0] if rest else ""
        if kind == "link":
            items["target"] = text
        if kind == "file":
            items |= {"links": "1", "content": text}
        listing[path] = items
    for path, items in listing.items():
        if items["type"] == "dir":  # kernfs: two, and one for each directory in it
            items["statx links"] = str(2 + sum(below["type"] == "dir" and name.rpartition("/")[0] == path
                                               for name, below in listing.items()))
    return listing


def same(item: str, kernel: str, ours: str) -> bool:
    if item != "content" or kernel.startswith("!"):
        return kernel == ours
    return re.fullmatch(kernel + "\n" if kernel else "", ours) is not None


def expected_answers(path: str, kind: str, behaviour: dict) -> dict[str, str]:
    answers = dict(behaviour[kind])
    if kind == "file":
        answers |= next((row["errno"] for row in behaviour["writes"] if re.fullmatch(row["path"], path)), {})
    return answers


def differences(machine: str) -> list[tuple[str, str, str, str]]:
    """(path, item, kernel's, ours) of everything that differs."""
    behaviour = json.loads((HERE / "behaviour.json").read_text())
    root = f"{MOUNT}/{MACHINES[machine]}"
    ours = walk.walk(root)
    kernel = recorded(machine)
    found = []
    for path, items in kernel.items():
        name = path.partition("/")[2]
        if name not in ours:
            found.append((path, "exists", "yes", "no"))
            continue
        shown = ours[name]
        if shown["type"] == items["type"]:
            items |= expected_answers(path, items["type"], behaviour)
            shown = shown | walk.ANSWERS[items["type"]](f"{root}/{name}")
        found += [(path, item, value, shown.get(item, "none")) for item, value in items.items()
                  if not same(item, value, shown.get(item, "none"))]
    known = {path.partition("/")[2] for path in kernel}
    return found + [(name, "exists", "no", "yes") for name in ours if name not in known]


def explains(row: dict, difference: tuple[str, str, str, str]) -> bool:
    path, item, _, ours = difference
    return bool(item in row["items"] and re.fullmatch(row["path"], path) and re.fullmatch(row["ours"], ours))


class Differential(unittest.TestCase):
    def test_every_difference_is_explained_and_every_explanation_needed(self):
        rows = json.loads((HERE / "explained.json").read_text())
        found = [difference for machine in MACHINES for difference in differences(machine)]
        unexplained = [d for d in found if not any(explains(row, d) for row in rows)]
        needless = [(row["path"], item) for row in rows for item in row["items"]
                    if not any(d[1] == item and explains(row, d) for d in found)]
        self.assertEqual([], unexplained, "\n".join(map(str, unexplained)))
        self.assertEqual([], needless)


if __name__ == "__main__":
    MOUNT = sys.argv[1]
    unittest.main(argv=sys.argv[:1], verbosity=2)
