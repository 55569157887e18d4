"""Many seeds: the outcome depends on neither the number of processes nor their order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from quorate.sim import (
    Campaign,
    Scheduler,
    Task,
    campaign,
    executor_for,
    replay,
    simulate,
    spread,
)
from quorate.sim.campaign import run_seeds

MUTANT = Task(
    protocol="multi_paxos",
    mutant="quorum_too_small",
    settings={"small": False},
    fault_settings={"heal_ms": 1},
)


def _outcome(result: Campaign) -> dict[str, Any]:
    data = msgspec.structs.asdict(result)
    del data["seconds"], data["cpu_seconds"]
    return data


def test_one_process_and_two_come_to_the_same() -> None:
    task = Task(protocol="paxos", fault_settings={"unsafe_ms": 2_000})
    one = campaign(task, first=5, count=25)
    with executor_for(jobs=2) as executor:
        two = campaign(task, first=5, count=25, executor=executor)
    assert _outcome(one) == _outcome(two)
    assert (one.seeds, one.failures, one.bounded) == (25, (), 0)
    assert one.reached == ("decision is reachable",)
    assert one.steps > one.deliveries > 0


def test_a_campaign_may_stop_at_a_failure_and_stops_at_the_same_one_with_two_processes() -> None:
    one = campaign(MUTANT, first=0, count=200, stop_at_failure=True)
    with executor_for(jobs=2) as executor:
        two = campaign(MUTANT, first=0, count=200, executor=executor, stop_at_failure=True)
    assert _outcome(one) == _outcome(two)
    assert one.failures
    assert one.seeds < 200


def test_a_failure_can_be_run_again_by_its_seed() -> None:
    failure = campaign(MUTANT, first=0, count=50).failures[0]
    assert run_seeds(MUTANT, [failure.seed]).runs == (failure,)
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


def test_an_interruption_leaves_what_was_found_until_then() -> None:
    def interrupt(done: int) -> None:
        if done == 30:
            raise KeyboardInterrupt

    task = Task(protocol="paxos", world="small")
    result = campaign(task, first=0, count=100, progress=interrupt)
    assert (result.asked, result.seeds, result.interrupted) == (100, 30, True)
    assert result.steps == campaign(task, first=0, count=30).steps


def test_closing_early_calls_off_the_work_that_has_not_begun() -> None:
    with ThreadPoolExecutor(1) as pool:
        done: list[int] = []
        results = spread(done.append, range(1_000), pool)
        next(results)
        results.close()
    assert len(done) < 1_000


def test_priorities_are_drawn_from_the_seed_and_end_with_the_faults() -> None:
    task = Task(protocol="multi_paxos", fault_settings={"scheduler": "pct", "unsafe_ms": 3_000})
    assert task.faults(1).scheduler is Scheduler.PCT
    assert {task.faults(seed).topology for seed in range(30)} == {"full"}
    runs = [task.traced(seed)[0] for seed in range(12)]
    assert [run.violated for run in runs] == [None] * 12
    assert [run.trace_hash for run in runs] == [task.traced(n)[0].trace_hash for n in range(12)]
    again = replay(task.build(), task.traced(3)[1])
    assert (again.verdict, again.difference) == ("holds", None)
    plain = msgspec.structs.replace(task, fault_settings={"unsafe_ms": 3_000})
    assert plain.traced(3)[0].trace_hash != runs[3].trace_hash
