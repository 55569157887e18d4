"""Flooding consensus, rule by rule: Lynch, Distributed Algorithms, section 6.2.1; the two ways to
end a round are those of the lecture, "Consensus in Practice II"."""

from __future__ import annotations

import itertools

import pytest

from pins import pin
from quorate.check import check
from quorate.check.flp import BLOCKS, DISAGREES, Dilemma, Initial, flp
from quorate.kernel import (
    CancelTimer,
    Effect,
    Ignore,
    Network,
    Output,
    Receive,
    Send,
    SetTimer,
    Start,
    Threshold,
    Timeout,
)
from quorate.properties.consensus import Decided, Failed, Proposed
from quorate.protocols import build_world
from quorate.protocols.flooding_consensus import Back, Node, Patient, Values, Wish

GROUP = Threshold(("n1", "n2", "n3"), 1)
A, B, C = (frozenset(values) for values in ("a", "b", "c"))


def node(**fields: object) -> Node:
    state = {"round": 1, "known": B} | fields
    return Node("n2", GROUP, 2, "b", 200, **state)  # type: ignore[arg-type]


def fresh(**fields: object) -> Node:
    return Node("n2", GROUP, 2, "b", **fields)  # type: ignore[arg-type]


def messages(effects: tuple[Effect, ...]) -> list[Send]:
    return [effect for effect in effects if type(effect) is Send]


def told(before: Node, *arrivals: tuple[str, Values | Back]) -> tuple[Node, tuple[Effect, ...]]:
    effects: tuple[Effect, ...] = ()
    for src, message in arrivals:
        before, effects = before.step(Receive(src, message))
    return before, effects


def test_it_says_what_it_knows_and_waits() -> None:
    after, effects = fresh(suspect_ms=200).step(Start())
    assert Output(Proposed("b")) in effects
    assert messages(effects) == [Send("n1", Values(1, B)), Send("n3", Values(1, B))]
    assert SetTimer("suspect", (200, 200)) in effects
    assert after.round == 1


def test_it_goes_on_as_soon_as_all_have_spoken() -> None:
    after, effects = told(node(), ("n1", Values(1, A)), ("n3", Values(1, C)))
    assert (after.round, after.known) == (2, A | B | C)
    assert messages(effects)[0] == Send("n1", Values(2, A | B | C))
    assert SetTimer("suspect", (400, 400)) in effects


def test_it_does_not_count_one_that_has_spoken_twice() -> None:
    after, _ = told(node(), ("n1", Values(1, A)), ("n1", Values(1, A)))
    assert after.round == 1


def test_after_the_last_round_it_decides_the_least_value() -> None:
    after, effects = told(node(round=2), ("n1", Values(2, A)), ("n3", Values(2, C)))
    assert effects == (CancelTimer("suspect"), Output(Decided("a")))
    assert after.is_done


def test_it_keeps_what_is_said_in_rounds_ahead_of_its_own() -> None:
    after, _ = told(node(), ("n1", Values(2, A)), ("n1", Values(1, A)), ("n3", Values(1, C)))
    assert after.round == 2
    assert after.missing() == {"n3"}


def test_it_does_not_hear_what_is_said_too_late() -> None:
    after, effects = told(node(round=2), ("n1", Values(1, A)))
    assert (after, effects) == (node(round=2), (Ignore("a round that is over"),))


def test_silence_ends_a_round_too() -> None:
    before, _ = told(node(), ("n1", Values(1, A)))
    after, _ = before.step(Timeout("suspect"))
    assert (after.round, after.known, after.failed) == (2, A | B, {"n3"})


def test_whoever_has_failed_is_not_waited_for_and_not_heard_any_more() -> None:
    after, _ = told(node(), ("n1", Back(0)), ("n3", Values(1, C)))
    assert (after.round, after.known) == (2, B | C)
    again, effects = told(after, ("n1", Values(2, A)))
    assert (again, effects) == (after, (Ignore("taken to have failed"),))


def test_what_it_said_in_rounds_ahead_is_forgotten_with_it() -> None:
    before, _ = told(node(), ("n1", Values(2, A)))
    after, _ = told(before, ("n1", Back(0)))
    assert after.heard == frozenset()


def test_whoever_comes_back_says_so_and_drops_out() -> None:
    after, effects = fresh().step(Start(recovered=True))
    assert effects == (Output(Failed()), Send("n1", Back(0)), Send("n3", Back(0)))
    assert after.is_done
    assert told(after, ("n1", Back(0)))[1] == (Ignore("already decided"),)
    assert after.step(Receive("n2", Wish("x")))[1] == (Ignore("it has failed"),)


