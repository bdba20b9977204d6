# SPDX-License-Identifier: Apache-2.0
"""The host's units under Debian's systemd and kernel, in a guest that plays the host: programs are killed
and restarted under readers of a VM's share."""

from __future__ import annotations

import os
import re
import tempfile
import unittest
from contextlib import ExitStack
from pathlib import Path

from environment import build_under_test, close_environment
from lab.guest import Guest, GuestSpec
from lab.image import Program
from lab.kvm import kvm_works
from lab.libvirtd import PrivateHost
from lab.log import LabError
from lab.system_image import LIBEXEC, build_system_image, host_files, unit_file
from system_host import wait_for

_BOOT_SECONDS = 300
_ROUNDS = int(os.environ.get("VPOWERCAP_UNIT_ROUNDS", "2"))
#: The one VM of libvirt's test driver.
_UUID = "6695eb01-f6a4-8304-79aa-97f2502e193f"
_SHARE = f"/run/vpowercap/share/{_UUID}"
_ENERGY = f"{_SHARE}/intel-rapl:0/energy_uj"
_FILES = {
    "/etc/vpowercap/vpowercapd.conf": "source = model\nlibvirt-uri = test:///default\n",
    # The laboratory's guests have no package manager that would make it.
    "/etc/group": "root:x:0:\ntty:x:5:\nprometheus:x:100:\nnogroup:x:65534:\nvpowercap:x:200:\n",
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nprometheus:x:100:100::/:/usr/sbin/nologin\n"
                   "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n",
}
#: CAP_CHOWN and CAP_DAC_READ_SEARCH.
_DAEMON_CAPABILITIES = 1 << 0 | 1 << 2
#: A process that looks as the test driver's VM would under QEMU, and works now and again.
_FAKE_QEMU = f"""
mkdir -p /run/libvirt/qemu
sh -c 'while :; do i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; sleep 0.2; done' \\
    qemu -uuid {_UUID} >/dev/null 2>&1 &
echo $! >/run/libvirt/qemu/test.pid
"""
_DROP_IN = "/run/systemd/system/vpowercap-mount.service.d"
#: A server that gets stuck with the first request for attributes (FUSE_GETATTR is 3): what it is asked first.
_STUCK = f"""
mkdir -p {_DROP_IN}
cat >{_DROP_IN}/stuck.conf <<end
[Service]
Environment=VPOWERCAP_STUCK_ON=3
ExecStart=
ExecStart={LIBEXEC}/vpowercap-mount --server /usr/bin/stuck-server --hung-after 600
end
systemctl daemon-reload
"""
#: What the units have to say.
_WORDS = "systemctl --no-pager status 'vpowercap*'; journalctl --no-pager -o cat -n 40 -u 'vpowercap*'"
#: Readers of the share, kept descriptors and fresh ones, out of systemd's way, until /run/enough is there.
_STORM = f"""
(while [ ! -e /run/enough ]; do
    nice -n 19 read-storm --threads 2 --reads 1000000000 --seconds 10 {_SHARE} || break
done; echo ended) >/run/storm 2>&1 &
"""
_REPORT = re.compile(r"(\d+) reads of .* (\d+) saw a new value\n"
                     r"failed 0, empty 0, torn 0, malformed 0, decreasing 0\n")


