# SPDX-License-Identifier: Apache-2.0
"""The ways in which unpackaged agents read, each tried by a client of ours in the guest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from agents.agent import Reading, require, within_ledger
from agents.bench import DOMAINS, SOCKETS, Bench, Energies

CLASS = "/sys/class/powercap"
DEVICES = "/sys/devices/virtual/powercap"

#: A recipe for one agent's private mount namespace where there is no vpowercap-guest; `$@` is run there.
TEMPORARY = f"""\
mount -t tmpfs -o size=64k,mode=755 vpowercap /sys/devices/virtual
mkdir {DEVICES}
mount --bind {CLASS} {DEVICES}
mount -o remount,ro /sys/devices/virtual
exec "$@"
"""
#: What each recipe puts before an agent's command.
_BY_SCRIPT = "unshare -m sh -e /tmp/recipe.sh "
_BY_PROGRAM = "vpowercap-guest run "

#: Longer than two steps of the counters: whoever shows an old value is found out.
_SAMPLE_SECONDS = 2.5
#: Ways that look at packages alone.
_PACKAGES_ONLY = ("sockets",)

Samples = dict[str, list[Energies]]


@dataclass(frozen=True)
class Run:
    """What the client printed, and the ledger before and after."""

    before: Energies
    after: Energies
    samples: Samples
    trouble: str


def _parse(text: str) -> Samples:
    """By way, the energies of each sample."""
    samples: Samples = {}
    for line in text.splitlines():
        way, number, zone, name, energy = line.split()
        of_way = samples.setdefault(way, [])
        while len(of_way) <= int(number):
            of_way.append({})
        domain = "package" if name.startswith("package-") else name
        key = int(zone.split(":")[1], 16), domain
        require(key not in of_way[int(number)], f"{way} finds {zone} twice")
        of_way[int(number)][key] = int(energy)
    return samples


@cache
def _run(bench: Bench, place: str, recipe: str) -> Run:
    command = f"{recipe}ways-of-reading {place} 2 {_SAMPLE_SECONDS}"
    bench.guest.check(f"cat >/tmp/recipe.sh <<'END'\n{TEMPORARY}END")
    before, result, after = bench.between(lambda: bench.guest.run(command))
    require(result.code == 0, f"`{command}` ended with {result.code}: {result.err.strip()}")
    return Run(before, after, _parse(result.out), result.err)


def _check(bench: Bench, way: str, place: str, recipe: str = "") -> Reading:
    run = _run(bench, place, recipe)
    wanted = {(socket, domain) for socket in range(SOCKETS) for domain in DOMAINS
              if domain == "package" or way not in _PACKAGES_ONLY}
    troubles = [line for line in run.trouble.splitlines() if line.split()[0] == way]
    require(not troubles, f"reading by {'; '.join(troubles)}")
    first, last = run.samples.get(way, [{}, {}])
    require(set(last) == wanted, f"reading by {way} finds {sorted(last)}")
    for zone, energy in first.items():
        require(energy < last[zone], f"reading by {way}, {zone} has not moved in {_SAMPLE_SECONDS} s")
    within_ledger(run.before, first, run.after)
    return within_ledger(run.before, last, run.after)


def at_class(*ways: str) -> Callable[[Bench], Reading]:
    """A check that each of these ways reads the ledger's figures where the share is mounted."""
    return lambda bench: [_check(bench, way, CLASS) for way in ways][-1]


def at_devices(*ways: str) -> Callable[[Bench], Reading]:
    """A check that each of these ways finds nothing at /sys/devices/virtual/powercap by default, and the
    ledger's figures there with either recipe."""
    def check(bench: Bench) -> Reading:
        require(bench.guest.run(f"ls {DEVICES}").code != 0, f"{DEVICES} is there without a recipe")
        return [_check(bench, way, DEVICES, recipe)
                for way in ways for recipe in (_BY_PROGRAM, _BY_SCRIPT)][-1]
    return check
