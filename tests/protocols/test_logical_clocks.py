"""Logical clocks, rule by rule: Lamport, CACM 21(7) 1978; Mattern 1989."""

from __future__ import annotations

from itertools import combinations

import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import Event, Header, Network, Output, Receive, Send, Timeout, UsageError
from quorate.properties.causality import Happened, Past, Step, less
from quorate.protocols import build_world
from quorate.protocols.logical_clocks import Node, Word
from quorate.sim import Faults, simulate
from quorate.traces.clocks import precedes, vector_clocks
from quorate.traces.spacetime import retell

NODES = ("n1", "n2", "n3")


def node() -> Node:
    return Node("n2", NODES, 4, 4, (2, 3, 0), 7, 3)


def stated(event: Event) -> Happened:
    _, effects = node().step(event)
    (fact,) = [effect.fact for effect in effects if isinstance(effect, Output)]
    assert isinstance(fact, Happened)
    return fact


def test_clocks_move_on_between_any_two_steps_of_a_node() -> None:
    for timer in ("act", "send"):
        assert stated(Timeout(timer)) == Happened(4, 8, (2, 4, 0))


def test_a_message_bears_the_stamps_of_the_step_that_sent_it() -> None:
    _, effects = node().step(Timeout("send"))
    word = Word(4, 8, (2, 4, 0))
    assert [e for e in effects if isinstance(e, Send)] == [Send("n1", word), Send("n3", word)]


def test_an_act_is_told_to_nobody() -> None:
    _, effects = node().step(Timeout("act"))
    assert not any(isinstance(effect, Send) for effect in effects)


@pytest.mark.parametrize(("time", "then"), [(3, 8), (7, 8), (9, 10)])
def test_an_arrival_is_later_than_its_message_and_than_all_before_it(time: int, then: int) -> None:
    assert stated(Receive("n3", Word(5, time, (0, 0, 5)))).time == then


def test_an_arrival_knows_of_all_that_its_message_knew_of() -> None:
    fact = stated(Receive("n3", Word(5, 9, (4, 1, 5))))
    assert (fact.cause, fact.vector) == (Step("n3", 5), (4, 4, 5))


def test_vectors_are_compared_entry_by_entry() -> None:
    assert less((1, 2), (1, 3))
    assert not less((1, 3), (1, 3))
    assert not less((2, 2), (1, 3))
    assert not less((1, 3), (2, 2))


def test_the_past_is_known_without_asking_a_clock() -> None:
    """n1.1 → n2.1 → n2.2 → n3.1, and n1.2 apart; every stamp is nonsense."""
    past = Past("past", NODES)
    for name, number, cause in (
        ("n1", 1, None),
        ("n1", 2, None),
        ("n2", 1, Step("n1", 1)),
        ("n2", 2, None),
        ("n3", 1, Step("n2", 2)),
    ):
        assert not past.common()
        past = past.see(name, Happened(number, 0, (), cause))
    assert past.common()
    before = {step for step in past.steps if step in past.steps[Step("n3", 1)].past}
    assert before == {Step("n1", 1), Step("n2", 1), Step("n2", 2)}
    assert past.steps[Step("n1", 2)].past == {Step("n1", 1)}
    assert past.disordered
    assert past.inexact


def test_vectors_order_what_the_trace_of_a_run_orders_and_nothing_else() -> None:
    """The simulator says which step sent what another received; it knows no clock."""
    related = concurrent = 0
    for seed in range(6):
        world = build_world("logical_clocks")
        header = Header(protocol="logical_clocks", executor="sim")
        faults = Faults.swarm(seed, unsafe_ms=20_000)
        trace = simulate(world, seed=seed, faults=faults, header=header).trace
        assert trace is not None
        diagram = retell(trace, world.processes)
        clocks = vector_clocks(diagram)
        stamps = [
            (index, fact)
            for index, step in enumerate(diagram.steps)
            for _, fact in step.facts
            if isinstance(fact, Happened)
        ]
        for (i, one), (j, other) in combinations(stamps, 2):
            assert less(one.vector, other.vector) == precedes(diagram, clocks, i, j)
            assert not less(other.vector, one.vector)
            related += less(one.vector, other.vector)
            concurrent += not less(one.vector, other.vector)
    assert related > 1_000
    assert concurrent > 1_000


def test_stamps_are_as_promised_in_every_schedule() -> None:
    for settings, counts in (
        ({}, {"distinct": 139, "transitions": 201, "depth": 7}),
        ({"sends": 2}, {"distinct": 8_002, "transitions": 12_089, "depth": 11}),
        ({"nodes": 3, "acts": 0}, {"distinct": 1_008, "transitions": 1_996, "depth": 10}),
    ):
        world = build_world("logical_clocks", "small", settings)
        assert world.network is Network.MULTISET
        result = check(world)
        assert {verdict.verdict for verdict in result.verdicts} == {"holds"}
        pin("as it was", result, **counts)


def test_one_node_alone_is_refused() -> None:
    with pytest.raises(UsageError, match="takes two or more"):
        build_world("logical_clocks", settings={"nodes": 1})