class UnitsTest(unittest.TestCase):
    """One machine with the host's units; its virtual machine is a shell."""

    host: Guest

    @classmethod
    def setUpClass(cls) -> None:
        resources = cls.enterClassContext(ExitStack())
        close_environment()
        build = build_under_test()
        scratch = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="vpowercap-")))
        image = build_system_image(
            scratch, build.guest_mount, files={**host_files(), **unit_file("vpowercap-agent"), **_FILES},
            extra=[Program(build.daemon, f"{LIBEXEC}/vpowercapd"), Program(build.mount, f"{LIBEXEC}/vpowercap-mount"),
                   Program(build.server, f"{LIBEXEC}/vpowercap-fs"), Program(build.ctl, "/usr/bin/vpowercap"),
                   Program(build.agent, "/usr/bin/vpowercap-agent"),
                   Program(build.directory / "tests/tree/read_storm", "/usr/bin/read-storm"),
                   Program(build.directory / "fuse-fs/mount/stuck_server", "/usr/bin/stuck-server"),
                   Program(Path("/usr/bin/nice"), "/usr/bin/nice")])
        machine = resources.enter_context(PrivateHost())
        cls.host = Guest.create(machine, GuestSpec(
            "host", "0d6e5f7c-1f0b-4f5e-9c53-9a52d3c0f8aa", image, 21000, wired=False, memory_mib=768,
            accelerator="kvm" if kvm_works(image) else "qemu"))
        resources.callback(machine.virsh, "destroy", cls.host.spec.uuid, check=False)
        cls.host.wait_ready(_BOOT_SECONDS)
        cls.host.check(_FAKE_QEMU)
        cls.host.check("systemctl start vpowercap.target")
        try:
            wait_for("the VM's energy", lambda: cls.host.run(f"cat {_ENERGY}").code == 0)
        except LabError as error:
            raise LabError(f"{error}: {cls.host.run(_WORDS).out}") from error

    def test_the_server_has_no_privilege(self) -> None:
        status = self.host.check("cat /proc/$(pidof vpowercap-fs)/status")
        for line in ("Uid:\t65534\t65534\t65534\t65534", "Gid:\t200\t200\t200\t200", "NoNewPrivs:\t1",
                     "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000",
                     "Seccomp:\t2"):
            self.assertIn(line, status)

    def test_the_mount_helper_and_its_server_have_no_network(self) -> None:
        self.assertEqual(self.shown("RestrictAddressFamilies", "vpowercap-mount"), "AF_UNIX")
        self.assertEqual(self.shown("RestrictNamespaces", "vpowercap-mount"), "yes")

    def test_the_daemon_has_few_privileges(self) -> None:
        for when in ("as it is", "restarted"):
            with self.subTest(when):
                status = self.host.check("cat /proc/$(pidof vpowercapd)/status")
                for line in ("NoNewPrivs:\t1", "Seccomp:\t2", f"CapBnd:\t{_DAEMON_CAPABILITIES:016x}",
                             f"CapEff:\t{_DAEMON_CAPABILITIES:016x}"):
                    self.assertIn(line, status)
                calls = self.shown("SystemCallFilter", "vpowercapd").split()
                self.assertIn("read", calls)
                self.assertNotIn("mount", calls)
                self.assertTrue(self.writable("/etc", "1"), "nobody can write there")
                daemon = self.host.check("pidof vpowercapd").strip()
                for path in ("/etc", "/usr", "/var/lib", "/run", "/run/libvirt", "/sys", "/proc/sys"):
                    self.assertFalse(self.writable(path, daemon), path)
                for path in ("/run/vpowercap", "/run/vpowercap/share.rw", "/var/lib/vpowercap"):
                    self.assertTrue(self.writable(path, daemon), path)
                self.replaced("vpowercapd", "systemctl restart vpowercapd")
        wait_for("the VM's energy", lambda: self.host.run(f"cat {_ENERGY}").code == 0)

    def test_the_agent_serves_what_it_may_only_read(self) -> None:
        self.host.check("systemctl start vpowercap-agent")
        wait_for("the agent's metrics", lambda: "vpowercap_vm_joules_total{" in self.host.run(
            "wget -qO- http://127.0.0.1:9955/metrics").out)
        agent = self.host.check("pidof vpowercap-agent").strip()
        status = self.host.check(f"cat /proc/{agent}/status")
        for line in ("NoNewPrivs:\t1", "Seccomp:\t2", f"CapBnd:\t{1 << 2:016x}"):
            self.assertIn(line, status)
        for path in ("/etc", "/run", "/run/vpowercap", "/var/lib", "/sys", "/proc/sys"):
            self.assertFalse(self.writable(path, agent), path)

    def test_kills_and_restarts_cost_no_read(self) -> None:
        before = self.energy()
        device = self.host.check(f"stat -c %d {_SHARE}/intel-rapl")
        self.host.check(_STORM)
        for _ in range(_ROUNDS):
            for name in ("vpowercap-mount", "vpowercapd"):
                self.replaced(name, f"systemctl kill --kill-who=main -s KILL {name}")
                self.replaced(name, f"systemctl restart {name}")
            self.host.check("kill -KILL $(pidof vpowercap-fs)")
            self.replaced("vpowercap-mount", "systemctl restart vpowercap.target")
            self.host.check("systemctl daemon-reexec")
            self.assertEqual(self.shown("NFileDescriptorStore", "vpowercap-mount"), "2")
        reads, changes = self.expect_an_unhurt_storm()
        print(f"{_ROUNDS} rounds of SIGKILL and restart of both units, SIGKILL of the server, restart of the target, "
              f"daemon-reexec: {reads} reads, {changes} saw a new value, failed 0, decreasing 0", flush=True)
        self.assertGreater(changes, 0)
        self.assertEqual(self.host.check(f"stat -c %d {_SHARE}/intel-rapl"), device, "it was mounted anew")
        self.assertGreater(self.energy(), before)

    def test_a_signal_that_is_no_stop_costs_no_read(self) -> None:
        device = self.host.check(f"stat -c %d {_SHARE}/intel-rapl")
        self.host.check(_STORM)
        for command in ("systemctl kill -s TERM vpowercap-mount", "kill $(pidof vpowercap-mount)"):
            self.replaced("vpowercap-mount", command)
        self.assertEqual(self.host.check(f"stat -c %d {_SHARE}/intel-rapl"), device, "it was mounted anew")
        self.expect_an_unhurt_storm()

    def test_one_that_hangs_is_replaced(self) -> None:
        device = self.host.check(f"stat -c %d {_SHARE}/intel-rapl")
        self.host.check(f"mkdir -p {_DROP_IN}; printf '[Service]\\nWatchdogSec=5\\n' >{_DROP_IN}/watchdog.conf; "
                        "systemctl daemon-reload")
        self.replaced("vpowercap-mount", "systemctl restart vpowercap-mount")
        self.host.check(_STORM)
        self.replaced("vpowercap-mount", "kill -STOP $(pidof vpowercap-mount)")
        self.assertEqual(self.host.check(f"stat -c %d {_SHARE}/intel-rapl"), device, "it was mounted anew")
        self.expect_an_unhurt_storm()

    def test_a_restart_under_a_hung_server_costs_no_read(self) -> None:
        device = self.host.check(f"stat -c %d {_SHARE}/intel-rapl")
        self.host.check(_STORM)
        self.host.check("kill -STOP $(pidof vpowercap-fs)")
        self.replaced("vpowercap-mount", "systemctl restart vpowercap-mount")
        self.assertEqual(self.host.check(f"stat -c %d {_SHARE}/intel-rapl"), device, "it was mounted anew")
        self.expect_an_unhurt_storm()

    def test_a_child_that_cannot_be_killed_holds_up_no_restart(self) -> None:
        device = self.host.check(f"stat -c %d {_SHARE}/intel-rapl")
        self.host.check(_STUCK)
        self.replaced("vpowercap-mount", "systemctl restart vpowercap-mount")
        wait_for("a child that asks the server", lambda: len(self.host.check("pidof vpowercap-mount").split()) == 2)
        self.host.check(f"rm {_DROP_IN}/stuck.conf; systemctl daemon-reload")
        self.replaced("vpowercap-mount", "systemctl restart vpowercap-mount")
        self.assertEqual(self.host.check(f"stat -c %d {_SHARE}/intel-rapl"), device, "it was mounted anew")
        self.assertGreater(self.energy(), 0)

    def test_a_stop_unmounts_and_a_start_heals(self) -> None:
        before = self.energy()
        self.host.check("systemctl stop vpowercap-mount")
        self.assertNotIn("fuse.vpowercap", self.host.check("cat /proc/mounts"))
        self.assertNotEqual(self.host.run(f"cat {_ENERGY}").code, 0)
        self.host.check("systemctl start vpowercap-mount")
        self.assertGreaterEqual(self.energy(), before)

    def writable(self, path: str, pid: str) -> bool:
        """Whether what a process sees at a path is a mount that lets it write."""
        seen = ("", "")
        for line in self.host.check(f"cat /proc/{pid}/mountinfo").splitlines():
            place, options = line.split()[4:6]
            if f"{path}/".startswith(place.rstrip("/") + "/") and len(place) >= len(seen[0]):
                seen = (place, options)
        return seen[1].split(",")[0] == "rw"

    def replaced(self, name: str, command: str) -> None:
        """Runs a command that ends a unit's program and waits for the next one to be ready."""
        before = self.shown("MainPID", name)
        self.host.check(command)
        wait_for(f"another {name}", lambda: self.shown("MainPID", name) not in (before, "0")
                 and self.shown("ActiveState", name) == "active")

    def expect_an_unhurt_storm(self) -> tuple[int, int]:
        """Ends the readers: none of them has failed. How many reads there were, and how many saw a new value."""
        self.host.check("touch /run/enough")
        wait_for("the readers' end", lambda: "ended" in self.host.check("cat /run/storm"))
        storm = self.host.check("cat /run/storm; rm /run/enough")
        self.assertEqual(_REPORT.sub("", storm), "ended\n")
        reads, changes = (sum(map(int, column)) for column in zip(*_REPORT.findall(storm)))
        return reads, changes

    def shown(self, what: str, name: str) -> str:
        return self.host.check(f"systemctl show --value -p {what} {name}").strip()

    def energy(self) -> int:
        return int(self.host.check(f"cat {_ENERGY}"))


if __name__ == "__main__":
    unittest.main()
