# SPDX-License-Identifier: Apache-2.0
"""One guest attacks its share from several processes; the other's reads go on and the server stays small."""

from __future__ import annotations

import re
import unittest

from attacked import AttackedTestCase, filled

_ATTACK_SECONDS = 15
_WARM_UP_SECONDS = 3
_PROCESSES = 4
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


class HostileTest(AttackedTestCase):
    """The guest `busy` against the guest `idle`."""

    def attack(self, seconds: int) -> None:
        """Returns when the attack is over and its processes are gone."""
        processes = "".join(f"({filled(_ATTACKER, number=number)}) &\n" for number in range(_PROCESSES))
        self.lab.busy.check(f"rm -f /tmp/attack.*\n(sleep {seconds}; touch /tmp/attack.stop) &\n{processes}"
                            f"({filled(_HOLDER, limit=_HANDLES)}) &\nwait")

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
        report = self.assert_others_go_on(self.attack, _WARM_UP_SECONDS, _ATTACK_SECONDS)
        errors = self.assert_errors_are_clean()
        rounds = self.lab.busy.check("cat /tmp/attack.rounds.* | tr '\\n' ' '")
        held = self.lab.busy.check("sort -n /tmp/attack.held | tail -n 1").strip()
        print(f"{report}; {errors} errors in rounds {rounds}, 5 x {held} handles", flush=True)
        self.assertGreater(errors, 100)
        self.assertGreater(int(held), 100)


if __name__ == "__main__":
    unittest.main()
