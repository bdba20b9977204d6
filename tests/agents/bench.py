# SPDX-License-Identifier: Apache-2.0
"""The test bench: a host with the stack, a guest with Debian's agents, and the ledger's figures."""

from __future__ import annotations

import json
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from lab.fake_rapl import FakeRapl, intel_cpuinfo
from lab import packages
from lab.build import Build
from lab.guest import Guest, GuestSpec
from lab.image import Program, build_image
from lab.kvm import kvm_works
from lab.libvirtd import PrivateHost
from lab.log import LabError, progress
from lab.stack import Stack, hook_text

#: Debian's packages of agents, and strace, which shows what an agent reads that prints nothing of it.
PACKAGES = ("pcp", "powercap-utils", "powerstat", "powertop", "prometheus-node-exporter", "s-tui",
            "strace", "thermald")

#: Counters in guests change at multiples of this.
GRID_SECONDS = 1.0

#: Two, because several agents match zones to the guest's sockets.
SOCKETS = 2

#: What the guest can see: one of each for a socket.
DOMAINS = ("package", "core", "uncore", "dram")

_IDLE = ("--idle-package-watts=10", "--idle-core-watts=2", "--idle-uncore-watts=1",
         "--idle-dram-watts=2")

#: Microjoules by socket and domain.
Energies = dict[tuple[int, str], int]

Answer = TypeVar("Answer")


class Bench:
    """Host, stack and guest, from `with` to its end."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._resources = ExitStack()

    def __enter__(self) -> Bench:
        try:
            self._start()
        except BaseException:
            self._resources.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def _start(self) -> None:
        build = self._build
        scratch = Path(self._resources.enter_context(tempfile.TemporaryDirectory(prefix="vpowercap-")))
        tree = packages.fetch_tree(PACKAGES)
        self.versions = dict(line.split() for line in
                             (tree.parent / "versions").read_text().splitlines())
        ways = build.directory / "tests/agents/ways_of_reading"
        image = build_image(scratch, guest_mount=build.guest_mount, tree=tree,
                            extra=[Program(ways, "/usr/bin/ways-of-reading")])
        rapl = self._resources.enter_context(FakeRapl(scratch / "sys"))
        self.host = self._resources.enter_context(PrivateHost(hook=hook_text(build)))
        self.host.run(["mount", "--bind", intel_cpuinfo(scratch / "cpuinfo"), "/proc/cpuinfo"])
        self.stack = Stack(self.host, build,
                           ["--source=powercap", f"--sysfs-root={rapl.root}", *_IDLE])
        self.stack.start()
        progress("booting the guest")
        self.guest = Guest.create(self.host, GuestSpec(
            "agents", str(uuid.uuid4()), image, 20000, load="40", sockets=SOCKETS, memory_mib=1024,
            accelerator="kvm" if kvm_works(image) else "qemu"))
        self.guest.wait_ready(180)
        self.stack.wait_for_vm(self.guest.spec.uuid)

    def ledger(self) -> Energies:
        """What the ledger has published for the guest, µJ. Errors: LabError."""
        shown = json.loads(self.stack.ctl("show", self.guest.spec.uuid, "--json"))
        return {(zone["socket"], zone["domain"]): round(zone["published_joules"] * 1e6)
                for zone in shown["zones"]}

    def between(self, read: Callable[[], Answer], tries: int = 1) -> tuple[Energies, Answer, Energies]:
        """The ledger before, what `read` gives, the ledger after. Reads again, up to `tries` times,
        while the ledger has moved in between. Errors: LabError and those of `read`."""
        while True:
            tries -= 1
            before = self.ledger()
            answer = read()
            after = self.ledger()
            if before == after or tries < 1:
                return before, answer, after

    def set_energy_mode(self, mode: str | None) -> None:
        """Gives the guest's energy_uj the permissions `mode`, or the default, as an operator does."""
        change = ["--set", f"<vm mode='{mode}'/>"] if mode else ["--remove"]
        self.host.virsh("metadata", self.guest.spec.uuid, "urn:vpowercap:domain:1", "--live",
                        *(["--key", "vpowercap"] if mode else []), *change)
        self.stack.signal("vpowercapd", signal.SIGHUP)
        wanted = mode.lstrip("0") if mode else "400"
        deadline = time.monotonic() + 20
        while self.guest.check("stat -Lc %a /sys/class/powercap/intel-rapl:0/energy_uj").strip() != wanted:
            if time.monotonic() > deadline:
                raise LabError(f"energy_uj in the guest does not get mode {wanted}")
            time.sleep(0.3)


class Recorder:
    """The ledger's package energy over time, kept by a thread from `with` to its end."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._record)
        self._seen: list[tuple[float, int]] = []

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def microjoules_at(self, seconds: float) -> int:
        """What the ledger held at a wall-clock time. Errors: LabError when nothing was recorded then."""
        earlier = [energy for when, energy in self._seen if when <= seconds]
        if not earlier:
            raise LabError("the ledger was not recorded at the time of the agent's reading")
        return earlier[-1]

    def _record(self) -> None:
        while not self._end.wait(0.2):
            self._seen.append((time.time(), package_sum(self._bench.ledger())))


def package_sum(energies: Energies) -> int:
    """Energy of all packages, µJ."""
    return sum(energy for (_, domain), energy in energies.items() if domain == "package")
