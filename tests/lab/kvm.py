# SPDX-License-Identifier: Apache-2.0
"""Says whether KVM works here, by booting something with it: a /dev/kvm that opens proves nothing."""

from __future__ import annotations

import os
import resource
import select
import subprocess
import time

from lab.image import Image
from lab.log import progress
from lab.syscalls import die_with_parent

#: With KVM a guest says its first word in a fraction of a second and its last one in a few.
FIRST_WORD_SECONDS = 6.0
LAST_WORD_SECONDS = 20.0

_known: bool | None = None


def kvm_works(image: Image) -> bool:
    """Whether a guest boots under KVM. Tried once per process."""
    global _known
    if _known is None:
        _known = os.access("/dev/kvm", os.R_OK | os.W_OK) and _boots(image)
        progress("KVM works: guests use it" if _known
                 else "KVM does not work here: guests are emulated (TCG)")
    return _known


def _boots(image: Image) -> bool:
    progress("trying KVM")
    command = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "256", "-nodefaults",
               "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
               "-kernel", str(image.kernel), "-initrd", str(image.initrd),
               "-append", "console=ttyS0 earlyprintk=ttyS0 vpowercap.load=probe"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, start_new_session=True,
                          preexec_fn=_in_child) as process:
        assert process.stdout
        try:
            return _says(process.stdout.fileno(), b"lab: kernel up")
        finally:
            process.kill()


def _in_child() -> None:
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # where KVM is half there, QEMU aborts


def _says(descriptor: int, word: bytes) -> bool:
    said = b""
    start = time.monotonic()
    while word not in said:
        limit = LAST_WORD_SECONDS if b"Linux version" in said else FIRST_WORD_SECONDS
        left = start + limit - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return False
        piece = os.read(descriptor, 65536)
        if not piece:
            return False
        said += piece
    return True
