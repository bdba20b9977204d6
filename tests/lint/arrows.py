#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the house rules that a compiler does not: dependency arrows, foreign libraries, file sizes.

Usage: arrows.py ROOT. Prints one line per breach and exits with 1 when there is one.
"""
import pathlib
import re
import subprocess
import sys

# Room -> rooms whose headers it may include (its own it always may).
BASE = ["common/base"]
UNITS = BASE + ["common/units"]
MODEL = UNITS + ["common/model"]
LEDGER = MODEL + ["common/ledger"]
OPTIONS_LOG = ["common/options", "common/log"]
ARROWS = {
    "common/base": [],
    "common/units": BASE,
    "common/model": UNITS,
    "common/ledger": MODEL,
    "common/powercap": MODEL,
    "common/attribution": MODEL,
    "common/procs": UNITS,
    "common/options": BASE,
    "common/log": BASE,
    "common/wire": BASE,
    "common/share": BASE,
    "fuse-fs/tree": LEDGER,
    "fuse-fs/journal": ["common/base"],
    "fuse-fs/session": LEDGER + OPTIONS_LOG + ["fuse-fs/journal", "fuse-fs/tree"],
    "fuse-fs/mount": LEDGER + OPTIONS_LOG + ["common/share", "fuse-fs/journal", "fuse-fs/tree"],
    "host/rapl": MODEL + ["common/powercap", "common/procs"],
    "host/hypervisor": MODEL + ["common/procs"],
    "host/sampler": LEDGER + ["common/attribution", "common/procs", "host/rapl"],
    "host/control": BASE + ["common/wire"],
    "host/wiring": MODEL + OPTIONS_LOG + ["common/share", "host/hypervisor"],
    "host/daemon": LEDGER + OPTIONS_LOG + ["common/wire", "common/share", "common/procs", "host/rapl",
                                           "host/hypervisor", "host/sampler", "host/control"],
    "host/ctl": LEDGER + OPTIONS_LOG + ["common/share", "common/procs", "host/control", "common/wire"],
    "guest/agent": LEDGER + OPTIONS_LOG + ["common/powercap", "common/share"],
    "guest/mount": MODEL + OPTIONS_LOG + ["common/powercap"],
    "libvirt-hooks/qemu_hook": BASE + ["common/wire", "common/share"],
}

# Foreign header (pattern) -> rooms that may include it; tests are free.
FOREIGN = {
    r"fuse(_lowlevel|_opt|3/.*)?\.h": ["fuse-fs/session"],
    r"seccomp\.h": ["fuse-fs/session"],
    r"libvirt/.*": ["host/hypervisor", "host/wiring"],
    r"boost/.*": ["common/options"],
    r"spdlog/.*": ["common/log"],
    r"prometheus/.*": ["guest/agent"],
    r"pugixml\.hpp": ["host/hypervisor", "host/wiring"],
    r"nlohmann/.*": ["host/ctl", "host/sampler", "guest/agent", "guest/mount"],
    r"curses\.h": ["host/ctl"],
    r"systemd/.*": ["host/daemon", "fuse-fs/session", "fuse-fs/mount"],
}

MAX_LINES = 400
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)


def room_of(path: str) -> str:
    return "/".join(path.split("/")[:2])


def check_includes(path: str, text: str) -> list[str]:
    room = room_of(path)
    is_test = path.endswith(("_test.cpp", "_test.hpp")) or path.split("/")[-1].startswith(("fake_", "test_"))
    problems = []
    if room not in ARROWS:
        return [f"{path}: room {room} is not in the table of tests/lint/arrows.py"]
    for kind, name in INCLUDE.findall(text):
        if kind == '"':
            target = room_of(name)
            allowed = target == room or target in ARROWS[room] or (is_test and target == "tests/support")
            test_friend = is_test and target in ("common/ledger", "common/share", "common/model")
            if not allowed and not test_friend:
                problems.append(f"{path}: includes {name}, but {room} may not depend on {target}")
        elif not is_test:
            for pattern, rooms in FOREIGN.items():
                if re.fullmatch(pattern, name) and room not in rooms:
                    problems.append(f"{path}: includes <{name}>, which belongs in {', '.join(rooms)} alone")
    return problems


def check_file(root: pathlib.Path, path: str) -> list[str]:
    text = (root / path).read_text(encoding="utf-8")
    problems = []
    lines = text.count("\n")
    if lines > MAX_LINES:
        problems.append(f"{path}: {lines} lines, at most {MAX_LINES}")
    if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(text.splitlines()[:3]):
        problems.append(f"{path}: no licence line at its start")
    top = path.split("/")[0]
    if path.endswith((".cpp", ".hpp")) and top in ("common", "host", "guest", "fuse-fs", "libvirt-hooks"):
        problems += check_includes(path, text)
    return problems


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"],
                            capture_output=True, text=True, check=False)
    paths = listed.stdout.split("\n") if listed.returncode == 0 else \
        [str(p.relative_to(root)) for p in root.rglob("*") if "build" not in p.parts]
    sources = [p for p in paths if p.endswith((".cpp", ".hpp", ".py", ".sh")) and (root / p).is_file()]
    problems = [problem for path in sources for problem in check_file(root, path)]
    print("\n".join(problems) if problems else f"{len(sources)} files keep the house rules")
    return 1 if problems or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
