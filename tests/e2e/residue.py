# SPDX-License-Identifier: Apache-2.0
"""What a private host holds of vpowercap: VMs, files, mounts, processes, descriptors, memory."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from dataclasses import dataclass

from lab.stack import RUN_DIR, Stack

_PROGRAMS = ("vpowercapd", "vpowercap-fs", "vpowercap-mount")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")


@dataclass(frozen=True)
class Residue:
    """Taken before and after VMs have come and gone, only memory may differ."""

    vms: int                      #: slots of the ledger
    files: tuple[str, ...]        #: below the run directory, sockets and directories too
    mounts: tuple[str, ...]
    processes: dict[str, int]     #: by name
    descriptors: dict[str, int]   #: of our programs
    resident_kib: dict[str, int]  #: of our programs

    def without_memory(self) -> dict[str, object]:
        """What must be the same."""
        return {"vms": self.vms, "files": self.files, "mounts": self.mounts, "processes": self.processes,
                "descriptors": self.descriptors}

    def told(self) -> str:
        """The counts, for a line of figures."""
        return (f"{self.vms} VMs, {len(self.mounts)} mounts, {len(self.files)} files, "
                f"{sum(self.processes.values())} processes, {sum(self.descriptors.values())} descriptors")

    def growth_kib(self, earlier: Residue) -> dict[str, int]:
        """Memory of each program that has not been started again since."""
        return {name: kib - earlier.resident_kib[name] for name, kib in self.resident_kib.items()}


def residue(stack: Stack) -> Residue:
    """What there is now. What comes and goes by itself is in it."""
    host = stack.host
    run = host.path(RUN_DIR)
    files = sorted(os.path.relpath(os.path.join(place, name), run)
                   for place, directories, names in os.walk(run) for name in (*directories, *names))
    table = host.path("/proc/1/mounts").read_text().splitlines()
    processes: Counter[str] = Counter()
    descriptors = {}
    resident = {}
    for directory in host.path("/proc").glob("[0-9]*"):
        try:
            name = (directory / "comm").read_text().strip()
            processes[name] += 1
            if name not in _PROGRAMS:
                continue
            descriptors[name] = len(list((directory / "fd").iterdir()))
            found = re.search(r"VmRSS:\s+(\d+) kB", (directory / "status").read_text())
            if found:
                resident[name] = int(found[1])
        except OSError:
            continue  # gone
    return Residue(len(stack.list()["vms"]), tuple(files), tuple(sorted(line.split(" ")[1] for line in table)),
                   dict(processes), descriptors, resident)


def settled_residue(stack: Stack, like: Residue | None = None, timeout: float = 60) -> Residue:
    """What there is when no VM is left, nor anything with one's UUID, and, if `like` is given, all but memory
    is as it was then; or when time is up."""
    deadline = time.monotonic() + timeout
    while True:
        now = residue(stack)
        named = [path for path in (*now.files, *now.mounts) if _UUID.search(path)]
        same = like is None or now.without_memory() == like.without_memory()
        if (now.vms == 0 and not named and same) or time.monotonic() > deadline:
            return now
        time.sleep(0.2)
