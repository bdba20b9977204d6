# SPDX-License-Identifier: Apache-2.0
"""Calls a hook again and again as libvirt does; says how long it took and what was wrong, as JSON.

Usage: time_calls.py CALLS XML_FILE HOOK"""

import json
import os
import sys
import time

PHASES = ("prepare begin", "start begin", "started begin", "stopped end", "release end", "reconnect begin",
          "migrate begin", "restore begin", "attach begin", "no-such-phase begin")


def call(hook: str, phase: str, xml: bytes) -> tuple[float, int, bytes]:
    """Seconds, exit code and what it said of one call."""
    reads_xml, writes_xml = os.pipe()  # neither is inherited, unless it is made a standard descriptor
    reads_words, writes_words = os.pipe()
    os.write(writes_xml, xml)
    os.close(writes_xml)
    actions = [(os.POSIX_SPAWN_DUP2, reads_xml, 0), (os.POSIX_SPAWN_DUP2, writes_words, 1),
               (os.POSIX_SPAWN_DUP2, writes_words, 2)]
    begin = time.monotonic()
    child = os.posix_spawn(hook, [hook, "called", *phase.split(), "-"], os.environ, file_actions=actions)
    os.close(writes_words)
    words = b""
    while piece := os.read(reads_words, 65536):
        words += piece
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    seconds = time.monotonic() - begin
    os.close(reads_xml)
    os.close(reads_words)
    return seconds, code, words


def main() -> None:
    count, path, hook = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    with open(path, "rb") as file:
        xml = file.read()
    times = []
    wrong = []
    for number in range(count):
        phase = PHASES[number % len(PHASES)]
        seconds, code, words = call(hook, phase, xml)
        times.append(seconds)
        if code or words:
            wrong.append(f"{phase}: {code} {words!r}")
    times.sort()
    print(json.dumps({"p50": times[count // 2], "p99": times[min(count - 1, count * 99 // 100)],
                      "max": times[-1], "wrong": wrong}))


if __name__ == "__main__":
    main()
