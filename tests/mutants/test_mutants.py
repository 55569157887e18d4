"""Every mutant is caught by the property that it names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from quorate.check import check
from quorate.mutants import Mutant, find_mutants
from quorate.mutants.paxos import FreshValue, _swap
from quorate.protocols import names, settings_of
from quorate.protocols.paxos import Proposer
from quorate.sim import Task, campaign, replay

EVERY = [mutant for name in names() for mutant in find_mutants(name)]


def steps_to(mutant: Mutant) -> str:
    """The length of the shortest trace to what the mutant must violate, which must replay."""
    world = mutant.trial()
    violation = check(world).violation
    assert violation is not None, mutant.name
    assert violation.name == mutant.kills
    if violation.trace is None:
        return "no state shows it"
    again = replay(world, violation.trace)
    assert (again.violated, again.difference) == (mutant.kills, None)
    return f"{len(violation.trace.records)} steps"


@pytest.mark.parametrize("name", sorted({m.protocol for m in EVERY if m.found_by == "check"}))
def test_the_checker_catches_mutants_by_shortest_traces_of_a_known_length(
    name: str, golden: Callable[[str, str], None]
) -> None:
    caught = [mutant for mutant in find_mutants(name) if mutant.found_by == "check"]
    lines = [f"{mutant.name}: {mutant.kills}, {steps_to(mutant)}\n" for mutant in caught]
    golden(f"{name}/mutants.txt", "".join(lines))


CONTROLS = {
    (mutant.protocol, mutant.name): mutant.world
    for mutant in EVERY
    if "mutated" in settings_of(mutant.world)
}


@pytest.mark.parametrize(
    "name",
    [
        ("paxos", "does_not_raise"),
        ("paxos", "takes_first_vote"),
        ("paxos", "keeps_acceptances"),
        ("multi_paxos", "forgets_votes"),
        ("multi_paxos", "ignores_votes"),
        ("multi_paxos", "promises_truncated"),
    ],
    ids="-".join,
)
def test_the_world_of_a_mutant_is_safe_without_the_mutation(name: tuple[str, str]) -> None:
    result = check(CONTROLS[name](mutated=False))
    assert (result.exit_code, result.cut) == (0, None)


def test_a_lone_proposer_decides_before_it_comes_to_rest() -> None:
    result = check(CONTROLS["paxos", "gives_up_on_duplicates"](mutated=False))
    assert (result.exit_code, result.cut) == (0, None)


def test_a_fresh_value_after_a_crash_is_safe_as_long_as_the_round_survives() -> None:
    result = check(_swap(Proposer, FreshValue, crashes=1)())
    assert (result.exit_code, result.cut) == (0, None)


# One needs a crash soon after a promise, with the old leader and the new one cut off from each
# other; the other a promise to an earlier ballot that comes late. Few seeds see either by chance.
# A detector has in `DETECTED` the time to make good after short faults, if it can; what a lease
# must not forget is seen in `CRASHES` that follow each other closely.
DETECTED = {"unsafe_ms": 2_000, "heal_ms": 10_000}
CRASHES = {"crash_rate": 30, "down_ms": (1, 30), "loss": 0.1, "disk_us": 0}
WEATHER: dict[tuple[str, str], dict[str, Any]] = {
    ("multi_paxos", "forgets_promise"): {
        "crash_rate": 4, "down_ms": (1, 60), "loss": 0.1,
        "partition_rate": 2, "partition_shapes": "partial",
    },
    ("two_phase_commit", "does_not_answer"): {"heal_ms": 10_000},
    ("multi_paxos", "leads_on_any_promise"): {"loss": 0.2, "slow": 0.3, "slow_us": 2_000_000},
    **{
        ("failure_detector", name): DETECTED
        for name in ("never_grows", "gives_up", "asks_once", "says_it_once")
    },
    ("lease", "keeps_grants"): {"unsafe_ms": 2_000, "heal_ms": 60_000},
    ("lease", "does_not_wait"): CRASHES,
    ("lease", "forgets_last_token"): CRASHES,
    ("lease", "forgets_token"): {
        "crash_rate": 5, "slow": 0.1, "slow_us": 2_000_000, "disk_us": 0
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("mutant", "settings"),
    [
        *((mutant, {}) for mutant in EVERY if mutant.found_by == "seeds"),
        *((mutant, {"small": False}) for mutant in find_mutants("multi_paxos")),
    ],
    ids=lambda value: f"{value.protocol}-{value.name}" if isinstance(value, Mutant) else "",
)
def test_seeds_kill_a_mutant_in_a_world_of_its_full_size(
    mutant: Mutant, settings: dict[str, Any]
) -> None:
    heal_ms = 10_000 if mutant.kills == "delivery" else 1  # liveness takes time to be denied
    weather = {"heal_ms": heal_ms, **WEATHER.get((mutant.protocol, mutant.name), {})}
    task = Task(
        protocol=mutant.protocol, mutant=mutant.name, settings=settings, fault_settings=weather
    )
    seeds = range(0, 1000, 10)
    for first in seeds:
        result = campaign(task, first=first, count=10)
        if any(run.violated == mutant.kills for run in result.failures):
            return
    pytest.fail(f"{mutant.name} survived 1,000 seeds")
