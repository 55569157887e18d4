"""View-synchronous multicast, rule by rule: Birman and Joseph, SOSP 1987; BSS, TOCS 9(3) 1991."""

from __future__ import annotations

import pytest

from pins import counts, pin
from quorate.check import check
from quorate.kernel import (
    Ballot,
    Context,
    Ignore,
    Map,
    Output,
    Receive,
    Send,
    Start,
    Timeout,
    Weighted,
)
from quorate.properties.delivery import Delivered
from quorate.protocols import build_world
from quorate.protocols.views import Ack, Alive, Data, Group, Settled, Talker, Text

NAMES = ("n1", "n2", "n3")
ONE = Text("n1.1")


def member(name: str = "n2", *, uniform: bool = True, direct: bool = False) -> Talker:
    group = Group(Weighted(NAMES, (1, 1, 1), 2), 3, uniform, direct)
    return Talker(name, group).step(Start())[0]


def sends(effects: tuple[object, ...]) -> list[Send]:
    return [effect for effect in effects if isinstance(effect, Send)]


def delivered(effects: tuple[object, ...]) -> list[object]:
    facts = [effect.fact for effect in effects if isinstance(effect, Output)]
    return [fact.message for fact in facts if isinstance(fact, Delivered)]


def test_a_multicast_that_is_not_uniform_is_handed_up_at_once() -> None:
    _, effects = member(uniform=False).step(Receive("n1", Data(1, 1, ONE)))
    assert (sends(effects), delivered(effects)) == ([], ["n1.1"])


def test_a_uniform_one_is_acknowledged_and_handed_up_once_all_are_known_to_have_it() -> None:
    after, effects = member().step(Receive("n1", Data(1, 1, ONE)))
    assert (sends(effects), delivered(effects)) == ([Send("n1", Ack(1, "n1", 1))], [])
    after, effects = after.step(Receive("n1", Settled(1, 1)))
    assert delivered(effects) == ["n1.1"]


def test_the_sender_says_that_all_have_it_when_the_last_one_has_acknowledged() -> None:
    sender = member("n1")
    sender.texts = ("n1.1",)
    sender, effects = sender.step(Timeout("say"))
    assert sends(effects) == [Send("n2", Data(1, 1, ONE)), Send("n3", Data(1, 1, ONE))]
    sender, effects = sender.step(Receive("n2", Ack(1, "n1", 1)))
    assert (sends(effects), delivered(effects)) == ([], [])
    sender, effects = sender.step(Receive("n3", Ack(1, "n1", 1)))
    assert sends(effects) == [Send("n2", Settled(1, 1)), Send("n3", Settled(1, 1))]
    assert delivered(effects) == ["n1.1"]


def test_members_may_tell_each_other_directly_that_they_have_it() -> None:
    after, effects = member(direct=True).step(Receive("n1", Data(1, 1, ONE)))
    assert sends(effects) == [Send("n1", Ack(1, "n1", 1)), Send("n3", Ack(1, "n1", 1))]
    _, effects = after.step(Receive("n3", Ack(1, "n1", 1)))
    assert delivered(effects) == ["n1.1"]


@pytest.mark.parametrize("number", [1, 3])
def test_a_senders_multicasts_are_taken_in_their_order_each_once(number: int) -> None:
    after, _ = member(uniform=False).step(Receive("n1", Data(1, 1, ONE)))
    again = Receive("n1", Data(1, number, Text("n1.3")))
    assert after.step(again) == (after, (Ignore("not its turn"),))


def test_what_all_members_have_is_kept_no_longer() -> None:
    after, _ = member(uniform=False).step(Receive("n1", Data(1, 1, ONE)))
    assert after.held["n1"].messages == (ONE,)
    after, _ = after.step(Receive("n3", Alive(1, (1, 0, 0))))
    assert (after.held["n1"].base, after.held["n1"].messages) == (1, ())


def test_a_heartbeat_that_lacks_something_has_it_sent_again() -> None:
    sender = member("n1")
    sender.multicast(Context("n1"), ONE)
    _, effects = sender.step(Receive("n3", Alive(1, (0, 0, 0))))
    assert sends(effects) == [Send("n3", Data(1, 1, ONE))]
    _, effects = sender.step(Receive("n3", Alive(1, (1, 0, 0))))
    assert sends(effects) == []


def test_what_is_said_of_another_view_does_not_count() -> None:
    late = Receive("n1", Data(2, 1, ONE))
    assert member().step(late) == (member(), (Ignore("of another view"),))


def test_a_wedged_member_takes_hands_up_and_sends_nothing() -> None:
    wedged = member(uniform=False)
    wedged.promised = Ballot(1, "n1")
    why = Ignore("wedged: what is not here yet comes with the next view, or never")
    assert wedged.step(Receive("n1", Data(1, 1, ONE))) == (wedged, (why,))
    wedged.multicast(Context("n2"), ONE)
    assert wedged.outbox == (ONE,)
    assert wedged.held == Map()


@pytest.mark.parametrize(
    ("uniform", "distinct", "transitions"), [(False, 1_008, 1_996), (True, 8_720, 24_040)]
)
def test_every_schedule_of_a_view_in_which_each_member_multicasts(
    uniform: bool, distinct: int, transitions: int
) -> None:
    result = check(build_world("views", "small", {"uniform": uniform}))
    assert result.exit_code == 0
    pin("a view", counts(result), distinct=distinct, transitions=transitions)
