# SPDX-License-Identifier: Apache-2.0
"""Builds what a laboratory guest boots: Debian's cloud kernel and a small initramfs around it."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lab import packages
from lab.cpio import Cpio
from lab.log import LabError, progress

#: Ports in the guest.
NODE_EXPORTER_PORT = 9100
AGENT_PORT = 9955
COMMAND_PORT = 9999

#: An account in the guest that is not root.
USER = "user"

_HERE = Path(__file__).parent
_MODULES = ("virtio_pci", "virtio_net", "virtio_blk", "fuse", "virtiofs", "overlay")
_MERGED = ("bin", "sbin", "lib", "lib64")
_UNWANTED = ("/usr/share/doc", "/usr/share/man", "/usr/share/locale")
_PASSWD = f"root:x:0:0:root:/root:/bin/sh\n{USER}:x:1000:1000::/:/bin/sh\n"
_GROUP = f"root:x:0:\n{USER}:x:1000:\n"


@dataclass(frozen=True)
class Image:
    """The two files a guest is booted from."""

    kernel: Path
    initrd: Path


@dataclass(frozen=True)
class Program:
    """A program of the host that the guest gets, with the libraries it is linked to."""

    source: Path
    target: str
    library_dirs: Sequence[Path] = ()


def build_image(directory: Path, *, agent: Path | None = None, guest_mount: Path | None = None,
                agent_arguments: str = "", extra: Sequence[Program] = (),
                tree: Path | None = None, cache: Path | None = None) -> Image:
    """Writes the initramfs into `directory` and says what to boot.

    `agent` and `guest_mount` are the built vpowercap-agent (run with `agent_arguments`) and
    vpowercap-guest; without them the guest has Debian's readers alone and mounts the tag by itself.
    `tree` is the root of packages (see packages.fetch_tree) that the guest gets besides.
    """
    kernel_root = packages.fetch_kernel(cache)
    exporter = packages.fetch("prometheus-node-exporter", cache)
    utils = packages.fetch("powercap-utils", cache)
    library = packages.fetch("libpowercap0", cache) / "usr/lib/x86_64-linux-gnu"
    progress("building the guests' initramfs")
    archive = Cpio()
    _base(archive, cache)
    _modules(archive, kernel_root, _MODULES)
    programs = [
        Program(exporter / "usr/bin/prometheus-node-exporter", "/usr/bin/prometheus-node-exporter"),
        Program(utils / "usr/bin/powercap-info", "/usr/bin/powercap-info", [library]),
        *extra,
    ]
    if agent:
        programs.append(Program(agent, "/usr/bin/vpowercap-agent"))
        archive.file("/etc/vpowercap-agent.arguments", agent_arguments.encode())
    if guest_mount:
        programs.append(Program(guest_mount, "/usr/sbin/vpowercap-guest"))
    for program in programs:
        add_program(archive, program)
    if tree:
        add_tree(archive, tree)
    initrd = directory / "initrd.gz"
    archive.write(initrd, compress=tree is None)
    return Image(only(kernel_root.glob("boot/vmlinuz-*"), "kernel"), initrd)


def _base(archive: Cpio, cache: Path | None) -> None:
    for name in ("dev", "proc", "sys", "run", "tmp", "root", "usr/bin", "usr/sbin", "bin", "sbin"):
        archive.directory(name)
    archive.character_device("/dev/console", 5, 1)
    archive.character_device("/dev/null", 1, 3)
    archive.file("/etc/passwd", _PASSWD.encode())
    archive.file("/etc/group", _GROUP.encode())
    archive.copy("/init", _HERE / "guest_init.sh")
    add_busybox(archive, cache, "/bin")


def add_busybox(archive: Cpio, cache: Path | None, directory: str) -> None:
    """busybox, a link for each of its commands that is not there yet, and the laboratory's own scripts."""
    archive.copy(f"{directory}/load", _HERE / "guest_load.sh")
    archive.copy(f"{directory}/run-command", _HERE / "guest_run.sh")
    busybox = _busybox(cache)
    archive.copy(f"{directory}/busybox", busybox)
    names = subprocess.run([busybox, "--list"], check=True, text=True, stdout=subprocess.PIPE)
    for name in names.stdout.split():
        if not archive.has(f"/usr/sbin/{name}"):
            archive.link(f"{directory}/{name}", "busybox")


