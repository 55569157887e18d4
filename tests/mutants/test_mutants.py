"""Every mutant is caught by the property that it names."""

from __future__ import annotations

import pytest

from quorate.check import check
from quorate.kernel import World
from quorate.mutants import Mutant, find_mutants
from quorate.mutants.paxos import FreshValue, _swap, lone_proposer
from quorate.protocols.paxos import Proposer
from quorate.sim import Task, campaign, replay

SHORTEST = {
    "forgets_vote": 24,
    "forgets_promise": 24,
    "promises_late": 22,
    "accepts_late": 22,
    "reuses_ballot": 20,
    "ignores_votes": 22,
    "counts_old_promises": 23,
    "chooses_twice": 23,
    "gives_up_on_duplicates": 13,
    "quorum_too_small": 14,
}


@pytest.mark.parametrize("mutant", find_mutants("paxos"), ids=lambda m: m.name)
def test_the_checker_kills_a_paxos_mutant_by_a_shortest_trace_that_replays(mutant: Mutant) -> None:
    world = mutant.world()
    violation = check(world).violation
    assert violation is not None
    assert violation.trace is not None
    assert violation.name == mutant.kills
    assert len(violation.trace.records) == SHORTEST[mutant.name]
    again = replay(world, violation.trace)
    assert (again.violated, again.difference) == (mutant.kills, None)


@pytest.mark.parametrize(
    "control",
    [_swap(Proposer, FreshValue, crashes=1)(), lone_proposer(mutated=False)],
    ids=["fresh value after a crash", "one proposer"],
)
def test_the_same_world_without_the_mutation_is_safe(control: World) -> None:
    result = check(control)
    assert result.violation is None
    assert result.cut is None


# A promise to an earlier ballot must come late, which few seeds see unless links are bad.
WEATHER = {"leads_on_any_promise": {"loss": 0.2, "slow": 0.3, "slow_us": 2_000_000}}


@pytest.mark.parametrize("mutant", find_mutants("multi_paxos"), ids=lambda m: m.name)
def test_seeds_kill_a_multi_paxos_mutant(mutant: Mutant) -> None:
    weather = {"heal_ms": 1, **WEATHER.get(mutant.name, {})}
    task = Task(protocol="multi_paxos", mutant=mutant.name, fault_settings=weather)
    seeds = range(0, 1000, 10)
    for first in seeds:
        result = campaign(task, first=first, count=10)
        if any(run.violated == mutant.kills for run in result.failures):
            return
    pytest.fail(f"{mutant.name} survived 1,000 seeds")
