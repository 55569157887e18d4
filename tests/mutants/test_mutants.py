"""Every mutant is caught by the property that it names."""

from __future__ import annotations

from typing import Any

import pytest

from quorate.check import check
from quorate.mutants import Mutant, find_mutants
from quorate.mutants.paxos import FreshValue, _swap
from quorate.protocols import build_world, settings_of
from quorate.protocols.paxos import Proposer
from quorate.sim import Task, campaign, replay

SHORTEST = {
    "coordinator_forgets": 10,
    "presumes_commit": 5,
    "does_not_wait": 6,
    "counts_twice": 7,
    "changes_its_mind": 9,
    "participant_forgets": 10,
    "works_on": 11,
    "prepares_after_all": 9,
    "gives_up": 9,
    "forgets_vote": 24,
    "forgets_promise": 24,
    "promises_late": 22,
    "accepts_late": 22,
    "does_not_raise": 27,
    "reuses_ballot": 20,
    "ignores_votes": 22,
    "takes_first_vote": 27,
    "keeps_promises": 23,
    "counts_old_promises": 23,
    "chooses_twice": 23,
    "keeps_acceptances": 23,
    "counts_old_acceptances": 23,
    "counts_whenever": 16,
    "gives_up_on_duplicates": 13,
    "quorum_too_small": 14,
}


CHECKED = [
    mutant
    for mutant in (*find_mutants("paxos"), *find_mutants("two_phase_commit"))
    if mutant.name in SHORTEST
]


@pytest.mark.parametrize("mutant", CHECKED, ids=lambda m: m.name)
def test_the_checker_kills_a_mutant_by_a_shortest_trace_that_replays(mutant: Mutant) -> None:
    world = mutant.world()
    violation = check(world).violation
    assert violation is not None
    assert violation.trace is not None
    assert violation.name == mutant.kills
    assert len(violation.trace.records) == SHORTEST[mutant.name]
    again = replay(world, violation.trace)
    assert (again.violated, again.difference) == (mutant.kills, None)


def test_a_coordinator_that_always_aborts_shows_no_commit() -> None:
    result = check(build_world("two_phase_commit", mutant="always_aborts"))
    assert result.violation is not None
    assert result.violation.name == "AC4 commit is reachable"


CONTROLS = {m.name: m.world for m in find_mutants("paxos") if "mutated" in settings_of(m.world)}


@pytest.mark.parametrize("name", ["does_not_raise", "takes_first_vote", "keeps_acceptances"])
def test_the_world_of_a_mutant_is_safe_without_the_mutation(name: str) -> None:
    result = check(CONTROLS[name](mutated=False))
    assert (result.exit_code, result.cut) == (0, None)


def test_a_lone_proposer_decides_before_it_comes_to_rest() -> None:
    result = check(CONTROLS["gives_up_on_duplicates"](mutated=False))
    assert (result.exit_code, result.cut) == (0, None)


def test_a_fresh_value_after_a_crash_is_safe_as_long_as_the_round_survives() -> None:
    result = check(_swap(Proposer, FreshValue, crashes=1)())
    assert (result.exit_code, result.cut) == (0, None)


# One needs a crash soon after a promise, with the old leader and the new one cut off from each
# other; the other a promise to an earlier ballot that comes late. Few seeds see either by chance.
WEATHER: dict[str, dict[str, Any]] = {
    "forgets_promise": {
        "crash_rate": 4, "down_ms": (1, 60), "loss": 0.1,
        "partition_rate": 2, "partition_shapes": "partial",
    },
    "does_not_answer": {"heal_ms": 10_000},
    "leads_on_any_promise": {"loss": 0.2, "slow": 0.3, "slow_us": 2_000_000},
}  # fmt: skip


SEEDED = [
    mutant
    for mutant in (*find_mutants("multi_paxos"), *find_mutants("two_phase_commit"))
    if mutant.name not in SHORTEST and mutant.name != "always_aborts"
]


@pytest.mark.parametrize("mutant", SEEDED, ids=lambda m: m.name)
def test_seeds_kill_a_mutant_that_no_small_world_shows(mutant: Mutant) -> None:
    weather = {"heal_ms": 1, **WEATHER.get(mutant.name, {})}
    task = Task(protocol=mutant.protocol, mutant=mutant.name, fault_settings=weather)
    seeds = range(0, 1000, 10)
    for first in seeds:
        result = campaign(task, first=first, count=10)
        if any(run.violated == mutant.kills for run in result.failures):
            return
    pytest.fail(f"{mutant.name} survived 1,000 seeds")
