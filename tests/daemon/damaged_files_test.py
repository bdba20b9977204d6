#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The real vpowercapd with a damaged ledger and damaged idle power: it goes on or refuses, and names the file.

Usage: damaged_files_test.py VPOWERCAPD VPOWERCAP
"""
import os
import random
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


class DamagedFiles(unittest.TestCase):
    """VPOWERCAP_DAMAGED_STARTS says how many times the daemon finds a damaged ledger and damaged idle power."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="vpowercap-daemon-")
        self.addCleanup(directory.cleanup)
        self.host = daemon_test.Host(directory.name)
        self.addCleanup(lambda: self.host.process and self.host.process.poll() is None and self.host.stop())

    def outcome(self, tick: int) -> bool:
        """Starts; whether it goes on with the ledger, which was written up to a tick, not refuses it."""
        host = self.host
        host.log_path.unlink()
        with open(host.log_path, "ab") as log:
            host.process = subprocess.Popen(host.arguments(), stderr=log, stdout=log)
        host.wait_for(lambda: host.process.poll() is not None or host.tick() > tick,
                      "the daemon to go on or to refuse")
        return host.process.poll() is None

    def test_damaged_files_are_gone_on_with_or_refused_by_name(self):
        host = self.host
        host.start()
        for number in range(3):
            host.advance(number, 7)
        host.wait_for(lambda: min(host.joules().values()) == 7.0, "7 J in each zone")
        host.stop(signal.SIGKILL)
        ledger = host.run_dir / "ledger"
        content = ledger.read_bytes()
        tick = host.tick()
        used = content[:262144]  # the header, the host's record, the first slots: the rest is zeroes
        chosen = random.Random(1)
        starts = int(os.environ.get("VPOWERCAP_DAMAGED_STARTS", "12"))
        (host.root / "state").mkdir(exist_ok=True)
        gone_on = 0
        for number in range(starts):
            bad = damaged(used, chosen)
            ledger.write_bytes(bad if len(bad) < len(used) else bad[:len(used)] + content[len(used):] + bad[len(used):])
            (host.root / "state/idle.json").write_bytes(damaged(b'{"version":1,"zones":[]}', chosen))
            if not self.outcome(tick):
                self.assertEqual(host.process.returncode, 1, host.log())
                lines = [line for line in host.log().splitlines() if str(ledger) in line]
                self.assertEqual(len(lines), 1, f"start {number}: {host.log()}")
                continue
            gone_on += 1
            joules = host.joules()
            host.stop(signal.SIGKILL)
            self.assertGreaterEqual(min(joules[f"intel-rapl:{zone}"] for zone in range(3)), 7.0, f"start {number}")
        self.assertTrue(0 < gone_on < starts, f"{gone_on} of {starts} starts went on")
        print(f"\n{starts} damaged starts: {gone_on} went on, no counter went back; {starts - gone_on} refused by name")


if __name__ == "__main__":
    daemon_test.DAEMON, daemon_test.COMMAND = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1], verbosity=2)
