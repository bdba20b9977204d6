# SPDX-License-Identifier: Apache-2.0
"""What a guest sees of its share, and how that answers, against the same share on the host.

Fails on a difference that tests/tree/guest.json does not explain, and on an explanation of none.
"""

from __future__ import annotations

import json
import re
import unittest
from typing import Any

from environment import environment
from lab.build import SOURCE

_TREE = "/sys/class/powercap"
_LEAST_ITEMS = 1000

#: By path and item, the value.
View = dict[tuple[str, str], str]

#: Path, item, the host's value and the guest's.
Difference = tuple[str, str, str, str]


def parse(text: str) -> View:
    """What tests/tree/tree_view prints."""
    view = {}
    for line in text.splitlines():
        path, item, value = line.split("\t")
        view[path, item] = value
    return view


def differences(host: View, guest: View) -> list[Difference]:
    """One absent on one side has the value `none` there."""
    return [(*key, host.get(key, "none"), guest.get(key, "none"))
            for key in sorted(host.keys() | guest.keys()) if host.get(key) != guest.get(key)]


def explains(row: dict[str, Any], difference: Difference) -> bool:
    path, item, host, guest = difference
    return item in row["items"] and all(
        re.fullmatch(pattern, value) for pattern, value in
        ((row["path"], path), (row["host"], host), (row["guest"], guest)))


class GuestViewTest(unittest.TestCase):
    """The guest of two sockets."""

    def setUp(self) -> None:
        self.lab = environment()
        self.guest = self.lab.idle

    def assert_differences_are_explained(self, mount: str) -> None:
        program = self.lab.build.directory / "tests/tree/tree_view"
        host = parse(self.lab.host.run([program, f"/run/vpowercap/share/{self.guest.spec.uuid}"]).stdout)
        guest = parse(self.guest.check(f"tree-view {_TREE}"))
        self.assertGreater(len(host), _LEAST_ITEMS)
        rows = [row for row in json.loads((SOURCE / "tests/tree/guest.json").read_text())
                if row["mount"] in (mount, "any")]
        found = differences(host, guest)
        print(f"{len(host)} items of {len({path for path, _ in host})} paths, {len(found)} differ")
        self.assertEqual([d for d in found if not any(explains(row, d) for row in rows)], [])
        self.assertEqual([(row["path"], item) for row in rows for item in row["items"]
                          if not any(d[1] == item and explains(row, d) for d in found)], [])

    def test_the_guest_sees_what_the_host_has(self) -> None:
        self.assert_differences_are_explained("read-only")

    def test_the_same_holds_where_the_guests_kernel_does_not_refuse_by_itself(self) -> None:
        self.guest.check(f"mount -o remount,rw {_TREE}")
        self.addCleanup(self.guest.run, f"mount -o remount,ro {_TREE}")
        self.assert_differences_are_explained("writable")


if __name__ == "__main__":
    unittest.main()
