# SPDX-License-Identifier: Apache-2.0
"""Two real guests on one package: a sender that works or rests, a receiver that works and reads its counter."""
from __future__ import annotations

import json
import math
import os
import random
import subprocess
import tempfile
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.build import Build
from lab.cpu_time import CLOCK_TICK, cpu_time
from lab.fake_rapl import FakeRapl, intel_cpuinfo
from lab.guest import Guest, GuestSpec
from lab.image import Program, build_image
from lab.kvm import kvm_works
from lab.libvirtd import PrivateHost
from lab.log import LabError, progress
from lab.power_curve import STATIC_WATTS, busy_ticks, turbo_curve
from lab.stack import Stack, hook_text

#: Read before the first symbol and after the last, so that any lag is within the recording.
_MARGIN_SECONDS = 3.0
_CLOCK_READINGS = 7
_ENERGY = "/sys/class/powercap/intel-rapl:0/energy_uj"
_MICRO = 1e-6
#: All of the laboratory goes before other programs, so that these take little of the receiver's own work.
_NICE = -20


@dataclass(frozen=True)
class Setting:
    """What the receiver's tree is set to, in seconds."""

    grid: int
    neighbour_blind: int


@dataclass(frozen=True)
class Transmission:
    """What was sent and what the receiver's counter was, in seconds of the host's monotonic clock."""

    grid: int
    symbol: float
    start: float
    sent: str                              #: 0 and 1 for each symbol
    readings: list[tuple[float, float]]    #: J after each change
    others: float                          #: CPUs in the mean that all but the guests took meanwhile

    def figures(self, build: Build) -> dict[str, Any]:
        """What tests/sim/recorded makes of it. Errors: LabError."""
        done = subprocess.run([build.directory / "tests/sim/recorded"], text=True, check=False,
                              capture_output=True, input=json.dumps({
                                  "grid_s": self.grid, "start_s": self.start, "symbol_s": self.symbol,
                                  "sent": self.sent, "readings": self.readings}))
        if done.returncode != 0:
            raise LabError(f"the recording shows nothing: {done.stderr.strip()}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def square_wave(symbols: int) -> str:
    """Rest and work in turn."""
    return ("01" * symbols)[:symbols]


def random_bits(symbols: int) -> str:
    """The same at each call."""
    source = random.Random(5)
    return "".join(source.choice("01") for _ in range(symbols))


class Neighbours:
    """The stack on a made-up package whose power is turbo_curve() of this machine's load, with the two
    guests of one vCPU. Where there are two CPUs each vCPU is pinned to one of its own."""

    def __init__(self, resources: ExitStack, build: Build) -> None:
        """Boots; all ends with `resources`. Errors: LabError."""
        self.build = build
        # Of this thread; what it starts inherits it.
        resources.callback(os.setpriority, os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0))
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
        scratch = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="vpowercap-")))
        image = build_image(scratch, guest_mount=build.guest_mount, extra=[
            Program(build.directory / "tests/sim/neighbour", "/usr/bin/neighbour")])
        self.accelerator = "kvm" if kvm_works(image) else "qemu"
        cpus = os.cpu_count() or 1
        rapl = resources.enter_context(FakeRapl(scratch / "sys", turbo_curve(cpus)))
        self.host = resources.enter_context(PrivateHost(hook=hook_text(build)))
        self.host.run(["mount", "--bind", intel_cpuinfo(scratch / "cpuinfo"), "/proc/cpuinfo"])
        # The other zones are left out: the measured one is the package.
        self.stack = Stack(self.host, build, ["--source=powercap", f"--sysfs-root={rapl.root}",
                                              f"--idle-package-watts={STATIC_WATTS}"])
        self.stack.start()
        progress("booting sender and receiver")
        self.receiver = self._create("receiver", image, 22000, "busy")
        self.sender = self._create("sender", image, 22010, "idle")
        for number, guest in enumerate((self.receiver, self.sender)):
            guest.wait_ready()
            self.stack.wait_for_vm(guest.spec.uuid)
            if cpus > 1:
                self.host.virsh("vcpupin", guest.spec.uuid, "0", str(number), "--live")
        self._offsets = {guest.spec.name: self._offset(guest) for guest in (self.receiver, self.sender)}

    def set(self, setting: Setting) -> None:
        """Gives the running receiver a setting and waits until the ledger has it. Errors: LabError."""
        self.host.virsh("metadata", self.receiver.spec.uuid, "--live", "--uri", "urn:vpowercap:domain:1",
                        "--key", "vpowercap", "--set",
                        f"<vm grid='{setting.grid}' neighbour-blind='{setting.neighbour_blind}'/>")
        deadline = time.monotonic() + 15
        while self.ledger()["grid_seconds"] != setting.grid:
            if time.monotonic() > deadline:
                raise LabError("the daemon does not take the setting: " + self.stack.log("vpowercapd")[-800:])
            time.sleep(0.1)
        time.sleep(2.5)  # neighbour-blind shows nowhere: a change takes effect within two seconds

    def ledger(self) -> dict[str, Any]:
        """The receiver's entry in the ledger."""
        return self.stack.vm(self.receiver.spec.uuid)

    def counter(self) -> float:
        """The receiver's counter as it reads it now, in J."""
        return int(self.receiver.check(f"cat {_ENERGY}")) * _MICRO

    def transmit(self, grid: int, symbol: float, sent: str) -> Transmission:
        """Has the sender send while the receiver reads. Symbols begin at instants of the grid: both know
        it. Errors: LabError."""
        start = math.ceil((time.monotonic() + _MARGIN_SECONDS) / grid) * grid
        self.sender.check(f"neighbour send {self._guest_ns(self.sender, start)} {symbol * 1000:.0f} {sent} "
                          ">/tmp/sent 2>&1 &")
        length = symbol * len(sent) + 2 * (grid + _MARGIN_SECONDS)
        before = self._other_work()
        text = self.receiver.run(f"neighbour read {length * 1000:.0f} {_ENERGY}", timeout=length + 60)
        if text.code != 0:
            raise LabError(f"the receiver cannot read: {text.err}")
        others = (self._other_work() - before) / length
        complaint = self.sender.check("cat /tmp/sent")
        if complaint:
            raise LabError(f"the sender cannot send: {complaint}")
        offset = self._offsets[self.receiver.spec.name]
        readings = [(int(at) * 1e-9 + offset, int(value) * _MICRO)
                    for at, value in (line.split() for line in text.out.splitlines())]
        return Transmission(grid, symbol, start, sent, readings, others)

    def _create(self, name: str, image: Any, port: int, load: str) -> Guest:
        return Guest.create(self.host, GuestSpec(name, str(uuid.uuid4()), image, port, load=load,
                                                 accelerator=self.accelerator))

    def _other_work(self) -> float:
        """CPU seconds that all but the guests' processes have used."""
        guests = sum(cpu_time(self.host, guest.spec.uuid).total for guest in (self.receiver, self.sender))
        return busy_ticks(Path("/proc/stat").read_text()) * CLOCK_TICK - guests

    def _offset(self, guest: Guest) -> float:
        """What the guest's clock lacks to the host's, by the quickest of some readings; in s, wrong by
        at most half the time that took, which the best lag makes up for."""
        found = []
        for _ in range(_CLOCK_READINGS):
            before = time.monotonic()
            there = int(guest.check("neighbour clock")) * 1e-9
            after = time.monotonic()
            found.append((after - before, (before + after) / 2 - there))
        return min(found)[1]

    def _guest_ns(self, guest: Guest, seconds: float) -> int:
        return int((seconds - self._offsets[guest.spec.name]) * 1e9)
