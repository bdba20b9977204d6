# SPDX-License-Identifier: Apache-2.0
"""Writes a cpio archive (newc) of root's files, as the kernel unpacks it for an initramfs."""

from __future__ import annotations

import gzip
import stat
from pathlib import Path, PurePosixPath


class Cpio:
    """An archive in memory. Parents of every entry are made first; a path is taken once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._paths: set[str] = set()

    def has(self, path: str) -> bool:
        """Whether something was added at a path."""
        return path.strip("/") in self._paths

    def directory(self, path: str, mode: int = 0o755) -> None:
        """Adds a directory and its parents; nothing when it is there."""
        self._add(path, stat.S_IFDIR | mode, b"")

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Adds a regular file."""
        self._add(path, stat.S_IFREG | mode, content)

    def copy(self, path: str, source: Path, mode: int = 0o755) -> None:
        """Adds a copy of the file `source` (links followed)."""
        self.file(path, source.read_bytes(), mode)

    def link(self, path: str, target: str) -> None:
        """Adds a symbolic link."""
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, path: str, major: int, minor: int) -> None:
        """Adds a character device."""
        self._add(path, stat.S_IFCHR | 0o600, b"", (major, minor))

    def write(self, path: Path, *, compress: bool = True) -> None:
        """Writes the archive. A large one is sooner unpacked by an emulated guest if not compressed."""
        whole = b"".join(self._parts) + self._entry("TRAILER!!!", 0, b"", (0, 0))
        path.write_bytes(gzip.compress(whole, compresslevel=1, mtime=0) if compress else whole)

    def _add(self, path: str, mode: int, content: bytes, device: tuple[int, int] = (0, 0)) -> None:
        name = path.strip("/")
        if name in self._paths:
            return
        parent = str(PurePosixPath(name).parent)
        if parent != ".":
            self.directory(parent)
        self._paths.add(name)
        self._parts.append(self._entry(name, mode, content, device))

    def _entry(self, name: str, mode: int, content: bytes, device: tuple[int, int]) -> bytes:
        encoded = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (len(self._parts) + 1, mode, 0, 0, links, 0, len(content), 0, 0, *device,
                  len(encoded), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        return _padded(head) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
