"""Command consensus from consensus, step by step: the lecture, "Equivalence of Consensus
Variants"."""

from __future__ import annotations

import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import (
    CancelTimer,
    Ignore,
    Network,
    Output,
    Receive,
    Send,
    SetTimer,
    Start,
    Stated,
    Timeout,
)
from quorate.properties.consensus import Commanded, Decided, Failed, Proposed
from quorate.protocols import build_world
from quorate.protocols.command_consensus import (
    DEFAULT,
    Back,
    Commander,
    Lieutenant,
    Order,
    Wish,
)

COMMANDER = Commander("p1", ("p2", "p3"), "attack")


def lieutenant(**fields: object) -> Lieutenant:
    return Lieutenant("p2", "p1", 200, **fields)  # type: ignore[arg-type]


def test_step_1_the_commander_proposes_to_all_subordinates() -> None:
    _, effects = COMMANDER.step(Start())
    assert effects == (
        Output(Commanded("attack")),
        Send("p2", Order("attack")),
        Send("p3", Order("attack")),
        Output(Decided("attack")),
    )


def test_step_2_subordinates_run_consensus_on_what_they_were_told() -> None:
    after, effects = lieutenant().step(Receive("p1", Order("attack")))
    assert effects == (CancelTimer("suspect"), Send("p2.c", Wish("attack")))
    assert not after.is_waiting


def test_a_lieutenant_decides_what_its_instance_decides_and_keeps_the_rest_to_itself() -> None:
    before = lieutenant(is_waiting=False)
    assert before.step(Stated("p2.c", Decided("attack")))[1] == (Output(Decided("attack")),)
    assert before.step(Stated("p2.c", Proposed("attack")))[1] == ()


@pytest.mark.parametrize("event", [Timeout("suspect"), Receive("p1", Back(0))])
def test_it_proposes_the_default_if_the_commander_has_failed(event: Timeout | Receive) -> None:
    _, effects = lieutenant().step(event)
    assert Send("p2.c", Wish(DEFAULT)) in effects


def test_it_proposes_once() -> None:
    before = lieutenant(is_waiting=False)
    _, effects = before.step(Receive("p1", Order("attack")))
    assert effects == (Ignore("already proposed, or failed"),)


def test_it_waits_for_the_order_no_longer_than_it_is_told_to() -> None:
    assert lieutenant().step(Start())[1] == (SetTimer("suspect", (200, 200)),)
    assert Lieutenant("p2", "p1").step(Start())[1] == ()


def test_whoever_comes_back_drops_out() -> None:
    after, effects = lieutenant().step(Start(recovered=True))
    assert (after.is_waiting, effects) == (False, (Output(Failed()),))
    _, effects = COMMANDER.step(Start(recovered=True))
    assert effects == (Output(Failed()), Send("p2", Back(0)), Send("p3", Back(0)))


def test_what_is_built_keeps_the_promises_of_command_consensus() -> None:
    result = check(build_world("command_consensus", "small"))
    assert {verdict.verdict for verdict in result.verdicts} == {"holds"}
    pin("as it was", result, distinct=140, transitions=291, depth=10)


def test_four_generals_keep_them_too() -> None:
    result = check(build_world("command_consensus", "small", {"generals": 4}))
    assert {verdict.verdict for verdict in result.verdicts} == {"holds"}
    pin("as it was", result, distinct=7_343, transitions=29_259, depth=20)


def test_uniform_is_harder_where_word_of_a_failure_overtakes_what_was_said_before_it() -> None:
    world = build_world("command_consensus", "small")
    result = check(world, network=Network.MULTISET, go_on=True)
    fared = {verdict.name: verdict.verdict for verdict in result.verdicts}
    assert fared.pop("agreement") == "violated"
    assert set(fared.values()) == {"holds"}  # agreement of the correct included
