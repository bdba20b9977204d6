# SPDX-License-Identifier: Apache-2.0
"""Every agent is what docs/agents.md says, in a real guest; and the suite notices one that is not."""

from __future__ import annotations

import unittest

from agents import report
from agents.agent import VERDICTS, Agent, near_ledger, try_agent, within_ledger
from agents.bench import Bench
from agents.suite import AGENTS, run_suite
from environment import build_under_test
from lab.document import with_parts
from lab.log import LabError


class AgentsTest(unittest.TestCase):
    """The suite as scripts/agents runs it."""

    def test_every_agent_is_what_the_document_says(self) -> None:
        with Bench(build_under_test()) as bench:
            results = run_suite(bench, AGENTS)
            for result in results:
                with self.subTest(result.agent):
                    self.assertTrue(result.as_expected, report.line(result))
            self.assertEqual(report.verdicts_in(report.DOCUMENT),
                             [(result.agent, result.verdict) for result in results])
            self.an_agent_that_reads_nothing_is_noticed(bench)

    def an_agent_that_reads_nothing_is_noticed(self, bench: Bench) -> None:
        """An unexpected verdict must come out as one, with the agent's own words."""
        def reads_elsewhere(bench: Bench) -> None:
            bench.guest.check("powercap-info -p no-such-control-type")
        result = try_agent(Agent("lost", "1", "-", "works", "", "", reads_elsewhere), bench)
        self.assertFalse(result.as_expected)
        self.assertEqual(result.verdict, "cannot")


class DocumentTest(unittest.TestCase):
    """The document beside the table."""

    def test_the_recipes_are_those_that_were_tried(self) -> None:
        self.assertEqual(with_parts(report.DOCUMENT, report.recipes(), report.SCRIPT),
                         report.DOCUMENT.read_text(encoding="utf-8"))

    def test_agents_have_names_of_their_own_and_reasons(self) -> None:
        names = [(agent.name, agent.version) for agent in AGENTS]
        self.assertEqual(len(names), len(set(names)))
        for agent in AGENTS:
            self.assertIn(agent.verdict, VERDICTS)
            self.assertTrue(agent.reason, agent.name)


class ComparisonTest(unittest.TestCase):
    """When figures count as the ledger's."""

    def test_a_counter_must_lie_between_the_ledgers(self) -> None:
        zone = (0, "package")
        reading = within_ledger({zone: 1_000_000}, {zone: 1_500_000}, {zone: 2_000_000})
        self.assertEqual((reading.read_joules, reading.ledger_joules), (1.5, 2.0))
        for wrong in (999_999, 2_000_001, 1_500):
            with self.assertRaises(LabError):
                within_ledger({zone: 1_000_000}, {zone: wrong}, {zone: 2_000_000})

    def test_a_counter_may_be_rounded_down_to_its_unit(self) -> None:
        zone = (0, "core")
        within_ledger({zone: 1_900_000}, {zone: 1_000_000}, {zone: 1_900_000}, unit=1_000_000)
        with self.assertRaises(LabError):
            within_ledger({zone: 2_000_000}, {zone: 1_000_000}, {zone: 2_000_000}, unit=1_000_000)

    def test_no_figures_and_zones_that_the_ledger_lacks_are_errors(self) -> None:
        for read in ({}, {(1, "package"): 5}):
            with self.assertRaises(LabError):
                within_ledger({(0, "package"): 1}, read, {(0, "package"): 9})

    def test_power_over_time_may_miss_a_step_at_each_end(self) -> None:
        near_ledger(561, 600, seconds=30, late_seconds=0)
        for wrong in (559, 641, 0, 1200):
            with self.assertRaises(LabError):
                near_ledger(wrong, 600, seconds=30, late_seconds=0)


if __name__ == "__main__":
    unittest.main()
