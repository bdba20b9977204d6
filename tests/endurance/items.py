# SPDX-License-Identifier: Apache-2.0
"""The items of scripts/endurance: which test each is, how long, and which of its lines are figures."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from endurance.older import older_server
from lab.build import SOURCE

Command = Sequence[str | Path]


@dataclass(frozen=True)
class Item:
    """A test and the length it has here. A figure is a line that matches `figure`."""

    name: str
    summary: str
    figure: str
    command: Callable[[Path], Command]
    settings: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[Path], dict[str, str]] = lambda _build: {}

    def environment(self, build: Path) -> dict[str, str]:
        """What the test is told, and where it finds the programs. Prepares what it needs besides."""
        programs = {"VPOWERCAP_MOUNT": "vpowercap-mount", "VPOWERCAP_FS": "../session/vpowercap-fs",
                    "VPOWERCAP_FS_OTHER": "vpowercap-fs-other",
                    "VPOWERCAP_FS_JOURNAL_ALONE": "vpowercap-fs-journal-alone"}
        ours = {name: os.path.normpath(build / "fuse-fs/mount" / program) for name, program in programs.items()}
        if "VPOWERCAP_FS_OTHER" in os.environ:
            del ours["VPOWERCAP_FS_OTHER"]
        return {**ours, **self.prepare(build), **self.settings}

    def figures(self, output: str) -> list[str]:
        """The lines that say what was counted."""
        return [line.strip() for line in output.splitlines() if re.search(self.figure, line)]


def _failover(tests: str) -> Callable[[Path], Command]:
    return lambda build: [build / "fuse-fs/mount/mount_test", f"--gtest_filter={tests}"]


def _guest(test: str) -> Callable[[Path], Command]:
    return lambda build: [sys.executable, SOURCE / "tests/e2e/run.py", "--build", build, "-k", test]


# Thousands of small files are rewritten: in memory, where a rewrite does not wait for a disk.
_IN_MEMORY = {"TMPDIR": "/dev/shm"} if Path("/dev/shm").is_dir() else {}
_READS = r"\d+ reads|^failed \d"

ITEMS = (
    Item("killed-servers", "10,000 SIGKILLs of vpowercap-fs, 2,000 of one that has its journal alone, 0 to 10 ms after "
         "each start, each tenth to 100 ms: 6 readers wait for 250 ms at most",
         rf"kills;|{_READS}", _failover("KilledServers.*:ShippedSettings.*"),
         {"VPOWERCAP_KILLS": "10000", "VPOWERCAP_JOURNAL_KILLS": "2000", "VPOWERCAP_SHIPPED_KILLS": "20",
          "VPOWERCAP_LONGEST_READ_MS": "250"}),
    Item("two-builds", "100 changes between this server and that of an older commit, 100 more with restarts of "
         "vpowercap-mount, under 6 readers", rf"two builds|{_READS}",
         _failover("Failover.TwoBuildsTakeTurns:KeptBySystemd.TwoBuildsTakeTurnsOverRestarts"),
         {"VPOWERCAP_TURNS": "100", "VPOWERCAP_RESTARTS": "100"}, older_server),
    Item("hung-servers", "100 SIGSTOPs of vpowercap-fs with a read in its hands: 6 readers wait, and 4 that are killed "
         "stay, for the watchdog's 1 s and 0.27 s more at most",
         rf"servers stopped|{_READS}", _failover("HungServers.*"),
         {"VPOWERCAP_HANGS": "100", "VPOWERCAP_LONGEST_READ_MS": "1270"}),
    Item("lost-mount", "vpowercap-mount, its server and the mount are gone: a guest reads within 5 s of the next start",
         "a lost mount", _guest("a_lost_mount_heals"), {"VPOWERCAP_HEAL_SECONDS": "5"}),
    Item("killed-servers-guest", "1,000 SIGKILLs of vpowercap-fs or more, under 4 readers in a real guest",
         rf"servers killed|{_READS}", _guest("killed_servers_cost_a_guest_no_read"),
         {"VPOWERCAP_GUEST_KILLS": "1000"}),
    Item("hook-calls", "1,000 calls of the hook with the daemon in each of 6 states, on a machine without other work",
         r"calls,|^load", _guest("every_call_of_the_hook_succeeds"),
         {"VPOWERCAP_HOOK_CALLS": "1000", "VPOWERCAP_HOOK_QUIET": "1"}),
    Item("hook-starts", "204 VM starts through libvirt with the daemon in each of 6 states", "VM starts,",
         _guest("every_vm_starts_with_the_hook"), {"VPOWERCAP_HOOK_STARTS": "34"}),
    Item("lifecycles", "1,000 VMs with reused PIDs and 50 real ones come and go: nothing is left of them", "lifecycles of",
         _guest("LifecycleTest"), {"VPOWERCAP_FAKE_LIFECYCLES": "1000", "VPOWERCAP_REAL_LIFECYCLES": "50"}),
    Item("all-at-once", "100 VM starts while daemon, server and libvirtd are killed or restarted at random",
         rf"VM starts,|{_READS}", _guest("AllAtOnceTest"), {"VPOWERCAP_RESTLESS_STARTS": "100"}),
    Item("killed-daemons", "1,000 SIGKILLs of vpowercapd under readers of ledger and tree, one more per write",
         rf"kills|fail points|conservation|{_READS}", lambda build: [build / "tests/kills/kills_test"],
         {"VPOWERCAP_KILLS": "1000", "VPOWERCAP_STEP_STRIDE": "1", **_IN_MEMORY}),
    Item("fault-sweep", "each call on /sys and /proc of vpowercapd's sampling goes wrong in 11 ways",
         rf"runs|{_READS}", lambda build: [build / "tests/faults/fault_sweep_test"],
         {"VPOWERCAP_FAULT_STRIDE": "1", **_IN_MEMORY}),
    Item("soak", "an hour of random faults and load for vpowercapd, then 300 starts with faults, under readers of "
         "ledger and tree", rf"of soak|faults in|µJ|{_READS}", lambda build: [build / "tests/faults/soak_test"],
         {"VPOWERCAP_SOAK_SECONDS": "3600", "VPOWERCAP_FAULTY_STARTS": "300", **_IN_MEMORY}),
    Item("damaged-files", "10,000 damaged ledgers and 10,000 damaged files of learned idle power", r"damaged .*by name",
         lambda build: [build / "tests/damage/damaged_files_test"], {"VPOWERCAP_DAMAGED_FILES": "10000", **_IN_MEMORY}),
    Item("damaged-starts", "10,000 starts of vpowercapd with a VM, a damaged ledger and damaged learned idle power",
         r"damaged starts", lambda build: [sys.executable, SOURCE / "tests/daemon/damaged_files_test.py",
                                           build / "host/daemon/vpowercapd", build / "host/ctl/vpowercap"],
         {"VPOWERCAP_DAMAGED_STARTS": "10000", **_IN_MEMORY}),
    Item("guest-reads", "100,000 reads by 8 threads in a real guest", _READS, _guest("StormTest")),
    Item("fuzzers", "100,000,000 inputs or more for the parsers of all that comes from outside", r"inputs",
         lambda build: [sys.executable, SOURCE / "tests/fuzz/run.py", "--build", f"{build}-fuzz",
                        "--runs", "100000000", "--seed", "0"]),
)
