#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds and runs every test, and ends with one line: N passed, N failed, N skipped."""
import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

PARTS = ["unit", "e2e", "asan", "tsan", "fuzz"]
ROOT = pathlib.Path(__file__).resolve().parent.parent
SANITIZED = ["-Db_lundef=false", "-Doptimization=1", "-Ddebug=false", "-Dcpp_args=-g1"]
SANITIZERS = {
    "asan": ["-Db_sanitize=address,undefined", *SANITIZED],
    "tsan": ["-Db_sanitize=thread", *SANITIZED],
}
#: What TSan can tell something of: tests in which threads meet, or programs that have some.
THREADED = ["common/ledger", "common/share", "fuse-fs/session", "fuse-fs/mount", "host/control", "host/hypervisor",
            "guest/agent", "daemon", "hostile/session", "hostile/mounted tree", "kills", "tree under a storm of reads"]
#: Tests that the sanitizers' builds run.
WANTED: dict[str, Callable[[dict], bool]] = {
    "asan": lambda test: any(suite.endswith(":unit") for suite in test["suite"]),
    "tsan": lambda test: test["name"] in THREADED,
}


@dataclasses.dataclass
class Counts:
    """Results of test cases; `notes` holds a line for each failure and skip."""
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list[str] = dataclasses.field(default_factory=list)

    def add(self, other: "Counts") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.notes += other.notes


def say(text: str) -> None:
    print(f"== {text}", flush=True)


def run(command: list[str], **options) -> int:
    return subprocess.run(command, cwd=ROOT, check=False, **options).returncode


def count_junit(path: pathlib.Path, label: str) -> Counts:
    """Counts the cases of a JUnit file as GoogleTest, Meson and our end-to-end runner write them."""
    counts = Counts()
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{label}: {case.get('classname', '')} {case.get('name', '')}"
        bad = [child for child in case if child.tag in ("failure", "error")]
        skipped = case.find("skipped")
        if bad:
            counts.failed += 1
            counts.notes.append(f"FAILED   {name}")
        elif skipped is not None or case.get("result") == "skipped":
            counts.skipped += 1
            reason = skipped.get("message") or (skipped.text or "") if skipped is not None else ""
            counts.notes.append(f"SKIPPED  {name}: {reason.strip() or 'no reason given'}")
        else:
            counts.passed += 1
    return counts


def promtool() -> dict[str, str]:
    """Where a test finds promtool, fetched from Debian's prometheus package; nothing when it cannot be."""
    command = [sys.executable, "-c", "import lab.packages as p; print(p.fetch('prometheus') / 'usr/bin/promtool')"]
    found = subprocess.run(command, cwd=ROOT / "tests", capture_output=True, text=True, check=False)
    return {"VPOWERCAP_PROMTOOL": found.stdout.strip()} if found.returncode == 0 else {}


def compiler() -> dict[str, str]:
    """The caller's, or g++; through ccache where that is installed, so that a second clone is built at once."""
    if "CXX" in os.environ or not shutil.which("ccache"):
        return {"CXX": os.environ.get("CXX", "g++")}
    return {"CXX": "ccache g++", "CCACHE_SLOPPINESS": "pch_defines,time_macros", "CCACHE_NOHASHDIR": "1"}


def introspect(directory: pathlib.Path, what: str) -> list[dict]:
    """What Meson knows of a build directory: its "tests" or "targets"."""
    found = subprocess.run(["meson", "introspect", f"--{what}", str(directory)], cwd=ROOT, check=True, capture_output=True)
    return json.loads(found.stdout)


def targets_of(directory: pathlib.Path, tests: list[str]) -> list[str]:
    """The files that tests of these names need."""
    needed = {target for test in introspect(directory, "tests") if test["name"] in tests for target in test["depends"]}
    return [os.path.relpath(target["filename"][0], ROOT / directory) for target in introspect(directory, "targets")
            if target["id"] in needed]


