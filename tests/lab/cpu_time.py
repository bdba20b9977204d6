# SPDX-License-Identifier: Apache-2.0
"""CPU time of the processes that work for a VM, read from /proc without the product's help."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from lab.libvirtd import PrivateHost

#: Unit of /proc/PID/stat, in seconds.
CLOCK_TICK = 1 / os.sysconf("SC_CLK_TCK")

QEMU = "qemu-system-x86"
_PROGRAMS = (QEMU, "virtiofsd", "swtpm")


@dataclass(frozen=True)
class CpuTime:
    """Seconds of CPU time by the processes' names, ended threads included."""

    by_program: dict[str, float]
    processes: int

    @property
    def total(self) -> float:
        """Of all of them together."""
        return sum(self.by_program.values())

    def of(self, program: str) -> float:
        """Of the processes of one name."""
        return self.by_program.get(program, 0.0)

    @property
    def error(self) -> float:
        """By how much the total may be wrong: a process's user and system time are each rounded down to
        clock ticks, and what runs just now on a CPU is brought up to date at clock ticks only."""
        return (2 * self.processes + (os.cpu_count() or 1)) * CLOCK_TICK


def processes_of(host: PrivateHost, uuid: str) -> dict[Path, str]:
    """/proc directories and names of QEMU and the helpers that have a VM's UUID in their arguments."""
    found = {}
    for directory in host.path("/proc").glob("[0-9]*"):
        try:
            name = (directory / "comm").read_text().strip()
            if name in _PROGRAMS and uuid.encode() in (directory / "cmdline").read_bytes():
                found[directory] = name
        except OSError:
            continue  # gone
    return found


def cpu_time(host: PrivateHost, uuid: str) -> CpuTime:
    """What the processes of a VM that live now have used up to now."""
    by_program: dict[str, float] = {}
    found = processes_of(host, uuid)
    for directory, name in found.items():
        try:
            fields = (directory / "stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue  # gone
        user, system = int(fields[11]), int(fields[12])
        by_program[name] = by_program.get(name, 0.0) + (user + system) * CLOCK_TICK
    return CpuTime(by_program, len(found))


def thread_time(host: PrivateHost, uuid: str, name: str) -> float:
    """Seconds that QEMU's living threads of one name have run."""
    total = 0
    for directory, program in processes_of(host, uuid).items():
        for task in directory.glob("task/*") if program == QEMU else ():
            try:
                if (task / "comm").read_text().strip() == name:
                    total += int((task / "schedstat").read_text().split()[0])
            except OSError:
                continue  # ended
    return total / 1e9


def is_in_group(directory: Path, vm: str) -> bool:
    """Whether a process is in the control group that libvirt made for the VM of that name."""
    text = (directory / "cgroup").read_text()
    return re.search(rf"/qemu-\d+-{re.escape(vm)}\.libvirt-qemu(/|$)", text, re.MULTILINE) is not None
