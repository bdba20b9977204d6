#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the fuzzers with clang, runs them two at a time, and says how many inputs each was given."""
import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
CORPUS = SOURCE / "tests/fuzz/corpus"
COMPILER = "clang++-14"

# Of each 1000 inputs or so of the whole run, how many a fuzzer gets. One that rewrites files, parses XML or reads long
# tables is slower by far, and the slower the longer it runs: in a long run all should take about as long.
SHARES = {
    "powercap_value": 240, "frame": 210, "cgroup": 120, "hook": 60, "tasks": 60, "journal": 60, "cpu_list": 40,
    "cpu_times": 40, "domain_xml": 30, "stat_line": 25, "guest_mount": 12, "hand_over": 12, "idle_file": 12,
    "wire_xml": 12, "mount_table": 6, "ledger": 5, "powercap_tree": 5, "process": 5, "machine": 5, "vm_files": 5,
    "helpers": 4, "doctor": 3, "configuration": 1,
}
# Bytes of the longest input, where 4 KiB are not enough.
LENGTHS = {"domain_xml": 8192, "wire_xml": 8192}
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:quarantine_size_mb=16:malloc_context_size=6",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}
# A frame has 160 KiB at most: one of 200 inputs is about as long.
FRAME_BYTES = 160 * 1024
LONG_FRAMES = 200
# What --keep lets a fuzzer's corpus grow to: all of them stay below 1 MiB.
MOST_KEPT_BYTES = 24 * 1024
MOST_KEPT_FILES = 40


@dataclasses.dataclass
class Result:
    """`runs` inputs were tried; `log` says why when not `clean`."""
    name: str
    runs: int
    seconds: int
    clean: bool
    log: str


def make(build: pathlib.Path) -> bool:
    """Builds the fuzzers and nothing else; with ccache where the other builds have it."""
    cached = os.environ.get("CXX", "").startswith("ccache ")
    environment = dict(os.environ, CXX=f"ccache {COMPILER}" if cached else COMPILER)
    setup = ["meson", "setup", str(build), str(SOURCE), "-Dwerror=true", "-Dtests=false", "-Dfuzzers=true"]
    commands = [] if (build / "build.ninja").exists() else [setup]
    commands.append(["ninja", "-C", str(build), "--quiet", "fuzzers"])
    return all(subprocess.run(command, env=environment, stdout=sys.stderr, check=False).returncode == 0
               for command in commands)


def run(build: pathlib.Path, name: str, options: list[str], *corpora: pathlib.Path) -> subprocess.CompletedProcess:
    command = [str(build / "tests/fuzz" / f"fuzz_{name}"), "-timeout=25", "-rss_limit_mb=3000", "-verbosity=1",
               f"-artifact_prefix={build}/{name}-", *options, *map(str, corpora)]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True, errors="replace", env={**os.environ, **SANITIZERS}, check=False)


