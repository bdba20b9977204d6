# SPDX-License-Identifier: Apache-2.0
"""Debian's agents that print counters, run unmodified in the guest."""

from __future__ import annotations

import re

from agents.agent import Agent, Reading, require, within_ledger
from agents.bench import DOMAINS, SOCKETS, Bench, Energies

#: For readings that are quicker than a step of the counters.
_TRIES = 8
_NODE_EXPORTER = "prometheus-node-exporter --collector.disable-defaults --collector.rapl"
#: As the package's postinst makes it.
_PACKAGED_USER = "prometheus"
_PACKAGED_PORT = 9101


def _node_exporter_energies(metrics: str) -> Energies:
    """The counters in Prometheus' text format; the index is the socket."""
    found = re.findall(r'(?m)^node_rapl_([a-z]+)_joules_total\{([^}]*)\} (\S+)$', metrics)
    energies: Energies = {}
    for domain, labels, joules in found:
        # Index and zone path both tell the socket; of sub-zones only the path does.
        zone = re.search(r'path="[^"]*intel-rapl:(\d+)', labels)
        require(zone is not None, f"a series without the path of its zone: {labels}")
        assert zone
        energies[int(zone[1]), domain] = round(float(joules) * 1e6)
    return energies


def node_exporter(bench: Bench) -> Reading:
    """As root, at the mode that a guest gets by default."""
    before, energies, after = bench.between(
        lambda: _node_exporter_energies(bench.guest.node_exporter_metrics()), _TRIES)
    require(_zones(energies) == _all_zones(), f"it shows {sorted(energies)} alone")
    return within_ledger(before, energies, after)


def node_exporter_as_packaged(bench: Bench) -> Reading:
    """As the package's own user: nothing at the default mode, everything at 0444."""
    guest = bench.guest
    guest.check(f"grep -q ^{_PACKAGED_USER}: /etc/passwd || {{\n"
                f"echo {_PACKAGED_USER}:x:106:113::/var/lib/prometheus:/usr/sbin/nologin >>/etc/passwd\n"
                f"echo {_PACKAGED_USER}:x:113: >>/etc/group; }}")
    guest.check(f"{_NODE_EXPORTER} --web.listen-address=:{_PACKAGED_PORT} "
                ">/tmp/packaged.log 2>&1 & echo $! >/tmp/packaged.pid", user=_PACKAGED_USER)
    fetch = f"wget -qO- http://127.0.0.1:{_PACKAGED_PORT}/metrics"
    guest.check(f"for n in $(seq 100); do {fetch} >/dev/null 2>&1 && exit 0; usleep 100000; done; exit 1")
    try:
        hidden = _node_exporter_energies(guest.check(fetch))
        require(not hidden, f"at the default mode it shows {len(hidden)} zones, none was expected")
        bench.set_energy_mode("0444")
        before, energies, after = bench.between(
            lambda: _node_exporter_energies(guest.check(fetch)), _TRIES)
        require(_zones(energies) == _all_zones(), f"with mode 0444 it shows {sorted(energies)} alone")
        return within_ledger(before, energies, after)
    finally:
        bench.set_energy_mode(None)
        guest.run("kill $(cat /tmp/packaged.pid)")


def _libpowercap_energies(text: str) -> Energies:
    """Zones as powercap-info and rapl-info list them: sub-zones below the package they belong to."""
    energies: Energies = {}
    socket = -1
    for zone in re.split(r"(?m)^\s*(?:Zone|Subzone) ", text)[1:]:
        name = re.search(r"(?m)^\s*name: (\S+)$", zone)
        energy = re.search(r"(?m)^\s*energy_uj: (\d+)$", zone)
        require(name is not None and energy is not None, f"a zone without name or energy: {zone!r}")
        assert name and energy
        package = re.fullmatch(r"package-(\d+)", name[1])
        if package:
            socket = int(package[1])
        energies[socket, "package" if package else name[1]] = int(energy[1])
    return energies


def _libpowercap(command: str, bench: Bench) -> Reading:
    before, energies, after = bench.between(
        lambda: _libpowercap_energies(bench.guest.check(command)), _TRIES)
    require(_zones(energies) == _all_zones(), f"it shows {sorted(energies)} alone")
    return within_ledger(before, energies, after)


