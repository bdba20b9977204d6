# SPDX-License-Identifier: Apache-2.0
"""Compares what the host's ledger says of guests with what node_exporter says inside them."""

from __future__ import annotations

import http.client
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lab.guest import Guest
from lab.log import LabError
from lab.stack import Stack


@dataclass(frozen=True)
class GuestReading:
    """One guest at one grid instant."""

    name: str
    uuid: str
    attributed_joules: float  #: package energy the host attributes, not rounded
    ledger_joules: float      #: what the ledger has published for the guest
    guest_joules: float       #: what node_exporter reads in the guest


@dataclass(frozen=True)
class Sample:
    """Host and guests at one tick."""

    seconds: float            #: CLOCK_MONOTONIC of the tick
    method: str               #: rapl or model
    host_joules: float        #: package energy
    remainder_joules: float   #: of it, what no VM got
    guests: tuple[GuestReading, ...]


@dataclass(frozen=True)
class GuestPower:
    """One guest over a window; `reading` is that of the window's end."""

    reading: GuestReading
    watts: float
    guest_watts: float        #: from the guest's own reading


@dataclass(frozen=True)
class Window:
    """Mean power between two samples."""

    seconds: float
    method: str
    host_watts: float
    remainder_watts: float
    guests: tuple[GuestPower, ...]


def take_sample(stack: Stack, guests: Sequence[Guest], timeout: float = 30) -> Sample:
    """Reads ledger and guests so that all belong to one tick and one grid instant.

    The ledger is read before and after the guests; a change between is a new try.
    Errors: LabError when none succeeds within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    trouble = "the ledger changed during every reading"
    with ThreadPoolExecutor(len(guests)) as pool:
        while time.monotonic() < deadline:
            before = stack.list()
            try:
                joules = list(pool.map(Guest.package_joules, guests))
            except (OSError, http.client.HTTPException, LabError) as error:
                trouble = str(error)
                time.sleep(0.2)
                continue
            after = stack.list()
            if _energies(before) == _energies(after):
                return _sample(after, guests, joules)
    raise LabError(f"host and guests could not be read together: {trouble}")


def window(first: Sample, last: Sample) -> Window:
    """Power between two samples of the same guests, `last` the later one."""
    seconds = last.seconds - first.seconds
    if seconds <= 0:
        raise LabError("the ledger has not moved: vpowercapd takes no samples")
    guests = tuple(
        GuestPower(new, (new.attributed_joules - old.attributed_joules) / seconds,
                   (new.guest_joules - old.guest_joules) / seconds)
        for old, new in zip(first.guests, last.guests, strict=True))
    return Window(seconds, last.method, (last.host_joules - first.host_joules) / seconds,
                  (last.remainder_joules - first.remainder_joules) / seconds, guests)


def _energies(ledger: dict[str, Any]) -> object:
    return (ledger["tick"],
            [(zone["joules"], zone["remainder_joules"]) for zone in ledger["zones"]],
            [(vm["uuid"], vm["joules"], vm["published_joules"]) for vm in ledger["vms"]])


def _sample(ledger: dict[str, Any], guests: Sequence[Guest], joules: Sequence[float]) -> Sample:
    packages = [zone for zone in ledger["zones"] if zone["domain"] == "package"]
    vms = {vm["uuid"]: vm for vm in ledger["vms"]}
    readings = []
    for guest, shown in zip(guests, joules, strict=True):
        vm = vms.get(guest.spec.uuid)
        if vm is None:
            raise LabError(f"the ledger has no VM {guest.spec.uuid} ({guest.spec.name})")
        readings.append(GuestReading(guest.spec.name, guest.spec.uuid, vm["joules"],
                                     vm["published_joules"], shown))
    return Sample(ledger["sampled_at_seconds"], ledger["method"],
                  sum(zone["joules"] for zone in packages),
                  sum(zone["remainder_joules"] for zone in packages), tuple(readings))
