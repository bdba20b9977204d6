# SPDX-License-Identifier: Apache-2.0
"""A host's RAPL for machines without one: a powercap tree in files whose counters move."""

from __future__ import annotations

import os
import re
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from lab.power_curve import PowerCurve, Utilisation, busy_ticks

#: Zone directory, its name and its power. Core, uncore and dram, so that every domain reaches a guest.
ZONES = (("intel-rapl:0", "package-0", 40.0), ("intel-rapl:0:0", "core", 20.0),
         ("intel-rapl:0:1", "uncore", 5.0), ("intel-rapl:0:2", "dram", 6.0))

#: Twelve digits for days: a reader never sees a number half written.
_FIRST_MICROJOULES = 100_000_000_000
_MAX_RANGE = 262_143_328_850
_STEP_SECONDS = 0.02
#: Utilisation is that of the past tenth of a second.
_READINGS = 6


class FakeRapl:
    """Counters below `root`/class/powercap, from `with` to its end. CPUs are the machine's own. Power is
    constant; with `package_power`, the package's depends on how many CPUs are at work."""

    def __init__(self, root: Path, package_power: PowerCurve | None = None) -> None:
        self.root = root
        self._package_power = package_power
        self._end = threading.Event()
        self._resources = ExitStack()

    def __enter__(self) -> FakeRapl:
        counters = []
        for directory, name, watts in ZONES:
            zone = self.root / "class/powercap" / directory
            zone.mkdir(parents=True)
            (zone / "name").write_text(f"{name}\n")
            (zone / "max_energy_range_uj").write_text(f"{_MAX_RANGE}\n")
            (zone / "energy_uj").write_text(f"{_FIRST_MICROJOULES}\n")
            counter = os.open(zone / "energy_uj", os.O_WRONLY | os.O_CLOEXEC)
            self._resources.callback(os.close, counter)
            counters.append((counter, watts))
        (self.root / "devices").symlink_to("/sys/devices")
        thread = threading.Thread(target=self._draw, args=(counters,))
        thread.start()
        self._resources.callback(thread.join)
        self._resources.callback(self._end.set)
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def _draw(self, counters: list[tuple[int, float]]) -> None:
        joules = [0.0] * len(counters)
        utilisation = Utilisation(_READINGS)
        last = time.monotonic()
        while not self._end.wait(_STEP_SECONDS):
            now = time.monotonic()
            powers = [watts for _, watts in counters]
            if self._package_power:
                busy = busy_ticks(Path("/proc/stat").read_text())
                powers[0] = self._package_power(utilisation.add(now, busy))
            for at, (counter, _) in enumerate(counters):
                joules[at] += (now - last) * powers[at]
                os.pwrite(counter, b"%d\n" % (_FIRST_MICROJOULES + int(joules[at] * 1e6)), 0)
            last = now


def intel_cpuinfo(path: Path) -> Path:
    """Writes this machine's /proc/cpuinfo with Intel as the vendor, whose core zone is one of the whole
    package (AMD's is not, and guests do not get it)."""
    text = Path("/proc/cpuinfo").read_text()
    path.write_text(re.sub(r"(?m)^(vendor_id\s*:).*$", r"\1 GenuineIntel", text))
    return path
