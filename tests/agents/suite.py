# SPDX-License-Identifier: Apache-2.0
"""The suite: every agent, and the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from agents.agent import Agent, Result, try_agent
from agents.bench import Bench
from agents.packaged import COUNTERS
from agents.power_tools import POWER_TOOLS
from agents.unable import UNABLE
from agents.unpackaged import UNPACKAGED

AGENTS: tuple[Agent, ...] = (*COUNTERS, *POWER_TOOLS, *UNPACKAGED, *UNABLE)

_POWER_TOOLS = set(POWER_TOOLS)


def run_suite(bench: Bench, agents: Sequence[Agent],
              tell: Callable[[Result], None] = lambda _: None) -> list[Result]:
    """The results in the order of `agents`. Tools that measure for a while do so beside each other and
    beside the rest. `tell` is called with each result as soon as those before it are there."""
    results: list[Result] = []
    with ThreadPoolExecutor(len(_POWER_TOOLS) + 1) as pool:
        slow: dict[str, Future[Result]] = {
            _key(agent): pool.submit(try_agent, agent, bench)
            for agent in agents if agent in _POWER_TOOLS}
        quick = {_key(agent): try_agent(agent, bench) for agent in agents if _key(agent) not in slow}
        for agent in agents:
            key = _key(agent)
            results.append(slow[key].result() if key in slow else quick[key])
            tell(results[-1])
    return results


def _key(agent: Agent) -> str:
    return f"{agent.name} {agent.version}"
