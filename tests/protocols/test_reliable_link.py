"""Reliable link: each rule of its ends, its state space in closed form, its cost, and what for."""

from __future__ import annotations

from collections import Counter
from math import ceil, comb
from typing import Any

import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import (
    CancelTimer,
    Header,
    Ignore,
    Map,
    Output,
    Receive,
    Send,
    SetTimer,
    Start,
    Timeout,
    core,
)
from quorate.properties.link import Delivered, Sent
from quorate.protocols import build_world
from quorate.protocols.reliable_link import RESEND_MS, Ack, Data, Give, Receiver, Sender
from quorate.sim import Faults, Run, simulate

ITEMS = ("a", "b", "c")
RESEND = SetTimer("resend", RESEND_MS)


def sender(sent: int = 0, acknowledged: int = 0) -> Sender:
    return Sender("s", "r", ITEMS, 2, sent, acknowledged)


def receiver(count: int) -> Receiver:
    return Receiver("r", Map({"s": count} if count else {}))


def sends(number: int) -> Send:
    return Send("r", Data(number, ITEMS[number - 1]))


def says(number: int) -> Output:
    return Output(Sent("r", number, ITEMS[number - 1]))


def test_a_sender_sends_as_many_as_its_window_holds() -> None:
    after, effects = sender().step(Start())
    assert after == sender(sent=2)
    assert effects == (says(1), says(2), says(3), sends(1), sends(2), RESEND)


def test_items_may_come_later_and_wait_for_their_turn() -> None:
    idle = Sender("s", "r", (), 1)
    after, effects = idle.step(Receive("u", Give("a")))
    assert (after.items, after.sent) == (("a",), 1)
    assert effects == (says(1), sends(1), RESEND)
    after, effects = after.step(Receive("u", Give("b")))
    assert (after.items, after.sent) == (("a", "b"), 1)
    assert effects == (says(2), RESEND)


def test_an_acknowledgement_moves_the_window_on() -> None:
    after, effects = sender(sent=2).step(Receive("r", Ack(1)))
    assert after == sender(sent=3, acknowledged=1)
    assert effects == (sends(3), RESEND)


def test_one_acknowledgement_stands_for_all_up_to_its_number() -> None:
    after, effects = sender(sent=3, acknowledged=1).step(Receive("r", Ack(3)))
    assert after == sender(sent=3, acknowledged=3)
    assert effects == (CancelTimer("resend"),)


def test_an_old_acknowledgement_changes_nothing() -> None:
    before = sender(sent=3, acknowledged=2)
    assert before.step(Receive("r", Ack(1))) == (before, (Ignore("nothing new"),))


def test_what_is_not_acknowledged_is_sent_again() -> None:
    before = sender(sent=3, acknowledged=1)
    assert before.step(Timeout("resend")) == (before, (sends(2), sends(3), RESEND))


def test_a_receiver_delivers_the_next_item_and_acknowledges_it() -> None:
    after, effects = receiver(1).step(Receive("s", Data(2, "b")))
    assert after == receiver(2)
    assert effects == (Output(Delivered("s", 2, "b")), Send("s", Ack(2)))


def test_an_item_it_has_is_acknowledged_again_since_that_may_have_been_lost() -> None:
    before = receiver(2)
    assert before.step(Receive("s", Data(1, "a"))) == (before, (Send("s", Ack(2)),))


def test_an_item_before_its_turn_is_dropped() -> None:
    before = receiver(1)
    assert before.step(Receive("s", Data(3, "c"))) == (before, (Ignore("not its turn"),))


def test_each_sender_has_a_link_of_its_own() -> None:
    after, effects = receiver(2).step(Receive("t", Data(1, "x")))
    assert after.delivered == Map({"s": 2, "t": 1})
    assert effects[0] == Output(Delivered("t", 1, "x"))


# As a whole.


def _acknowledged(delivered: int, items: int, window: int) -> int:
    """How many counts of acknowledged items are possible when so many have been delivered."""
    return sum(a <= delivered <= min(items, a + window) for a in range(items + 1))


@pytest.mark.parametrize(("items", "window"), [(1, 1), (3, 2), (4, 1), (6, 3), (9, 4), (5, 9)])
def test_the_space_is_that_of_two_counters_within_a_window(items: int, window: int) -> None:
    # Messages stay for ever, so there is nothing else to know. To the end it takes a delivery for
    # each item, and an acknowledgement for each window.
    result = check(build_world("reliable_link", "small", {"items": items, "window": window}))
    distinct = sum(_acknowledged(d, items, window) for d in range(items + 1))
    pin("closed form", result, distinct=distinct, depth=1 + items + ceil(items / window))
    assert result.exit_code == 0
    assert {v.verdict for v in result.verdicts} == {"holds"}


@pytest.mark.parametrize(("items", "window"), [(1, 1), (2, 1), (3, 2)])
def test_two_links_multiply_and_their_deliveries_interleave(items: int, window: int) -> None:
    settings = {"senders": 2, "items": items, "window": window}
    result = check(build_world("reliable_link", "small", settings))
    counts = range(items + 1)
    distinct = sum(
        comb(d + e, d) * _acknowledged(d, items, window) * _acknowledged(e, items, window)
        for d in counts
        for e in counts
    )
    pin("closed form", result, distinct=distinct)
    assert result.exit_code == 0


def _run(seed: int = 0, settings: dict[str, Any] | None = None, **knobs: Any) -> Run:
    header = Header(protocol="reliable_link", executor="sim")
    world = build_world("reliable_link", settings=settings or {})
    return simulate(world, seed=seed, faults=Faults(**knobs), header=header)


def _arrivals(outcome: Run, kind: type) -> list[Any]:
    assert outcome.trace is not None
    events = [core(record.event) for record in outcome.trace.records]
    return [e.msg for e in events if isinstance(e, Receive) and isinstance(e.msg, kind)]


def test_the_network_below_loses_duplicates_and_reorders_and_the_link_above_does_not() -> None:
    for seed in range(20):
        outcome = _run(seed, loss=0.3, duplicate=0.3, slow=0.3)
        assert outcome.violated is None
        assert outcome.reached == ("all is delivered",)
        assert outcome.trace is not None
        data = _arrivals(outcome, Data)
        assert max(Counter(data).values()) > 1
        assert [m.number for m in data] != sorted(m.number for m in data)
        lines = [r.line for r in outcome.trace.records if "! Delivered(s1" in r.line]
        said = [line.partition("! ")[2].partition(" |")[0] for line in lines]
        assert said == [f"Delivered(s1, {n}, s1.{n})" for n in range(1, 11)]


@pytest.mark.parametrize("items", [1, 4, 10])
def test_with_a_window_for_all_everything_takes_one_delay(items: int) -> None:
    settings = {"senders": 1, "items": items, "window": items}
    outcome = _run(settings=settings, unsafe_ms=0, delay_us=(1_000, 1_000))
    assert len(_arrivals(outcome, Data)) == len(_arrivals(outcome, Ack)) == items
    assert outcome.trace is not None
    delivered = [r.at_us for r in outcome.trace.records if "! Delivered" in r.line]
    assert delivered == [1_000] * items
