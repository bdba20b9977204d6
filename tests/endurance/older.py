# SPDX-License-Identifier: Apache-2.0
"""The server of an older commit, for the test in which two versions take turns."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from lab.build import SOURCE
from lab.log import LabError, progress

#: The first commit with today's ledger and journal, among that the table of what open files show (Snapshots).
#: When the layout of one changes, the commit that changed it.
COMMIT = "be4a5c92ea5f2cf23d62d7295e97042bf6594c42"


def older_server(build: Path) -> dict[str, str]:
    """Where its program is, beside `build`, as the test is told; nothing without git's history, as in a
    tarball, or where the caller names another program. Errors: LabError."""
    if "VPOWERCAP_FS_OTHER" in os.environ:
        return {}
    archive = subprocess.run(["git", "-C", str(SOURCE), "archive", COMMIT], check=False,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if archive.returncode != 0:
        progress(f"git has no commit {COMMIT[:7]} here: the other server is this tree's, without optimisation")
        return {}
    source = Path(f"{build}-{COMMIT[:7]}")
    program = source / "build/fuse-fs/session/vpowercap-fs"
    if not program.is_file():
        progress(f"building the server of {COMMIT[:7]} in {source}")
        _unpack(archive.stdout, source)
        _run("meson", "setup", "--buildtype=debugoptimized", "-Dtests=false", source / "build", source)
        _run("ninja", "-C", source / "build", "--quiet", "fuse-fs/session/vpowercap-fs")
    return {"VPOWERCAP_FS_OTHER": str(program)}


def _unpack(archive: bytes, source: Path) -> None:
    """The sources, which say in their version which commit they are."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(source)
    root = source / "meson.build"
    text, found = re.subn(r"(?m)^(  version: '[0-9.]+)'", rf"\1+{COMMIT[:7]}'", root.read_text(encoding="utf-8"))
    if found != 1:
        raise LabError(f"{root} states no version")
    root.write_text(text, encoding="utf-8")


def _run(*command: str | Path) -> None:
    words: Sequence[str] = [str(word) for word in command]
    if subprocess.run(words, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode != 0:
        raise LabError(f"`{' '.join(words[:2])} …` failed; the lines above say why")