def _busybox(cache: Path | None) -> Path:
    """A statically linked busybox: the installed one if it is, else Debian's busybox-static."""
    found = shutil.which("busybox")
    if found and not _libraries(Path(found)):
        return Path(found)
    return packages.fetch("busybox-static", cache) / "bin/busybox"


def add_tree(archive: Cpio, root: Path, unwanted: Sequence[str] = ()) -> None:
    """The files of unpacked packages, without documentation, translations and `unwanted` paths. What is in
    the archive already stays; /lib and its like are below /usr, as on an installed system."""
    for directory, below, names in os.walk(root):
        place = PurePosixPath("/", Path(directory).relative_to(root))
        below[:] = [name for name in below if f"{place / name}" not in (*_UNWANTED, *unwanted)]
        merged = PurePosixPath("/usr", *place.parts[1:]) if place.parts[1:2] and \
            place.parts[1] in _MERGED else place
        for name in (*names, *below):
            source = Path(directory, name)
            if source.is_symlink():
                archive.link(f"{merged / name}", os.readlink(source))
            elif source.is_dir():
                archive.directory(f"{merged / name}")
            elif source.is_file():
                archive.copy(f"{merged / name}", source, stat.S_IMODE(source.stat().st_mode))


def _modules(archive: Cpio, root: Path, wanted: Sequence[str]) -> None:
    """The kernel's modules, and the file that names them so that each comes after what it needs."""
    files = kernel_modules(root, wanted)
    for path in files:
        archive.copy(f"/lib/modules/{_module_name(path.name)}", path, 0o644)
    archive.file("/lib/modules/order", "".join(f"{_module_name(path.name)}\n" for path in files).encode())


def kernel_modules(root: Path, wanted: Sequence[str]) -> list[Path]:
    """The files of modules and of what they need, each after what it needs. Errors: LabError."""
    files = {_module_name(path.stem): path for path in root.glob("lib/modules/**/*.ko")}
    order: list[Path] = []

    def add(name: str) -> None:
        if name not in files:
            raise LabError(f"the guest's kernel has no module {name}")
        if files[name] in order:
            return
        found = re.search(rb"\0depends=([^\0]*)", files[name].read_bytes())
        for need in (found.group(1).decode() if found else "").split(","):
            if need:
                add(_module_name(need))
        order.append(files[name])

    for name in wanted:
        add(name)
    return order


def _module_name(name: str) -> str:
    return name.replace("-", "_")


def add_program(archive: Cpio, program: Program) -> None:
    """A program and the libraries it is linked to. Errors: LabError."""
    if not program.source.is_file():
        raise LabError(f"{program.source} is missing: build it first")
    archive.copy(program.target, program.source)
    for wanted, found in _libraries(program.source, program.library_dirs).items():
        archive.copy(wanted, found)


def _libraries(program: Path, directories: Sequence[Path] = ()) -> dict[str, Path]:
    """Where the guest's loader looks for each library of `program`, and the host's file for it."""
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C",
                   "LD_LIBRARY_PATH": ":".join(str(path) for path in directories)}
    listing = subprocess.run(["ldd", program], env=environment, text=True, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if listing.returncode != 0:
        return {}  # static
    result: dict[str, Path] = {}
    for line in listing.stdout.splitlines():
        if "not found" in line:
            raise LabError(f"{program} needs a library that is not here: {line.strip()}")
        found = re.search(r"(?:(\S+) => )?(/\S+) \(0x", line)
        if found:
            soname, path = found.groups()
            wanted = f"/usr/lib/x86_64-linux-gnu/{soname}" if soname else path
            result[wanted] = Path(path)
    return result


def only(paths: Iterable[Path], what: str) -> Path:
    """The one of `paths`. Errors: LabError."""
    found = list(paths)
    if len(found) != 1:
        raise LabError(f"expected one {what} in the package, found {len(found)}")
    return found[0]