def build(directory: pathlib.Path, options: list[str], wanted: Callable[[dict], bool] | None = None) -> list[str] | None:
    """Builds all, or what the wanted tests need, and returns the wanted tests' names. None: it failed."""
    environment = dict(os.environ, **compiler())
    if not (directory / "build.ninja").exists():
        if run(["meson", "setup", str(directory), "-Dwerror=true", *options], env=environment, stdout=subprocess.DEVNULL) != 0:
            return None
    tests = [test["name"] for test in introspect(directory, "tests") if wanted and wanted(test)]
    code = run(["ninja", "-C", str(directory), "--quiet", *targets_of(directory, tests)], env=environment)
    return tests if code == 0 else None


def meson_tests(label: str, directory: pathlib.Path, options: list[str],
                wanted: Callable[[dict], bool] | None = None) -> Counts:
    """Builds and runs one configuration's tests; a failed build is one failure."""
    say(f"{label}: building in {directory}")
    started = time.monotonic()
    tests = build(directory, options, wanted)
    if tests is None:
        return Counts(failed=1, notes=[f"FAILED   {label}: the build"])
    say(f"{label}: built in {time.monotonic() - started:.0f} s, testing")
    report = directory / "meson-logs" / "testlog.junit.xml"
    report.unlink(missing_ok=True)
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=1", UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1",
                       TSAN_OPTIONS="halt_on_error=1", **promtool())
    code = run(["meson", "test", "-C", str(directory), "--no-rebuild", "--print-errorlogs",
                "--timeout-multiplier", "10", *tests], env=environment)
    counts = count_junit(report, label) if report.exists() else Counts()
    if code != 0 and counts.failed == 0:
        counts.failed += 1
        counts.notes.append(f"FAILED   {label}: meson test ended with {code}")
    return counts


def end_to_end(directory: pathlib.Path) -> Counts:
    """Runs the tests with real guests against the plain build."""
    say("end to end: booting guests")
    report = directory / "e2e.junit.xml"
    report.unlink(missing_ok=True)
    code = run([sys.executable, "tests/e2e/run.py", "--build", str(directory), "--junit", str(report)])
    counts = count_junit(report, "end to end") if report.exists() else Counts()
    if code != 0 and counts.failed == 0:
        counts.failed += 1
        counts.notes.append(f"FAILED   end to end: tests/e2e/run.py ended with {code}")
    return counts


def fuzzers(directory: pathlib.Path) -> Counts:
    """Gives each fuzzer its seeds and a fixed number of inputs made from them."""
    say(f"fuzz: building in {directory}, then running")
    report = directory / "fuzz.junit.xml"
    report.unlink(missing_ok=True)
    code = run([sys.executable, "tests/fuzz/run.py", "--build", str(directory), "--junit", str(report)])
    counts = count_junit(report, "fuzz") if report.exists() else Counts()
    if code != 0 and counts.failed == 0:
        counts.failed += 1
        counts.notes.append(f"FAILED   fuzz: tests/fuzz/run.py ended with {code}")
    return counts


def run_part(part: str, parts: list[str], directory: pathlib.Path) -> Counts:
    """Builds and runs one of PARTS; the end-to-end tests use what an earlier part has built."""
    plain = directory / "plain"
    if part == "unit":
        return meson_tests("unit", plain, [])
    if part == "e2e":
        if "unit" not in parts and build(plain, []) is None:
            return Counts(failed=1, notes=["FAILED   end to end: the build"])
        return end_to_end(plain)
    if part == "fuzz":
        return fuzzers(directory / "fuzz")
    return meson_tests(part, directory / part, SANITIZERS[part], WANTED[part])


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/test", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append",
                        help="run this part alone (may be given several times)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "test",
                        help="where to build [%(default)s]")
    parser.add_argument("--no-install", action="store_true", help="do not install Debian packages")
    options = parser.parse_args()
    parts = options.only or PARTS
    total = Counts()
    started = time.monotonic()
    for part in PARTS:
        if part in parts:
            before = time.monotonic()
            total.add(run_part(part, parts, options.build))
            say(f"{part}: took {time.monotonic() - before:.0f} s")
    for note in total.notes:
        print(note)
    say(f"all: took {time.monotonic() - started:.0f} s")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
