# SPDX-License-Identifier: Apache-2.0
"""Readings of a counter in a guest, held against the steps that the ledger publishes meanwhile."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from lab.guest import Guest
from lab.stack import Stack

_ENERGY = "/sys/class/powercap/intel-rapl:0/energy_uj"
_PAUSE_MS = 20
_POLL_SECONDS = 0.05

#: The guest's clock need not run as the host's does to more than this.
_CLOCK_ERROR = 0.02


@dataclass(frozen=True)
class Read:
    """One read in the guest: `kept` or `fresh`, begin and end on the guest's clock."""

    how: str
    begin: float
    end: float
    microjoules: int


@dataclass(frozen=True)
class Step:
    """What the ledger shows for a guest of one socket: the grid's instant, and when we had seen it."""

    published_at: float
    seen_at: float
    microjoules: int


@dataclass(frozen=True)
class Observation:
    """Reads in a guest between two times of the host, and the ledger before, meanwhile and after."""

    reads: list[Read]
    steps: list[Step]
    begin: float
    end: float
    grid: float

    def values(self, how: str) -> list[int]:
        """The different values, in order."""
        return list(dict.fromkeys(read.microjoules for read in self.reads if read.how == how))

    def step_count(self) -> int:
        """The grid's steps between the ledger before and after."""
        return round((self.steps[-1].published_at - self.steps[0].published_at) / self.grid)

    def certain(self) -> list[int]:
        """Values that the kept descriptor must have seen, however late reads came: those that the ledger
        held before one read began and still after the next one had ended."""
        kept = [read for read in self.reads if read.how == "kept"]
        gap = max(later.end - read.begin for read, later in zip(kept, kept[1:]))
        length = (kept[-1].end - kept[0].begin) * (1 - _CLOCK_ERROR)
        # The reads took place somewhere between begin and end: in this part of it in any case.
        first, last = self.end - length, self.begin + length
        return [step.microjoules for step in self.steps
                if first <= step.seen_at and step.seen_at + gap <= last
                and step.seen_at + gap < step.published_at + self.grid]

    def complaints(self) -> list[str]:
        """What is not as it must be."""
        values = [read.microjoules for read in self.reads]
        kept = self.values("kept")
        behind = [f"{read.how} shows {read.microjoules} after {before.how} showed {before.microjoules}"
                  for before, read in zip(self.reads, self.reads[1:])
                  if read.microjoules < before.microjoules]
        missed = [f"kept never shows {value}" for value in self.certain() if value not in kept]
        stale = [f"{value} is shown after {self.steps[0].microjoules} was published"
                 for value in set(values) if value < self.steps[0].microjoules]
        many = [f"{len(set(values))} values in {self.step_count()} steps"] \
            if len(set(values)) > self.step_count() + 1 else []
        return behind + missed + stale + many


class _Poller:
    """Keeps the ledger's steps of one VM, from `with` to its end."""

    def __init__(self, stack: Stack, uuid: str) -> None:
        self._stack = stack
        self._uuid = uuid
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._poll)
        self.steps: list[Step] = []

    def __enter__(self) -> _Poller:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._look()

    def _poll(self) -> None:
        while not self._end.wait(_POLL_SECONDS):
            self._look()

    def _look(self) -> None:
        vm = self._stack.vm(self._uuid)
        step = Step(vm["published_at_seconds"], time.monotonic(), round(vm["published_joules"] * 1e6))
        if not self.steps or step.published_at != self.steps[-1].published_at:
            self.steps.append(step)


def observe(stack: Stack, guest: Guest, seconds: float) -> Observation:
    """Has tests/tree/kept_and_fresh read the guest's counter for that long. Errors: LabError."""
    with _Poller(stack, guest.spec.uuid) as poller:
        begin = time.monotonic()
        text = guest.check(f"kept-and-fresh {_ENERGY} {seconds} {_PAUSE_MS}")
        end = time.monotonic()
    reads = []
    for line in text.splitlines():
        how, first, last, value = line.split()
        reads.append(Read(how, int(first) / 1e9, int(last) / 1e9, int(value)))
    grid = stack.vm(guest.spec.uuid)["grid_seconds"]
    return Observation(reads, poller.steps, begin, end, grid)
