# SPDX-License-Identifier: Apache-2.0
"""Package power as a function of what the machine does, for the fake RAPL tree."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable

#: Package power in W for the number of CPUs at work, 0 to all, with fractions.
PowerCurve = Callable[[float], float]

#: Shape and figures of tests/sim/power_model.hpp: watts of the idle package, of its waking, of a core
#: with all at work; frequency with one core at work in that of all; power goes with frequency to this.
STATIC_WATTS = 25.0
_WAKE_WATTS = 3.0
_CORE_WATTS = 5.0
_TURBO = 1.2
_EXPONENT = 2.4

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def turbo_curve(cpus: int) -> PowerCurve:
    """Of a package of `cpus` cores: the first to work costs most, each more makes all slower. Straight
    between whole numbers of cores."""
    def whole(active: int) -> float:
        if active == 0:
            return STATIC_WATTS
        busy = (active - 1) / (cpus - 1) if cpus > 1 else 1.0
        frequency = _TURBO - (_TURBO - 1) * busy
        return STATIC_WATTS + _WAKE_WATTS + active * _CORE_WATTS * float(frequency ** _EXPONENT)

    def watts(active: float) -> float:
        active = min(max(active, 0.0), float(cpus))
        below = min(int(active), cpus - 1)
        return whole(below) + (whole(below + 1) - whole(below)) * (active - below)

    return watts


def busy_ticks(text: str) -> int:
    """Clock ticks that all CPUs together were at work, from the text of /proc/stat."""
    fields = re.match(r"cpu +(.*)", text)
    assert fields, "/proc/stat begins with the sum of all CPUs"
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[1].split()[:8])
    return user + nice + system + irq + softirq + steal


class Utilisation:
    """The number of CPUs at work over the last readings of /proc/stat."""

    def __init__(self, readings: int) -> None:
        """`readings`: over how many, at least 2. Clock ticks of 10 ms are too coarse for two that
        are 20 ms apart."""
        self._past: deque[tuple[float, int]] = deque(maxlen=readings)

    def add(self, seconds: float, ticks: int) -> float:
        """One more reading and when it was made. Returns the mean since the oldest that is kept."""
        self._past.append((seconds, ticks))
        first_seconds, first_ticks = self._past[0]
        passed = seconds - first_seconds
        return (ticks - first_ticks) / _TICKS_PER_SECOND / passed if passed > 0 else 0.0
