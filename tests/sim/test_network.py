"""Links: what they carry, and each way in which they fail."""

from __future__ import annotations

from itertools import pairwise

import pytest

from quorate.kernel import Process, Receive
from quorate.sim import Faults
from quorate.sim.engine import Simulation
from quorate.sim.partitions import Shape
from sim.toys import Clerk, Counter, Sender, pings, records, run, world

ONE_LINK = world(Sender("s", ("c",), count=50), Counter("c", answers=False))
SIX = tuple(f"c{i}" for i in range(1, 7))
ALL_LINKS = world(
    *[Sender(f"s{i}", SIX, count=200, every_ms=10) for i in range(1, 4)],
    *[Counter(name, answers=False) for name in SIX],
)


def test_without_faults_each_message_arrives_once_within_the_delays() -> None:
    outcome = run(ONE_LINK, delay_us=(700, 900))
    assert sorted(pings(outcome, "c")) == list(range(1, 51))
    assert outcome.deliveries == 50
    times = {record.at_us for record in records(outcome, "c", Receive)}
    assert min(times) >= 700
    assert max(times) <= 900
    assert len(times) > 10


def test_equal_delays_keep_the_order() -> None:
    assert pings(run(ONE_LINK, delay_us=(100, 100)), "c") == list(range(1, 51))


def test_slow_messages_are_overtaken() -> None:
    outcome = run(ONE_LINK, delay_us=(100, 100), slow=0.5)
    assert sorted(pings(outcome, "c")) == list(range(1, 51))
    assert pings(outcome, "c") != list(range(1, 51))


def test_with_a_loss_of_one_nothing_arrives() -> None:
    assert pings(run(ONE_LINK, loss=1.0), "c") == []


def test_some_loss_loses_some() -> None:
    assert 10 < len(pings(run(ONE_LINK, loss=0.5), "c")) < 40


def test_with_a_duplication_of_one_everything_arrives_twice() -> None:
    assert sorted(pings(run(ONE_LINK, duplicate=1.0), "c")) == sorted([*range(1, 51)] * 2)


def test_a_message_to_oneself_is_never_lost_and_comes_before_all_else() -> None:
    simulation = Simulation(
        world(Sender("s", ("c",), count=3), Clerk("c")), 0, Faults(delay_us=(100, 100))
    )
    simulation.start()
    simulation.run(1_000, 100)
    clerk = simulation.nodes[1].actor
    assert isinstance(clerk, Clerk)
    assert clerk.log == ("s1", "c1", "s2", "c2", "s3", "c3")
    assert simulation.deliveries == 3


def test_a_message_to_oneself_arrives_although_links_lose_everything() -> None:
    outcome = run(world(Sender("s", ("s",)), Counter("c")), loss=1.0)
    assert pings(outcome, "s") == [1]


def test_a_message_reaches_a_role_by_its_name() -> None:
    host = Process("n", (Counter("c", answers=False), Counter("d", answers=False)))
    outcome = run(world(Sender("s", ("d",)), host))
    assert [record.event.role for record in records(outcome, "n", Receive)] == ["d"]


def test_a_message_to_nobody_is_dropped() -> None:
    assert run(world(Sender("s", ("nobody",)))).deliveries == 0


def _heard(cut: frozenset[tuple[int, int]]) -> set[tuple[str, str]]:
    """Who hears whom while some links, given by the numbers of their ends, are cut."""
    simulation = Simulation(ALL_LINKS, 0, Faults(), tracing=True)
    simulation.cut = cut
    simulation.start()
    simulation.run(3_000_000, 10_000)
    return {(r.event.src, r.node) for r in simulation.tape.records if isinstance(r.event, Receive)}


def test_a_cut_link_carries_nothing_and_the_others_everything() -> None:
    everything = {(f"s{i}", name) for i in range(1, 4) for name in SIX}
    assert _heard(frozenset()) == everything
    assert _heard(frozenset({(0, 3), (0, 4)})) == everything - {("s1", "c1"), ("s1", "c2")}


