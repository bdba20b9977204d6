# SPDX-License-Identifier: Apache-2.0
"""Runs one item, and judges whether it did what it promises."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from endurance.items import Item
from endurance.promises import Promise
from endurance.report import Outcome, circumstances

#: What an item that was asked to end may take to put things in order, before it is killed.
GRACE_SECONDS = 30.0

#: How GoogleTest, our end-to-end runner and unittest say that a test did not run.
_SKIPS = re.compile(r"^\[  SKIPPED \] .*|^skipped  .*|.*\.\.\. skipped .*|.*\bskipped=[1-9].*", re.MULTILINE)


def run(item: Item, promise: Promise, directory: Path) -> Outcome:
    """Runs one item to its end, or to that of its time. What it prints is shown on stderr only if it did not pass."""
    start, about = time.monotonic(), circumstances()
    with tempfile.TemporaryFile() as output:  # a process that outlives it could keep a pipe open
        ended = _run_to_end([str(word) for word in item.command(directory)],
                            {**os.environ, **item.environment(directory)}, promise.minutes * 60, output.fileno())
        output.seek(0)
        text = output.read().decode(errors="replace")
    figures = item.figures(text)
    complaints = ([ended] if ended else []) + _skips(text) + _unkept(promise, figures)
    if complaints:
        sys.stderr.write(text)
    return Outcome(item.name, not complaints, time.monotonic() - start, figures + complaints, about)


def _skips(text: str) -> list[str]:
    return [f"a test did not run: {found.strip()}" for found in _SKIPS.findall(text)[:1]]


def _unkept(promise: Promise, figures: Sequence[str]) -> list[str]:
    if not figures:
        return ["it printed no figure"]
    return [complaint for count in promise.counts if (complaint := count.complaint(figures))]


def _run_to_end(command: Sequence[str], environment: dict[str, str], seconds: float, output: int) -> str:
    """Runs a program in a session of its own, of which nothing is left. How it failed, or nothing."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment,
                                   start_new_session=True)
    except OSError as error:
        return f"it cannot be started: {error}"
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        return f"it had not ended after {seconds:g} s"
    finally:
        _end_group(process)
    return f"it ended with {code}" if code else ""


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Asks what still runs to end, then kills it; a guest's parts die with the process that started them."""
    try:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # there is nobody left in it
        process.wait()
