#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The lint finds what it is there to find."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import arrows  # noqa: E402


class Arrows(unittest.TestCase):
    def test_upward_include_is_found(self):
        self.assertTrue(arrows.check_includes("common/base/x.cpp", '#include "common/units/wide.hpp"\n'))

    def test_sideways_include_is_found(self):
        self.assertTrue(arrows.check_includes("host/ctl/x.cpp", '#include "guest/agent/x.hpp"\n'))

    def test_foreign_library_in_the_wrong_room_is_found(self):
        self.assertTrue(arrows.check_includes("host/ctl/x.cpp", "#include <libvirt/libvirt.h>\n"))

    def test_allowed_includes_pass(self):
        text = '#include "common/base/file.hpp"\n#include "host/rapl/energy_source.hpp"\n#include <vector>\n'
        self.assertEqual([], arrows.check_includes("host/sampler/x.cpp", text))

    def test_no_room_depends_on_itself_in_a_circle(self):
        def reaches(room, seen):
            for below in arrows.ARROWS[room]:
                if below in seen or below == room:
                    continue
                seen.add(below)
                reaches(below, seen)
            return seen
        for room in arrows.ARROWS:
            for below in reaches(room, set()):
                self.assertNotIn(room, reaches(below, set()), f"{room} and {below}")


if __name__ == "__main__":
    unittest.main()
