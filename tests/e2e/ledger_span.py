# SPDX-License-Identifier: Apache-2.0
"""What the ledger charged between two ticks, held against what the kernel counted between them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from lab.cpu_time import CpuTime

#: The model's power with all CPUs busy; it has to draw none when idle, so that joules tell CPU seconds.
MAX_WATTS = 60.0


@dataclass(frozen=True)
class Reading:
    """One tick of the ledger with the kernel's counters from before or from after it."""

    ledger: dict[str, Any]
    cpu: dict[str, CpuTime]  #: by UUID

    def work(self, guest: str) -> float:
        """CPU seconds that the ledger has charged to a VM."""
        return float(next(vm["cpu_seconds"] for vm in self.ledger["vms"] if vm["uuid"] == guest))

    def host_work(self, field: str) -> float:
        """CPU seconds that the packages' `joules` or `remainder_joules` stand for."""
        joules = sum(zone[field] for zone in self.ledger["zones"] if zone["domain"] == "package")
        return float(joules) * (os.cpu_count() or 1) / MAX_WATTS


@dataclass(frozen=True)
class Span:
    """A stretch between two ticks: counters from before and after the first, before and after the last."""

    outer_first: Reading
    inner_first: Reading
    inner_last: Reading
    outer_last: Reading

    def charged(self, guest: str) -> float:
        """What the ledger charged to a VM."""
        return self.outer_last.work(guest) - self.outer_first.work(guest)

    def host(self, field: str = "joules") -> float:
        """What all CPUs were busy by the model, or (`remainder_joules`) what of it was left with the host."""
        return self.outer_last.host_work(field) - self.outer_first.host_work(field)

    def least(self, guest: str, program: str | None = None) -> float:
        """What the VM's processes used between the two ticks, or those of one name."""
        return _used(self.inner_first, self.inner_last, guest, program)

    def most(self, guest: str) -> float:
        """What they used from before the first tick to after the last."""
        return _used(self.outer_first, self.outer_last, guest)

    def error(self, guest: str) -> float:
        """By how much least() and most() may be wrong."""
        return self.outer_last.cpu[guest].error


def _used(first: Reading, last: Reading, guest: str, program: str | None = None) -> float:
    before, after = first.cpu[guest], last.cpu[guest]
    if program:
        return after.of(program) - before.of(program)
    return after.total - before.total
