# SPDX-License-Identifier: Apache-2.0
"""Reads a counter, on a descriptor that it keeps and on a new one in turn, until standard input ends.

Says then, as JSON, how many reads there were, how many saw a new value, and what no reader may ever see.
Usage: share_reader.py FILE"""

import json
import os
import select
import sys

_PAUSE_SECONDS = 0.005


def main() -> None:
    path = sys.argv[1]
    reads = changes = last = 0
    wrong: list[str] = []
    kept = os.open(path, os.O_RDONLY)
    while not select.select([sys.stdin], [], [], _PAUSE_SECONDS)[0]:
        reads += 1
        try:
            if reads % 2:
                text = os.pread(kept, 100, 0)
            else:
                with open(path, "rb", buffering=0) as file:
                    text = file.read(100)
            if not text.endswith(b"\n"):
                raise ValueError("cut off")
            value = int(text)
            if value < last:
                raise ValueError(f"less than {last}")
            changes += value > last
            last = value
        except (OSError, ValueError) as error:
            wrong.append(f"read {reads}: {error}")
    print(json.dumps({"reads": reads, "changes": changes, "wrong": wrong[:20]}))


if __name__ == "__main__":
    main()
