# SPDX-License-Identifier: Apache-2.0
"""What each item of scripts/endurance promises: what its figures say, how long it takes at most, and which test of
scripts/test is its short form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Count:
    """Figures that match: so many lines, in each of which the pattern's group, if it has one, is a number of `least`
    or more."""

    pattern: str
    least: int = 1
    lines: int = 1

    def complaint(self, figures: Sequence[str]) -> str | None:
        """What the figures lack; None: nothing."""
        found = [match for match in (re.search(self.pattern, figure) for figure in figures) if match]
        if len(found) < self.lines:
            return f"{self.lines} figures like \"{self.pattern}\" are promised, there are {len(found)}"
        few = [match for match in found if match.groups() and int(match[1]) < self.least]
        return f"\"{few[0][0]}\": {self.least} or more are promised" if few else None


@dataclass(frozen=True)
class Short:
    """The short form in scripts/test: its source, and the setting that has its length, `length` if nobody sets it."""

    file: str
    setting: str
    length: int
    unit: str

    def row(self, item: str) -> str:
        """Of the table in docs/testing.md."""
        return f"| `{item}` | `{self.file}` | {self.length:,} {self.unit} |"


@dataclass(frozen=True)
class Promise:
    """Of one item. Longer than `minutes` it takes only if it hangs."""

    counts: tuple[Count, ...]
    short: Short
    minutes: float = 60


_NO_BAD_READ = (r"(\d+) reads, \d+ at least by each of 6 readers: 0 errors, 0 cut off, 0 decreasing, "
                r"0 never published")
_NO_BAD_TREE_READ = Count(r"(\d+) reads of the tree: 0 errors, 0 cut off, 0 decreasing", 100)
_NO_BAD_GUEST_READ = Count("^failed 0, empty 0, torn 0, malformed 0, decreasing 0$")
_FAILOVER = "fuse-fs/mount/failover_test.cpp"

PROMISES = {
    "killed-servers": Promise((Count(r"^(\d+) kills; a read begun", 10_000),
                               Count(r"^the journal alone, (\d+) kills", 2_000),
                               Count(r"^(\d+) kills; with the settings of a package", 20),
                               Count(_NO_BAD_READ, 100, 3)),
                              Short(_FAILOVER, "VPOWERCAP_KILLS", 200, "kills")),
    "two-builds": Promise((Count(r"(\d+) changes between two builds", 100), Count(_NO_BAD_READ, 100),
                           Count(r"(\d+) restarts of vpowercap-mount between two builds; \d+ reads, 0 of them wrong",
                                 100)),
                          Short(_FAILOVER, "VPOWERCAP_TURNS", 20, "changes")),
    "hung-servers": Promise((Count(r"(\d+) servers stopped", 100), Count(_NO_BAD_READ, 100)),
                            Short("fuse-fs/mount/hung_test.cpp", "VPOWERCAP_HANGS", 2, "servers")),
    "lost-mount": Promise((Count("^a lost mount"),),
                          Short("tests/e2e/survival_test.py", "VPOWERCAP_HEAL_SECONDS", 20, "s to heal")),
    "killed-servers-guest": Promise((Count(r"(\d+) servers killed", 1000),
                                     Count(r"(\d+) reads, none failed, \d+ saw a new value", 1000)),
                                    Short("tests/e2e/survival_test.py", "VPOWERCAP_GUEST_KILLS", 50, "kills")),
    "hook-calls": Promise((Count(r"^daemon .*: (\d+) calls, 0 failed", 1000, 6),),
                          Short("tests/e2e/hook_test.py", "VPOWERCAP_HOOK_CALLS", 30, "calls in each state")),
    "hook-starts": Promise((Count(r"^daemon .*: (\d+) VM starts, 0 failed", 34, 6),
                            Count(r"^hook deleted: (\d+) VM starts, 0 failed")),
                           Short("tests/e2e/hook_test.py", "VPOWERCAP_HOOK_STARTS", 1, "start in each state")),
    "lifecycles": Promise((Count(r"(\d+) lifecycles of fake VMs", 1000), Count(r"(\d+) PIDs reused", 900),
                           Count(r"(\d+) VMs not charged", 1000),
                           Count(r"(\d+) lifecycles of real VMs", 50)),
                          Short("tests/e2e/lifecycle_test.py", "VPOWERCAP_FAKE_LIFECYCLES", 20, "fake VMs"), 120),
    "all-at-once": Promise((Count(r"(\d+) VM starts, 0 failed", 100), Count(r"(\d+) daemons and", 30),
                            Count(r"daemons and (\d+) servers killed", 10), Count(r"(\d+) restarts of libvirtd", 10),
                            Count(r"(\d+) reads of a share: 0 errors, 0 cut off, 0 decreasing", 1000)),
                           Short("tests/e2e/all_at_once_test.py", "VPOWERCAP_RESTLESS_STARTS", 5, "VM starts")),
    "killed-daemons": Promise((Count(r"(\d+) kills at \d+ fail points", 3000, 4),
                               Count(r"(\d+) kills, \d+ of them at fail points", 1000),
                               Count("conservation difference 0 µJ", lines=5), _NO_BAD_TREE_READ),
                              Short("tests/kills/killed_daemons_test.cpp", "VPOWERCAP_KILLS", 20, "kills"), 180),
    "fault-sweep": Promise((Count(r"(\d+) runs of .* 0 silent, 0 broke a law", 10_000),
                            Count(r"(\d+) reads of the ledger: 0 decreasing", 10_000)),
                           Short("tests/faults/fault_sweep_test.cpp", "VPOWERCAP_FAULT_STRIDE", 29,
                                 "calls from one to the next"), 180),
    "soak": Promise((Count(r"(\d+) s of soak: .* 0 spikes, 0 exits", 3600), Count(r"^(\d+) faults in", 1000),
                     Count(r"(\d+) starts with \d+ faults", 300),
                     _NO_BAD_TREE_READ),
                    Short("tests/faults/soak_test.cpp", "VPOWERCAP_SOAK_SECONDS", 8, "s"), 180),
    "damaged-files": Promise((Count(r"(\d+) damaged ledgers", 10_000),
                              Count(r"(\d+) damaged idle files", 10_000)),
                             Short("tests/damage/damaged_files_test.cpp", "VPOWERCAP_DAMAGED_FILES", 300,
                                   "files of each kind")),
    "damaged-starts": Promise((Count(r"(\d+) damaged starts", 10_000),),
                              Short("tests/daemon/damaged_files_test.py", "VPOWERCAP_DAMAGED_STARTS", 12, "starts"), 360),
    "guest-reads": Promise((Count(r"(\d+) reads of", 100_000), _NO_BAD_GUEST_READ),
                           Short("tests/e2e/storm_test.py", "VPOWERCAP_STORM_READS", 100_000, "reads")),
    "fuzzers": Promise((Count(r"(\d+) inputs of \d+ fuzzers, seed \d+: 0 crashes", 100_000_000),),
                       Short("tests/fuzz/run.py", "--runs", 1_000_000, "inputs"), 600),
}
