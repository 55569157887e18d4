"""Every protocol, many seeds: nothing breaks under faults, and once they cease it makes good."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from quorate.protocols import names
from quorate.sim import Task, campaign, executor_for

SHORT = {"unsafe_ms": 5_000}
SOME, MANY = 20, 300
"""Seeds of each world: all together must fit into the minutes that a change may wait."""
WORLDS = [
    *(Task(protocol=name, fault_settings=SHORT) for name in names()),
    Task(protocol="ben_or", settings={"nodes": 5, "ones": 2}, fault_settings=SHORT),
    Task(protocol="chandra_toueg", settings={"nodes": 5}, fault_settings=SHORT),
    Task(protocol="paxos", settings={"proposers": 3, "acceptors": 5}, fault_settings=SHORT),
    Task(protocol="paxos", world="colocated", fault_settings=SHORT),
    Task(protocol="multi_paxos", settings={"values": 5, "truncate": 3}, fault_settings=SHORT),
    Task(protocol="quorum_register", world="weighted", fault_settings=SHORT),
    Task(protocol="two_phase_commit", settings={"participants": 5}, fault_settings=SHORT),
]


@pytest.mark.parametrize("task", WORLDS, ids=lambda t: f"{t.protocol}-{t.world}-{t.settings}")
def test_some_seeds_hold(task: Task) -> None:
    result = campaign(task, first=0, count=SOME)
    assert [task.command(run.seed) for run in result.failures] == []
    assert result.bounded == 0
    assert result.reached


@pytest.mark.slow
@pytest.mark.parametrize("task", WORLDS, ids=lambda t: f"{t.protocol}-{t.world}-{t.settings}")
def test_many_more_seeds_hold(task: Task, seeds: Callable[[int], int]) -> None:
    with executor_for(jobs=2) as executor:
        result = campaign(task, first=1_000, count=seeds(MANY), executor=executor)
    assert [task.command(run.seed) for run in result.failures] == []
    assert result.bounded == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_seeds_hold_whichever_chain_of_messages_comes_first(
    name: str, seeds: Callable[[int], int]
) -> None:
    task = Task(protocol=name, fault_settings={**SHORT, "scheduler": "pct"})
    result = campaign(task, first=0, count=seeds(SOME))
    assert [task.command(run.seed) for run in result.failures] == []
    assert result.bounded == 0