def _cuts(shape: Shape) -> list[frozenset[tuple[int, int]]]:
    """The partitions that some seeds draw."""
    found = []
    for seed in range(60):
        faults = Faults(partition_rate=2.0, partition_shapes=(shape,))
        simulation = Simulation(ALL_LINKS, seed, faults)
        simulation.start()
        for until_ms in range(100, 3_000, 100):
            simulation.run(until_ms * 1000, 10_000)
            if simulation.cut:
                found.append(simulation.cut)
                break
    assert len(found) > 30
    return found


def _reversed(cut: frozenset[tuple[int, int]]) -> frozenset[tuple[int, int]]:
    return frozenset((b, a) for a, b in cut)


def _reached(cut: frozenset[tuple[int, int]], node: int) -> set[int]:
    return {other for other in range(9) if (node, other) not in cut}


@pytest.mark.parametrize("shape", [Shape.FULL, Shape.FLAPPING])
def test_a_full_partition_makes_two_sides_that_hear_nothing_of_each_other(shape: Shape) -> None:
    for cut in _cuts(shape):
        side = _reached(cut, 0)
        assert cut == frozenset(
            (a, b) for a in range(9) for b in range(9) if (a in side) != (b in side)
        )


def test_a_one_way_partition_cuts_one_direction_between_two_sides() -> None:
    for cut in _cuts(Shape.ONE_WAY):
        near = {a for a, _ in cut}
        assert cut == frozenset((a, b) for a in near for b in set(range(9)) - near)


def test_a_partial_partition_leaves_nodes_that_reach_both_sides() -> None:
    for cut in _cuts(Shape.PARTIAL):
        assert cut == _reversed(cut)
        assert any(
            b not in _reached(cut, a) and {a, b} <= _reached(cut, c)
            for a in range(9)
            for b in range(9)
            for c in range(9)
        )


def test_a_bridge_is_one_node_that_reaches_two_sides_which_do_not_reach_each_other() -> None:
    for cut in _cuts(Shape.BRIDGE):
        bridges = [node for node in range(9) if _reached(cut, node) == set(range(9))]
        assert len(bridges) == 1
        sides = {frozenset(_reached(cut, n) - set(bridges)) for n in range(9) if n not in bridges}
        assert len(sides) == 2
        assert frozenset.intersection(*sides) == frozenset()


def test_in_a_ring_everyone_reaches_a_majority_and_no_two_reach_the_same() -> None:
    for cut in _cuts(Shape.RING):
        reached = [frozenset(_reached(cut, node)) for node in range(9)]
        assert {len(each) for each in reached} == {9 // 2 + 1}
        assert len(set(reached)) == 9


def test_a_flapping_partition_comes_and_goes_while_a_full_one_stays() -> None:
    def changes(shape: Shape) -> int:
        faults = Faults(partition_rate=0.2, partition_shapes=(shape,), partition_ms=(3_000, 3_000))
        simulation = Simulation(ALL_LINKS, 3, faults)
        simulation.start()
        seen = []
        for until_ms in range(0, 15_000, 5):
            simulation.run(until_ms * 1000, 1_000_000)
            seen.append(bool(simulation.cut))
        return sum(a != b for a, b in pairwise(seen))

    assert changes(Shape.FULL) <= 6
    assert changes(Shape.FLAPPING) > 4 * changes(Shape.FULL)


def test_a_partition_ends() -> None:
    simulation = Simulation(
        ALL_LINKS, 1, Faults(partition_rate=0.5, partition_ms=(10, 20), unsafe_ms=60_000)
    )
    simulation.start()
    seen = []
    for until_ms in range(0, 30_000, 5):
        simulation.run(until_ms * 1000, 1_000_000)
        seen.append(bool(simulation.cut))
    changes = sum(a != b for a, b in pairwise(seen))
    assert changes >= 6
    assert sum(seen) < len(seen) / 10
