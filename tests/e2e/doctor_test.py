# SPDX-License-Identifier: Apache-2.0
"""The operator's doctor and the guest's check on a real chain: nothing wrong, and what is made wrong."""

from __future__ import annotations

import json
import unittest
import uuid
from typing import Any

from environment import environment
from lab.guest import Guest, GuestSpec


class DoctorTest(unittest.TestCase):
    """Each test leaves the stack as it found it."""

    def setUp(self) -> None:
        self.lab = environment()

    def doctor(self) -> dict[str, Any]:
        """Findings by subject."""
        result = self.lab.host.run([self.lab.build.ctl, "doctor", "--json"], check=False)
        return {finding["subject"]: finding for finding in json.loads(result.stdout)}

    def test_a_whole_chain_is_well(self) -> None:
        found = self.doctor()
        for subject in ("daemon", "mount", "hook", "busy", "idle"):
            self.assertTrue(found[subject]["ok"], found[subject])

    def test_a_virtiofsd_that_caches_is_seen_from_both_sides(self) -> None:
        guest = Guest.create(self.lab.host, GuestSpec(
            "cached", str(uuid.uuid4()), self.lab.busy.spec.image, 22000, cache="always",
            accelerator=self.lab.accelerator))
        self.addCleanup(self.lab.host.virsh, "destroy", guest.spec.uuid)
        guest.wait_ready()
        self.lab.stack.wait_for_vm(guest.spec.uuid)
        self.assertIn("its virtiofsd caches", self.doctor()["cached"]["sentence"])
        self.assertIn("virtiofsd caches", guest.run("vpowercap-guest check").out)


if __name__ == "__main__":
    unittest.main()
