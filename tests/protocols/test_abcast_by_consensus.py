"""ABCAST by consensus: the reduction of Chandra and Toueg, JACM 43(2) 1996, section 7."""

from __future__ import annotations

from pins import pin
from quorate.check import check
from quorate.kernel import Ignore, Majority, Map, Output, Receive, Send, Start, Stated, Timeout
from quorate.properties.consensus import Decided
from quorate.properties.delivery import Delivered, Multicast
from quorate.protocols import build_world
from quorate.protocols.abcast_by_consensus import (
    Decide,
    Estimate,
    Instance,
    Orderer,
    Propose,
    Tell,
    Wish,
)

SLOTS = ("n1.1", "n1.2")


def orderer(*told: str, log: tuple[str, ...] = (), slot: int = 0) -> Orderer:
    return Orderer("n1", ("n2",), SLOTS, ("a", "b"), frozenset(told), log, slot)


def outputs(effects: tuple[object, ...]) -> list[object]:
    return [effect.fact for effect in effects if isinstance(effect, Output)]


def sends(effects: tuple[object, ...]) -> list[Send]:
    return [effect for effect in effects if isinstance(effect, Send)]


def test_a_message_is_told_to_all_and_proposed() -> None:
    after, effects = orderer().step(Start(False))
    assert outputs(effects) == [Multicast("a")]
    assert sends(effects) == [Send("n2", Tell("a")), Send("n1.1", Wish("a"))]
    assert after.told == {"a"}


def test_it_is_told_again_until_it_is_delivered() -> None:
    _, effects = orderer("a").step(Timeout("tell"))
    assert sends(effects) == [Send("n2", Tell("a"))]


def test_what_others_tell_is_proposed_with_what_is_waiting_in_one_order() -> None:
    after, effects = orderer("b").step(Receive("n2", Tell("a")))
    assert sends(effects) == [Send("n1.1", Wish("a b"))]
    assert after.told == {"a", "b"}


def test_what_was_told_or_delivered_before_is_known() -> None:
    for known in (orderer("c"), orderer(log=("c",), slot=1)):
        assert known.step(Receive("n2", Tell("c"))) == (known, (Ignore("known"),))


def test_a_batch_is_delivered_in_the_order_of_its_messages_told_of_or_not() -> None:
    after, effects = orderer("c").step(Stated("n1.1", Decided("c d")))
    assert outputs(effects)[:2] == [Delivered(1, 1, "c"), Delivered(1, 2, "d")]
    assert (after.log, after.slot, after.told) == (("c", "d"), 1, frozenset({"a"}))


def test_batches_are_delivered_in_the_order_of_their_instances() -> None:
    early, effects = orderer().step(Stated("n1.2", Decided("d")))
    assert (early.log, outputs(effects)) == ((), [])
    after, effects = early.step(Stated("n1.1", Decided("c")))
    assert outputs(effects)[:2] == [Delivered(1, 1, "c"), Delivered(1, 2, "d")]
    assert (after.log, after.slot) == (("c", "d"), 2)


def test_what_is_delivered_is_not_proposed_again() -> None:
    _, effects = orderer("a", "c").step(Stated("n1.1", Decided("a")))
    assert Send("n1.2", Wish("b c")) in sends(effects)


def instance(wish: str = "", **fields: object) -> Instance:
    return Instance("n1.1", Majority(("n1.1", "n2.1", "n3.1")), wish, **fields)  # type: ignore[arg-type]


def test_an_instance_takes_no_part_before_it_has_something_to_propose() -> None:
    quiet, effects = instance().step(Start(False))
    assert effects == ()
    for message in (Estimate(1, "x", 0), Propose(1, "x")):
        assert quiet.step(Receive("n2.1", message)) == (
            quiet,
            (Ignore("nothing to propose yet"),),
        )


def test_but_it_hears_of_the_decision() -> None:
    after, effects = instance().step(Receive("n2.1", Decide("x")))
    assert after.decided == "x"
    assert outputs(effects) == [Decided("x")]


def test_with_nothing_to_propose_it_asks_what_was_decided() -> None:
    asking, effects = instance().step(Receive("n1", Wish("")))
    assert sends(effects) == []
    _, effects = asking.step(Timeout("ask"))
    assert sends(effects) == [Send(n, Estimate(0, "", 0)) for n in ("n2.1", "n3.1")]
    _, effects = instance(decided="x").step(Receive("n2.1", Estimate(0, "", 0)))
    assert sends(effects) == [Send("n2.1", Decide("x"))]


def test_what_it_proposes_stays_what_it_was() -> None:
    begun, _ = instance().step(Receive("n1", Wish("a")))
    assert begun.estimate == "a"
    assert begun.step(Receive("n1", Wish("a b"))) == (begun, (Ignore("has begun"),))


def test_after_a_crash_it_has_delivered_what_was_decided() -> None:
    decided = Map({SLOTS[0]: "a"})
    after, _ = Orderer("n1", ("n2",), SLOTS, ("a",)).step(Stated("n1.1", Decided("a")))
    assert (after.log, after.decided) == (("a",), decided)


def test_all_deliver_the_same_in_every_schedule() -> None:
    """Where rounds run out after a crash, what was asked need not be delivered."""
    for settings, verdicts, counts in (
        ({}, {"holds"}, {"distinct": 216, "transitions": 1_257, "depth": 15}),
        (
            {"crashes": 1},
            {"holds", "unknown"},
            {"distinct": 940, "transitions": 5_795, "depth": 16},
        ),
        (
            {"nodes": 3, "senders": 1},
            {"holds"},
            {"distinct": 1_288, "transitions": 9_373, "depth": 17},
        ),
    ):
        result = check(build_world("abcast_by_consensus", "small", settings))
        assert {verdict.verdict for verdict in result.verdicts} == verdicts
        pin("as it was", result, **counts)
