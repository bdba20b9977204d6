# SPDX-License-Identifier: Apache-2.0
"""The share in containers of a guest: runc, with the mounts and masked paths that Docker gives."""

from __future__ import annotations

import json
import unittest
from contextlib import ExitStack
from typing import Any

from lab.guest import Guest
from system_host import SystemHost, wait_for

_SHARE = "/sys/class/powercap"
_ENERGY = "class/powercap/intel-rapl:0/energy_uj"
#: The container's file system: busybox, and Debian's readers with their libraries.
_ROOT = """
mkdir -p /run/rootfs/usr/bin /run/rootfs/usr/lib/x86_64-linux-gnu /run/rootfs/lib64 /run/rootfs/host
cd /run/rootfs && ln -s usr/bin bin && ln -s usr/lib lib
cp /usr/bin/busybox /usr/bin/powercap-info /usr/bin/prometheus-node-exporter usr/bin/
cp -L /lib64/ld-linux-x86-64.so.2 lib64/
cp -L /usr/lib/x86_64-linux-gnu/libc.so.6 /usr/lib/x86_64-linux-gnu/libpowercap.so.0 usr/lib/x86_64-linux-gnu/
"""
_EXPORTER = ("busybox ip link set lo up; prometheus-node-exporter --collector.disable-defaults --collector.rapl "
             "--web.listen-address=127.0.0.1:9100 {} >/dev/null 2>&1 & for n in 1 2 3 4 5 6 7 8 9; do busybox sleep 2; "
             "busybox wget -qO- http://127.0.0.1:9100/metrics && break; done")


def share_mount(*options: str) -> dict[str, Any]:
    """The share, bound read-only on its own path."""
    return {"destination": _SHARE, "type": "bind", "source": _SHARE, "options": ["bind", "ro", *options]}


def root_mount(*options: str) -> dict[str, Any]:
    """The guest's whole tree on /host, read-only."""
    return {"destination": "/host", "type": "bind", "source": "/", "options": ["rbind", "ro", *options]}


class ContainersTest(unittest.TestCase):
    """One guest; each test its own containers."""

    guest: Guest
    spec: str

    @classmethod
    def setUpClass(cls) -> None:
        lab = SystemHost(cls.enterClassContext(ExitStack()))
        cls.guest = lab.create("containers", wired=True)
        cls.guest.wait_ready(300)
        lab.stack.wait_for_vm(cls.guest.spec.uuid)
        cls.guest.check(_ROOT)
        cls.spec = cls.guest.check("cd /run && runc spec && cat config.json")

    def test_without_a_recipe_a_container_sees_no_zones(self) -> None:
        self.assertEqual(self.run_in("plain", [], f"busybox find {_SHARE}/ -name 'intel*'"), "")

    def test_unmodified_readers_find_the_share_where_it_is_bound(self) -> None:
        before = self.energy()
        seen = self.run_in("bound", [share_mount("rprivate")],
                           f"busybox cat /sys/{_ENERGY}; powercap-info -p intel-rapl; " + _EXPORTER.format(""))
        self.assertLessEqual(before, int(seen.split()[0]))
        self.assertLessEqual(int(seen.split()[0]), self.energy())
        self.assertIn("name: package-0", seen)
        self.assertIn(f'node_rapl_package_joules_total{{index="0",path="{_SHARE}/intel-rapl:0"}}', seen)

    def test_node_exporter_finds_the_share_below_the_guests_root(self) -> None:
        seen = self.run_in("host", [root_mount("rslave")], _EXPORTER.format("--path.sysfs=/host/sys"))
        self.assertIn(f'node_rapl_package_joules_total{{index="0",path="/host{_SHARE}/intel-rapl:0"}}', seen)

    def test_a_share_mounted_later_reaches_containers_whose_mounts_follow(self) -> None:
        self.guest.check("systemctl stop vpowercap-guest")
        places = {"private": "/sys/", "slave": "/sys/", "hostslave": "/host/sys/", "hostprivate": "/host/sys/"}
        mounts = (share_mount("rprivate"), share_mount("rslave"), root_mount("rslave"), root_mount("rprivate"))
        for name, mount in zip(places, mounts, strict=True):
            self.configure(name, [mount], "busybox sleep 600")
            self.guest.check(f"runc run --no-pivot -d -b /run/{name} {name} >/dev/null 2>&1 </dev/null")
        self.guest.check("systemctl start vpowercap-guest")
        wait_for("the share", lambda: self.guest.run(f"cat /sys/{_ENERGY}").code == 0)
        seen = {name: self.guest.run(f"runc exec {name} busybox cat {place}{_ENERGY}").code == 0
                for name, place in places.items()}
        for name in places:
            self.guest.check(f"runc kill {name} KILL")
        self.assertEqual(seen, {"private": False, "slave": True, "hostslave": True, "hostprivate": False})

    def energy(self) -> int:
        return int(self.guest.check(f"cat /sys/{_ENERGY}"))

    def run_in(self, name: str, mounts: list[dict[str, Any]], script: str) -> str:
        """What a script in a new container with these mounts prints."""
        self.configure(name, mounts, script)
        return self.guest.check(f"runc run --no-pivot -b /run/{name} {name}")

    def configure(self, name: str, mounts: list[dict[str, Any]], script: str) -> None:
        """Writes a container's configuration: runc's own, with Docker's mask of the powercap devices."""
        spec = json.loads(self.spec)
        spec["root"]["path"] = "/run/rootfs"
        spec["process"].update(terminal=False, args=["busybox", "sh", "-c", script])
        spec["mounts"] += mounts
        spec["linux"]["maskedPaths"].append("/sys/devices/virtual/powercap")
        self.guest.check(f"mkdir -p /run/{name}; cat >/run/{name}/config.json <<'END'\n{json.dumps(spec)}\nEND\n")


if __name__ == "__main__":
    unittest.main()
