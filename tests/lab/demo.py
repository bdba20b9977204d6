# SPDX-License-Identifier: Apache-2.0
"""The demo: two real guests, one busy and one idle, and their power as host and guests see it."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import tempfile
import time
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from lab.build import SOURCE, Build, build_product, install_packages
from lab.demo_view import Screen, as_json, as_table
from lab.guest import Guest, GuestSpec
from lab.image import build_image
from lab.kvm import kvm_works
from lab.libvirtd import PrivateHost
from lab.log import LabError, progress
from lab.measure import Sample, take_sample, window
from lab.stack import Stack, hook_text

#: Power is the mean over this many seconds.
WINDOW_SECONDS = 5.0

_SOURCES = {"rapl": ["--source=powercap"], "model": ["--source=model"]}
_DESCRIPTION = """\
Boots two small guests under a libvirtd of its own, one busy and one idle, and shows side by side what
the host attributes to each and what Debian's node_exporter reads inside each. Installs the Debian
packages it lacks, builds vpowercap and downloads the guests' kernel first. Everything else runs in
private namespaces: an existing libvirt is not touched, and all is gone at the end. Needs root."""


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=_DESCRIPTION,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--once", action="store_true", help="measure once, print, and exit")
    parser.add_argument("--json", action="store_true",
                        help="print one JSON object per measurement on stdout, no table")
    parser.add_argument("--seconds", type=float, metavar="N",
                        help="end the live view after N seconds (default: at Ctrl-C)")
    parser.add_argument("--source", choices=("auto", "rapl", "model"), default="auto",
                        help="where the host's energy comes from: its counters (rapl), an estimate "
                             "from CPU use (model), or rapl where it is readable (auto, default)")
    parser.add_argument("--build-dir", type=Path, default=SOURCE / "build-demo", metavar="DIR",
                        help="where to build (default: build-demo in the source tree)")
    options = parser.parse_args(words)
    if options.once and options.seconds is not None:
        parser.error("--once and --seconds exclude each other")
    if options.seconds is not None and options.seconds <= 0:
        parser.error("--seconds must be above 0")
    return options


def has_rapl(root: Path = Path("/sys/class/powercap")) -> bool:
    """Whether a package zone of RAPL can be read."""
    for zone in root.glob("intel-rapl*:*"):
        try:
            if (zone / "name").read_text().startswith("package-"):
                int((zone / "energy_uj").read_text())
                return True
        except (OSError, ValueError):
            continue
    return False


def choose_source(wanted: str) -> str:
    """rapl or model. Errors: LabError when rapl is wanted and not readable."""
    readable = has_rapl()
    if wanted == "rapl" and not readable:
        raise LabError("no readable RAPL package zone in /sys/class/powercap: use --source model")
    return "model" if wanted == "model" or not readable else "rapl"


def boot(host: PrivateHost, stack: Stack, build: Build, scratch: Path) -> list[Guest]:
    """The two guests, ready and known to the ledger."""
    image = build_image(scratch, guest_mount=build.guest_mount)
    accelerator = "kvm" if kvm_works(image) else "qemu"
    stack.start()
    guests = []
    for number, load in enumerate(("busy", "idle")):
        progress(f"booting guest {load}")
        spec = GuestSpec(load, str(uuid.uuid4()), image, 20000 + 10 * number, load,
                         accelerator=accelerator)
        guests.append(Guest.create(host, spec))
    for guest in guests:
        guest.wait_ready()
        stack.wait_for_vm(guest.spec.uuid)
    return guests


def measure(stack: Stack, guests: list[Guest], options: argparse.Namespace) -> None:
    """Measures and shows until the options say enough."""
    accelerator = guests[0].spec.accelerator
    screen = Screen()
    samples: deque[Sample] = deque([take_sample(stack, guests)])
    start = time.monotonic()
    progress(f"measuring for {WINDOW_SECONDS:.0f} s" if options.once else "measuring")
    while True:
        time.sleep(WINDOW_SECONDS if options.once else 1)
        samples.append(take_sample(stack, guests))
        while len(samples) > 2 and samples[-1].seconds - samples[1].seconds >= WINDOW_SECONDS:
            samples.popleft()
        if samples[-1].seconds > samples[0].seconds:
            now = window(samples[0], samples[-1])
            if options.json:
                print(as_json(now, accelerator), flush=True)
            else:
                screen.show(as_table(now, accelerator))
            if options.once:
                return
        if options.seconds is not None and time.monotonic() - start >= options.seconds:
            return


def run(options: argparse.Namespace) -> None:
    """The whole demo. Errors: LabError."""
    if os.geteuid() != 0:
        raise LabError("root is needed, for packages and for private namespaces: run it with sudo")
    if platform.machine() != "x86_64":
        raise LabError(f"the guests are x86_64, this machine is {platform.machine()}")
    source = choose_source(options.source)
    install_packages("build", "lab")
    build = build_product(options.build_dir.resolve())
    progress(f"method {source}" + (" (an estimate from CPU use)" if source == "model" else ""))
    with ExitStack() as resources:
        scratch = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="vpowercap-")))
        progress("starting a private libvirtd")
        host = resources.enter_context(PrivateHost(hook=hook_text(build)))
        stack = Stack(host, build, _SOURCES[source])
        measure(stack, boot(host, stack, build, scratch), options)
        progress("cleaning up")


def _leave(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def main() -> int:
    """0 done; 1 failed, with the reason on stderr; 2 wrong usage; 128 + N ended by signal N."""
    options = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        run(options)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except LabError as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
