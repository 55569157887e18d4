"""Chandra and Toueg's consensus, rule by rule: JACM 43(2) 1996, figure 6."""

from __future__ import annotations

from pins import pin
from quorate.check import check
from quorate.kernel import CancelTimer, Ignore, Majority, Output, Receive, Send, Start, Timeout
from quorate.properties.consensus import Decided
from quorate.protocols import build_world
from quorate.protocols.chandra_toueg import Ack, Decide, Estimate, Nack, Node, Propose

NODES = ("n1", "n2", "n3")


def node(me: str = "n1", round: int = 1, **fields: object) -> Node:
    state = {"estimate": "mine", "round": round} | fields
    return Node(me, Majority(NODES), "mine", **state)  # type: ignore[arg-type]


def coordinating() -> Node:
    return node(heard=frozenset({("n1", 0, "mine")}))


def proposed() -> Node:
    return node(estimate="new", stamp=1, acks=frozenset({"n1"}))


def test_coordinators_take_turns() -> None:
    assert [node(round=r).coordinator for r in (1, 2, 3, 4)] == ["n1", "n2", "n3", "n1"]


def test_phase_1_sends_the_estimate_with_its_stamp_to_the_coordinator() -> None:
    _, effects = Node("n2", Majority(NODES), "mine").step(Start())
    assert [e for e in effects if type(e) is Send] == [Send("n1", Estimate(1, "mine", 0))]


def test_phase_2_proposes_the_most_recent_estimate_of_a_majority() -> None:
    after, effects = coordinating().step(Receive("n2", Estimate(1, "old", 0)))
    assert Send("n3", Propose(1, "old")) in effects  # the same stamp: either would do
    before = node(round=4, heard=frozenset({("n1", 1, "mine")}))
    after, effects = before.step(Receive("n2", Estimate(4, "newer", 3)))
    assert [e.msg for e in effects if type(e) is Send] == [Propose(4, "newer")] * 2
    assert (after.estimate, after.stamp) == ("newer", 4)


def test_a_coordinator_proposes_once_in_a_round() -> None:
    after, effects = proposed().step(Receive("n3", Estimate(1, "late", 0)))
    assert (after, effects) == (proposed(), (Ignore("not the open stage"),))


def test_phase_3_adopts_and_acknowledges() -> None:
    after, effects = node("n2").step(Receive("n1", Propose(1, "v")))
    assert (after.estimate, after.stamp) == ("v", 1)
    assert Send("n1", Ack(1)) in effects


def test_a_node_that_has_left_a_round_no_longer_adopts_its_value() -> None:
    after, effects = node("n2", 2).step(Receive("n1", Propose(1, "v")))
    assert (after, effects) == (node("n2", 2), (Send("n1", Nack(1)),))


def test_a_node_that_suspects_the_coordinator_tells_it_and_goes_on() -> None:
    after, effects = node("n2").step(Timeout("suspect"))
    assert Send("n1", Nack(1)) in effects
    assert (after.round, after.coordinator) == (2, "n2")


def test_it_waits_longer_in_later_rounds() -> None:
    def patience(before: Node) -> int:
        _, effects = before.step(Timeout("suspect"))
        return max(e.after_ms[1] for e in effects if hasattr(e, "after_ms"))

    assert patience(node("n2", 4)) > patience(node("n2", 1))


def test_phase_4_decides_what_a_majority_has_adopted() -> None:
    after, effects = proposed().step(Receive("n2", Ack(1)))
    assert after.decided == "new"
    assert Output(Decided("new")) in effects
    assert CancelTimer("suspect") in effects
    assert Send("n3", Decide("new")) in effects


def test_an_acknowledgement_of_another_round_does_not_count() -> None:
    before = node(round=4, estimate="new", stamp=4, acks=frozenset({"n1"}))
    after, effects = before.step(Receive("n2", Ack(1)))
    assert (after, effects) == (before, (Ignore("not the open stage"),))


def test_a_coordinator_that_is_suspected_gives_its_round_up() -> None:
    after, _ = proposed().step(Receive("n2", Nack(1)))
    assert after.round == 2


def test_a_node_joins_a_round_that_is_ahead_of_it() -> None:
    after, effects = node("n2").step(Receive("n3", Propose(3, "v")))
    assert (after.round, after.stamp) == (3, 3)
    assert Send("n3", Ack(3)) in effects
    coordinator, _ = node("n2").step(Receive("n1", Estimate(2, "v", 0)))
    assert (coordinator.round, coordinator.acks) == (2, {"n2"})


def test_whoever_knows_the_decision_answers_with_it() -> None:
    knows = node(decided="v")
    for message in (Estimate(2, "x", 0), Propose(2, "x"), Nack(1)):
        after, effects = knows.step(Receive("n2", message))
        assert (after, effects) == (knows, (Send("n2", Decide("v")),))


def test_a_restarted_node_starts_a_round_that_it_has_never_been_in() -> None:
    boot = Node("n1", Majority(NODES), "mine")
    after, _ = proposed().restart(boot).step(Start(recovered=True))
    assert (after.round, after.estimate, after.stamp) == (2, "new", 1)


def test_three_nodes_agree_in_every_schedule_of_two_rounds_and_a_crash() -> None:
    result = check(build_world("chandra_toueg", "small"), crashes=1)
    fared = {verdict.name: verdict.verdict for verdict in result.verdicts}
    pin("as it was", result, distinct=47_362, transitions=436_460, depth=20)
    assert (fared["agreement"], fared["validity"]) == ("holds", "holds")
