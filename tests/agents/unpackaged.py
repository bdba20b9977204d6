# SPDX-License-Identifier: Apache-2.0
"""Agents that bookworm does not package: the way each reads is tried, by its source at the version named."""

from __future__ import annotations

from agents.agent import Agent, Reading, require
from agents.bench import Bench
from agents.ways import CLASS, DEVICES, at_class, at_devices

_FLAT = f"{CLASS}/intel-rapl:*"
_NESTED = f"{CLASS}/intel-rapl/intel-rapl:N/…"
_DEVICES = f"{DEVICES}/intel-rapl/…"
_RECIPE = "needs the share at /sys/devices/virtual/powercap too: vpowercap-guest run"


def _works(name: str, version: str, path: str, reason: str, *ways: str) -> Agent:
    return Agent(name, version, path, "works", _evidence(ways), reason, at_class(*ways))


def _devices(name: str, version: str, reason: str, *ways: str) -> Agent:
    return Agent(name, version, _DEVICES, "option", _evidence(ways) + " with the recipe",
                 f"{_RECIPE}; {reason}" if reason else _RECIPE, at_devices(*ways))


def _evidence(ways: tuple[str, ...]) -> str:
    return f"source read; way of reading tried in the guest ({', '.join(ways)})"


def _scaphandre_in_a_vm(bench: Bench) -> Reading:
    require(bench.guest.run("ls /var/scaphandre").code != 0, "the guest has a /var/scaphandre")
    return at_class("names")(bench)


AT_CLASS = (
    _works("Scaphandre", "04cc6ec", _FLAT, "a zone's number is the socket's; needs one sub-zone", "names"),
    Agent("Scaphandre --vm", "04cc6ec", "$SCAPHANDRE_POWERCAP_PATH", "option", _evidence(("names",)),
          f"looks at /var/scaphandre: set SCAPHANDRE_POWERCAP_PATH={CLASS}, or leave --vm out",
          _scaphandre_in_a_vm),
    _works("Kepler", "13944a69", _FLAT, "the path of procfs, as node_exporter", "names"),
    _works("golang procfs GetRaplZones", "0.8.0 to HEAD", _FLAT, "as node_exporter", "names"),
    _works("PowerJoular", "c9358cb", _NESTED,
           "the first package and its third sub-zone: dram where the host has core and uncore",
           "fixed-nested"),
    _works("CodeCarbon", "b05965e", f"{CLASS}/intel-rapl/subsystem/…", "reads as root, or at mode 0444", "subsystem"),
    _works("pyRAPL", "ff0f2ed", _NESTED, "keeps files open; wants as many packages as sockets",
           "sockets", "kept-seek"),
    _works("pyJoules", "d0da6b2", _NESTED, "a zone's number must be its package's", "sockets"),
    _works("btop", "1.4.5", f"{CLASS}/intel-rapl:0/energy_uj", "a first value above 0", "glob-flat"),
    _works("MangoHud", "HEAD", _FLAT, "keeps a FILE and goes by the directory's types", "kept-stream"),
    _works("stress-ng --rapl", "0bd76b4", _FLAT, "of zones with one name it takes the first", "names"),
    _works("powerstat", "0.04.06", _FLAT, "adds up all zones, core and dram to the package too", "names"),
    _works("PAPI powercap", "HEAD", _FLAT, "Intel CPUs alone; opens with O_SYNC; no events for limits, which are read-only", "o-sync"),
    Agent("thermald, meter", "HEAD", _NESTED, "option", _evidence(("o-nofollow", "kept-pread")),
          "the options of Debian's; follows no link at a leaf", at_class("o-nofollow", "kept-pread")),
    _works("Zeus", "75a8b93", _NESTED, "in a container: mount it at /zeus_sys", "glob-nested"),
    _works("experiment-impact-tracker", "2bff752", f"{CLASS}/intel-rapl/…", "follows no links",
           "os-walk"),
    _works("carbontracker", "335efe3", _FLAT, "zone numbers of one digit: nine sockets", "names"),
)

AT_DEVICES = (
    _devices("Scaphandre's packaged unit", "04cc6ec",
             "its ExecStartPre gives the files to a group, which nobody in a guest can: clear it, and give "
             "the VM mode 0444",
             "find"),
    _devices("cpupower powercap-info", "6.12 (backports)", "the first package; 6.1 has no such command",
             "fixed-nested"),
    _devices("joulehunter", "10dcc40", "keeps files open", "kept-seek"),
    _devices("jouleit", "9a0f2ab", "find, which follows no links", "find"),
    _devices("Alumet", "afb0aa1", "keeps files open", "kept-seek"),
    _devices("Telegraf intel_powerstat", "1.0.2 of powertelemetry",
             "goes by the directory's types; a package's number must be its zone's",
             "d-type-nested", "sockets"),
    _devices("Green Metrics Tool, limits", "HEAD", "its energy is read from MSRs", "os-walk"),
    _devices("netdata debugfs.plugin", "1.42", "goes by the directory's types; or its host prefix",
             "d-type-nested"),
)

UNPACKAGED = AT_CLASS + AT_DEVICES
