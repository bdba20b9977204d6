# SPDX-License-Identifier: Apache-2.0
"""Runs the simulated scenarios and prints each system's mean and worst per-VM energy error."""
import argparse
import json
import os
import pathlib
import subprocess
import sys

from lab.document import with_parts
from lab.log import LabError
from sim import plot

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "accuracy.md"
SCRIPT = "scripts/accuracy"
PLOT = ROOT / "docs" / "accuracy.svg"
SYSTEMS = ["vpowercap", "scaphandre", "qemu-rapl", "kepler"]
SMT = "vpowercap (smt)"  # ours with package-weights = smt: shown beside the others, not compared
COLUMNS = [SYSTEMS[0], SMT, *SYSTEMS[1:]]
IDLE = {"vpowercap": "configured, 3 % too high",
        "learned without VMs": "learned in a minute without VMs",
        "learned under load": "learned under load only",
        "learned under load (smt)": "the same, with `smt`",
        "not known": "nothing learned when the run begins"}
TABLES = {"errors": "package energy", "dynamic_errors": "dynamic part"}


def build(directory: pathlib.Path, program: str = "accuracy") -> pathlib.Path:
    """Builds a program of the simulator and returns its path."""
    if not (directory / "build.ninja").exists():
        packages = [str(ROOT / "scripts" / "packages"), "install", "build", "test"]
        subprocess.run(packages, check=True, stdout=sys.stderr)
        subprocess.run(["meson", "setup", str(directory), str(ROOT)], check=True, stdout=sys.stderr,
                       env=dict(os.environ, CXX=os.environ.get("CXX", "g++")))
    subprocess.run(["ninja", "-C", str(directory), f"tests/sim/{program}"], check=True, stdout=sys.stderr)
    return directory / "tests" / "sim" / program


def run(program: pathlib.Path, names: list[str]) -> dict:
    result = subprocess.run([str(program), *names], check=True, stdout=subprocess.PIPE)
    return json.loads(result.stdout)


def percent(part: float) -> str:
    return f"{100 * part:.1f} %"


def error_of(scenario: dict, kind: str, system: str) -> dict[str, float]:
    """Mean and worst error of a system or of a variant of ours."""
    variants = scenario["variants"]
    return variants[system][kind] if system in variants else scenario[kind][system]


def both(error: dict[str, float]) -> str:
    return f"{percent(error['mean'])} / {percent(error['worst'])}"


def means(results: dict, kind: str, systems: list[str]) -> dict[str, float]:
    """Each system's mean error over all scenarios."""
    scenarios = results["scenarios"]
    return {system: sum(error_of(s, kind, system)["mean"] for s in scenarios) / len(scenarios) for system in systems}


def markdown(rows: list[list[str]]) -> str:
    """A table that is Markdown and can be read as it is."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def table(results: dict, kind: str) -> str:
    """Errors by scenario and system: mean / worst."""
    rows = [["scenario", "VMs", *COLUMNS]]
    for scenario in results["scenarios"]:
        rows.append([scenario["name"], str(scenario["vms"]), *[both(error_of(scenario, kind, s)) for s in COLUMNS]])
    overall = means(results, kind, COLUMNS)
    rows.append(["mean of all scenarios", "", *[percent(overall[system]) for system in COLUMNS]])
    return markdown(rows)


def idle_table(results: dict) -> str:
    """Ours with idle power configured, learned and not known: over all scenarios."""
    scenarios = results["scenarios"]
    rows = [["idle power is", "per package", "mean error", "dynamic part", "highest mean of a scenario"]]
    overall = {kind: means(results, kind, list(IDLE)) for kind in TABLES}
    for system, text in IDLE.items():
        watts = [s["variants"][system]["idle_watts"] for s in scenarios if system in s["variants"]]
        level = f"{min(watts):.1f} to {max(watts):.1f} W" if watts else "as configured"
        worst = max(scenarios, key=lambda s: error_of(s, "errors", system)["mean"])
        rows.append([text, level, *[percent(overall[kind][system]) for kind in TABLES],
                     f"{percent(error_of(worst, 'errors', system)['mean'])} ({worst['name']})"])
    return markdown(rows)


def siblings(results: dict) -> str:
    """Both weights where the truth of two busy siblings is another one."""
    rows = [["two busy siblings truly draw", SYSTEMS[0], SMT]]
    for run_at in results["siblings"]:
        rows.append([f"{run_at['factor']:.1f} times one", both(run_at[SYSTEMS[0]]), both(run_at[SMT])])
    return markdown(rows)


def dram_table(results: dict) -> str:
    """Memory's dynamic energy by either division."""
    rows = [["dram is divided by", "mean / worst"]]
    rows += [[basis, both(error)] for basis, error in results["dram"].items()]
    return markdown(rows)


def generated(results: dict) -> dict[str, str]:
    """The parts of the document that come from the results, by their mark."""
    parts = {kind: table(results, kind) for kind in TABLES}
    parts["siblings"] = siblings(results)
    parts["idle"] = idle_table(results)
    parts["dram"] = dram_table(results)
    parts["scenarios"] = "\n".join(f"- **{s['name']}**: {s['text']}" for s in results["scenarios"])
    return parts


def lost(results: dict) -> list[str]:
    """Where the promise does not hold: lowest in every scenario, at most half the best other's mean."""
    problems = []
    for scenario in results["scenarios"]:
        errors = scenario["errors"]
        best = min(SYSTEMS, key=lambda system: errors[system]["mean"])
        if best != "vpowercap":
            problems.append(f"{scenario['name']}: {best} has a lower mean error")
    overall = means(results, "errors", [*SYSTEMS, SMT])
    best_other = min(overall[system] for system in SYSTEMS if system != "vpowercap")
    if overall["vpowercap"] > best_other / 2:
        problems.append("the mean over all scenarios is above half the best other's")
    if results["dram"]["bandwidth"]["mean"] > results["dram"]["work"]["mean"]:
        problems.append("dram has a higher mean error by bandwidth than by work")
    if overall[SMT] > overall["vpowercap"]:
        problems.append("smt has a higher mean error than time: the document advises it")
    return problems


def check(results: dict) -> int:
    """Holds document and plot against the results, and the results against the promise."""
    problems = lost(results)
    if with_parts(DOCUMENT, generated(results), SCRIPT) != DOCUMENT.read_text(encoding="utf-8"):
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
        DOCUMENT.write_text(with_parts(DOCUMENT, generated(results), SCRIPT), encoding="utf-8")
        PLOT.write_text(plot.svg(results["scenarios"], SYSTEMS), encoding="utf-8")
    elif options.json:
        print(json.dumps(results, indent=1))
    else:
        for kind, what in TABLES.items():
            print(f"Error per VM, mean / worst: {what}\n\n{table(results, kind)}\n")
        if "siblings" in results:
            print(f"\"SMT pairs\" on other processors\n\n{siblings(results)}\n")
        if "dram" in results:
            print(f"Dynamic energy of dram\n\n{dram_table(results)}\n")
        print(f"Idle power configured, learned and not known\n\n{idle_table(results)}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"{SCRIPT}: {error}")
