# SPDX-License-Identifier: Apache-2.0
"""Builds the product, and knows where a build directory has its programs."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.log import LabError, progress

#: The root of the source tree.
SOURCE = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Build:
    """A Meson build directory."""

    directory: Path

    @property
    def daemon(self) -> Path:
        return self.directory / "host/daemon/vpowercapd"

    @property
    def ctl(self) -> Path:
        return self.directory / "host/ctl/vpowercap"

    @property
    def wirer(self) -> Path:
        return self.directory / "host/wiring/vpowercap-wirer"

    @property
    def mount(self) -> Path:
        return self.directory / "fuse-fs/mount/vpowercap-mount"

    @property
    def server(self) -> Path:
        return self.directory / "fuse-fs/session/vpowercap-fs"

    @property
    def hook(self) -> Path:
        return self.directory / "libvirt-hooks/qemu_hook/vpowercap-qemu-hook"

    @property
    def agent(self) -> Path:
        return self.directory / "guest/agent/vpowercap-agent"

    @property
    def guest_mount(self) -> Path:
        return self.directory / "guest/mount/vpowercap-guest"


def install_packages(*groups: str) -> None:
    """Installs what groups of scripts/packages lack. Errors: LabError."""
    if subprocess.run([SOURCE / "scripts/packages", "install", *groups], check=False,
                      stdin=subprocess.DEVNULL).returncode != 0:
        raise LabError("Debian packages could not be installed; apt's own words are above")


def build_product(directory: Path) -> Build:
    """Builds the programs, without tests, optimised. Errors: LabError with the compiler's words."""
    if not (directory / "build.ninja").is_file():
        progress(f"configuring {directory}")
        # A warning is for those who write the code; some compilers see one at -O3 that is none.
        _step(["meson", "setup", "--buildtype=release", "-Dtests=false", "-Dwerror=false",
               str(directory), str(SOURCE)])
    progress("building vpowercap")
    _step(["ninja", "-C", str(directory)])
    return Build(directory)


def _step(command: list[str]) -> None:
    """Runs a build command; shows one line for every tenth of its work."""
    lines: list[str] = []
    shown = 0
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        assert process.stdout
        for line in process.stdout:
            lines.append(line)
            found = re.match(r"\[(\d+)/(\d+)\]", line)
            if found:
                tenth = 10 * int(found[1]) // int(found[2])
                if tenth > shown:
                    shown = tenth
                    progress(f"built {found[1]} of {found[2]}")
    if process.returncode != 0:
        raise LabError(f"{' '.join(command)} failed:\n{''.join(lines[-40:])}")
