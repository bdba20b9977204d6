# SPDX-License-Identifier: Apache-2.0
"""Runs the simulated scenarios and prints each system's mean and worst per-VM energy error."""
import argparse
import json
import os
import pathlib
import subprocess
import sys

from sim import plot

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "accuracy.md"
PLOT = ROOT / "docs" / "accuracy.svg"
SYSTEMS = ["vpowercap", "scaphandre", "qemu-rapl", "kepler"]
TABLES = {"errors": "package energy", "dynamic_errors": "dynamic part"}


def build(directory: pathlib.Path) -> pathlib.Path:
    """Builds the simulator and returns its program."""
    if not (directory / "build.ninja").exists():
        packages = [str(ROOT / "scripts" / "packages"), "install", "build", "test"]
        subprocess.run(packages, check=True, stdout=sys.stderr)
        subprocess.run(["meson", "setup", str(directory), str(ROOT)], check=True, stdout=sys.stderr,
                       env=dict(os.environ, CXX=os.environ.get("CXX", "g++")))
    subprocess.run(["ninja", "-C", str(directory), "tests/sim/accuracy"], check=True, stdout=sys.stderr)
    return directory / "tests" / "sim" / "accuracy"


def run(program: pathlib.Path, names: list[str]) -> dict:
    result = subprocess.run([str(program), *names], check=True, stdout=subprocess.PIPE)
    return json.loads(result.stdout)


def percent(part: float) -> str:
    return f"{100 * part:.1f} %"


def means(results: dict, kind: str) -> dict[str, float]:
    """Each system's mean error over all scenarios."""
    scenarios = results["scenarios"]
    return {system: sum(s[kind][system]["mean"] for s in scenarios) / len(scenarios) for system in SYSTEMS}


def table(results: dict, kind: str) -> str:
    """A table that is Markdown and can be read as it is: mean / worst."""
    rows = [["scenario", "VMs", *SYSTEMS]]
    for scenario in results["scenarios"]:
        cells = [f"{percent(scenario[kind][s]['mean'])} / {percent(scenario[kind][s]['worst'])}" for s in SYSTEMS]
        rows.append([scenario["name"], str(scenario["vms"]), *cells])
    overall = means(results, kind)
    rows.append(["mean of all scenarios", "", *[percent(overall[system]) for system in SYSTEMS]])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def generated(results: dict) -> dict[str, str]:
    """The parts of the document that come from the results, by their mark."""
    parts = {kind: table(results, kind) for kind in TABLES}
    parts["scenarios"] = "\n".join(f"- **{s['name']}**: {s['text']}" for s in results["scenarios"])
    return parts


def with_parts(text: str, parts: dict[str, str]) -> str:
    for mark, content in parts.items():
        begin, end = f"<!-- {mark}: by scripts/accuracy -->\n", f"<!-- end of {mark} -->"
        before, found, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        if not found or not found_end:
            raise SystemExit(f"{DOCUMENT}: lacks the marks of \"{mark}\"")
        text = before + begin + content + "\n" + end + after
    return text


def lost(results: dict) -> list[str]:
    """Where the promise does not hold: lowest in every scenario, at most half the best other's mean."""
    problems = []
    for scenario in results["scenarios"]:
        errors = scenario["errors"]
        best = min(SYSTEMS, key=lambda system: errors[system]["mean"])
        if best != "vpowercap":
            problems.append(f"{scenario['name']}: {best} has a lower mean error")
    overall = means(results, "errors")
    best_other = min(value for system, value in overall.items() if system != "vpowercap")
    if overall["vpowercap"] > best_other / 2:
        problems.append("the mean over all scenarios is above half the best other's")
    return problems


def check(results: dict) -> int:
    """Holds document and plot against the results, and the results against the promise."""
    problems = lost(results)
    text = DOCUMENT.read_text(encoding="utf-8")
    if with_parts(text, generated(results)) != text:
        problems.append(f"{DOCUMENT} is not what the results say: run scripts/accuracy --write-docs")
    if PLOT.read_text(encoding="utf-8") != plot.svg(results["scenarios"], SYSTEMS):
        problems.append(f"{PLOT} is not what the results say: run scripts/accuracy --write-docs")
    print("\n".join(problems) or "the document shows the results, and they keep the promise")
    return 1 if problems else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/accuracy", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write-docs", action="store_true", help="renew the tables and the plot in docs/")
    parser.add_argument("--check-docs", action="store_true", help="compare docs/ with the results")
    parser.add_argument("--scenario", action="append", default=[], help="only this one (may be repeated)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "accuracy",
                        help="where to build [%(default)s]")
    parser.add_argument("--program", type=pathlib.Path, help="use this program instead of building it")
    options = parser.parse_args()
    if options.scenario and (options.write_docs or options.check_docs):
        parser.error("the document needs all scenarios")
    results = run(options.program or build(options.build), options.scenario)
    if not results["scenarios"]:
        parser.error("there is no such scenario")
    if options.check_docs:
        return check(results)
    if options.write_docs:
        text = with_parts(DOCUMENT.read_text(encoding="utf-8"), generated(results))
        DOCUMENT.write_text(text, encoding="utf-8")
        PLOT.write_text(plot.svg(results["scenarios"], SYSTEMS), encoding="utf-8")
    elif options.json:
        print(json.dumps(results, indent=1))
    else:
        for kind, what in TABLES.items():
            print(f"Error per VM, mean / worst: {what}\n\n{table(results, kind)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
