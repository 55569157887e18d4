"""Many seeds: the outcome depends on neither the number of processes nor their order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from quorate.sim import Campaign, Task, campaign, simulate
from quorate.sim.campaign import run_seeds

MUTANT = Task(
    protocol="multi_paxos",
    mutant="quorum_too_small",
    settings={"small": False},
    fault_settings={"heal_ms": 1},
)


def _outcome(result: Campaign) -> dict[str, Any]:
    data = msgspec.structs.asdict(result)
    del data["seconds"]
    return data


def test_one_process_and_two_come_to_the_same() -> None:
    task = Task(protocol="paxos", fault_settings={"unsafe_ms": 2_000})
    one = campaign(task, first=5, count=25)
    two = campaign(task, first=5, count=25, jobs=2)
    assert _outcome(one) == _outcome(two)
    assert (one.seeds, one.failures, one.bounded) == (25, (), 0)
    assert one.reached == ("decision is reachable",)
    assert one.steps > one.deliveries > 0


def test_a_campaign_may_stop_at_a_failure_and_stops_at_the_same_one_with_two_processes() -> None:
    one = campaign(MUTANT, first=0, count=200, stop_at_failure=True)
    two = campaign(MUTANT, first=0, count=200, jobs=2, stop_at_failure=True)
    assert _outcome(one) == _outcome(two)
    assert one.failures
    assert one.seeds < 200


def test_a_failure_can_be_run_again_by_its_seed() -> None:
    failure = campaign(MUTANT, first=0, count=50).failures[0]
    assert run_seeds(MUTANT, [failure.seed]) == [failure]
    assert MUTANT.command(failure.seed) == (
        "quorate simulate multi_paxos --seed "
        f"{failure.seed} --mutant quorum_too_small --set small=False --set heal_ms=1"
    )


@pytest.mark.parametrize(
    ("task", "command"),
    [
        (Task(protocol="paxos"), "quorate simulate paxos --seed 3"),
        (
            Task(protocol="paxos", world="small", settings={"rounds": 2}, swarm=False),
            "quorate simulate paxos --seed 3 --world small --set rounds=2 --calm",
        ),
        (
            Task(protocol="paxos", fault_settings={"delay_us": (1, 2)}),
            "quorate simulate paxos --seed 3 --set delay_us=1,2",
        ),
    ],
)
def test_the_command_says_everything_that_was_set(task: Task, command: str) -> None:
    assert task.command(3) == command


def test_progress_counts_seeds() -> None:
    seen: list[int] = []
    campaign(Task(protocol="paxos", world="small"), first=0, count=25, progress=seen.append)
    assert seen == [10, 20, 25]


def test_a_calm_task_has_no_faults_but_those_set() -> None:
    calm = Task(protocol="paxos", swarm=False, fault_settings={"loss": "0.5"})
    assert calm.faults(1) == calm.faults(2)
    assert (calm.faults(1).loss, calm.faults(1).crash_rate) == (0.5, 0.0)


def test_a_task_names_what_it_needs_and_nothing_that_cannot_travel() -> None:
    task = msgspec.json.decode(msgspec.json.encode(MUTANT), type=Task)
    assert task == MUTANT
    assert simulate.__module__ == "quorate.sim.run"
