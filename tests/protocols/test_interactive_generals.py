"""Interactive consistency by the Byzantine generals: one vector, whatever a traitor says."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from pins import pin
from quorate.check import check
from quorate.check.lockstep import Lockstep, Seat
from quorate.check.model import Model
from quorate.kernel import Message, Network, NodeId, Process, UsageError, runner_of
from quorate.protocols import build_world
from quorate.protocols.byzantine_generals import ATTACK, RETREAT, Says
from quorate.protocols.interactive_consistency import Collector
from quorate.sim import Faults, Task, campaign, simulate


class Hall:
    """The real nodes in lock-step, of which one says in every instance what it likes."""

    def __init__(self, nodes: int, faults: int, traitor: NodeId) -> None:
        size = {"nodes": nodes, "faults": faults, "traitors": ""}
        world = build_world("interactive_generals", "main", size)
        model = Model(world, Network.FIFO, 0)
        self.hosts, self.traitor = world.hosts(), traitor
        self.seats = [Seat(model, number) for number in range(nodes)]
        self.places: list[tuple[tuple[str, ...], str]] = []
        self.vectors(None)

    def vectors(self, lies: dict[Any, str] | None) -> dict[NodeId, dict[NodeId, str]]:
        """What each other node has for every node; None: nobody lies, and all places are noted."""

        def twist(seat: int, to: NodeId, message: Any) -> Message:
            place = message.path, to
            if runner_of(message.path[-1]) != self.traitor:
                return Says(message.order, message.path)
            if lies is None:
                self.places.append(place)
                return Says(message.order, message.path)
            return Says(lies[place], message.path)

        run = Lockstep(self.seats, lambda _, to: self.hosts[to], twist)
        vectors = {}
        for seat in range(len(self.seats)):
            process = run.actor(seat)
            assert isinstance(process, Process)
            collector = process.actors[0]
            assert isinstance(collector, Collector)
            if process.me != self.traitor:
                vectors[process.me] = dict(collector.decided.items())
        return vectors


WISHES = {"n1": ATTACK, "n2": RETREAT, "n3": ATTACK, "n4": RETREAT}


@pytest.mark.slow
def test_every_behaviour_of_a_traitor_in_all_four_instances_leaves_one_vector() -> None:
    hall = Hall(4, 1, "n4")
    assert len(hall.places) == 3 + 3 * 2  # as a commander once, as a lieutenant three times
    for choice in product((ATTACK, RETREAT), repeat=len(hall.places)):
        vectors = hall.vectors(dict(zip(hall.places, choice, strict=True)))
        one, *others = vectors.values()
        assert all(other == one for other in others)
        assert all(one[node] == WISHES[node] for node in ("n1", "n2", "n3"))


def test_of_three_nodes_a_traitor_makes_others_miss_what_one_proposed() -> None:
    hall = Hall(3, 1, "n3")
    wrong = 0
    for choice in product((ATTACK, RETREAT), repeat=len(hall.places)):
        vectors = hall.vectors(dict(zip(hall.places, choice, strict=True)))
        wrong += any(each[node] != WISHES[node] for each in vectors.values() for node in vectors)
    # Of four lies one matters, that about n1, who attacks: in half of all runs.
    assert (len(hall.places), wrong) == (4, 8)


def test_messages_are_as_many_as_that_many_instances_take() -> None:
    calm = Faults(unsafe_ms=0, delay_us=(1_000, 1_000))
    found = {}
    for nodes, faults in ((4, 1), (4, 2), (5, 1), (5, 2), (5, 3), (6, 1), (7, 1)):
        size = {"nodes": nodes, "faults": faults, "traitors": ""}
        run = simulate(build_world("interactive_generals", "main", size), seed=0, faults=calm)
        found[nodes, faults] = run.deliveries
    assert found == {
        (4, 1): 36, (4, 2): 60, (5, 1): 80, (5, 2): 200, (5, 3): 320, (6, 1): 150, (7, 1): 252,
    }  # fmt: skip


def test_more_messages_than_anyone_would_read_are_refused() -> None:
    with pytest.raises(UsageError, match="7 nodes and 3 faults take 3,612 messages"):
        build_world("interactive_generals", "main", {"nodes": 7, "faults": 3})


def test_too_few_nodes_are_found_out_by_seeds() -> None:
    task = Task(protocol="interactive_generals", settings={"nodes": 3, "traitors": "n3"})
    broken = {run.violated for run in campaign(task, first=0, count=60).failures}
    assert broken <= {"agreement", "completeness"}
    assert broken


@pytest.mark.slow
def test_without_traitors_every_schedule_of_three_nodes_leads_to_one_vector() -> None:
    for faults, distinct in ((0, 109), (1, 989)):
        world = build_world("interactive_generals", "small", {"faults": faults})
        result = check(world)
        assert {verdict.verdict for verdict in result.verdicts} == {"holds"}
        pin(f"three nodes, {faults + 1} rounds", result, distinct=distinct)
