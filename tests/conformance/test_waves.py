"""Election on a ring and the echo wave, after chang_roberts and echo in tlaplus/Examples.

There a node's inbox is a set from which messages are taken; no message comes twice at once, so
that it is what a multiset network holds. A node does not look at its inbox before it has begun.
"""

from __future__ import annotations

from itertools import product

from pins import counts, pin
from quorate.check import check
from quorate.kernel import (
    Actor,
    Context,
    Message,
    Network,
    NodeId,
    World,
    always,
    at_rest,
)

SOON = (0, 0)

# Chang and Roberts, CACM 22(5) 1979: the smallest identity wins.


class Candidate(Message, frozen=True):
    id: int


class Node(Actor):
    id: int
    neighbour: NodeId
    initiates: bool
    begun: bool = False
    lost: bool = False
    won: bool = False
    swallowed: frozenset[int] = frozenset()  # or the message would stay where it is

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.lost = not self.initiates
        ctx.set_timer("begin", SOON)

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.begun = True
        if self.initiates:
            ctx.send(self.neighbour, Candidate(self.id))

    def on_candidate(self, ctx: Context, src: NodeId, m: Candidate) -> None:
        if not self.begun:
            return ctx.ignore("not begun")
        if self.lost or m.id < self.id:
            self.lost = True
            ctx.send(self.neighbour, m)
        else:
            self.won |= m.id == self.id
            self.swallowed |= {m.id}


def ring(initiators: tuple[bool, ...]) -> World:
    names = [f"n{i + 1}" for i in range(len(initiators))]
    right = (
        Node(name, i, names[i - len(names) + 1], initiators[i]) for i, name in enumerate(names)
    )
    smallest = initiators.index(True) if any(initiators) else None
    return World(
        processes=tuple(right),
        properties=(
            always(
                "only the smallest initiator wins, and all others know that they lost",
                lambda v: all(
                    node.id == smallest
                    and all(other.lost for other in v.roles(Node) if other is not node)
                    for node in v.roles(Node)
                    if node.won
                ),
                states=True,
            ),
            at_rest(
                "somebody wins, if anybody initiates",
                lambda v: smallest is None or any(node.won for node in v.roles(Node)),
                states=True,
            ),
        ),
        network=Network.MULTISET,
    )


def test_chang_and_roberts_on_a_ring_of_three() -> None:
    # Each choice of initiators is an initial state of its own, and the choice stays visible. All
    # that is swallowed is swallowed by the smallest initiator, so remembering it adds no states.
    results = [check(ring(initiators)) for initiators in product((False, True), repeat=3)]
    assert [result.exit_code for result in results] == [0] * 8
    pin(
        "chang_roberts, N = 3, published",
        counts(*results),
        distinct=137,
        transitions=227,
        depth=10,
    )


# Chang, Echo Algorithms, IEEE TSE 8(4) 1982: a spanning tree.


class Wave(Message, frozen=True):
    pass


class Echo(Message, frozen=True):
    pass


class Vertex(Actor):
    neighbours: frozenset[NodeId]
    initiates: bool
    phase: str = "asleep"
    parent: NodeId | None = None
    children: frozenset[NodeId] = frozenset()
    received: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("begin", SOON)

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.phase = timer
        if timer == "begin" and self.initiates:
            ctx.broadcast(self.neighbours, Wave())
        if timer == "full":
            ctx.set_timer("done", SOON)
        if timer == "done" and self.parent is not None:
            ctx.send(self.parent, Echo())

    def on_wave(self, ctx: Context, src: NodeId, m: Wave | Echo) -> None:
        if self.phase != "begin" or self.received == len(self.neighbours):
            return ctx.ignore("not now")
        if self.received == 0 and not self.initiates:
            self.parent = src
            ctx.broadcast(self.neighbours - {src}, Wave())
        if isinstance(m, Echo):
            self.children |= {src}
        self.received += 1
        if self.received == len(self.neighbours):
            ctx.set_timer("full", SOON)


def test_echo_on_three_nodes_that_all_neighbour_each_other() -> None:
    names = frozenset("abc")

    def is_tree(vertices: list[Vertex]) -> bool:
        return all(v.me in w.children for v in vertices for w in vertices if v.parent == w.me)

    world = World(
        processes=tuple(Vertex(name, names - {name}, name == "a") for name in sorted(names)),
        properties=(
            at_rest(
                "all are done, and each parent knows its children",
                lambda v: (
                    is_tree(list(v.roles(Vertex)))
                    and all(vertex.phase == "done" for vertex in v.roles(Vertex))
                ),
                states=True,
            ),
        ),
        network=Network.MULTISET,
    )
    result = check(world)
    assert result.exit_code == 0
    # PlusCal stutters at the end of each run: once for each of the trees, a star and two paths.
    pin("echo, 3 nodes, published", result, distinct=75, transitions=116 - 3, depth=16)
