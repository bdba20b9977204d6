# SPDX-License-Identifier: Apache-2.0
"""What has the helpers of a guest of helped.py work."""

from __future__ import annotations

from collections.abc import Callable

from lab.guest import Guest
from lab.log import LabError

#: Scripts for the guest: reads its shared directory, reads its disk, has its TPM compute.
FILES_LOAD = """
for i in 1 2 3 4 5 6 7 8 9 10; do dd if=/tmp/files/data of=/dev/null bs=1M iflag=direct; done
"""
DISK_LOAD = "dd if=/dev/vda of=/dev/null bs=4k iflag=direct"

#: TPM2_SelfTest of everything: the emulator computes for some 20 ms.
TPM_LOAD = r"""
exec 3<>/dev/tpm0
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  printf '\x80\x01\x00\x00\x00\x0b\x00\x00\x01\x43\x01' >&3
  dd bs=4096 count=1 <&3 >/dev/null || exit 1
done
"""

#: A load goes on until what it is for has used this much: far more than the counters' rounding can hide.
WORK_SECONDS = 1.0
_MOST_ROUNDS = 200


def work(guest: Guest, script: str, used: Callable[[], float]) -> None:
    """Has a guest run a script until `used` has risen by WORK_SECONDS. Errors: LabError."""
    start = used()
    for _ in range(_MOST_ROUNDS):
        guest.check(script)
        if used() - start > WORK_SECONDS:
            return
    raise LabError(f"guest {guest.spec.name} makes too little work of {script}: {used() - start} s")
