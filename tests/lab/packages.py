# SPDX-License-Identifier: Apache-2.0
"""Fetches Debian packages into a cache and unpacks them there; nothing is installed."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab.log import LabError, progress

#: The guest's kernel comes from the package that this one depends on.
KERNEL = "linux-image-cloud-amd64"

_lists_refreshed = False


def default_cache() -> Path:
    """Where packages are kept between runs: $XDG_CACHE_HOME/vpowercap, or ~/.cache/vpowercap."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "vpowercap"


def fetch(package: str, cache: Path | None = None) -> Path:
    """The root of `package`'s unpacked files, fetched from Debian's archive unless in the cache.

    A second process that fetches the same package at the same time does no harm: a tree appears
    whole, by a rename. Errors: LabError with apt's own words.
    """
    root = (cache or default_cache()) / "packages" / package
    if root.is_dir():
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{package}.", dir=root.parent))
    try:
        archive = _download(package, work)
        tree = work / "root"
        _command(["dpkg", "-x", str(archive), str(tree)])
        try:
            tree.rename(root)
        except OSError:
            if not root.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return root


def fetch_tree(names: Sequence[str], cache: Path | None = None) -> Path:
    """The root of one tree that holds packages and everything they depend on (not what they
    recommend), as they unpack; no maintainer script has run. File `versions` beside the root has a
    line "NAME VERSION" for each. Errors: LabError with apt's own words.
    """
    key = hashlib.sha256(" ".join(sorted(names)).encode()).hexdigest()[:16]
    home = (cache or default_cache()) / "trees" / key
    if home.is_dir():
        return home / "root"
    home.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{key}.", dir=home.parent))
    try:
        needed = _with_dependencies(names)
        progress(f"downloading {len(needed)} of Debian's packages: {' '.join(names)} and what they need")
        # The tree belongs to root, whom apt's own download user cannot write as.
        _with_fresh_lists(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *needed], work)
        archives = sorted(work.glob("*.deb"))
        if len(archives) != len(needed):
            raise LabError(f"apt-get left {len(archives)} archives of {len(needed)} in {work}")
        versions = [_command(["dpkg-deb", "-W", "--showformat=${Package} ${Version}\n", str(archive)]).stdout
                    for archive in archives]
        for archive in archives:
            _command(["dpkg", "-x", str(archive), str(work / "root")])
            archive.unlink()
        (work / "versions").write_text("".join(versions))
        try:
            work.rename(home)
        except OSError:
            if not home.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return home / "root"


def _with_dependencies(names: Sequence[str]) -> list[str]:
    """The packages that an empty system would get with `names`."""
    listing = _with_fresh_lists(
        ["apt-get", "-qq", "-o", "Dir::State::status=/dev/null", "-o", "APT::Install-Recommends=false",
         "--simulate", "install", *names], None).stdout
    return sorted(re.findall(r"(?m)^Inst (\S+) ", listing))


def fetch_kernel(cache: Path | None = None) -> Path:
    """The unpacked root of the kernel image that Debian's cloud kernel package stands for now."""
    known = sorted(((cache or default_cache()) / "packages").glob("linux-image-[0-9]*-cloud-amd64"))
    if known:
        return known[-1]
    try:
        return fetch(_kernel_package(), cache)
    except LabError:
        # Stale lists name a kernel that the archive has dropped; they are fresh now.
        return fetch(_kernel_package(), cache)


def _kernel_package() -> str:
    # Resolved from the same lists that the download will use, so that both speak of one version.
    text = _with_fresh_lists(["apt-cache", "show", "--no-all-versions", KERNEL], None).stdout
    found = re.search(r"^Depends:.*?(linux-image-\S+-cloud-amd64)", text, re.MULTILINE)
    if not found:
        raise LabError(f"package {KERNEL} names no kernel image in its dependencies")
    return found.group(1)


def _download(package: str, directory: Path) -> Path:
    progress(f"downloading Debian's package {package}")
    # The tree belongs to root, whom apt's own download user cannot write as.
    _with_fresh_lists(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package],
                      directory)
    archives = list(directory.glob("*.deb"))
    if len(archives) != 1:
        raise LabError(f"apt-get download {package} left {len(archives)} archives in {directory}")
    return archives[0]


def _with_fresh_lists(command: list[str], directory: Path | None) -> subprocess.CompletedProcess[str]:
    """Runs `command`, and once more after `apt-get update` when it fails."""
    global _lists_refreshed
    try:
        return _command(command, directory)
    except LabError:
        if _lists_refreshed:
            raise
    progress("refreshing apt's package lists")
    _command(["apt-get", "-qq", "update"])
    _lists_refreshed = True
    return _command(command, directory)


def _command(command: list[str], directory: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, LC_ALL="C", DEBIAN_FRONTEND="noninteractive")
    result = subprocess.run(command, cwd=directory, env=environment, text=True, check=False,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if result.returncode != 0:
        words = " ".join((result.stderr or result.stdout).split())
        raise LabError(f"{' '.join(command)} failed: {words[-400:]}")
    return result
