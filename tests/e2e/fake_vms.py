# SPDX-License-Identifier: Apache-2.0
"""Processes that pass for QEMU's, and others that get their PIDs. Runs inside a PID namespace of a test's own.

Reads a command per line, answers each with a line of JSON:
  start N  N processes with a VM's UUID, some CPU time used, PID files and a file of libvirt's test driver
           that lists them; answers UUID: null
  kill     kills them and leaves files; answers UUID: seconds of CPU time used
  reuse    starts busy processes with the PIDs of the killed; answers how many got theirs
  clear    ends those, too, and empties the files

Usage: fake_vms.py DOMAIN_FILE PID_DIRECTORY"""

import json
import os
import shutil
import subprocess
import sys
import uuid

#: Uses some hundredths of a second, then waits for its input to end.
_QEMU = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; read line"
_BUSY = "while :; do :; done"
_SHELL = shutil.which("dash") or "/bin/sh"
_LAST_PID = "/proc/sys/kernel/ns_last_pid"
_TRIES = 5

domain_file, pid_directory = sys.argv[1:3]
processes: dict[str, subprocess.Popen[bytes]] = {}
others: list[subprocess.Popen[bytes]] = []


def write_domains() -> None:
    """What libvirt's test driver shows from its next start on."""
    domains = "".join(
        f"<domain type='test'><name>vm-{vm}</name><uuid>{vm}</uuid><memory>8192</memory>"
        "<os><type>hvm</type></os></domain>" for vm in processes)
    with open(f"{domain_file}.new", "w", encoding="ascii") as file:
        file.write(f"<node>{domains}</node>")
    os.replace(f"{domain_file}.new", domain_file)


def start(count: int) -> dict[str, None]:
    """Starts VMs."""
    for _ in range(count):
        vm = str(uuid.uuid4())
        process = subprocess.Popen([_SHELL, "-c", _QEMU, "-name", f"guest=vm-{vm}", "-uuid", vm],
                                   stdin=subprocess.PIPE)
        processes[vm] = process
        with open(f"{pid_directory}/vm-{vm}.pid", "w", encoding="ascii") as file:
            file.write(f"{process.pid}\n")
    write_domains()
    return dict.fromkeys(processes)


def kill() -> dict[str, float]:
    """Kills and reaps them."""
    used = {}
    for vm, process in processes.items():
        process.kill()
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = -9
        process.stdin.close()
        used[vm] = usage.ru_utime + usage.ru_stime
    return used


def reuse() -> int:
    """Gives their PIDs to others."""
    for dead in processes.values():
        others.append(start_as(dead.pid))
    return sum(other.pid == dead.pid for other, dead in zip(others, processes.values()))


def start_as(pid: int) -> subprocess.Popen[bytes]:
    """A busy process with this PID, or with another one if somebody else is quicker each time."""
    for tries in range(_TRIES):
        with open(_LAST_PID, "w", encoding="ascii") as file:
            file.write(str(pid - 1))
        other = subprocess.Popen([_SHELL, "-c", _BUSY])
        if other.pid == pid or tries == _TRIES - 1:
            break
        other.kill()
        other.wait()
    return other


def clear() -> None:
    """Leaves nothing."""
    for other in others:
        other.kill()
        other.wait()
    others.clear()
    for vm in processes:
        os.unlink(f"{pid_directory}/vm-{vm}.pid")
    processes.clear()
    write_domains()


os.makedirs(pid_directory, exist_ok=True)
write_domains()
for line in sys.stdin:
    word, *arguments = line.split()
    print(json.dumps({"start": start, "kill": kill, "reuse": reuse, "clear": clear}[word](
        *(int(argument) for argument in arguments))), flush=True)
