#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The real vpowercapd against fake powercap trees: bad zones, restarts, configuration.

Usage: daemon_test.py VPOWERCAPD VPOWERCAP
"""
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

DAEMON = ""
COMMAND = ""
MAX_RANGE = "262143328850\n"
#: The one VM of libvirt's test driver.
TEST_VM = "6695eb01-f6a4-8304-79aa-97f2502e193f"


class Host:
    """A fake sysfs with three packages, and a daemon reading it."""

    def __init__(self, directory: str):
        self.root = pathlib.Path(directory)
        self.zones = self.root / "sys/class/powercap"
        self.run_dir = self.root / "run"
        self.config = self.root / "vpowercapd.conf"
        self.config.write_text("idle-policy = none\n")
        self.log_path = self.root / "log"
        for number in range(3):
            self.write(number, "name", f"package-{number}\n")
            self.write(number, "max_energy_range_uj", MAX_RANGE)
            self.write(number, "energy_uj", "1000000\n")
        for cpu in range(os.cpu_count() or 1):
            topology = self.root / f"sys/devices/system/cpu/cpu{cpu}/topology"
            topology.mkdir(parents=True)
            (topology / "physical_package_id").write_text("0\n")
        self.libvirt_uri = ""
        self.extra = []
        self.process = None

    def zone(self, number: int) -> pathlib.Path:
        return self.zones / f"intel-rapl:{number}"

    def write(self, number: int, name: str, text: str) -> None:
        self.zone(number).mkdir(parents=True, exist_ok=True)
        (self.zone(number) / name).write_text(text)

    def arguments(self, *extra: str) -> list[str]:
        return [DAEMON, "--config", str(self.config), "--sysfs-root", str(self.root / "sys"), "--run-dir",
                str(self.run_dir), "--libvirt-uri", self.libvirt_uri, "--group", "", "--tick", "0.1", "--state-dir",
                str(self.root / "state"), *extra]

    def start(self) -> None:
        before = self.tick()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.arguments(*self.extra), stderr=log, stdout=log)
        # What is counted before it is from the first reading on, not from when the ledger is there.
        self.wait_for(lambda: self.tick() > before, "the first tick")

    def start_vm(self, test: unittest.TestCase) -> None:
        """A process that passes for the QEMU of the test driver's VM; ends with the test."""
        pids = self.root / "pids"
        pids.mkdir()
        qemu = subprocess.Popen(["sh", "-c", "while :; do sleep 0.1; done", "qemu", "-uuid", TEST_VM])
        test.addCleanup(qemu.wait)
        test.addCleanup(qemu.kill)
        (pids / "test.pid").write_text(f"{qemu.pid}\n")
        self.libvirt_uri = "test:///default"
        self.extra = ["--libvirt-pid-dir", str(pids)]

    def stop(self, how: int = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(timeout=10)

    def list(self) -> subprocess.CompletedProcess:
        return subprocess.run([COMMAND, "--run-dir", str(self.run_dir), "--json", "list"], capture_output=True,
                              text=True, check=False)

    def tick(self) -> int:
        found = self.list()
        return json.loads(found.stdout)["tick"] if found.returncode == 0 else 0

    def joules(self) -> dict[str, float]:
        return {zone["id"]: zone["joules"] for zone in json.loads(self.list().stdout)["zones"]}

    def log(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else ""

    def advance(self, number: int, joules: float) -> None:
        """Counts up without ever showing half a number, as a kernel does."""
        path = self.zone(number) / "energy_uj"
        value = int(path.read_text()) + int(joules * 1e6)
        with open(path, "r+b", buffering=0) as counter:
            os.pwrite(counter.fileno(), b"%d\n" % value, 0)

    def keep_drawing(self, number: int, stop: threading.Event) -> None:
        path = self.zone(number) / "energy_uj"
        value = 100_000_000
        path.write_text(f"{value}\n")
        with open(path, "r+b", buffering=0) as counter:
            while not stop.wait(0.01):
                value += 100_000
                os.pwrite(counter.fileno(), b"%d\n" % value, 0)

    def wait_for(self, condition, what: str) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited 20 s for {what}; log:\n{self.log()}")
            time.sleep(0.02)


class Daemon(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="vpowercap-daemon-")
        self.addCleanup(directory.cleanup)
        self.host = Host(directory.name)
        self.addCleanup(lambda: self.host.process and self.host.process.poll() is None and self.host.stop())

    def expect_joules(self, number: int, joules: float):
        self.host.wait_for(lambda: abs(self.host.joules().get(f"intel-rapl:{number}", -1) - joules) < 1e-6,
                           f"zone {number} to show {joules} J, it shows {self.host.joules()}")

    def check_bad_zone(self, name: str, text: str | None, start_first: bool):
        """Zone 1 goes bad; one error names the file, zones 0 and 2 go on."""
        host = self.host
        if start_first:
            host.start()
        path = host.zone(1) / name
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
        if not start_first:
            host.start()
        host.advance(0, 1)
        host.advance(2, 2)
        self.expect_joules(0, 1)
        self.expect_joules(2, 2)
        host.wait_for(lambda: str(path) in host.log(), f"an error naming {path}")
        time.sleep(0.5)
        self.assertEqual(1, host.log().count(str(path)), host.log())
        self.assertIsNone(host.process.poll())

    def test_malformed_counters_while_running(self):
        for text in ("", "5000000", "12ab\n", "18446744073709551616\n", "-5\n", " 7\n"):
            with self.subTest(text=text):
                self.setUp()
                self.check_bad_zone("energy_uj", text, start_first=True)
                self.host.stop()

    def test_malformed_counters_at_start(self):
        for text in ("", "5000000", "12ab\n", "18446744073709551616\n"):
            with self.subTest(text=text):
                self.setUp()
                self.check_bad_zone("energy_uj", text, start_first=False)
                self.host.stop()

    def test_missing_range(self):
        self.check_bad_zone("max_energy_range_uj", None, start_first=False)

    def test_zone_that_vanishes_and_comes_back(self):
        host = self.host
        host.start()
        zone = host.zone(1)
        zone.rename(host.root / "gone")
        host.advance(0, 3)
        self.expect_joules(0, 3)
        (host.root / "gone").rename(zone)
        host.advance(1, 4)
        host.wait_for(lambda: host.joules()["intel-rapl:1"] in (0, 4), "the zone to be read again")
        host.advance(1, 5)
        host.wait_for(lambda: host.joules()["intel-rapl:1"] >= 5, "the zone to count again")
        self.assertLessEqual(host.joules()["intel-rapl:1"], 9)

    def test_counters_go_on_after_sigkill(self):
        host = self.host
        host.start()
        host.advance(0, 10)
        self.expect_joules(0, 10)
        host.stop(signal.SIGKILL)
        host.advance(0, 7)  # what passes while nobody looks
        host.start()
        self.assertIn("going on with the counters", host.log())
        self.expect_joules(0, 17)

    def idle_of_host(self) -> dict:
        shown = subprocess.run([COMMAND, "--run-dir", str(self.host.run_dir), "--json", "show", "--host"],
                               capture_output=True, text=True, check=True)
        return json.loads(shown.stdout)["zones"][0]["idle"]

    def test_learned_idle_power_outlives_the_daemon(self):
        host = self.host
        proc = host.root / "proc"
        proc.mkdir()
        (proc / "stat").write_text("cpu 0 0 0 0\n" +
                                   "".join(f"cpu{cpu} 0 0 0 0\n" for cpu in range(os.cpu_count() or 1)))
        host.extra = ["--proc-root", str(proc)]
        host.start()
        self.assertEqual("none", self.idle_of_host()["method"])

        stop = threading.Event()
        pump = threading.Thread(target=host.keep_drawing, args=(0, stop))
        pump.start()
        self.addCleanup(pump.join)
        self.addCleanup(stop.set)

        def learns():
            return self.idle_of_host()["method"] == "learned"
        host.wait_for(learns, "idle power to be learned")
        self.assertEqual("low", self.idle_of_host()["confidence"])
        self.assertEqual(0, host.stop())
        kept = host.root / "state/idle.json"
        self.assertIn("intel-rapl:0 package-0", kept.read_text())

        host.start()
        host.wait_for(lambda: self.idle_of_host()["samples"] > 0, "the learned idle power to be there again")
        self.assertEqual("learned", self.idle_of_host()["method"])
        self.assertEqual(0, host.stop())

        kept.write_text("{ broken")
        host.start()
        self.assertEqual(1, host.log().count(f"{kept} does not hold"), host.log())
        host.wait_for(learns, "idle power to be learned anew")

    def command(self, *words: str, text: str = "") -> subprocess.CompletedProcess:
        return subprocess.run([COMMAND, "--run-dir", str(self.host.run_dir), "--json", *words], input=text,
                              capture_output=True, text=True, check=False)

    def counter(self) -> float:
        shown = self.command("show", TEST_VM)
        return json.loads(shown.stdout)["published_joules"] if shown.returncode == 0 else 0

    def test_a_state_waits_for_its_vm_also_after_sigkill(self):
        host = self.host
        host.start()
        state = {"vpowercap_state": 1, "uuid": TEST_VM,
                 "counters": [{"socket": 0, "domain": "package", "microjoules": 50_000_000}]}
        done = self.command("state", "import", TEST_VM, text=json.dumps(state))
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        host.stop(signal.SIGKILL)
        host.start_vm(self)
        host.start()
        host.wait_for(lambda: self.counter() >= 50, "the counter to go on")
        host.wait_for(lambda: not list((host.run_dir / "awaited").iterdir()), "the state to be used")
        host.stop(signal.SIGKILL)
        host.start()
        self.assertGreaterEqual(self.counter(), 50)

        # A VM of a kilowatt has more after four months than other programs' JSON can tell apart.
        state["counters"][0]["microjoules"] = 2**53 + 1
        self.assertEqual(0, self.command("state", "import", TEST_VM, text=json.dumps(state)).returncode)
        host.wait_for(lambda: self.counter() >= 2**53 / 1e6, "the counter to go on")
        exported = self.command("state", "export", "test").stdout
        self.assertGreater(json.loads(exported)["counters"][0]["microjoules"], 2**53)
        done = self.command("state", "import", TEST_VM, text=exported)
        self.assertEqual((0, ""), (done.returncode, done.stderr))

    def test_a_vm_goes_on_from_another_hosts_state(self):
        host = self.host
        host.start_vm(self)
        host.start()
        host.wait_for(lambda: self.counter() > 0, "the VM")

        state = json.loads(self.command("state", "export", "test").stdout)
        self.assertEqual(TEST_VM, state["uuid"])
        state["counters"][0]["microjoules"] = 50_000_000
        done = self.command("state", "import", TEST_VM, text=json.dumps(state))
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertIn("goes on", done.stdout)
        host.wait_for(lambda: self.counter() >= 50, "the counter to go on")
        shown = json.loads(self.command("show", TEST_VM).stdout)
        self.assertLess(shown["joules"], 1)

        state["counters"][0]["microjoules"] = 1
        self.assertEqual(0, self.command("state", "import", TEST_VM, text=json.dumps(state)).returncode)
        state["counters"][0]["domain"] = "psys"
        refused = self.command("state", "import", TEST_VM, text=json.dumps(state))
        self.assertEqual(1, refused.returncode)
        self.assertIn('"domain" is none of', refused.stderr)
        host.stop(signal.SIGKILL)
        host.start()
        self.assertGreaterEqual(self.counter(), 50)

    def test_a_second_daemon_is_refused(self):
        self.host.start()
        second = subprocess.run(self.host.arguments(), capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(1, second.returncode)
        self.assertIn("another vpowercapd", second.stderr)
        self.assertIsNone(self.host.process.poll())

    def test_a_broken_configuration_is_named_and_kept_out(self):
        host = self.host
        host.config.write_text("tick = soon\n")
        refused = subprocess.run([DAEMON, "--config", str(host.config), "--check-config"], capture_output=True,
                                 text=True, check=False)
        self.assertEqual(2, refused.returncode)
        self.assertIn(f"{host.config}, tick", refused.stderr)
        host.config.write_text("idle-policy = none\n")
        host.start()
        host.config.write_text("idle-policy = fair\n")
        host.process.send_signal(signal.SIGHUP)
        host.wait_for(lambda: "keeping the old configuration" in host.log(), "the refusal")
        host.advance(0, 1)
        self.expect_joules(0, 1)
        host.config.write_text("idle-policy = usage\n")
        host.process.send_signal(signal.SIGHUP)
        host.wait_for(lambda: "read again" in host.log(), "the reload")

    def test_without_rapl_it_says_how_to_choose_the_model(self):
        for number in range(3):
            (self.host.zone(number) / "energy_uj").unlink()
        refused = subprocess.run(self.host.arguments(), capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(1, refused.returncode)
        self.assertIn("model", refused.stderr)

    def test_a_foreign_ledger_is_refused(self):
        self.host.run_dir.mkdir()
        (self.host.run_dir / "ledger").write_text("something else")
        refused = subprocess.run(self.host.arguments(), capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(1, refused.returncode)
        self.assertIn("is not a ledger", refused.stderr)

    def test_a_ledger_of_another_release_is_refused_until_it_is_removed(self):
        self.host.run_dir.mkdir()
        ledger = self.host.run_dir / "ledger"
        # The header of version 2: magic, version, slots, sizes, boot, heartbeat, stale-after, tick.
        header = b"VPCLEDGR" + struct.pack("<IIQQ16sQQQ", 2, 512, 14352, 18448, b"", 5, 60 * 10**9, 10**9)
        ledger.write_bytes(header.ljust(4096 + 14352 + 512 * 18448, b"\0"))
        refused = subprocess.run(self.host.arguments(), capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(1, refused.returncode)
        lines = [line for line in refused.stderr.splitlines() if str(ledger) in line]
        self.assertEqual(1, len(lines), refused.stderr)
        self.assertIn("layout version 2", lines[0])
        self.assertIn("remove the file", lines[0])
        self.assertIn("use programs of one release", self.host.list().stderr)
        ledger.unlink()
        self.host.start()

    def test_sigterm_leaves_cleanly(self):
        self.host.start()
        self.assertEqual(0, self.host.stop())


if __name__ == "__main__":
    DAEMON, COMMAND = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1], verbosity=2)
