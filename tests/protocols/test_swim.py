"""SWIM: each rule of the node, which news counts, and how soon somebody asks who has failed."""

from __future__ import annotations

import math

import msgspec
import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import (
    CancelTimer,
    Choice,
    Choose,
    Ignore,
    Map,
    Output,
    Receive,
    Send,
    SetTimer,
    Start,
    Threshold,
    Timeout,
    UsageError,
)
from quorate.properties.detection import Suspected, Trusted, honesty, noticed
from quorate.protocols import build_world
from quorate.protocols.failure_detector import Back, Patience, Watch
from quorate.protocols.swim import NEWS_MAX, SPREAD, Ack, News, Node, Ping, Request, Status
from quorate.sim import Task, campaign
from quorate.sim.grading import periods_to_ask

NAMES = ("n1", "n2", "n3", "n4")
ALIVE, SUSPECT, FAULTY = Status
OWN = News("n1", 1)
TIMES = SPREAD * 3  # ⌈log2 5⌉


def node(*known: News, **fields: object) -> Node:
    """n1 in its third period, having heard of life 1 of all others."""
    watches = {name: Watch(life=1, number=1, answered=1) for name in NAMES[1:]}
    beliefs = {name: News(name, 1) for name in NAMES[1:]} | {each.node: each for each in known}
    for each in known:
        suspected = each.status is FAULTY
        watches[each.node] = Watch(life=each.life, suspected=suspected, number=1, answered=1)
    state = {"life": 1, "periods": 3, "watches": Map(watches), "known": Map(beliefs)} | fields
    return Node("n1", Threshold(NAMES, 1), Patience.GROWS, 300, **state)  # type: ignore[arg-type]


def ping(*news: News, src: str = "n2") -> Receive:
    return Receive(src, Ping(7, src, news))


def suspicion(name: str, ms: int = 300) -> SetTimer:
    return SetTimer(name, (ms, ms))


def test_a_period_asks_one_that_was_not_asked_in_this_round() -> None:
    after, effects = node(left=("n2", "n4")).step(Timeout("period"))
    assert after.periods == 4
    assert effects[1:] == (SetTimer("period", (100, 100)), Choose("ask", ("n2", "n4")))
    asked, effects = after.step(Choice("ask", "n4"))
    assert (asked.asked, asked.left) == ("n4", ("n2",))
    assert effects == (Send("n4", Ping(4, "n1", (OWN,))), SetTimer("through others", (20, 20)))


def test_after_a_round_all_are_to_be_asked_again_and_always_if_not_in_turn() -> None:
    _, effects = node().step(Timeout("period"))
    assert Choose("ask", NAMES[1:]) in effects
    assert node(in_turn=False).step(Choice("ask", "n4"))[0].left == ()


def test_who_does_not_answer_is_asked_through_others_a_different_pair_each_period() -> None:
    for periods, proxies in ((3, ("n4", "n3")), (4, ("n3", "n4"))):
        before = node(asked="n2", periods=periods)
        _, effects = before.step(Timeout("through others"))
        assert effects == tuple(Send(to, Request(periods, "n2", (OWN,))) for to in proxies)
    _, effects = node(asked="n2", proxies=1).step(Timeout("through others"))
    assert len(effects) == 1


def test_whoever_is_asked_to_asks_and_hands_the_answer_on() -> None:
    _, effects = node().step(Receive("n2", Request(9, "n3", ())))
    assert effects == (Send("n3", Ping(9, "n2", (OWN,))),)
    answer = Ack(9, "n2", "n3", (News("n3", 1),))
    assert node().step(Receive("n3", answer)) == (node(), (Send("n2", answer),))


def test_a_ping_is_answered_to_whom_it_came_from_for_whom_it_was_asked() -> None:
    _, effects = node().step(Receive("n3", Ping(9, "n2", ())))
    assert effects == (Send("n3", Ack(9, "n2", "n1", (OWN,))),)


def test_an_answer_ends_the_probe_and_no_other_does() -> None:
    before = node(asked="n2")
    after, effects = before.step(Receive("n4", Ack(3, "n1", "n2", ())))
    assert (after.asked, after.steady("n2")) == ("", 2)
    assert effects == (CancelTimer("through others"),)
    for late in (Ack(1, "n1", "n2", ()), Ack(3, "n1", "n3", ())):
        again, effects = before.step(Receive("n4", late))
        assert (again.asked, effects) == ("n2", (Ignore("not the open probe"),))


def test_no_answer_for_a_whole_period_is_a_suspicion_that_is_passed_on() -> None:
    after, effects = node(asked="n2").step(Timeout("period"))
    assert after.known["n2"] == News("n2", 1, 0, SUSPECT)
    assert after.fresh == Map({"n2": TIMES})
    assert suspicion("n2") in effects
    assert not after.suspects("n2")  # not yet


def test_a_suspicion_that_nobody_refutes_ends_in_faulty() -> None:
    after, effects = node(News("n2", 1, 0, SUSPECT)).step(Timeout("n2"))
    assert after.known["n2"].status is FAULTY
    assert effects == (CancelTimer("n2"), Output(Suspected("n2", 1)))
    assert (after.suspects("n2"), after.steady("n2")) == (True, 0)


def test_whoever_hears_that_it_is_suspected_refutes_it_in_a_later_incarnation() -> None:
    for status in (SUSPECT, FAULTY):
        after, effects = node(refuted=2).step(ping(News("n1", 1, 2, status)))
        assert after.refuted == 3
        assert effects == (Send("n2", Ack(7, "n2", "n1", (News("n1", 1, 3),))),)
    for old in (News("n1", 1, 1, FAULTY), News("n1", 0, 2, FAULTY), News("n1", 1, 2)):
        assert node(refuted=2).step(ping(old))[0].refuted == 2


