# SPDX-License-Identifier: Apache-2.0
"""The hook as libvirt calls it, with the daemon in every state: every call succeeds, every VM starts."""

from __future__ import annotations

import os
import unittest
from contextlib import ExitStack

from hook_host import STATES, HookHost
from lab.log import LabError

_CALLS = int(os.environ.get("VPOWERCAP_HOOK_CALLS", "30"))    # in each state
_STARTS = int(os.environ.get("VPOWERCAP_HOOK_STARTS", "1"))   # in each state
#: Said by those who know that the machine does nothing else: then times are judged, too.
_QUIET = "VPOWERCAP_HOOK_QUIET" in os.environ
_MOST_P99_MS = 20
_MOST_MS = 200


class HookTest(unittest.TestCase):
    def setUp(self) -> None:
        self.lab = HookHost(self.enterContext(ExitStack()))

    def test_every_call_of_the_hook_succeeds(self) -> None:
        for state in STATES:
            with self.subTest(state), self.lab.daemon(state):
                calls = self.lab.call(_CALLS)
                print(f"daemon {state}: {_CALLS} calls, {len(calls.wrong)} failed; p50 {calls.p50:.1f} ms, "
                      f"p99 {calls.p99:.1f} ms, max {calls.max:.1f} ms", flush=True)
                self.assertEqual(calls.wrong, [])
                if _QUIET:
                    self.assertLess(calls.p99, _MOST_P99_MS)
                    self.assertLess(calls.max, _MOST_MS)
        print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs", flush=True)

    def test_every_vm_starts_with_the_hook(self) -> None:
        for state in STATES:
            with self.subTest(state), self.lab.daemon(state):
                for number in range(_STARTS):
                    self.assertTrue(self.lab.start_vm(f"vm-{number}", share=True))
                print(f"daemon {state}: {_STARTS} VM starts, 0 failed", flush=True)
        self.lab.remove_hook()
        self.assertFalse(self.lab.start_vm("no-hook", share=False))
        print("hook deleted: 1 VM starts, 0 failed (it is not wired)", flush=True)
        with self.assertRaises(LabError, msg="unwire before you remove the hook, say the documents"):
            self.lab.start_vm("wired", share=True)


if __name__ == "__main__":
    unittest.main()
