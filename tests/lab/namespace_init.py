# SPDX-License-Identifier: Apache-2.0
"""PID 1 of a private place: its own mounts, processes and loopback, gone when its maker is gone.

Run by lab.namespace as `unshare … python3 namespace_init.py HIDDEN…`, in fresh mount, PID and network
namespaces. Says "ready HOST_PID" on stdout, then reaps orphans until stdin closes. The kernel kills
every process of a PID namespace with its PID 1, and a mount namespace goes with its last process.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab.syscalls import mount  # noqa: E402  (the path above comes first)

#: Copy-on-write: what is there can be read, what is written stays in memory and in here.
OVERLAID = ("/etc", "/var/lib", "/var/log", "/var/cache")


def prepare_mounts(hidden: list[str]) -> None:
    """Gives this mount namespace its own /proc and /run, and hides the host's state from it."""
    mount("proc", "/proc", "proc")
    mount("tmpfs", "/run", "tmpfs", "mode=755")
    for path in OVERLAID:
        store = Path("/run/.lab") / path.replace("/", "_")
        (store / "upper").mkdir(parents=True)
        (store / "work").mkdir()
        mount("overlay", path, "overlay",
              f"lowerdir={path},upperdir={store}/upper,workdir={store}/work")
    for path in hidden:
        os.makedirs(path, exist_ok=True)
        mount("tmpfs", path, "tmpfs", "mode=755")


def raise_loopback() -> None:
    """Brings up `lo`, the only network device here."""
    get_flags, set_flags, up = 0x8913, 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack("16sh22x", fcntl.ioctl(control, get_flags, request))[1]
        fcntl.ioctl(control, set_flags, struct.pack("16sh22x", b"lo", flags | up))


def reap_until_eof() -> None:
    """Collects dead orphans until whoever holds the other end of stdin closes it."""
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        ready = select.select([sys.stdin, wake_read], [], [])[0]
        if wake_read in ready:
            os.read(wake_read, 4096)
        if sys.stdin in ready and not os.read(0, 4096):
            return


def main() -> None:
    host_pid = os.readlink("/proc/self")  # this /proc is still the host's
    prepare_mounts(sys.argv[1:])
    raise_loopback()
    print(f"ready {host_pid}", flush=True)
    reap_until_eof()


if __name__ == "__main__":
    main()
