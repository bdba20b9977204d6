# SPDX-License-Identifier: Apache-2.0
"""Builds what a guest with Debian's systemd as its init boots: its packages as they unpack, trimmed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab import packages
from lab.build import SOURCE
from lab.cpio import Cpio
from lab.image import Image, Program, add_busybox, add_program, add_tree, kernel_modules, only

#: Debian's packages in the guest, besides what they depend on.
PACKAGES = ("kmod", "prometheus-node-exporter", "powercap-utils", "runc", "systemd-sysv", "udev")

#: Where the host's programs are, and look for each other, when built for Meson's default prefix.
LIBEXEC = "/usr/local/libexec/vpowercap"

_SYSTEM = "/etc/systemd/system"
_MODULES = ("virtio_pci", "virtio_net", "fuse", "virtiofs", "overlay")
#: Big, and of no use in a guest without a package manager.
_UNWANTED = ("/usr/share/perl", "/usr/share/zoneinfo", "/usr/share/locale", "/usr/share/i18n", "/usr/bin/perl",
             "/usr/lib/x86_64-linux-gnu/perl", "/usr/lib/x86_64-linux-gnu/perl-base",
             "/usr/lib/x86_64-linux-gnu/gconv", "/lib/udev/hwdb.d", "/lib/systemd/system/getty.target.wants")
#: What wants a disk, a login or more of Debian than is here.
_MASKED = ("getty.target", "serial-getty@ttyS0.service", "systemd-logind.service",
           "systemd-hwdb-update.service", "systemd-firstboot.service",
           "systemd-journal-flush.service", "systemd-random-seed.service",
           "proc-sys-fs-binfmt_misc.automount", "systemd-remount-fs.service")
_COMMANDS = """\
[Unit]
Description=Commands of the laboratory
Wants=sys-subsystem-net-devices-eth0.device
After=sys-subsystem-net-devices-eth0.device
[Service]
ExecStartPre=/usr/bin/busybox ip link set eth0 up
ExecStartPre=/usr/bin/busybox ip addr add 10.0.2.15/24 dev eth0
ExecStart=/usr/bin/busybox nc -ll -p 9999 -e /usr/bin/run-command
KillMode=process
[Install]
WantedBy=multi-user.target
"""
_PASSWD = """\
root:x:0:0:root:/root:/bin/sh
prometheus:x:100:100::/var/lib/prometheus:/usr/sbin/nologin
"""
_GROUP = "root:x:0:\ntty:x:5:\nprometheus:x:100:\n"
_FILES = {
    "/etc/passwd": _PASSWD,
    "/etc/group": _GROUP,
    "/etc/fstab": "",
    "/etc/machine-id": "5f1a7c0d2b3e4f5a8c9d0e1f2a3b4c5d\n",  # none would be taken for a first boot
    "/etc/os-release": "ID=debian\nVERSION_ID=12\nPRETTY_NAME=laboratory\n",
    "/etc/default/prometheus-node-exporter": 'ARGS="--collector.disable-defaults --collector.rapl"\n',
    # At the share's default mode root alone reads energy_uj.
    f"{_SYSTEM}/prometheus-node-exporter.service.d/root.conf": "[Service]\nUser=root\n",
    f"{_SYSTEM}/lab-commands.service": _COMMANDS,
}


def unit_file(name: str) -> dict[str, str]:
    """A unit as it is installed: path and text."""
    text = (SOURCE / f"packaging/systemd/{name}.service.in").read_text()
    return {f"/usr/lib/systemd/system/{name}.service":
            text.replace("@bindir@", "/usr/bin").replace("@libexec@", LIBEXEC)}


def guest_files() -> dict[str, str]:
    """What the guest's package installs beside its program: path and text."""
    rules = SOURCE / "packaging/systemd/90-vpowercap-guest.rules"
    return {**unit_file("vpowercap-guest"), "/usr/lib/udev/rules.d/90-vpowercap-guest.rules": rules.read_text()}


def host_files() -> dict[str, str]:
    """What the host's package installs beside its programs: path and text."""
    folder = SOURCE / "packaging"
    return {**unit_file("vpowercapd"), **unit_file("vpowercap-mount"),
            "/usr/lib/systemd/system/vpowercap.target": (folder / "systemd/vpowercap.target").read_text(),
            "/usr/lib/sysusers.d/vpowercap.conf": (folder / "sysusers.conf").read_text()}


def build_system_image(directory: Path, guest_mount: Path, cache: Path | None = None, *,
                       extra: Sequence[Program] = (), files: Mapping[str, str] | None = None) -> Image:
    """Writes the initramfs into `directory` and says what to boot: vpowercap-guest.service and node_exporter
    are enabled, modules are loaded by udev. `extra` programs and `files` (path and text) are there besides.
    Errors: LabError."""
    kernel_root = packages.fetch_kernel(cache)
    tree = packages.fetch_tree(PACKAGES, cache)
    archive = Cpio()
    for name in ("bin", "sbin", "lib", "lib64"):
        archive.directory(f"/usr/{name}")
        archive.link(f"/{name}", f"usr/{name}")
    for name in ("dev", "proc", "sys", "run", "tmp", "root", "var/lib/prometheus"):
        archive.directory(name)
    archive.character_device("/dev/console", 5, 1)
    archive.link("/init", "usr/lib/systemd/systemd")
    for path, text in {**_FILES, **guest_files(), **(files or {})}.items():
        archive.file(path, text.encode())
    _units(archive, ("lab-commands", "vpowercap-guest", "prometheus-node-exporter"))
    for program in (Program(guest_mount, "/usr/bin/vpowercap-guest"), *extra):
        add_program(archive, program)
    add_tree(archive, tree, _UNWANTED)
    add_busybox(archive, cache, "/usr/bin")
    _modules(archive, kernel_root)
    initrd = directory / "initrd-system"
    archive.write(initrd, compress=False)
    return Image(only(kernel_root.glob("boot/vmlinuz-*"), "kernel"), initrd)


def _units(archive: Cpio, enabled: Sequence[str]) -> None:
    archive.link(f"{_SYSTEM}/default.target", "/usr/lib/systemd/system/multi-user.target")
    for name in enabled:
        home = _SYSTEM if name.startswith("lab-") else "/usr/lib/systemd/system"
        archive.link(f"{_SYSTEM}/multi-user.target.wants/{name}.service", f"{home}/{name}.service")
    for name in _MASKED:
        archive.link(f"{_SYSTEM}/{name}", "/dev/null")
    archive.link("/etc/systemd/network/99-default.link", "/dev/null")  # the interface stays eth0


def _modules(archive: Cpio, kernel_root: Path) -> None:
    """The modules where modprobe and udev look for them, with depmod's indices."""
    home = only(kernel_root.glob("lib/modules/*"), "kernel version")
    below = f"lib/modules/{home.name}"
    with tempfile.TemporaryDirectory(prefix="vpowercap-modules-") as name:
        stage = Path(name, below)
        stage.mkdir(parents=True)
        for path in (*kernel_modules(kernel_root, _MODULES), *home.glob("modules.builtin*")):
            shutil.copy(path, stage)
        subprocess.run(["depmod", "-b", name, home.name], check=True, stderr=subprocess.DEVNULL)
        for path in stage.iterdir():
            archive.copy(f"/usr/{below}/{path.name}", path, 0o644)
