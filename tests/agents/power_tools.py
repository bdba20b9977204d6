# SPDX-License-Identifier: Apache-2.0
"""Debian's agents that show power over time: their energy against the ledger's over the same span."""

from __future__ import annotations

import csv
import io
import re
import time
from datetime import datetime, timezone

from agents.agent import Agent, Reading, near_ledger, require, within_ledger
from agents.bench import SOCKETS, Bench, Energies, Recorder, package_sum

#: s-tui draws on a terminal and takes its samples while it does.
_S_TUI = """
mkdir -p /dev/pts && { grep -q ' /dev/pts ' /proc/mounts || mount -t devpts devpts /dev/pts; }
cat >/tmp/terminal.py <<END
import fcntl, os, pty, select, signal, struct, termios, time
child, terminal = pty.fork()
if child == 0:
    os.environ["TERM"] = "linux"
    os.execlp("s-tui", "s-tui", "--no-mouse", "--csv", "--csv-file", "/tmp/s-tui.csv")
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
def samples():
    try:
        with open("/tmp/s-tui.csv") as file:
            return len(file.readlines()) - 1
    except FileNotFoundError:
        return 0
end = time.monotonic() + SECONDS
while samples() < SAMPLES and time.monotonic() < end:
    if select.select([terminal], [], [], 0.5)[0]:
        os.read(terminal, 65536)
os.kill(child, signal.SIGKILL)
END
rm -f /tmp/s-tui.csv
HOME=/root python3 /tmp/terminal.py && cat /tmp/s-tui.csv
"""
_S_TUI_SAMPLES = 12
_S_TUI_SECONDS = 150
#: Its time stamps are whole seconds.
_S_TUI_LATE_SECONDS = 1.0

#: bookworm's powerstat looks at intel-rapl-mmio zones alone: these are the packages under that name.
MMIO_ALIAS = """
mkdir -p /run/mmio/intel-rapl
mount --bind /sys/class/powercap/intel-rapl /run/mmio/intel-rapl
for zone in 0 1; do ln -s "intel-rapl/intel-rapl:$zone" "/run/mmio/intel-rapl-mmio:$zone"; done
mount --rbind /run/mmio /sys/class/powercap
"""
_POWERSTAT = "powerstat -R -n 0.5 120"
_POWERSTAT_SECONDS = 60.0
#: It takes the mean over intervals as if all were 0.5 s long, which they are not on a busy machine.
_POWERSTAT_PART = 0.05

#: The meter is read by a trip point; the trip is never reached, and the cooling device cannot cool.
_THERMALD_CONFIG = """\
<?xml version="1.0"?>
<ThermalConfiguration>
<Platform>
<Name>guest</Name>
<ProductName>*</ProductName>
<Preference>QUIET</Preference>
<ThermalZones>
<ThermalZone>
<Type>power</Type>
<TripPoints>
<TripPoint>
<SensorType>rapl_pkg_power</SensorType>
<Temperature>900000</Temperature>
<type>passive</type>
<ControlType>SEQUENTIAL</ControlType>
<CoolingDevice>
<index>1</index>
<type>Processor</type>
<influence>100</influence>
<SamplingPeriod>1</SamplingPeriod>
</CoolingDevice>
</TripPoint>
</TripPoints>
</ThermalZone>
</ThermalZones>
</Platform>
</ThermalConfiguration>
"""
_THERMALD = ("thermald --no-daemon --loglevel=debug --ignore-cpuid-check --poll-interval=2 "
             "--config-file=/tmp/thermal-conf.xml")
#: What its log calls a package. Zones of one kind come in the order of the directory.
_THERMALD_PACKAGE = 1


