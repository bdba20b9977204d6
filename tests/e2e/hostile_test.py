# SPDX-License-Identifier: Apache-2.0
"""One guest attacks its share from several processes; the other's reads go on and the server stays small."""

from __future__ import annotations

import re
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from environment import environment
from lab.guest import Guest

_TREE = "/sys/class/powercap"
_ATTACK_SECONDS = 15
_WARM_UP_SECONDS = 3
_PROCESSES = 4
_READ_SECONDS = 10
_MOST_GROWTH_KIB = 8192
_HANDLES = 500

#: What busybox says for the errors a guest may meet (docs/testing.md).
_CLEAN = ("Read-only file system", "No such file or directory", "Not a directory", "Is a directory",
          "Invalid argument", "Permission denied", "Operation not permitted", "File exists",
          "File name too long", "Inappropriate ioctl for device", "Operation not supported",
          "Function not implemented", "Bad file descriptor", "Resource busy", "Directory not empty",
          "Too many levels of symbolic links", "Invalid cross-device link", "No such device")

#: One process of the attack. Each attempt's complaint goes to a file of its own.
_ATTACKER = r"""
cd @tree@
long=$(head -c 255 /dev/zero | tr '\0' x)
longer=$(head -c 4000 /dev/zero | tr '\0' x)
zone=intel-rapl/intel-rapl:0
rounds=0
while [ ! -e /tmp/attack.stop ]; do
  for name in "$long" "$longer" '%s%n' 'a b' "$(printf '\001\377\n')" ../../.. "$zone/../../$zone/$long"; do
    cat "$name"; mkdir "$name"; ln -s x "$name"; ln $zone/name "$name"; mv $zone/name "$name"
    rm "$name"; mknod "$name" p; rmdir "$name"
  done
  for offset in 1 31 4095 4096 2147483647 9223372036854775; do
    dd if=$zone/energy_uj bs=7 skip=$offset count=3
  done
  dd if=$zone/energy_uj iflag=direct bs=512 count=9
  dd if=/dev/zero of=$zone/energy_uj bs=1 count=1 conv=notrunc
  blockdev --getsize64 $zone/name
  chmod 777 $zone/name; chown 7 $zone/name; truncate -s 9999999999 $zone/name
  touch $zone/name; find . -name "*x*"; ls -lR .; mv intel-rapl x; rm -rf intel-rapl; fallocate -l 9 $zone/name
  rounds=$((rounds + 1))
  echo $rounds >/tmp/attack.rounds.@number@
done >/dev/null 2>/tmp/attack.errors.@number@
"""

#: Holds many handles at a time, again and again.
_HOLDER = r"""
while [ ! -e /tmp/attack.stop ]; do
  workers=
  for worker in 1 2 3 4 5; do
    sh -c 'number=10
      while [ $number -lt @limit@ ] && eval "exec $number<@tree@/intel-rapl:0/energy_uj"; do
        number=$((number + 1))
      done
      echo $((number - 10))' >>/tmp/attack.held 2>>/tmp/attack.errors.holder &
    workers="$workers $!"
  done
  wait $workers
done
"""

#: Counts reads until time is up: reads, and those that failed or fell. A read takes the file whole:
#: the shell's own `read` takes single bytes, and the value may change between two of them.
_READER = r"""
rm -f /tmp/read.stop
(sleep @seconds@; touch /tmp/read.stop) >/dev/null 2>&1 &
good=0; bad=; last=0
while [ ! -e /tmp/read.stop ]; do
  if value=$(cat @tree@/intel-rapl:0/energy_uj 2>&1) && [ "$value" -ge "$last" ]; then
    good=$((good + 1)); last=$value
  else
    bad="$bad; $value after $last"
  fi
done
echo $good "$bad"
"""


def _filled(script: str, **values: object) -> str:
    for name, value in {"tree": _TREE, **values}.items():
        script = script.replace(f"@{name}@", str(value))
    return script


class HostileTest(unittest.TestCase):
    """The guest `busy` against the guest `idle`."""

    def setUp(self) -> None:
        self.lab = environment()

    def server(self) -> Path:
        """The server's directory in /proc."""
        found = [path.parent for path in self.lab.host.path("/proc").glob("[0-9]*/comm")
                 if path.read_text().strip() == "vpowercap-fs"]
        self.assertEqual(len(found), 1)
        return found[0]

    def resident_kib(self) -> int:
        found = re.search(r"VmRSS:\s+(\d+) kB", (self.server() / "status").read_text())
        assert found
        return int(found[1])

    def descriptors(self) -> int:
        return len(list((self.server() / "fd").iterdir()))

    def read_rate(self, guest: Guest) -> float:
        """Reads a second; fails when one fails or a value falls."""
        good, _, bad = guest.check(_filled(_READER, seconds=_READ_SECONDS)).strip().partition(" ")
        self.assertEqual(bad, "")
        self.assertGreater(int(good), 0)
        return int(good) / _READ_SECONDS

    def attack(self, seconds: int) -> None:
        """Returns when the attack is over and its processes are gone."""
        processes = "".join(f"({_filled(_ATTACKER, number=number)}) &\n" for number in range(_PROCESSES))
        self.lab.busy.check(f"rm -f /tmp/attack.*\n(sleep {seconds}; touch /tmp/attack.stop) &\n{processes}"
                            f"({_filled(_HOLDER, limit=_HANDLES)}) &\nwait")

    def assert_errors_are_clean(self) -> int:
        complaints = self.lab.busy.check("cat /tmp/attack.errors.* | sed 's/.*: //' | sort | uniq -c")
        counts = {words: int(count) for count, words in
                  (line.strip().split(" ", 1) for line in complaints.splitlines() if " " in line.strip())}
        # dd tells what it has done, and rm refuses this by itself.
        own_words = re.compile(r"\d+\+\d+ records (in|out)|.* copied, .*|can't remove '\.' or '\.\.'")
        unclean = [words for words in counts if words not in _CLEAN and not own_words.fullmatch(words)]
        self.assertEqual(unclean, [])
        return sum(count for words, count in counts.items() if words in _CLEAN)

    def test_an_attack_costs_the_other_guest_no_read_and_the_server_no_memory(self) -> None:
        self.attack(_WARM_UP_SECONDS)
        before = self.read_rate(self.lab.idle)
        resident, open_before = self.resident_kib(), self.descriptors()
        with ThreadPoolExecutor() as pool:
            attack = pool.submit(self.attack, _ATTACK_SECONDS)
            under = self.read_rate(self.lab.idle)
            attack.result()
        errors = self.assert_errors_are_clean()
        rounds = self.lab.busy.check("cat /tmp/attack.rounds.* | tr '\\n' ' '")
        held = self.lab.busy.check("sort -n /tmp/attack.held | tail -n 1").strip()
        growth = self.resident_kib() - resident
        print(f"other guest: {before:.0f} reads/s before, {under:.0f} under attack; {errors} errors in "
              f"rounds {rounds}, 5 x {held} handles; server {resident} KiB, grown by {growth} KiB, "
              f"{open_before} descriptors", flush=True)
        self.assertGreater(errors, 100)
        self.assertGreater(int(held), 100)
        self.assertLessEqual(growth, _MOST_GROWTH_KIB)
        self.assertEqual(self.descriptors(), open_before)


if __name__ == "__main__":
    unittest.main()
