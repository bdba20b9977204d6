# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: one private host with the stack and two guests, made when first asked
for and ended by the runner."""

from __future__ import annotations

import os
import tempfile
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lab.build import Build
from lab.guest import Guest, GuestSpec
from lab.image import AGENT_PORT, Image, Program, build_image
from lab.kvm import kvm_works
from lab.libvirtd import PrivateHost
from lab.log import progress
from lab.stack import Stack, hook_text

#: Where the runner says that the programs are.
BUILD_VARIABLE = "VPOWERCAP_BUILD"

#: The model's power, for bounds: nothing here draws more.
MODEL_IDLE_WATTS = 10.0
MODEL_MAX_WATTS = 60.0

#: Programs of ours that guests get besides: in the build directory, and in the guest.
_PROGRAMS = {"tests/hostile/attack": "/usr/bin/attack",
             "tests/tree/read_storm": "/usr/bin/read-storm",
             "tests/tree/kept_and_fresh": "/usr/bin/kept-and-fresh",
             "tests/tree/tree_view": "/usr/bin/tree-view",
             "tests/agents/ways_of_reading": "/usr/bin/ways-of-reading"}


def build_under_test() -> Build:
    """The build directory the runner was given."""
    return Build(Path(os.environ[BUILD_VARIABLE]))


class Environment:
    """The stack with the model as its source, a busy guest of one socket and an idle one of two."""

    def __init__(self, resources: ExitStack) -> None:
        scratch = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="vpowercap-")))
        self.build = build_under_test()
        self.image: Image = build_image(scratch, agent=self.build.agent,
                                        agent_arguments=f"prometheus --listen :{AGENT_PORT}",
                                        guest_mount=self.build.guest_mount,
                                        extra=[Program(self.build.directory / place, target)
                                               for place, target in _PROGRAMS.items()])
        self.accelerator = "kvm" if kvm_works(self.image) else "qemu"
        self.host = resources.enter_context(PrivateHost(hook=hook_text(self.build)))
        self.stack = Stack(self.host, self.build, [
            "--source=model", f"--model-idle-watts={MODEL_IDLE_WATTS}",
            f"--model-max-watts={MODEL_MAX_WATTS}"])
        self.stack.start()
        progress("booting the guests busy and idle")
        self._next_port = 20000
        self.busy = self.create("busy", load="busy")
        self.idle = self.create("idle", sockets=2)
        for guest in (self.busy, self.idle):
            guest.wait_ready()
            self.stack.wait_for_vm(guest.spec.uuid)

    def create(self, name: str, **settings: Any) -> Guest:
        """Starts one more guest with settings of GuestSpec; does not wait for it."""
        self._next_port += 10
        return Guest.create(self.host, GuestSpec(
            name, str(uuid.uuid4()), self.image, self._next_port, accelerator=self.accelerator,
            **settings))


_resources = ExitStack()
_environment: Environment | None = None
_failure: Exception | None = None


def environment() -> Environment:
    """The shared environment. Errors: those of its making, the same for everyone who asks."""
    global _environment, _failure
    if _failure:
        raise _failure
    if _environment is None:
        try:
            _environment = Environment(_resources)
        except Exception as error:
            _failure = error
            _resources.close()
            raise
    return _environment


def close_environment() -> None:
    """Ends everything that environment() started; who asks again gets a new one."""
    global _environment
    _environment = None
    _resources.close()
