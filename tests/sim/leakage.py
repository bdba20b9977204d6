# SPDX-License-Identifier: Apache-2.0
"""Measures on the simulated host what one VM can tell another through that one's energy counter."""
import argparse
import json
import pathlib
import subprocess
import sys

from sim import report

DOCUMENT = report.ROOT / "docs" / "leakage.md"


def table(results: list[dict]) -> str:
    """One row for each grid and setting."""
    rows = [["grid", "neighbour-blind", "bits per second", "by symbols of", "correlation"]]
    for row in results:
        blind = f"{row['neighbour_blind']} s" if row["neighbour_blind"] else "0 (off)"
        rows.append([f"{row['grid']} s", blind, f"{row['bits_per_second']:.4f}", f"{row['symbol_seconds']} s",
                     f"{row['correlation']:+.2f}"])
    return report.markdown(rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/leakage", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write-docs", action="store_true", help="renew the table in docs/leakage.md")
    parser.add_argument("--check-docs", action="store_true", help="compare docs/leakage.md with the results")
    parser.add_argument("--build", type=pathlib.Path, default=report.ROOT / "build" / "accuracy",
                        help="where to build [%(default)s]")
    parser.add_argument("--program", type=pathlib.Path, help="use this program instead of building it")
    options = parser.parse_args()
    program = options.program or report.build(options.build, "leakage")
    results = json.loads(subprocess.run([str(program)], check=True, stdout=subprocess.PIPE).stdout)
    text = DOCUMENT.read_text(encoding="utf-8")
    renewed = report.with_parts(text, {"leakage": table(results)}, DOCUMENT, "scripts/leakage")
    if options.check_docs and renewed != text:
        print(f"{DOCUMENT} is not what the results say: run scripts/leakage --write-docs")
        return 1
    if options.write_docs:
        DOCUMENT.write_text(renewed, encoding="utf-8")
    elif options.json:
        print(json.dumps(results, indent=1))
    else:
        print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
