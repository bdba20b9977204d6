#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The real vpowercapd with a damaged ledger and damaged idle power: it goes on or refuses, and names the file.

Usage: damaged_files_test.py VPOWERCAPD VPOWERCAP
"""
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import unittest

import daemon_test


def damaged(content: bytes, chosen: random.Random) -> bytes:
    """Cut off, cut off and filled up with zeroes, of another version, with some bits or a stretch changed, or longer."""
    place = chosen.randrange(len(content))
    changed = bytearray(content)
    kind = chosen.randrange(6)
    if kind == 0:
        return content[:place]
    if kind == 1:
        return content[:place] + bytes(len(content) - place)
    if kind == 2:
        changed[8] = chosen.randrange(256)
    elif kind == 3:
        changed[place] ^= 1 << chosen.randrange(8)
    elif kind == 4:
        changed[place:place + 512] = chosen.randbytes(len(changed[place:place + 512]))
    else:
        changed += chosen.randbytes(100)
    return bytes(changed)


def learned(chosen: random.Random) -> bytes:
    """A file of learned idle power after some days: three zones, each busy and idle in many ways."""
    zones = [{"name": f"intel-rapl:{number} package-{number}",
              "cells": [[utilisation, int(7e6 * (1 + utilisation) * 1.02 ** level), chosen.uniform(0.1, 900)]
                        for utilisation in range(20) for level in range(chosen.randint(1, 12))]}
             for number in range(3)]
    return json.dumps({"version": 1, "zones": zones}, separators=(",", ":")).encode()


def is_learned(content: bytes) -> bool:
    """Whether it may pass for such a file, up to the first NUL, where JSON ends for the daemon; else it must be told."""
    try:
        return bool(json.loads(content.partition(b"\0")[0])["version"] == 1)
    except (ValueError, KeyError, TypeError):
        return False


class DamagedFiles(unittest.TestCase):
    """VPOWERCAP_DAMAGED_STARTS says how many times the daemon finds a damaged ledger and damaged idle power."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="vpowercap-daemon-")
        self.addCleanup(directory.cleanup)
        self.host = daemon_test.Host(directory.name)
        self.addCleanup(lambda: self.host.process and self.host.process.poll() is None and self.host.stop())
        self.host.start_vm(self)
        self.ledger = self.host.run_dir / "ledger"
        self.idle = self.host.root / "state/idle.json"

    def counters(self) -> dict[str, float]:
        """All that only grows, by what it is."""
        listed = json.loads(self.host.list().stdout)
        found = {f"{zone['id']} {key}": zone[key] for zone in listed["zones"] for key in ("joules", "remainder_joules")}
        for vm in listed["vms"]:
            found |= {f"{vm['uuid']} {key}": vm[key] for key in ("joules", "dynamic_joules", "published_joules",
                                                                 "cpu_seconds", "gaps")}
        return found

    def goes_on(self, tick: int) -> bool:
        """Starts; whether it goes on with the ledger, which was written up to a tick, not refuses it."""
        host = self.host
        host.log_path.unlink()
        with open(host.log_path, "ab") as log:
            host.process = subprocess.Popen(host.arguments(*host.extra), stderr=log, stdout=log)
        host.wait_for(lambda: host.process.poll() is not None or host.tick() > tick,
                      "the daemon to go on or to refuse")
        return host.process.poll() is None

    def lines(self, pattern: str) -> list[str]:
        return [line for line in self.host.log().splitlines() if re.search(pattern, line)]

    def check_refusal(self) -> None:
        """One line is an error, the last one, and it names the ledger."""
        log = self.host.log()
        self.assertEqual(self.host.process.returncode, 1, log)
        self.assertEqual(len(self.lines(r"^vpowercapd: |: error: ")), 1, log)
        self.assertRegex(log.splitlines()[-1], f"^vpowercapd: .*{self.ledger}")

    def check_going_on(self, before: dict[str, float], idle: bytes) -> None:
        """It said that it goes on, and once if learned idle power is not, and no counter is less than before."""
        log = self.host.log()
        self.assertEqual(len(self.lines(f"going on with the counters in {self.ledger}$")), 1, log)
        told = len(self.lines(f"warning: {self.idle} .*: idle power is learned anew"))
        self.assertTrue(told == 1 or (told == 0 and is_learned(idle)), f"{idle[:100]!r}...{idle[-200:]!r}: {log}")
        now = self.counters()
        for what, value in before.items():
            self.assertIn(what, now)
            self.assertGreaterEqual(now[what], value, what)

    def test_damaged_files_are_gone_on_with_or_refused_by_name(self):
        host = self.host
        chosen = random.Random(1)
        power = learned(chosen)
        self.idle.parent.mkdir(exist_ok=True)
        self.idle.write_bytes(power)
        host.start()
        self.assertEqual(self.lines("idle power is learned anew"), [], "whole, it is read")
        for number in range(3):
            host.advance(number, 7)
        host.wait_for(lambda: min(host.joules().values()) == 7.0, "7 J in each zone")
        published = f"{daemon_test.TEST_VM} published_joules"
        host.wait_for(lambda: self.counters().get(published, 0) > 0.001, "the VM's counter to move")
        host.stop(signal.SIGKILL)
        content = self.ledger.read_bytes()
        tick, before = host.tick(), self.counters()
        starts = int(os.environ.get("VPOWERCAP_DAMAGED_STARTS", "12"))
        gone_on = told = 0
        for _ in range(starts):
            # The header, the host's record, the first VM's: all others are zeroes.
            used = content[:chosen.choice((65536, 262144))]
            bad = damaged(used, chosen)
            whole = len(bad) >= len(used)
            self.ledger.write_bytes(bad[:len(used)] + content[len(used):] + bad[len(used):] if whole else bad)
            idle = damaged(power, chosen)
            self.idle.write_bytes(idle)
            if not self.goes_on(tick):
                self.check_refusal()
                continue
            gone_on += 1
            told += len(self.lines("idle power is learned anew"))
            self.check_going_on(before, idle)
            host.stop(signal.SIGKILL)
        self.assertTrue(0 < told <= gone_on < starts, f"{gone_on} of {starts} starts went on, {told} without idle power")
        print(f"\n{starts} damaged starts: {gone_on} went on, no counter went back, {told} of them without the "
              f"learned idle power; {starts - gone_on} refused by name")


if __name__ == "__main__":
    daemon_test.DAEMON, daemon_test.COMMAND = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1], verbosity=2)
