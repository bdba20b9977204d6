# SPDX-License-Identifier: Apache-2.0
"""Measures what one VM can tell another through that one's energy counter."""
import argparse
import json
import pathlib
import signal
import subprocess
import sys

from lab.document import with_parts
from lab.log import LabError
from sim import leakage_session, report

DOCUMENT = report.ROOT / "docs" / "leakage.md"


def table(results: list[dict]) -> str:
    """One row for each grid and setting."""
    rows = [["grid", "neighbour-blind", "bits per second", "by symbols of", "correlation"]]
    for row in results:
        blind = f"{row['neighbour_blind']} s" if row["neighbour_blind"] else "0 (off)"
        rows.append([f"{row['grid']} s", blind, f"{row['bits_per_second']:.4f}", f"{row['symbol_seconds']} s",
                     f"{row['correlation']:+.2f}"])
    return report.markdown(rows)


def show(results: list[dict], text: str, mark: str, options: argparse.Namespace) -> int:
    """Prints results, or puts their table into the document, or compares the two."""
    renewed = with_parts(DOCUMENT, {mark: text}, "scripts/leakage")
    if options.check_docs and renewed != DOCUMENT.read_text(encoding="utf-8"):
        print(f"{DOCUMENT} is not what the results say: run scripts/leakage --write-docs")
        return 1
    if options.write_docs:
        DOCUMENT.write_text(renewed, encoding="utf-8")
    if options.json:
        print(json.dumps(results, indent=1))
    elif not options.write_docs:
        print(text)
    return 0


def guests(options: argparse.Namespace) -> int:
    """With real guests. A table of these is a record of one run: it is compared with nothing."""
    results = leakage_session.run(options.build, options.seconds)
    return show(results, leakage_session.table(results), "guests", options)


def simulated(options: argparse.Namespace) -> int:
    """On the simulated host."""
    program = options.program or report.build(options.build, "leakage")
    results = json.loads(subprocess.run([str(program)], check=True, stdout=subprocess.PIPE).stdout)
    return show(results, table(results), "leakage", options)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/leakage", description=__doc__ + " On the simulated host, or "
                                     "with two real guests on one made-up package (needs root).")
    parser.add_argument("--guests", action="store_true", help="with real guests instead of the simulator")
    parser.add_argument("--seconds", type=float, metavar="N", default=240,
                        help="with --guests: of each of some 20 transmissions, 60 to 3600 [%(default)s]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write-docs", action="store_true", help="renew the table in docs/leakage.md")
    parser.add_argument("--check-docs", action="store_true",
                        help="compare docs/leakage.md with the simulator's results")
    parser.add_argument("--build", type=pathlib.Path, default=report.ROOT / "build" / "accuracy",
                        help="where to build [%(default)s]")
    parser.add_argument("--program", type=pathlib.Path, help="the simulator, instead of building it")
    options = parser.parse_args()
    if options.guests and (options.check_docs or options.program):
        parser.error("--check-docs and --program are for the simulator")
    if not 60 <= options.seconds <= 3600:
        parser.error("--seconds must be 60 to 3600")
    return options


def main() -> int:
    """0 done; 1 failed or, with --check-docs, different; 128 + N ended by signal N."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        return guests(options) if options.guests else simulated(options)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except LabError as error:
        print(f"scripts/leakage: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
