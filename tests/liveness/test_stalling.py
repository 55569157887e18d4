"""The adversary of Fischer, Lynch and Paterson: nothing is decided, and nobody starves."""

from __future__ import annotations

import json

import pytest

from quorate.check.stalling import stall
from quorate.cli import run
from quorate.kernel import Crash, Receive, Timeout, Trace, UsageError, core
from quorate.properties.consensus import Decided
from quorate.protocols import build_world
from quorate.sim import replay

DUEL = ("paxos", "duel")
ROTATING = ("chandra_toueg", "main")


@pytest.mark.parametrize(("protocol", "world", "stages"), [(*DUEL, 30), (*ROTATING, 60)])
def test_no_stage_decides_and_the_run_is_one_of_the_protocol(
    protocol: str, world: str, stages: int
) -> None:
    built = build_world(protocol, world)
    found = stall(built, stages)
    assert (found.stages, found.stuck) == (stages, None)
    assert len(found.decisions) > 1
    again = replay(built, found.trace)
    assert again.difference is None
    assert not any(isinstance(record.event, Crash) for record in found.trace.records)
    assert not any("Decided" in record.line for record in found.trace.records)


def rounds_of(trace: Trace, node: str) -> int:
    events = [core(record.event) for record in trace.records if record.node == node]
    return sum(isinstance(event, Receive | Timeout) for event in events)


def test_everyone_takes_what_it_is_owed_in_its_turn() -> None:
    found = stall(build_world(*ROTATING), 30)
    assert found.turns == {"n1": 10, "n2": 10, "n3": 10}
    assert all(rounds_of(found.trace, node) >= turns for node, turns in found.turns.items())


def test_there_are_more_messages_taken_the_more_stages_there_are() -> None:
    few, many = (stall(build_world(*ROTATING), stages) for stages in (15, 60))
    assert many.trace.records[: len(few.trace.records)] == few.trace.records
    for node in ("n1", "n2", "n3"):
        assert rounds_of(many.trace, node) > rounds_of(few.trace, node)


def test_a_protocol_that_can_decide_only_one_way_is_not_stalled() -> None:
    found = stall(build_world("flooding_consensus", "small"), 5)
    assert (found.stages, found.stuck, len(found.decisions)) == (0, "n1", 1)


def test_a_decision_that_is_made_at_once_cannot_be_kept_open() -> None:
    """Whoever hears a second vote decides, and from then on the decision is made."""
    world = build_world("flooding_consensus", "patient", {"votes": "011", "waits": 2})
    found = stall(world, 20)
    assert found.decisions == ("0", "1")
    assert found.stuck is not None


def test_a_protocol_that_flips_coins_is_refused() -> None:
    with pytest.raises(UsageError, match="flips coins"):
        stall(build_world("ben_or", "main"), 50)


def test_the_command_tells_the_run_and_how_often_each_had_its_turn(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    command = ["flp", "chandra_toueg", "--world", "main", "--stages", "9"]
    assert run(command) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "9 stages" in out
    assert str(Decided("v2")) not in out
    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["turns"] == {"n1": 3, "n2": 3, "n3": 3}
    assert run(["flp", "flooding_consensus", "--world", "small", "--stages", "3"]) == 2