def s_tui(bench: Bench) -> Reading:
    """The sum of power times time in its CSV file, of both packages."""
    guest = bench.guest
    ahead = float(guest.check("python3 -c 'import time; print(time.time())'")) - time.time()
    with Recorder(bench) as recorder:
        script = _S_TUI.replace("SECONDS", str(_S_TUI_SECONDS)).replace("SAMPLES", str(_S_TUI_SAMPLES))
        result = guest.run(script, timeout=_S_TUI_SECONDS + 60)
    rows = list(csv.DictReader(io.StringIO(result.out)))
    require(len(rows) >= _S_TUI_SAMPLES, f"it wrote {len(rows)} samples: {result.err.strip()[-300:]}")
    times = [datetime.strptime(row["Time"], "%Y-%m-%d_%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
             for row in rows]
    columns = [name for name in rows[0] if name.startswith("Power:package-")]
    require(len(columns) == SOCKETS, f"it shows packages {columns}")
    joules = sum(float(row[column]) * (times[i] - times[i - 1])
                 for i, row in enumerate(rows) if i > 0 for column in columns)
    held = (recorder.microjoules_at(times[-1] - ahead) - recorder.microjoules_at(times[0] - ahead)) / 1e6
    return near_ledger(joules, held, times[-1] - times[0], _S_TUI_LATE_SECONDS)


def powerstat(bench: Bench) -> Reading:
    """Nothing by itself; with the alias, in a mount namespace of its own, the mean of both packages."""
    guest = bench.guest
    plain = guest.run(_POWERSTAT)
    require("does not have any RAPL domains" in plain.out + plain.err,
            f"without the alias it says: {plain.out.strip()[-200:]}")
    guest.check(f"cat >/tmp/alias.sh <<'END'\n{MMIO_ALIAS}exec {_POWERSTAT}\nEND")
    before, result, after = bench.between(
        lambda: guest.run("unshare -m sh /tmp/alias.sh", timeout=180))
    found = re.search(r"(?m)^CPU: +([\d.]+) Watts on average", result.out)
    require(found is not None, f"with the alias it says: {(result.err or result.out).strip()[-300:]}")
    assert found
    held = (package_sum(after) - package_sum(before)) / 1e6
    return near_ledger(float(found[1]) * _POWERSTAT_SECONDS, held, _POWERSTAT_SECONDS, 0.0,
                       _POWERSTAT_PART)


def thermald(bench: Bench) -> Reading:
    """The millijoules of its debug log."""
    guest = bench.guest
    guest.check(f"mkdir -p /var/run/thermald && touch /var/run/thermald/debug_mode\n"
                f"cat >/tmp/thermal-conf.xml <<'END'\n{_THERMALD_CONFIG}END")

    def read() -> list[tuple[int, int]]:
        guest.run(f"timeout -s KILL 20 {_THERMALD} >/tmp/thermald.log 2>&1", timeout=120)
        log = guest.check("grep ' energy [0-9]' /tmp/thermald.log")
        return [(int(kind), int(energy) * 1000)
                for kind, energy in re.findall(r"energy (\d+):\d+:(\d+) mj", log)]

    before, lines, after = bench.between(read)
    packages = [energy for kind, energy in lines if kind == _THERMALD_PACKAGE]
    packages = packages[:len(packages) // SOCKETS * SOCKETS]  # the end may come between two zones
    require(len(packages) >= 2 * SOCKETS, f"it logs {len(packages)} package energies")
    first: Energies = {(socket, "package"): packages[socket] for socket in range(SOCKETS)}
    last: Energies = {(socket, "package"): packages[socket - SOCKETS] for socket in range(SOCKETS)}
    within_ledger(before, first, after, unit=1000)
    require(package_sum(last) > package_sum(first), "its energies do not move")
    return within_ledger(before, last, after, unit=1000)


POWER_TOOLS = (
    Agent("s-tui", "package s-tui", "/sys/class/powercap/intel-rapl:*", "works", "ran in the guest",
          "figures: power times time of its CSV file. Let it refresh every 2 s or more: counters change "
          "once a second, so that s-tui -t, which looks for less, shows 0 or a whole second's energy",
          s_tui),
    Agent("powerstat", "package powerstat", "/sys/class/powercap/intel-rapl-mmio*", "option",
          "ran in the guest",
          "0.03.01 sees zones called intel-rapl-mmio alone (its filter is the wrong way round): give it "
          "them in a mount namespace (docs/agents.md)", powerstat),
    Agent("thermald, meter", "package thermald", "/sys/class/powercap/intel-rapl/intel-rapl:N/…", "option",
          "ran in the guest",
          "its unit does not start in a VM, and it reads the meter only with --ignore-cpuid-check (on a "
          "CPU it does not know), /run/thermald/debug_mode and a trip point on rapl_pkg_power; it can "
          "limit nothing in a guest", thermald),
)
