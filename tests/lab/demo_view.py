# SPDX-License-Identifier: Apache-2.0
"""How the demo shows a window of measurement: as a table for people, as JSON for programs."""

from __future__ import annotations

import json
import sys

from lab.measure import Window

_METHOD = {
    "rapl": "method rapl: the processor's own energy counters",
    "model": "method model: an ESTIMATE from CPU use, this host's RAPL is not used",
}
_ACCELERATOR = {"kvm": "guests under KVM", "qemu": "guests under TCG (no working KVM)"}


def as_json(window: Window, accelerator: str) -> str:
    """One line, one object."""
    return json.dumps({
        "method": window.method,
        "host_watts": round(window.host_watts, 3),
        "remainder_watts": round(window.remainder_watts, 3),
        "window_seconds": round(window.seconds, 3),
        "accelerator": {"kvm": "kvm", "qemu": "tcg"}[accelerator],
        "guests": [{
            "name": power.reading.name,
            "uuid": power.reading.uuid,
            "watts": round(power.watts, 3),
            "ledger_joules": round(power.reading.ledger_joules, 6),
            "guest_joules": round(power.reading.guest_joules, 6),
        } for power in window.guests],
    })


def as_table(window: Window, accelerator: str) -> str:
    """The host's view and each guest's own, side by side."""
    lines = [
        _METHOD[window.method],
        f"mean of {window.seconds:.0f} s, {_ACCELERATOR[accelerator]}",
        "",
        f"{'':12}{'------- the host says ------':>30}  {'- node_exporter in the guest -':>30}",
        f"{'host':12}{window.host_watts:10.2f} W",
    ]
    for power in window.guests:
        lines.append(f"{'  VM ' + power.reading.name:12}{power.watts:10.2f} W "
                     f"{power.reading.ledger_joules:15.3f} J  "
                     f"{power.guest_watts:10.2f} W {power.reading.guest_joules:15.3f} J")
    lines.append(f"{'  no VM':12}{window.remainder_watts:10.2f} W")
    return "\n".join(lines)


class Screen:
    """Prints tables: each over the last one on a terminal, one after the other elsewhere."""

    def __init__(self) -> None:
        self._lines = 0

    def show(self, table: str) -> None:
        """Shows a table now."""
        if sys.stdout.isatty():
            if self._lines:
                sys.stdout.write(f"\x1b[{self._lines}A")
            table = "\n".join(f"{line}\x1b[K" for line in table.splitlines())
            self._lines = table.count("\n") + 1
        elif self._lines:
            sys.stdout.write("\n")
        else:
            self._lines = 1
        print(table, flush=True)
