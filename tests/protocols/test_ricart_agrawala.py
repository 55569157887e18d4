"""Ricart and Agrawala's mutual exclusion, rule by rule: CACM 24(1) 1981, section 2."""

from __future__ import annotations

import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import Ignore, Output, Receive, Send, SetTimer, Timeout, UsageError
from quorate.properties.exclusion import Asked, Entered, Left
from quorate.protocols import build_world
from quorate.protocols.ricart_agrawala import Ask, Leave, Node

OTHERS = ("n1", "n3")


def asking(*given: str, inside: bool = False) -> Node:
    return Node("n2", OTHERS, 1, 5, 5, frozenset(given), inside)


def sends(effects: tuple[object, ...]) -> list[Send]:
    return [effect for effect in effects if isinstance(effect, Send)]


def test_a_request_bears_a_time_later_than_all_that_the_node_knows_of() -> None:
    after, effects = Node("n2", OTHERS, 1, 4).step(Timeout("ask"))
    assert (after.clock, after.asked, after.turns) == (5, 5, 0)
    assert sends(effects) == [Send("n1", Ask(5)), Send("n3", Ask(5))]
    assert Output(Asked((5, "n2"))) in effects


def test_a_node_that_wants_nothing_gives_leave_at_once() -> None:
    after, effects = Node("n2", OTHERS, 1, 4).step(Receive("n1", Ask(9)))
    assert sends(effects) == [Send("n1", Leave(9))]
    assert after.clock == 9


@pytest.mark.parametrize(
    ("src", "time", "put_off"),
    [("n1", 4, False), ("n1", 5, False), ("n3", 5, True), ("n1", 6, True)],
)
def test_who_asked_earlier_goes_first_and_names_break_ties(
    src: str, time: int, put_off: bool
) -> None:
    after, effects = asking().step(Receive(src, Ask(time)))
    assert sends(effects) == ([] if put_off else [Send(src, Leave(time))])
    assert after.waiting == ({(time, src)} if put_off else set())


def test_it_enters_by_the_leave_of_all_others() -> None:
    after, effects = asking("n1").step(Receive("n3", Leave(5)))
    assert after.inside
    assert Output(Entered((5, "n2"))) in effects
    after, effects = asking("n1").step(Receive("n1", Leave(5)))
    assert not after.inside


def test_leave_for_an_earlier_request_does_not_count() -> None:
    after, effects = asking("n1").step(Receive("n3", Leave(4)))
    assert (after, effects) == (asking("n1"), (Ignore("not for the open request"),))


def test_leave_that_comes_again_while_it_is_inside_does_not_let_it_in_again() -> None:
    inside = asking("n1", "n3", inside=True)
    assert inside.step(Receive("n3", Leave(5))) == (inside, (Ignore("not for the open request"),))


def test_whoever_leaves_tells_all_that_it_had_put_off() -> None:
    inside, _ = asking("n1", "n3", inside=True).step(Receive("n3", Ask(7)))
    after, effects = inside.step(Timeout("leave"))
    assert Output(Left((5, "n2"))) in effects
    assert sends(effects) == [Send("n3", Leave(7))]
    assert (after.asked, after.inside, after.waiting) == (None, False, frozenset())
    assert any(isinstance(effect, SetTimer) and effect.timer == "ask" for effect in effects)


def test_a_request_is_repeated_to_those_who_have_not_given_leave() -> None:
    _, effects = asking("n1").step(Timeout("repeat"))
    assert sends(effects) == [Send("n3", Ask(5))]


def test_no_two_are_inside_and_none_waits_for_ever_in_every_schedule() -> None:
    for settings, counts in (
        ({}, {"distinct": 35, "transitions": 118, "depth": 9}),
        ({"turns": 2}, {"distinct": 217, "transitions": 1_069, "depth": 17}),
        ({"nodes": 3}, {"distinct": 2_879, "transitions": 24_097, "depth": 19}),
    ):
        result = check(build_world("ricart_agrawala", "small", settings))
        assert {verdict.verdict for verdict in result.verdicts} == {"holds"}
        pin("as it was", result, **counts)


def test_one_node_alone_is_refused() -> None:
    with pytest.raises(UsageError, match="takes two or more"):
        build_world("ricart_agrawala", settings={"nodes": 1})