def test_it_may_be_told_what_to_wish_for_and_keeps_what_came_before() -> None:
    waits = Node("n2", GROUP, 2, None)
    before, _ = told(waits, ("n1", Values(1, A)), ("n3", Values(1, C)))
    assert before.round == 0
    after, effects = before.step(Receive("n2", Wish("b")))
    assert Output(Proposed("b")) in effects
    assert (after.round, after.known) == (2, A | B | C)


# Patient nodes.


def patient(waits: int = 3, **fields: object) -> Patient:
    group = Threshold(GROUP.nodes, waits)
    return Patient("n2", group, 1, "b", **fields)  # type: ignore[arg-type]


def test_a_patient_node_asks_again_whoever_it_misses() -> None:
    before, _ = told(patient(round=1, known=B), ("n1", Values(1, A)))
    after, effects = before.step(Timeout("ask"))
    assert after == before
    assert messages(effects) == [Send("n3", Back(1))]


def test_a_patient_node_that_was_gone_says_again_what_it_said_and_asks_for_the_rest() -> None:
    _, effects = patient().step(Start(recovered=True))
    assert {send.msg for send in messages(effects)} == {Back(1), Values(1, B)}


def test_a_patient_node_answers_even_after_it_has_decided() -> None:
    after, effects = told(patient(round=2, known=A | B), ("n3", Back(1)))
    assert effects == (Send("n3", Values(1, A | B)),)
    assert after.is_done


def test_one_that_waits_for_fewer_decides_once_it_has_heard_from_as_many() -> None:
    before, _ = patient(2).step(Start())
    after, effects = told(before, ("n3", Values(1, A)))
    assert (after.is_done, effects[-1]) == (True, Output(Decided("a")))


# Every schedule.


def fared(world: str, **how: object) -> set[str]:
    result = check(build_world("flooding_consensus", world), **how)  # type: ignore[arg-type]
    assert result.cut is None
    return {verdict.verdict for verdict in result.verdicts}


def test_three_nodes_agree_in_two_rounds_whenever_one_of_them_fails() -> None:
    result = check(build_world("flooding_consensus", "small"))
    assert {verdict.verdict for verdict in result.verdicts} == {"holds"}
    pin("as it was", result, distinct=3_382, transitions=12_229, depth=16)


def test_word_of_a_failure_may_overtake_what_was_said_before_it() -> None:
    assert fared("small", network=Network.MULTISET) == {"holds"}


def test_one_failure_is_more_than_one_round_is_for() -> None:
    result = check(build_world("flooding_consensus", "small", {"faults": 0}))
    assert result.violation is not None
    assert result.violation.name == "agreement"


def test_patient_nodes_agree_whoever_crashes_and_whatever_is_lost() -> None:
    assert fared("patient") == {"holds"}


@pytest.mark.parametrize(
    ("world", "settings", "horn"),
    [("patient", {"votes": "ab"}, BLOCKS), ("mistaken", {"nodes": 2}, DISAGREES)],
)
def test_who_waits_may_block_and_who_suspects_may_disagree(
    world: str, settings: dict[str, object], horn: str
) -> None:
    dilemma = flp({"begin": build_world("flooding_consensus", world, settings)})
    assert [one.name for one in dilemma.horns if one.found == "found"] == [horn]


def voting(waits: int) -> dict[str, Dilemma]:
    """How a vote of three fares that waits for so many, from each initial configuration."""
    return {
        votes: flp({votes: build_world("flooding_consensus", "patient", settings)})
        for votes in map("".join, itertools.product("01", repeat=3))
        for settings in [{"votes": votes, "waits": waits, "crashes": 0}]
    }


def test_a_vote_that_waits_for_two_of_three_is_bivalent_and_disagrees_where_they_can_differ() -> (
    None
):
    found = voting(2)
    assert {votes for votes, one in found.items() if one.bivalent} == {"011", "101", "110"}
    for votes, one in found.items():
        pairs = itertools.combinations(votes, 2)
        assert one.initials == (Initial(votes, tuple(sorted({min(p) for p in pairs})), True),)
        assert (one.taken is not None and one.taken.name == DISAGREES) == bool(one.bivalent)


@pytest.mark.slow
def test_a_vote_that_waits_for_all_is_univalent_and_blocks_from_wherever_it_begins() -> None:
    for votes, one in voting(3).items():
        assert one.initials == (Initial(votes, (min(votes),), True),)
        assert [horn.found for horn in one.horns] == ["excluded", "found", "excluded"]
