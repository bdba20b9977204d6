# SPDX-License-Identifier: Apache-2.0
"""A guest in the laboratory: its domain, its boot, commands and readers in it."""

from __future__ import annotations

import http.client
import re
import time
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from lab.image import AGENT_PORT, COMMAND_PORT, NODE_EXPORTER_PORT, Image
from lab.libvirtd import PrivateHost
from lab.log import LabError

#: What libvirt takes as the guest's CPU model for each accelerator.
_CPU = {"kvm": "host-passthrough", "qemu": "maximum"}

_GUEST_PORTS = (NODE_EXPORTER_PORT, AGENT_PORT, COMMAND_PORT)


@dataclass(frozen=True)
class GuestSpec:
    """What a guest is made of. `port` is the first of three on the private loopback."""

    name: str
    uuid: str
    image: Image
    port: int
    load: str = "idle"           #: busy, idle or a percentage
    sockets: int = 1
    cores: int = 1               #: of each socket
    says_topology: bool = True   #: else sockets * cores vCPUs, and the rest is left to libvirt
    plugged: int | None = None   #: of its vCPUs, those that are there from the start; None: all
    accelerator: str = "qemu"    #: libvirt's domain type: kvm or qemu (TCG)
    share: str | None = None     #: source of the share; by default /run/vpowercap/share/UUID
    cache: str = "none"          #: cache mode of its virtiofsd: none or always
    wired: bool = True           #: whether the definition has the share
    memory_mib: int = 256
    iothreads: int = 0
    on_reboot: str = "destroy"   #: or restart
    devices: str = ""            #: more of libvirt's <devices>, as XML

    @property
    def log(self) -> str:
        """The file inside that has the guest's console."""
        return f"/run/guest-{self.uuid}.log"


@dataclass(frozen=True)
class CommandResult:
    """How a command in the guest ended."""

    code: int
    out: str
    err: str


def domain_xml(spec: GuestSpec) -> str:
    """The libvirt domain of a guest."""
    source = spec.share or f"/run/vpowercap/share/{spec.uuid}"
    filesystem = f"""
    <filesystem type='mount' accessmode='passthrough'>
      <driver type='virtiofs'/>
      <binary><cache mode='{spec.cache}'/></binary>
      <source dir={quoteattr(source)}/>
      <target dir='vpowercap'/>
    </filesystem>"""
    cores, plugged = spec.cores, spec.plugged
    if spec.sockets * cores == 1:
        # TCG leaves out the memory barriers of a guest that can never have a second vCPU. virtiofsd, a
        # process of its own, then misses a request now and again, and all after it wait for ever.
        cores, plugged = 2, 1
    topology = f"<topology sockets='{spec.sockets}' dies='1' cores='{cores}' threads='1'/>"
    current = f" current='{plugged}'" if plugged else ""
    forwards = "".join(f",hostfwd=tcp:127.0.0.1:{spec.port + number}-:{port}"
                       for number, port in enumerate(_GUEST_PORTS))
    command_line = f"console=ttyS0 quiet panic=-1 vpowercap.load={spec.load}"
    return f"""
<domain type='{spec.accelerator}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{escape(spec.name)}</name>
  <uuid>{spec.uuid}</uuid>
  <memory unit='MiB'>{spec.memory_mib}</memory>
  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
  <vcpu{current}>{spec.sockets * cores}</vcpu>
  <iothreads>{spec.iothreads}</iothreads>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{escape(str(spec.image.kernel))}</kernel>
    <initrd>{escape(str(spec.image.initrd))}</initrd>
    <cmdline>{command_line}</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='{_CPU[spec.accelerator]}'>{topology if spec.says_topology else ""}</cpu>
  <on_reboot>{spec.on_reboot}</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <serial type='file'><source path='{spec.log}'/></serial>
    <memballoon model='none'/>{filesystem if spec.wired else ""}
    {spec.devices}
  </devices>
  <qemu:commandline>
    <qemu:arg value='-netdev'/>
    <qemu:arg value='user,id=net0,restrict=on{forwards}'/>
    <qemu:arg value='-device'/>
    <qemu:arg value='virtio-net-pci,netdev=net0,romfile=,bus=pcie.0,addr=0x10'/>
  </qemu:commandline>
</domain>
"""


class Guest:
    """A running guest of a PrivateHost."""

    def __init__(self, host: PrivateHost, spec: GuestSpec) -> None:
        self.host = host
        self.spec = spec

    @classmethod
    def create(cls, host: PrivateHost, spec: GuestSpec) -> Guest:
        """Starts a transient domain; does not wait for its boot."""
        guest = cls(host, spec)
        host.virsh("create", "/dev/stdin", input=domain_xml(spec))
        return guest

    def wait_ready(self, timeout: float = 90) -> None:
        """Waits until the guest answers commands and its node_exporter serves.

        Errors: LabError with the end of the guest's console."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                if self.run("true").code == 0 and self.node_exporter_metrics():
                    return
            except (OSError, http.client.HTTPException, LabError) as error:
                if time.monotonic() > deadline:
                    raise LabError(f"guest {self.spec.name} is not ready after {timeout:g} s "
                                   f"({error}): {self.console()[-1500:]}") from error
            time.sleep(0.3)

    def run(self, script: str, user: str = "root", timeout: float = 60) -> CommandResult:
        """Runs a shell script in the guest, as root or image.USER. Errors: OSError, LabError."""
        body = script.encode()
        with self.host.connect(self.spec.port + 2, timeout) as connection:
            connection.sendall(f"{user} {len(body)}\n".encode() + body)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        head, separator, rest = answer.partition(b"\n")
        if not separator:
            raise LabError(f"guest {self.spec.name} gave no answer to a command")
        code, out, err = (int(number) for number in head.split())
        if len(rest) != out + err:
            raise LabError(f"guest {self.spec.name} cut its answer short")
        return CommandResult(code, rest[:out].decode(errors="replace"),
                             rest[out:].decode(errors="replace"))

    def check(self, script: str, user: str = "root") -> str:
        """The stdout of a script that must succeed in the guest. Errors: LabError."""
        result = self.run(script, user)
        if result.code != 0:
            raise LabError(f"in guest {self.spec.name}, `{script}` ended with {result.code}: "
                           f"{(result.err or result.out).strip()[-400:]}")
        return result.out

    def node_exporter_metrics(self) -> str:
        """What node_exporter in the guest shows now, in Prometheus' text format."""
        return self.host.http_get(self.spec.port, "/metrics")

    def agent_metrics(self) -> str:
        """What vpowercap-agent in the guest shows now, in Prometheus' text format."""
        return self.host.http_get(self.spec.port + 1, "/metrics")

    def package_joules(self) -> float:
        """Sum over packages of node_exporter's counter. Errors: LabError when it shows none."""
        found = re.findall(r"^node_rapl_package_joules_total(?:\{[^}]*\})? (\S+)$",
                           self.node_exporter_metrics(), re.MULTILINE)
        if not found:
            raise LabError(f"node_exporter in guest {self.spec.name} shows no package energy")
        return sum(float(value) for value in found)

    def console(self) -> str:
        """All the guest has written on its console."""
        path: Path = self.host.path(self.spec.log)
        return path.read_text(errors="replace") if path.exists() else ""

    def destroy(self) -> None:
        """Ends the guest at once."""
        self.host.virsh("destroy", self.spec.uuid)
