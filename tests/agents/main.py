# SPDX-License-Identifier: Apache-2.0
"""Tries each power agent in a real guest and says what it read and what the ledger held."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from agents import report
from agents.agent import Result
from agents.bench import Bench
from agents.suite import AGENTS, run_suite
from lab.build import SOURCE, Build, install_packages
from lab.document import with_parts
from lab.log import LabError, progress

_DESCRIPTION = """\
Boots a guest with Debian's power agents, unmodified, and the ways of reading of those that Debian does
not package. Each is tried; its figures are compared with what the host's ledger held. Verdicts: works
(as it is), option (needs one, named), cannot (with the reason). The host's energy is made up, so that
machines without RAPL do; everything else is real. Needs root."""


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/agents", description=_DESCRIPTION,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print a JSON list at the end, no lines")
    parser.add_argument("--write-docs", action="store_true", help="renew the table in docs/agents.md")
    parser.add_argument("--only", action="append", default=[], metavar="NAME",
                        help="try agents with this in their name (may be repeated)")
    parser.add_argument("--list", action="store_true", help="print the agents and try none")
    parser.add_argument("--build", type=Path, default=SOURCE / "build/agents", metavar="DIR",
                        help="where to build (default: build/agents)")
    options = parser.parse_args(words)
    if options.only and options.write_docs:
        parser.error("the document needs all agents")
    options.agents = [agent for agent in AGENTS if not options.only or
                      any(word.lower() in agent.name.lower() for word in options.only)]
    if not options.agents:
        parser.error("there is no such agent")
    return options


def build(directory: Path) -> Build:
    """Builds what the bench needs. Errors: LabError; the compiler's words are on stderr."""
    made = Build(directory)
    programs = (made.daemon, made.ctl, made.mount, made.server, made.hook, made.guest_mount,
                directory / "tests/agents/ways_of_reading")
    setup = ["meson", "setup", "--buildtype=release", "-Dwerror=false", str(directory), str(SOURCE)]
    progress(f"building in {directory}")
    for command in ([] if (directory / "build.ninja").is_file() else [setup],
                    [["ninja", "-C", str(directory), "--quiet",
                      *(str(program.relative_to(directory)) for program in programs)]]):
        for words in command:
            if subprocess.run(words, check=False, stdin=subprocess.DEVNULL,
                              stdout=sys.stderr).returncode != 0:
                raise LabError(f"{words[0]} failed in {directory}")
    return made


def run(options: argparse.Namespace) -> bool:
    """Whether every agent was as expected. Errors: LabError."""
    if os.geteuid() != 0:
        raise LabError("root is needed, for packages and for private namespaces: run it with sudo")
    if platform.machine() != "x86_64":
        raise LabError(f"the guest is x86_64, this machine is {platform.machine()}")
    install_packages("build", "lab", "test")
    made = build(options.build.resolve())

    def tell(result: Result) -> None:
        if not options.json:
            print(report.line(result), flush=True)

    with Bench(made) as bench:
        progress(f"trying {len(options.agents)} agents")
        results = run_suite(bench, options.agents, tell)
    if options.json:
        print(json.dumps([report.as_json(result) for result in results], indent=1))
    as_expected = all(result.as_expected for result in results)
    if options.write_docs and as_expected:
        parts = report.generated(options.agents, results)
        report.DOCUMENT.write_text(with_parts(report.DOCUMENT, parts, report.SCRIPT), encoding="utf-8")
    progress("every agent was as expected" if as_expected else "not every agent was as expected")
    return as_expected


def _leave(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def main() -> int:
    """0: every agent was as expected; 1: one was not, or the bench failed; 2: wrong usage."""
    options = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        if options.list:
            for agent in options.agents:
                print(f"{agent.name} ({agent.version.removeprefix('package ')}): {agent.verdict}")
            sys.stdout.flush()
            return 0
        return 0 if run(options) else 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except LabError as error:
        print(f"scripts/agents: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
