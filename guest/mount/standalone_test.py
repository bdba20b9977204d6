# SPDX-License-Identifier: Apache-2.0
"""vpowercap-guest runs in any guest: it needs no library, and is small."""

import subprocess
import sys
from pathlib import Path

LARGEST = 2_000_000

program = Path(sys.argv[1])
size = program.stat().st_size
linked = subprocess.run(["ldd", program], text=True, capture_output=True)
print(f"{size} bytes; {(linked.stdout + linked.stderr).strip()}")
sys.exit(size >= LARGEST or "not a dynamic executable" not in linked.stderr)
