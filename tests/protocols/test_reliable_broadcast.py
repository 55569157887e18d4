"""Reliable broadcast: what each message does, and what one traitor cannot bring about."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import (
    Byzantine,
    Change,
    Effect,
    Ignore,
    Map,
    Message,
    Output,
    Persist,
    Receive,
    Send,
    SetTimer,
    Start,
    UsageError,
    World,
)
from quorate.properties.reliable_broadcast import Broadcast, Delivered
from quorate.protocols import build_world
from quorate.protocols.reliable_broadcast import (
    AGAIN_MS,
    Echo,
    Initial,
    Node,
    Ready,
)

NODES = ("p1", "p2", "p3", "p4")


def node(**fields: Any) -> Node:
    return Node("p2", Byzantine(NODES, 1), "p1", **fields)


def votes(*who: str) -> Map[str, str]:
    return Map(dict.fromkeys(who, "a"))


def to_others(m: Message) -> tuple[Effect, ...]:
    return tuple(Send(node, m) for node in ("p1", "p3", "p4"))


def log(*fields: str) -> Persist:
    return Persist(tuple(Change(field, "a") for field in fields))


def test_the_sender_sends_to_all_and_so_to_itself() -> None:
    sender = Node("p1", Byzantine(NODES, 1), "p1", "a")
    _, effects = sender.step(Start())
    assert effects[0] == Output(Broadcast("a"))
    assert set(effects[1:]) == {SetTimer("again", AGAIN_MS)} | {
        Send(node, Initial("a")) for node in NODES
    }


def test_what_the_sender_says_is_echoed_once() -> None:
    after, effects = node().step(Receive("p1", Initial("a")))
    assert after == node(echoed="a", echoes=votes("p2"))
    assert effects == (log("echoed"), *to_others(Echo("a")))
    again = (Ignore("not the sender, or not the first that it sent"),)
    assert after.step(Receive("p1", Initial("b"))) == (after, again)
    assert node().step(Receive("p3", Initial("b"))) == (node(), again)


def test_three_of_four_echoes_make_ready() -> None:
    before = node(echoed="a", echoes=votes("p2", "p3"))
    after, effects = before.step(Receive("p4", Echo("a")))
    assert after.ready == "a"
    assert effects == (log("ready"), *to_others(Ready("a")))
    assert before.step(Receive("p4", Echo("b")))[0].ready is None


def test_two_who_are_ready_make_ready_for_one_of_them_is_correct() -> None:
    after, effects = node(readies=votes("p3")).step(Receive("p4", Ready("a")))
    assert (after.ready, after.delivered) == ("a", "a")
    assert effects == (log("ready", "delivered"), *to_others(Ready("a")), Output(Delivered("a")))
    assert node().step(Receive("p4", Ready("a")))[0].ready is None


def test_three_who_are_ready_deliver() -> None:
    before = node(ready="a", readies=votes("p2", "p3"))
    after, effects = before.step(Receive("p4", Ready("a")))
    assert after.delivered == "a"
    assert effects == (log("delivered"), Output(Delivered("a")))


def test_only_the_first_word_of_a_node_counts() -> None:
    before = node(echoes=votes("p3"), readies=votes("p3"))
    said = (Ignore("it has echoed before"),)
    assert before.step(Receive("p3", Echo("b"))) == (before, said)
    assert before.step(Receive("p3", Ready("b"))) == (before, (Ignore("it was ready before"),))


def test_after_a_crash_it_says_again_what_it_said_and_delivered() -> None:
    before = node(echoed="a", ready="a", delivered="a", readies=votes("p2", "p3", "p4"))
    after = before.restart(node())
    _, effects = after.step(Start(recovered=True))
    assert effects == (
        Output(Delivered("a")),
        SetTimer("again", AGAIN_MS),
        *to_others(Echo("a")),
        *to_others(Ready("a")),
    )


def test_fewer_than_four_nodes_cannot_withstand_a_traitor() -> None:
    with pytest.raises(UsageError, match="1 Byzantine faults need 4 nodes"):
        build_world("reliable_broadcast", settings={"nodes": 3})


# Every schedule, and all that a traitor may say.


def saying(traitor: str, lies: tuple[tuple[str, Message], ...]) -> World:
    base = build_world("reliable_broadcast", settings={"traitors": traitor})
    return msgspec.structs.replace(base, byzantine={traitor: lies})


@pytest.mark.slow
def test_another_that_lies_changes_nothing() -> None:
    world = build_world("reliable_broadcast", settings={"traitors": "p4"})
    promised = tuple(p for p in world.properties if p.name in ("consistency", "integrity"))
    result = check(msgspec.structs.replace(world, properties=promised))
    assert (result.exit_code, result.cut) == (0, None)
    pin("four nodes, p4 a traitor", result, distinct=1_233_873)


SPLIT = tuple(
    (to, kind(value))
    for to, value in (("p2", "a"), ("p3", "a"), ("p4", "b"))
    for kind in (Initial, Echo, Ready)
)


@pytest.mark.slow
def test_a_sender_who_tells_one_something_else_changes_nothing() -> None:
    result = check(saying("p1", SPLIT))
    assert {verdict.verdict for verdict in result.verdicts} == {"holds"}
    pin("four nodes, p1 says a, a and b", result, distinct=33_920)


def test_g9_echo_to_too_few_and_silence_is_all_or_nothing() -> None:
    few = tuple((to, kind("a")) for to in ("p2", "p3") for kind in (Initial, Echo))
    result = check(saying("p1", few))
    assert {verdict.verdict for verdict in result.verdicts} == {"holds"}


def test_two_traitors_of_four_can_make_two_deliver_differently() -> None:
    base = build_world("reliable_broadcast", settings={"traitors": "p1,p4"})
    lies: dict[str, tuple[tuple[str, Message], ...]] = {
        "p1": tuple(
            (to, kind(value))
            for to, value in (("p2", "a"), ("p3", "b"))
            for kind in (Initial, Echo, Ready)
        ),
        "p4": tuple(
            (to, kind(value)) for to, value in (("p2", "a"), ("p3", "b")) for kind in (Echo, Ready)
        ),
    }
    violation = check(msgspec.structs.replace(base, byzantine=lies)).violation
    assert violation is not None
    assert violation.name == "consistency"