def powercap_info(bench: Bench) -> Reading:
    """libpowercap's walk."""
    return _libpowercap("powercap-info -p intel-rapl", bench)


def rapl_info(bench: Bench) -> Reading:
    """libpowercap's RAPL view of the same tree."""
    return _libpowercap("rapl-info", bench)


def denki(bench: Bench) -> Reading:
    """PCP's denki, loaded by PCP's own pminfo; it prints whole joules."""
    place = "/usr/lib/pcp/pmdas/denki"

    def read() -> Energies:
        text = bench.guest.check(f"pminfo -L -K clear -K add,156,{place}/pmda_denki.so,denki_init "
                                 f"-n {place}/root_denki -f denki.rapl.raw")
        found = re.findall(r'"(\d+)-([a-z]+)(?:-\d+)?"\] value (\d+)', text)
        return {(int(socket), domain): int(joules) * 1_000_000 for socket, domain, joules in found}

    before, energies, after = bench.between(read, _TRIES)
    require(_zones(energies) == _all_zones(), f"it shows {sorted(energies)} alone")
    return within_ledger(before, energies, after, unit=1_000_000)


def powertop(bench: Bench) -> Reading:
    """Prints no watts without a battery, so strace shows what it reads: core and dram."""
    def read() -> list[Energies]:
        # The first read of a zone comes at the start, the last when the measurement ends.
        result = bench.guest.run(
            "strace -f -y -e trace=read -o /tmp/powertop.strace powertop --csv=/tmp/powertop.csv --time=3 "
            ">/tmp/powertop.log 2>&1 && grep -q '^ *[0-9.]*%;DRAM' /tmp/powertop.csv && "
            "grep energy_uj /tmp/powertop.strace", timeout=180)
        require(result.code == 0, f"it ended with {result.code} or shows no DRAM")
        found = re.findall(r'intel-rapl:(\d+):(\d)/energy_uj>, "(\d+)', result.out)
        reads: list[Energies] = [{}, {}]
        for socket, sub, energy in found:
            zone = int(socket), DOMAINS[1 + int(sub)]
            reads[0].setdefault(zone, int(energy))
            reads[1][zone] = int(energy)
        return reads

    before, (first, last), after = bench.between(read)
    require(_zones(last) == {(socket, domain) for socket in range(SOCKETS) for domain in ("core", "dram")},
            f"it reads {sorted(last)}")
    within_ledger(before, first, after)
    for zone, energy in first.items():
        require(last[zone] > energy, f"{zone} has not moved")
    return within_ledger(before, last, after)


def _zones(energies: Energies) -> set[tuple[int, str]]:
    return set(energies)


def _all_zones() -> set[tuple[int, str]]:
    return {(socket, domain) for socket in range(SOCKETS) for domain in DOMAINS}


_FLAT = "/sys/class/powercap/intel-rapl:*"
_NESTED = "/sys/class/powercap/intel-rapl/intel-rapl:N/…"
_RAN = "ran in the guest"

COUNTERS = (
    Agent("node_exporter, as root", "package prometheus-node-exporter", _FLAT, "works", _RAN,
          "every zone, to the microjoule", node_exporter),
    Agent("node_exporter, as its packaged user", "package prometheus-node-exporter", _FLAT, "option", _RAN,
          "user prometheus may not read energy_uj at mode 0400: give the VM mode 0444",
          node_exporter_as_packaged),
    Agent("powercap-info", "package powercap-utils", _NESTED, "works", _RAN,
          "every zone, to the microjoule", powercap_info),
    Agent("rapl-info", "package powercap-utils", _NESTED, "works", _RAN,
          "every zone, to the microjoule", rapl_info),
    Agent("PCP denki", "package pcp", _NESTED, "works", _RAN,
          "every zone, in the whole joules that it prints; one package zone for each socket", denki),
    Agent("powertop", "package powertop", _NESTED, "works", _RAN + ", its reads seen by strace",
          "reads core and dram; without a battery it prints no watts, in a guest as elsewhere", powertop),
)