def test_a_refutation_ends_a_suspicion_and_shows_a_mistake_if_it_comes_too_late() -> None:
    after, effects = node(News("n3", 1, 0, SUSPECT)).step(ping(News("n3", 1, 1)))
    assert after.known["n3"] == News("n3", 1, 1)
    assert effects[0] == CancelTimer("n3")
    after, effects = node(News("n3", 1, 0, FAULTY)).step(ping(News("n3", 1, 1)))
    assert effects[:2] == (Output(Trusted("n3", 1)), CancelTimer("n3"))
    _, effects = after.step(ping(News("n3", 1, 1, SUSPECT)))
    assert suspicion("n3", 600) in effects


# The paper's section 4.2, but for faulty, which a later incarnation may follow.
ORDER = [
    News("n3", life, refuted, status)
    for life in (1, 2)
    for refuted in (0, 1)
    for status in (ALIVE, SUSPECT, FAULTY)
]


@pytest.mark.parametrize("at", range(len(ORDER)))
def test_news_of_a_later_incarnation_counts_and_of_one_incarnation_the_worse(at: int) -> None:
    for other, news in enumerate(ORDER):
        after, _ = node(ORDER[at]).step(ping(news))
        assert after.known["n3"] == ORDER[max(at, other)]


def test_a_later_life_tells_that_the_earlier_one_is_over_whoever_says_so() -> None:
    told = (Output(Suspected("n3", 1)), Output(Trusted("n3", 2)))
    for event in (ping(News("n3", 2)), Receive("n3", Back(2))):
        after, effects = node().step(event)
        assert effects[:2] == told
        assert (after.knows("n3"), after.known["n3"]) == (2, News("n3", 2))
    after, effects = node().step(ping(News("n3", 2, 0, FAULTY)))
    assert effects[:2] == told
    assert effects[3] == Output(Suspected("n3", 2))


def test_news_is_passed_on_so_many_times_the_freshest_first() -> None:
    fresh = Map({name: TIMES - at for at, name in enumerate(("n2", "n3"))})
    after, effects = node(News("n3", 4), fresh=fresh).step(ping(src="n4"))
    assert effects == (Send("n4", Ack(7, "n4", "n1", (OWN, News("n2", 1), News("n3", 4)))),)
    assert after.fresh == Map({"n2": TIMES - 1, "n3": TIMES - 2})
    assert node(fresh=Map({"n2": 1})).step(ping(src="n4"))[0].fresh == Map()


def test_a_message_has_room_for_so_much_news() -> None:
    names = tuple(f"n{i}" for i in range(1, 12))
    boot = Node("n1", Threshold(names, 1), Patience.GROWS, 300, life=1)
    boot.known = Map({name: News(name) for name in names[1:]})
    boot.fresh = Map(dict.fromkeys(names[1:], 5) | {"n9": 6})
    sent = boot.news("n2")
    assert len(sent) == 1 + NEWS_MAX
    assert News("n9") in sent


def test_whoever_is_not_taken_to_be_alive_is_told_so() -> None:
    _, effects = node(News("n2", 1, 0, FAULTY)).step(ping(News("n2", 1)))
    assert effects == (Send("n2", Ack(7, "n2", "n1", (OWN, News("n2", 1, 0, FAULTY)))),)


def test_a_life_begins_by_asking_somebody() -> None:
    boot = Node("n1", Threshold(NAMES, 1), Patience.GROWS, 300)
    after, effects = boot.step(Start())
    assert after.known == Map({name: News(name) for name in NAMES[1:]})
    assert effects[2:] == (SetTimer("period", (100, 100)), Choose("ask", NAMES[1:]))


def test_the_last_of_so_many_periods_is_followed_by_none() -> None:
    _, effects = node(periods_max=3).step(Timeout("period"))
    assert effects[-1] == Ignore("no periods left")


def test_two_nodes_are_too_few() -> None:
    with pytest.raises(UsageError, match="nodes=2: it takes 3"):
        build_world("swim", settings={"nodes": 2})


def test_others_are_asked_within_the_period() -> None:
    for ask_ms in (0, 100):
        with pytest.raises(UsageError, match=f"ask_ms={ask_ms} must be above 0 and below"):
            build_world("swim", settings={"ask_ms": ask_ms})


# As a whole.


def test_more_nodes_hold_as_well_and_without_turns() -> None:
    for settings in ({"nodes": 6}, {"in_turn": False}):
        task = Task(protocol="swim", settings=settings, fault_settings={"unsafe_ms": 1_000})
        result = campaign(task, first=0, count=10)
        assert (result.failures, result.bounded) == ((), 0)


@pytest.mark.parametrize(
    ("nodes", "expected"), [(4, 1.421), (8, 1.515), (16, 1.551)], ids="{}".format
)
def test_somebody_asks_who_has_failed_as_soon_as_the_paper_says(
    nodes: int, expected: float
) -> None:
    """Section 3.1: that takes so many periods, geometrically distributed."""
    chance = 1 - (1 - 1 / (nodes - 1)) ** (nodes - 1)
    assert 1 / chance == pytest.approx(expected, abs=5e-4)
    waits = periods_to_ask(nodes, periods=600)
    mean = sum(waits) / len(waits)
    deviation = math.sqrt(1 - chance) / chance / math.sqrt(len(waits))
    assert abs(mean - 1 / chance) < 4 * deviation


@pytest.mark.slow
def test_one_of_three_asks_in_every_schedule() -> None:
    base = build_world("swim", "small")
    result = check(msgspec.structs.replace(base, properties=(honesty, noticed)))
    assert result.exit_code == 0
    pin("as it was", result, distinct=271_306, transitions=2_352_250, depth=36)