def fuzz(build: pathlib.Path, name: str, runs: int, options: argparse.Namespace) -> Result:
    """New inputs go to a directory that stays only if asked for; one that breaks a law goes to the build's."""
    length = f"-max_len={LENGTHS.get(name, 4096)}"
    with tempfile.TemporaryDirectory(prefix="vpowercap-corpus-") as directory:
        found, longest = pathlib.Path(directory, "found"), pathlib.Path(directory, "longest")
        found.mkdir()
        seed = f"-seed={options.seed}"
        done = [(runs, run(build, name, [f"-runs={runs}", seed, length], found, CORPUS / name))]
        if name == "frame":
            write_long_frames(longest)
            few = max(10, runs // LONG_FRAMES)
            done.append((few, run(build, name, [f"-runs={few}", seed, "-max_len=204800", "-len_control=0"], longest)))
        results = [judge(name, wanted, process) for wanted, process in done]
        if options.keep and all(result.clean for result in results):
            keep(build, name, found, length)
    return Result(name, sum(result.runs for result in results), sum(result.seconds for result in results),
                  all(result.clean for result in results), "".join(result.log for result in results))


def judge(name: str, wanted: int, process: subprocess.CompletedProcess) -> Result:
    count = re.search(r"^Done (\d+) runs in (\d+) second", process.stderr, re.M)
    clean = process.returncode == 0 and count is not None and int(count[1]) >= wanted
    return Result(name, int(count[1]) if count else 0, int(count[2]) if count else 0, clean,
                  "" if clean else process.stderr[-6000:])


def write_long_frames(directory: pathlib.Path) -> None:
    """One field, in frames of the greatest length, of one byte less and of one more."""
    directory.mkdir()
    begin, end = b"VPC1\0hook\0xml\0", b"\0"
    for more in (-1, 0, 1):
        value = b"x" * (FRAME_BYTES + more - len(begin) - len(end))
        (directory / f"{more}").write_bytes(begin + value + end)


def keep(build: pathlib.Path, name: str, found: pathlib.Path, length: str) -> None:
    """Puts inputs that reached what no seed reaches among the seeds, short and long ones, as long as there is room."""
    seeds = CORPUS / name
    with tempfile.TemporaryDirectory(prefix="vpowercap-corpus-") as directory:
        merged = pathlib.Path(directory)
        old = list(seeds.iterdir())
        for seed in old:
            shutil.copy(seed, merged)
        run(build, name, ["-merge=1", length], merged, found)
        new = sorted((path for path in merged.iterdir() if not (seeds / path.name).exists()),
                     key=lambda path: path.stat().st_size)
        files = max(0, MOST_KEPT_FILES - len(old))
        room = MOST_KEPT_BYTES - sum(seed.stat().st_size for seed in old)
        step = -(-len(new) // files) if files else 1
        for path in new[step - 1::step][:files]:
            room -= path.stat().st_size
            if room < 0:
                break
            shutil.copy(path, seeds)


def write_junit(path: pathlib.Path, results: list[Result]) -> None:
    suite = ElementTree.Element("testsuite", name="fuzz", tests=str(len(results)))
    for result in results:
        case = ElementTree.SubElement(suite, "testcase", classname="fuzz", name=result.name)
        if not result.clean:
            ElementTree.SubElement(case, "failure", message="a law was broken").text = result.log
    ElementTree.ElementTree(suite).write(path)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="where to build")
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs of all fuzzers together [%(default)s]")
    parser.add_argument("--seed", type=int, default=1,
                        help="of libFuzzer's random numbers [%(default)s]; 0: another one each time")
    parser.add_argument("--keep", action="store_true", help="put what reaches new code into tests/fuzz/corpus")
    parser.add_argument("--only", choices=SHARES, action="append", help="this fuzzer alone, with all the inputs")
    parser.add_argument("--junit", type=pathlib.Path, help="where to write results in JUnit's form")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    options.seed = options.seed or 1 + secrets.randbelow(2**31 - 1)
    if not make(options.build):
        print("the fuzzers cannot be built")
        return 1
    shares = {name: SHARES[name] for name in options.only or SHARES}
    whole = sum(shares.values())
    results = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        jobs = [pool.submit(fuzz, options.build.resolve(), name, -(-options.runs * share // whole), options)
                for name, share in sorted(shares.items(), key=lambda item: item[1])]
        for job in concurrent.futures.as_completed(jobs):
            result = job.result()
            results.append(result)
            print(f"{result.name}: {result.runs} inputs in {result.seconds} s, "
                  + ("0 crashes" if result.clean else f"FAILED\n{result.log}"), flush=True)
    if options.junit:
        write_junit(options.junit, results)
    bad = sum(not result.clean for result in results)
    runs = sum(result.runs for result in results)
    print(f"{runs} inputs of {len(results)} fuzzers, seed {options.seed}: {bad} crashes")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
