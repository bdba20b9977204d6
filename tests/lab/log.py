# SPDX-License-Identifier: Apache-2.0
"""Progress for people on stderr, and the one kind of error the laboratory raises."""

from __future__ import annotations

import sys
import time

_start = time.monotonic()


class LabError(Exception):
    """Something the laboratory needs is missing or failed; the message is one sentence for a person."""


def progress(text: str) -> None:
    """Writes one line with the seconds since the start to stderr."""
    print(f"[{time.monotonic() - _start:6.1f} s] {text}", file=sys.stderr, flush=True)
