# SPDX-License-Identifier: Apache-2.0
"""What scripts/leakage --guests does: each setting in turn, a wave for the correlation, bits for the rate."""
from __future__ import annotations

import os
import platform
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lab.build import Build, install_packages
from lab.log import LabError, progress
from sim import report
from sim.leakage_guests import Neighbours, Setting, random_bits, square_wave

SETTINGS = (Setting(1, 0), Setting(1, 60), Setting(3, 0), Setting(3, 60))
#: Lengths of symbols to try, in grids. Those that the time allows fewer than _FEWEST of are left out: chance
#: could not be told from bits.
_SYMBOLS = (1, 2, 4, 8)
_FEWEST = 20
#: The correlation's wave: the neighbour works for two grids and rests for two, as in the simulator.
_HALF_WAVE = 2
#: Time constants that the slow price gets before it is measured.
_SETTLING = 2


def programs(directory: Path) -> Build:
    """Builds what is needed. Errors: LabError, subprocess.CalledProcessError."""
    if os.geteuid() != 0:
        raise LabError("root is needed, for packages and for private namespaces: run it with sudo")
    if platform.machine() != "x86_64":
        raise LabError(f"the guests are x86_64, this machine is {platform.machine()}")
    install_packages("build", "lab", "test")
    directory = directory.resolve()
    made = Build(directory)
    progress(f"building in {directory}")
    wanted = (made.daemon, made.ctl, made.mount, made.server, made.hook, made.guest_mount,
              directory / "tests/sim/neighbour")
    report.build(directory, "recorded")
    subprocess.run(["ninja", "-C", str(directory), *(str(program.relative_to(directory)) for program in wanted)],
                   check=True, stdout=sys.stderr)
    return made


def measure(lab: Neighbours, setting: Setting, seconds: float) -> dict[str, Any]:
    """The figures of one setting. Errors: LabError."""
    what = f"grid {setting.grid} s, neighbour-blind {setting.neighbour_blind} s"
    lab.set(setting)
    if setting.neighbour_blind:
        settling = _SETTLING * setting.neighbour_blind
        progress(f"{what}: the price settles for {settling} s")
        lab.transmit(setting.grid, 2, random_bits(settling // 2))
    first = lab.ledger()
    half = _HALF_WAVE * setting.grid
    progress(f"{what}: a wave for {seconds:.0f} s")
    wave = lab.transmit(setting.grid, half, square_wave(max(8, int(seconds / half))))
    figures = wave.figures(lab.build)
    others = [wave.others]
    best = (0.0, 0.0)
    for symbol in (grids * setting.grid for grids in _SYMBOLS):
        if seconds / symbol < _FEWEST:
            continue
        progress(f"{what}: bits of {symbol} s for {seconds:.0f} s")
        sent = lab.transmit(setting.grid, symbol, random_bits(int(seconds / symbol)))
        best = max(best, (sent.figures(lab.build)["bits_per_symbol"] / symbol, symbol))
        others.append(sent.others)
    last = lab.ledger()
    return {"grid": setting.grid, "neighbour_blind": setting.neighbour_blind,
            "correlation": figures["correlation"], "swing_watts": figures["swing_w"], "chance": figures["chance"],
            "lag_seconds": figures["lag_s"], "steps": figures["steps"],
            "bits_per_second": best[0], "symbol_seconds": best[1],
            "ledger_joules": last["joules"] - first["joules"],
            "counter_joules": last["published_joules"] - first["published_joules"],
            "other_cpus": sum(others) / len(others), "load_average": os.getloadavg()[1]}


def run(directory: Path, seconds: float) -> list[dict[str, Any]]:
    """All settings. Errors: LabError."""
    build = programs(directory)
    with ExitStack() as resources:
        lab = Neighbours(resources, build)
        results = []
        for setting in SETTINGS:
            results.append(measure(lab, setting, seconds))
            found = results[-1]
            progress(f"swing {found['swing_watts']:+.2f} W, correlation {found['correlation']:+.2f} "
                     f"(chance {found['chance']:.2f}), {found['bits_per_second']:.3f} bits/s, "
                     f"others took {found['other_cpus']:.2f} CPUs")
        return results


def table(results: list[dict[str, Any]]) -> str:
    """One row for each setting."""
    rows = [["grid", "neighbour-blind", "swing", "correlation", "by chance", "lag", "bits per second",
             "by symbols of", "counter / ledger", "other CPU load"]]
    for row in results:
        blind = f"{row['neighbour_blind']} s" if row["neighbour_blind"] else "0 (off)"
        rows.append([f"{row['grid']} s", blind, f"{row['swing_watts']:+.2f} W", f"{row['correlation']:+.2f}",
                     f"{row['chance']:.2f}", f"{row['lag_seconds']:+.2f} s",
                     f"{row['bits_per_second']:.2f}" if row["bits_per_second"] else "none found",
                     f"{row['symbol_seconds']:.0f} s" if row["symbol_seconds"] else "-",
                     f"{row['counter_joules']:.0f} J / {row['ledger_joules']:.0f} J",
                     f"{row['other_cpus']:.2f} CPUs"])
    return report.markdown(rows)
