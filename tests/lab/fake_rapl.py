# SPDX-License-Identifier: Apache-2.0
"""A sysfs root with a RAPL tree whose counters rise by themselves: package-0 with dram."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import TracebackType

_RANGE_UJ = 262143328850
#: No core zone: whether it is divided goes by the make of the machine's processor.
_ZONES = {"intel-rapl:0": ("package-0", 30.0), "intel-rapl:0:0": ("dram", 4.0)}
_STEP_SECONDS = 0.02


class FakeRapl:
    """`with FakeRapl(directory) as rapl:` writes energy below `directory` until the end.

    Watts are constant: which VM they go to is what the daemon decides."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._begin = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> FakeRapl:
        for cpu in range(os.cpu_count() or 1):
            self._write(f"devices/system/cpu/cpu{cpu}/topology/physical_package_id", "0")
        for zone, (name, _) in _ZONES.items():
            self._write(f"class/powercap/{zone}/name", name)
            self._write(f"class/powercap/{zone}/max_energy_range_uj", str(_RANGE_UJ))
        self._step()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_STEP_SECONDS):
            self._step()

    def _step(self) -> None:
        passed = time.monotonic() - self._begin
        for zone, (_, watts) in _ZONES.items():
            self._write(f"class/powercap/{zone}/energy_uj", str(int(1e9 + passed * watts * 1e6)))

    def _write(self, below: str, text: str) -> None:
        """As the kernel's attributes: a reader sees the old text or the new one, never a part."""
        path = self.root / below
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644), "wb", buffering=0) as file:
            os.pwrite(file.fileno(), text.encode() + b"\n", 0)
