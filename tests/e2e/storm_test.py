# SPDX-License-Identifier: Apache-2.0
"""A hundred thousand reads from many threads of a guest under load: none fails, is torn or goes back."""

from __future__ import annotations

import os
import re
import unittest

from environment import environment

_TREE = "/sys/class/powercap"
_READS = int(os.environ.get("VPOWERCAP_STORM_READS", "100000"))
_THREADS = 8
_TIMEOUT_SECONDS = 600


class StormTest(unittest.TestCase):
    """tests/tree/read_storm, carried into the guest `busy`."""

    def test_no_read_fails_or_is_empty_torn_malformed_or_decreasing(self) -> None:
        guest = environment().busy
        result = guest.run(f"read-storm --threads {_THREADS} --reads {_READS} {_TREE}",
                           timeout=_TIMEOUT_SECONDS)
        print(result.out, end="", flush=True)
        self.assertEqual((result.code, result.err), (0, ""))
        found = re.match(r"(\d+) reads of (\d+) files by .* (\d+) saw a new value\n"
                         r"failed 0, empty 0, torn 0, malformed 0, decreasing 0\n\Z", result.out)
        assert found
        reads, files, changes = map(int, found.groups())
        self.assertEqual((reads, files), (_READS, 1))
        self.assertGreater(changes, 0)


if __name__ == "__main__":
    unittest.main()
