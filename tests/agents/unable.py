# SPDX-License-Identifier: Apache-2.0
"""Programs that a powercap tree cannot serve, and what in a guest is the reason."""

from __future__ import annotations

from agents.agent import Agent, require
from agents.bench import Bench

_SYSFS_MAGIC = "62656572"


def no_registers(bench: Bench) -> None:
    """The guest has neither model-specific registers to read nor a PMU for energy."""
    for path in ("/dev/cpu/0/msr", "/sys/bus/event_source/devices/power"):
        require(bench.guest.run(f"test -e {path}").code != 0, f"the guest has {path}")


def no_coretemp(bench: Bench) -> None:
    """The guest has no sensor of core temperatures."""
    names = bench.guest.run("cat /sys/class/hwmon/*/name").out.split()
    require("coretemp" not in names, "the guest has a coretemp sensor")


def not_sysfs(bench: Bench) -> None:
    """What is mounted where agents look is not sysfs, and says so."""
    kind = bench.guest.check("stat -f -c %t /sys/class/powercap/intel-rapl").strip()
    require(kind != _SYSFS_MAGIC, "the share says that it is sysfs")


def no_limits(bench: Bench) -> None:
    """Even root in the guest cannot set a limit."""
    limit = "/sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw"
    require(bench.guest.run(f"echo 1000000 >{limit}").code != 0, "a guest can set a power limit")


def nothing_to_try(_: Bench) -> None:
    """For programs that look at no RAPL."""


def _registers(name: str, version: str, reads: str = "/dev/cpu/*/msr") -> Agent:
    return Agent(name, version, reads, "cannot", "source read; the guest has none",
                 "reads the processor itself, not powercap", no_registers)


def _without(name: str, version: str, reason: str, evidence: str = "source read") -> Agent:
    return Agent(name, version, "-", "cannot", evidence, f"does not read powercap{reason}",
                 nothing_to_try)


_STRACE = "strings and strace of the program"

UNABLE = (
    Agent("thermald, limits", "package thermald", "/sys/devices/virtual/powercap/intel-rapl/…", "cannot",
          "source read; writing a limit tried in the guest",
          "a guest does not limit the host's power: limits are read-only and 0", no_limits),
    Agent("MangoHud", "0.6.8 (bookworm)", "/sys/class/powercap/intel-rapl:*", "cannot",
          "ran on a host; no coretemp in the guest",
          "looks at powercap only where there is a coretemp sensor; HEAD does not ask for one",
          no_coretemp),
    Agent("systemd-udevd, sd-device", "252 (bookworm)", "/sys/class/*", "cannot",
          "strace on a host; the share's file system type in the guest",
          "wants sysfs: udev rules for powercap do nothing, so give rights by the VM's mode", not_sysfs),
    _registers("EnergiBridge", "HEAD"),
    _registers("likwid", "5.2.2 (bookworm)"),
    _registers("turbostat", "6.1 (bookworm)"),
    _registers("collectd, turbostat plugin", "5.12.0 (bookworm)"),
    _registers("GEOPM", "HEAD"),
    _registers("Variorum", "HEAD"),
    _registers("Intel PCM", "HEAD"),
    _registers("metricbeat, rapl", "HEAD"),
    _registers("Green Metrics Tool, energy", "HEAD"),
    _registers("PAPI rapl", "HEAD", "/dev/cpu/*/msr, perf"),
    _registers("intel-gpu-tools", "bookworm", "perf"),
    _without("papi-tools", "7.0.0 (bookworm)", ": built without the component", _STRACE),
    _without("stress-ng", "0.15.06 (bookworm)", ": --rapl came with 0.18.02", _STRACE),
    _without("btop", "1.2.13 (bookworm)", ": that came with 1.4.5", _STRACE),
    _without("netdata", "1.37.1 (bookworm)", ": debugfs.plugin came with 1.42", _STRACE),
    _without("linux-cpupower", "6.1 (bookworm)", ": powercap-info came later", _STRACE),
    _without("glances", "3.3.1 (bookworm), HEAD", ""),
    _without("atop", "2.8.1 (bookworm)", ""),
    _without("conky", "1.18.3 (bookworm)", ""),
    _without("Eco2AI", "HEAD", ": reckons with the design power"),
    _without("systeminformation", "npm", ""),
)
