# SPDX-License-Identifier: Apache-2.0
"""Runs a program and kills it, and every process of another name, at random until standard input ends.

Says then, as JSON, how often it killed which. Usage: restless.py OTHER_NAME SEED PROGRAM [ARGUMENT]..."""

import json
import random
import select
import subprocess
import sys

#: Seconds from a start to the next kill: so short at times that the program has not yet started.
_LONGEST_LIFE = 1.5


def main() -> None:
    other, seed, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    chance = random.Random(seed)
    kills = {"program": 0, "other": 0}
    running = True
    while running:
        process = subprocess.Popen(command)
        life = chance.random() ** 2 * _LONGEST_LIFE
        running = not select.select([sys.stdin], [], [], life)[0]
        if process.poll() is not None:
            raise SystemExit(f"{command[0]} ended by itself with {process.returncode}")
        process.kill()
        process.wait()
        kills["program"] += 1
        if chance.random() < 0.5 or kills["other"] == 0:
            kills["other"] += subprocess.run(["pkill", "-KILL", "-x", other], check=False).returncode == 0
    print(json.dumps(kills))


if __name__ == "__main__":
    main()
