# SPDX-License-Identifier: Apache-2.0
"""An agent of the suite, what became of it, and when its figures are the ledger's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agents.bench import GRID_SECONDS, Bench, Energies, package_sum
from lab.log import LabError

VERDICTS = ("works", "option", "cannot")


@dataclass(frozen=True)
class Reading:
    """What an agent read and what the ledger held, J: counters, or differences over one span."""

    read_joules: float
    ledger_joules: float


@dataclass(frozen=True)
class Agent:
    """A reader of power and what is expected of it.

    `check` runs it (or the way it reads) in the guest and raises LabError if it is not as expected; it
    gives nothing where there is nothing to read. `reason` says what it needs, or why it cannot."""

    name: str
    version: str          #: of the Debian package when it starts with "package ", which the run fills in
    path: str             #: what it reads
    verdict: str
    evidence: str
    reason: str
    check: Callable[[Bench], Reading | None]


@dataclass(frozen=True)
class Result:
    """What the suite says of an agent."""

    agent: str
    version: str
    verdict: str
    read_joules: float | None
    ledger_joules: float | None
    reason: str
    as_expected: bool = True


def try_agent(agent: Agent, bench: Bench) -> Result:
    """Runs an agent's check. What fails is a result too, with the failure as its reason."""
    version = agent.version
    if version.startswith("package "):
        version = bench.versions[version.removeprefix("package ")]
    try:
        reading = agent.check(bench)
    except (LabError, OSError, LookupError, ValueError) as error:
        return Result(agent.name, version, "cannot", None, None, f"expected: {agent.verdict}; {error}",
                      as_expected=False)
    if reading is None:
        return Result(agent.name, version, agent.verdict, None, None, agent.reason)
    return Result(agent.name, version, agent.verdict, reading.read_joules, reading.ledger_joules,
                  agent.reason)


def require(condition: bool, complaint: str) -> None:
    """Errors: LabError unless `condition`."""
    if not condition:
        raise LabError(complaint)


def within_ledger(before: Energies, read: Energies, after: Energies, unit: int = 1) -> Reading:
    """The agent's counters, each of which must lie between the ledger's before and after, to the
    `unit` (µJ) that it prints. Errors: LabError naming the zone."""
    require(bool(read), "it shows no energy")
    for zone, energy in read.items():
        require(zone in before, f"it shows a zone that the ledger lacks: {zone}")
        low, high = before[zone] // unit * unit, after[zone]
        require(low <= energy <= high, f"it shows {energy} uJ for {zone}, the ledger {low} to {high} uJ")
    shown = {zone: after[zone] for zone in read}
    if any(domain == "package" for _, domain in read):
        return Reading(package_sum(read) / 1e6, package_sum(shown) / 1e6)
    return Reading(sum(read.values()) / 1e6, sum(shown.values()) / 1e6)


def near_ledger(read_joules: float, ledger_joules: float, seconds: float, late_seconds: float,
                part: float = 0.0) -> Reading:
    """Energy over a span, from a tool that shows power. The ends of the span may be off by one step of
    the counters and by `late_seconds`, each; `part` is the tool's own inaccuracy.
    Errors: LabError."""
    watts = ledger_joules / seconds
    tolerance = 2 * watts * (GRID_SECONDS + late_seconds) + part * ledger_joules
    require(read_joules > 0 and abs(read_joules - ledger_joules) <= tolerance,
            f"it shows {read_joules:.3f} J in {seconds:.1f} s, the ledger {ledger_joules:.3f} J, "
            f"{tolerance:.3f} J may be between them")
    return Reading(read_joules, ledger_joules)
