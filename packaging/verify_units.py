#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lets systemd check the unit files, alone and at a boot with libvirt's. Usage: verify_units.py
SYSTEMD_ANALYZE BUILD_DIR SOURCE_DIR"""
import pathlib
import subprocess
import sys
import tempfile

#: Both forms of libvirt that our units name, and what a boot starts. Where two units wait for each other, systemd
#: leaves one of them out, and that may be libvirt.
OTHERS = {
    "libvirtd.service": "[Service]\nType=notify\nExecStart=/bin/true\n",
    "virtqemud.service": "[Service]\nType=notify\nExecStart=/bin/true\n",
    "boot.target": "[Unit]\nWants=libvirtd.service virtqemud.service vpowercap.target\n",
}

analyze, build, source = sys.argv[1:4]
with tempfile.TemporaryDirectory() as directory:
    units = [*pathlib.Path(build).glob("*.service"), *pathlib.Path(source).glob("*.target")]
    for unit in units:
        # What the programs' paths are is decided by the installation, not by this machine.
        text = unit.read_text()
        lines = [line.split("=")[0] + "=/bin/true" if line.startswith("Exec") else line for line in text.splitlines()]
        pathlib.Path(directory, unit.name).write_text("\n".join(lines) + "\n")
    for name, text in OTHERS.items():
        pathlib.Path(directory, name).write_text(text)
    names = [*(unit.name for unit in units), *OTHERS]
    found = subprocess.run([analyze, "verify", "--man=no", *(f"{directory}/{name}" for name in names)],
                           capture_output=True, text=True, check=False)
ours = [line for line in found.stderr.splitlines() if "vpowercap" in line or "ordering cycle" in line]
print("\n".join(ours) or f"{len(units)} units are well formed")
sys.exit(1 if ours or not units else 0)
