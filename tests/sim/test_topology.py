"""Networks that are graphs: their shapes, their routes, and the deadlock of bounded links."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from quorate.kernel import Receive, UsageError, World
from quorate.sim import Faults
from quorate.sim.engine import Simulation
from quorate.sim.faults import WhenFull
from quorate.sim.judge import NO_DEADLOCK
from quorate.sim.topology import GRAPHS, is_topology, neighbours, routes
from sim.toys import Counter, Sender, pings, records, run, world

EIGHT = tuple("abcdefgh")


def _around(a: int, b: int, count: int) -> int:
    return min((a - b) % count, (b - a) % count)


def _up(node: int) -> list[int]:
    """The way from a node of a binary tree to its root."""
    return [node, *_up((node - 1) // 2)] if node else [0]


def _in_tree(a: int, b: int) -> int:
    return len(set(_up(a)) ^ set(_up(b)))


DISTANCE: dict[str, Callable[[int, int], int]] = {
    "star": lambda a, b: (a != b) + (a != b and 0 not in (a, b)),
    "line": lambda a, b: abs(a - b),
    "ring": lambda a, b: _around(a, b, 8),
    "tree": _in_tree,
    "hypercube": lambda a, b: (a ^ b).bit_count(),
    "torus": lambda a, b: _around(a // 4, b // 4, 2) + _around(a % 4, b % 4, 4),
    "full": lambda a, b: int(a != b),
}


def test_every_graph_is_tested() -> None:
    assert set(DISTANCE) == {*GRAPHS, "full"}
    assert all(map(is_topology, DISTANCE))


@pytest.mark.parametrize("name", DISTANCE)
def test_neighbours_are_the_nodes_at_distance_one(name: str) -> None:
    graph = neighbours(name, EIGHT)
    assert graph == tuple(tuple(b for b in range(8) if DISTANCE[name](a, b) == 1) for a in range(8))


@pytest.mark.parametrize("name", DISTANCE)
def test_each_hop_of_a_route_comes_nearer(name: str) -> None:
    graph = neighbours(name, EIGHT)
    ways = routes(graph)
    for to in range(8):
        for at in range(8):
            if at != to:
                assert ways[to][at] in graph[at]
                assert DISTANCE[name](ways[to][at], to) == DISTANCE[name](at, to) - 1


def test_a_list_of_links_is_a_graph_too() -> None:
    assert neighbours("a-c,c-b", "abc") == ((2,), (2,), (0, 1))


@pytest.mark.parametrize(
    ("topology", "names", "text"),
    [
        ("hypercube", "abcdef", "a hypercube has 2, 4, 8 … nodes, and this world has 6"),
        ("torus", "abcde", "5 nodes make only one row; use topology=ring"),
        ("a-b,c-d", "abcd", "leaves c, d without a way to a"),
        ("a-x", "ab", "there is no node 'x'; there is a, b"),
    ],
)
def test_a_graph_that_cannot_be_is_refused(topology: str, names: str, text: str) -> None:
    of = world(*map(Counter, names))
    with pytest.raises(UsageError, match=text):
        Simulation(of, 0, Faults(topology=topology))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"topology": "heap"}, "topology=heap is not possible: there is full, star, line, ring"),
        ({"link_buffer": 2}, "link_buffer bounds the links of a graph: set topology as well"),
        ({"link_full": "cry"}, "link_full=cry is not possible: there is block, drop"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        Faults().with_settings(settings)


# Store and forward.


@pytest.mark.parametrize("name", DISTANCE)
@pytest.mark.parametrize("buffer", [0, 1])
def test_a_message_takes_as_many_delays_as_its_way_has_links(name: str, buffer: int) -> None:
    for target in EIGHT[1:]:
        processes = [Sender("a", (target,)), *(Counter(n, answers=False) for n in EIGHT[1:])]
        if name == "full" and buffer:
            return
        outcome = run(world(*processes), delay_us=(1_000, 1_000), topology=name, link_buffer=buffer)
        (arrival,) = records(outcome, target, Receive)
        assert arrival.at_us == 1_000 * DISTANCE[name](0, EIGHT.index(target))
        assert outcome.deliveries == 1


def _line(**knobs: Any) -> Simulation:
    of = world(Sender("a", ("c",), count=9, every_ms=10), Counter("b"), Counter("c", answers=False))
    simulation = Simulation(of, 0, Faults(delay_us=(100, 100), topology="line", **knobs))
    simulation.start()
    return simulation


def test_a_node_that_is_down_forwards_nothing() -> None:
    simulation = _line(down_ms=(30, 30))
    simulation.run(25_000, 1_000)
    simulation.crash(simulation.nodes[1])
    simulation.run(1_000_000, 1_000)
    assert simulation.nodes[2].actor.kept == 9 - 3


def test_a_cut_link_is_missing_in_every_way_over_it() -> None:
    simulation = _line()
    simulation.cut = frozenset({(1, 2)})
    simulation.run(45_000, 1_000)
    simulation.cut = frozenset()
    simulation.run(1_000_000, 1_000)
    assert simulation.nodes[2].actor.kept == 9 - 4


# Bounded links.

FIVE = tuple("abcde")


def _two_on(count: int, names: tuple[str, ...] = FIVE, circle: bool = True) -> World:
    """Each sends to the node two places on; on a ring of five that way is clockwise."""
    ends = range(len(names) if circle else len(names) - 2)
    far = {names[i]: names[(i + 2) % len(names)] for i in ends}
    return world(*(Sender(n, (far[n],) if n in far else (), count=count) for n in names))


def _deliveries(outcome: Any) -> int:
    return sum(len(pings(outcome, name)) for name in FIVE)


def test_links_that_block_may_come_to_a_stop_in_a_circle_which_is_named() -> None:
    outcome = run(_two_on(3), topology="ring", link_buffer=1, delay_us=(100, 100))
    assert outcome.violated is not None
    assert outcome.violated.startswith(NO_DEADLOCK)
    assert outcome.violated.count("link ") == 6
    start = outcome.violated.index("link ")
    waits = outcome.violated[start:-1].split(" waits for ")
    assert waits[0] == waits[-1]
    clockwise = [f"link {a}→{b}" for a, b in zip(FIVE, FIVE[1:] + FIVE[:1], strict=True)]
    assert sorted(waits[1:]) == clockwise


@pytest.mark.parametrize("buffer", [0, 15], ids=["unbounded", "room for all"])
def test_with_room_for_all_there_is_no_deadlock_and_no_loss(buffer: int) -> None:
    outcome = run(_two_on(3), topology="ring", link_buffer=buffer)
    assert outcome.violated is None
    assert _deliveries(outcome) == 15


def test_without_a_circle_of_links_there_is_no_deadlock() -> None:
    outcome = run(_two_on(3, circle=False), topology="line", link_buffer=1)
    assert outcome.violated is None
    assert _deliveries(outcome) == 9


def test_links_that_drop_lose_some_and_never_stop() -> None:
    outcome = run(_two_on(3), topology="ring", link_buffer=1, link_full=WhenFull.DROP)
    assert outcome.violated is None
    assert 0 < _deliveries(outcome) < 15


def test_two_nodes_that_send_before_they_listen_stop_each_other() -> None:
    both = world(Sender("a", ("b",), count=5), Sender("b", ("a",), count=5))
    outcome = run(both, topology="line", link_buffer=2, delay_us=(100, 100))
    assert outcome.violated == (
        f"{NO_DEADLOCK} (link b→a waits for node a waits for link a→b "
        "waits for node b waits for link b→a)"
    )
    assert run(both, topology="line", link_buffer=5).violated is None


def test_a_node_goes_on_with_its_sends_and_then_with_what_came_meanwhile() -> None:
    quiet = Counter("b", answers=False)
    of = world(Sender("a", ("b",), count=5), quiet, Sender("c", ("a",), count=3))
    outcome = run(of, topology="line", link_buffer=1, delay_us=(100, 100))
    assert outcome.violated is None
    assert pings(outcome, "b") == [1, 2, 3, 4, 5]
    assert pings(outcome, "a") == [1, 2, 3]
    (first, *_), (last, *_) = records(outcome, "b", Receive), records(outcome, "a", Receive)[::-1]
    assert first.at_us == 100
    assert last.at_us >= 400  # not before its fifth message found room


def test_healing_makes_room() -> None:
    simulation = Simulation(
        world(Sender("a", ("b",), count=50), Counter("b", answers=False)),
        0,
        Faults(topology="line", link_buffer=1, delay_us=(1_000, 1_000)),
    )
    simulation.start()
    simulation.run(10_500, 1_000)
    assert simulation.nodes[1].actor.kept == 10
    simulation.heal()
    simulation.run(13_500, 1_000)
    assert simulation.nodes[1].actor.kept == 50
    assert simulation.at_rest()
