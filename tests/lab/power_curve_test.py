# SPDX-License-Identifier: Apache-2.0
"""The laws of the fake package's power."""

from __future__ import annotations

import unittest

from lab.power_curve import STATIC_WATTS, Utilisation, busy_ticks, turbo_curve


class PowerCurveTest(unittest.TestCase):
    """turbo_curve() and what feeds it."""

    def test_an_idle_package_draws_its_static_power_alone(self) -> None:
        self.assertEqual(turbo_curve(4)(0), STATIC_WATTS)

    def test_each_more_core_costs_less_than_the_one_before(self) -> None:
        for cpus in (2, 4, 8):
            whole = [turbo_curve(cpus)(active) for active in range(cpus + 1)]
            prices = [(watts - STATIC_WATTS) / active for active, watts in enumerate(whole) if active]
            self.assertEqual(prices, sorted(prices, reverse=True))
            self.assertEqual(whole, sorted(whole))

    def test_all_cores_draw_their_power_and_the_waking(self) -> None:
        self.assertAlmostEqual(turbo_curve(2)(2), 25 + 3 + 2 * 5)
        self.assertAlmostEqual(turbo_curve(2)(5), 38)  # more than all is all

    def test_it_is_straight_between_whole_cores(self) -> None:
        curve = turbo_curve(2)
        self.assertAlmostEqual(curve(1.25), 0.75 * curve(1) + 0.25 * curve(2))

    def test_the_work_of_all_cpus_is_all_but_idle_and_waiting(self) -> None:
        text = "cpu  1 20 300 4000 50000 600 7000 80000 5 5\ncpu0 1 2 3 4 5 6 7 8 9 9\n"
        self.assertEqual(busy_ticks(text), 1 + 20 + 300 + 600 + 7000 + 80000)

    def test_utilisation_is_the_mean_over_the_readings_that_are_kept(self) -> None:
        utilisation = Utilisation(3)
        self.assertEqual(utilisation.add(10, 500), 0)
        self.assertAlmostEqual(utilisation.add(11, 700), 2)
        self.assertAlmostEqual(utilisation.add(12, 700), 1)
        self.assertAlmostEqual(utilisation.add(13, 800), 0.5)


if __name__ == "__main__":
    unittest.main()
