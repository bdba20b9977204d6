# SPDX-License-Identifier: Apache-2.0
"""A private place on this machine: own mounts, processes and loopback, certain to vanish whole.

What runs inside is killed by the kernel when this process ends, however it ends, SIGKILL included.
Files outside /run, /etc and /var/{lib,log,cache} are shared with the host; the rest is private.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from lab.log import LabError
from lab.syscalls import CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, die_with_parent, setns

_INIT = Path(__file__).with_name("namespace_init.py")


class PrivateNamespace:
    """Fresh mount, PID and network namespaces, entered with `with`. Use it from one thread at a time
    per call; connections may be made from any thread. The thread that enters must outlive it."""

    def __init__(self, hidden: Sequence[str] = ()) -> None:
        """`hidden`: directories that appear empty inside (in memory), made if they are missing."""
        self._hidden = list(hidden)
        self._resources = ExitStack()
        self._descriptors: dict[int, int] = {}
        self._children: list[subprocess.Popen[Any]] = []
        self._lock = threading.Lock()

    def __enter__(self) -> PrivateNamespace:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends every process inside, and with the last of them all mounts."""
        self._resources.close()
        self._descriptors = {}
        self._children = []

    def popen(self, command: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
        """subprocess.Popen inside. The child has a session of its own: a terminal's Ctrl-C does not
        reach it. `before_exec`, if given, is called in the child before the program starts."""
        before_exec = options.pop("before_exec", None)
        directory = options.pop("cwd", "/")
        mounts = self._descriptors[CLONE_NEWNS]
        network = self._descriptors[CLONE_NEWNET]
        root = self._root

        def enter() -> None:
            setns(network, CLONE_NEWNET)
            setns(mounts, CLONE_NEWNS)
            os.fchdir(root)  # setns() leads to the namespace's own root, out of a chroot
            os.chroot(".")
            os.chdir(directory)
            if before_exec:
                before_exec()

        options.setdefault("stdin", subprocess.DEVNULL)
        # setns() with a PID namespace is for the children that this thread makes from now on.
        with self._lock, open("/proc/thread-self/ns/pid", "rb") as home:
            setns(self._descriptors[CLONE_NEWPID], CLONE_NEWPID)
            try:
                child = subprocess.Popen([str(part) for part in command], preexec_fn=enter,
                                         start_new_session=True, **options)
            finally:
                setns(home.fileno(), CLONE_NEWPID)
            self._children = [known for known in self._children if known.poll() is None]
            self._children.append(child)
            return child

    def run(self, command: Sequence[str | Path], *, check: bool = True, timeout: float = 60,
            input: str | None = None, env: Mapping[str, str] | None = None,
            ) -> subprocess.CompletedProcess[str]:
        """Runs a command inside to its end. Errors: LabError with its stderr when `check` and it fails,
        or when it takes longer than `timeout` seconds (it is killed)."""
        words = " ".join(str(part) for part in command)
        process = self.popen(command, text=True, env=env, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE,
                             stdin=subprocess.DEVNULL if input is None else subprocess.PIPE)
        with process:
            try:
                out, err = process.communicate(input, timeout=timeout)
            except subprocess.TimeoutExpired as error:
                raise LabError(f"{words} has not ended after {timeout:g} s") from error
            finally:
                process.kill()
        if check and process.returncode != 0:
            raise LabError(f"{words} failed ({process.returncode}): {(err or out).strip()[-800:]}")
        return subprocess.CompletedProcess(list(command), process.returncode, out, err)

    def connect(self, port: int, timeout: float = 10) -> socket.socket:
        """A TCP connection to a port of the private loopback."""
        with self._lock, open("/proc/thread-self/ns/net", "rb") as home:
            setns(self._descriptors[CLONE_NEWNET], CLONE_NEWNET)
            try:
                # A socket stays in the namespace it was made in.
                connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            finally:
                setns(home.fileno(), CLONE_NEWNET)
        try:
            connection.settimeout(timeout)
            connection.connect(("127.0.0.1", port))
        except BaseException:
            connection.close()
            raise
        return connection

    def http_get(self, port: int, path: str, timeout: float = 10) -> str:
        """The body of http://127.0.0.1:PORT/PATH inside. Errors: OSError, http.client.HTTPException,
        LabError for an answer other than 200."""
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        client.sock = self.connect(port, timeout)
        try:
            client.request("GET", path)
            answer = client.getresponse()
            body = answer.read().decode()
            if answer.status != 200:
                raise LabError(f"port {port} answered {path} with {answer.status}: {body[:200]}")
            return body
        finally:
            client.close()

    def path(self, inside: str) -> Path:
        """How this process, outside, names a file that is inside."""
        return Path(f"/proc/{self._init_pid}/root{inside}")

    def _start(self) -> None:
        # The keeper is `unshare`: it dies with us, PID 1 dies with it, everything else with PID 1.
        keeper = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child=KILL",
             "--propagation", "private", sys.executable, str(_INIT), *self._hidden],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True, preexec_fn=die_with_parent)
        self._resources.callback(self._end, keeper)
        assert keeper.stdout and keeper.stderr
        word, _, pid = keeper.stdout.readline().strip().partition(" ")
        if word != "ready":
            keeper.kill()
            raise LabError("cannot make private namespaces (root is needed): "
                           + keeper.stderr.read().strip()[-400:])
        self._init_pid = int(pid)
        self._root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._resources.callback(os.close, self._root)
        for kind, name in ((CLONE_NEWNS, "mnt"), (CLONE_NEWPID, "pid"), (CLONE_NEWNET, "net")):
            descriptor = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
            self._resources.callback(os.close, descriptor)
            self._descriptors[kind] = descriptor

    def _end(self, keeper: subprocess.Popen[str]) -> None:
        assert keeper.stdin and keeper.stdout and keeper.stderr
        keeper.stdin.close()  # PID 1 leaves, and takes all others with it
        for child in self._children:
            child.wait()  # PID 1 is not gone before the last of them is
        keeper.wait()
        keeper.stdout.close()
        keeper.stderr.close()
