"""Logical clocks: stamp steps so that no stamp is earlier than that of a cause.

Problem      nodes want to know of two steps whether one can have influenced the other
Source       Lamport, Time, Clocks, and the Ordering of Events in a Distributed System, CACM 21(7)
             1978, for times; Mattern, Virtual Time and Global States of Distributed Systems, 1989,
             and Fidge 1988, for vectors
Model        asynchronous; no crashes; links lose, duplicate and reorder
Quorum       none: nobody waits for anybody
Roles
  Node       does things, tells the others of some, and stamps each with a time and a vector
Messages
  Word       node → nodes — this was sent by my step with this number, which has these stamps
Stable       none: nodes do not crash
Guarantees   clock_condition, exact_vectors, needless_order, heard_by_all
Cost         until all have heard of a step: nodes - 1 messages, 1 message delay, 0 forced writes, 0
             write delays
Deviations   a message names the step by which it was sent, which no clock needs: what happened
             before what is then known without them, and they can be judged; what Lamport calls an
             event is a step
"""

from __future__ import annotations

from quorate.kernel import Actor, Context, Message, Network, NodeId, UsageError, World
from quorate.properties.causality import (
    Happened,
    Past,
    Step,
    Vector,
    clock_condition,
    exact_vectors,
    heard_by_all,
    needless_order,
)
from quorate.properties.cost import Cost

PAUSE_MS = (0, 2_000)
ENDLESS = -1


class Word(Message, frozen=True):
    number: int
    time: int
    vector: Vector


Msg = Word


class Node(Actor):
    """Does things, tells the others of some, and stamps each with a time and a vector."""

    nodes: tuple[NodeId, ...]
    sends: int
    acts: int
    vector: Vector
    time: int = 0
    number: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.rest(ctx)

    def rest(self, ctx: Context) -> None:
        for timer, left in (("send", self.sends), ("act", self.acts)):
            if left:
                ctx.set_timer(timer, PAUSE_MS)

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.happen(ctx, None)
        if timer == "send":
            self.sends -= self.sends > 0
            others = [node for node in self.nodes if node != self.me]
            ctx.broadcast(others, Word(self.number, self.time, self.vector))
        else:
            self.acts -= self.acts > 0
        self.rest(ctx)

    def on_word(self, ctx: Context, src: NodeId, m: Word) -> None:
        self.time = max(self.time, m.time)
        self.vector = tuple(map(max, self.vector, m.vector))
        self.happen(ctx, Step(src, m.number))

    def happen(self, ctx: Context, cause: Step | None) -> None:
        """A step: both clocks move on between any two of them."""
        self.number += 1
        self.time += 1
        self.vector = tuple(
            count + (node == self.me) for node, count in zip(self.nodes, self.vector, strict=True)
        )
        ctx.output(Happened(self.number, self.time, self.vector, cause))


PROPERTIES = (clock_condition, exact_vectors, needless_order, heard_by_all)


def world(nodes: int = 3, sends: int = ENDLESS, acts: int = ENDLESS, sending: int = 0) -> World:
    """Nodes n1…, of which the first `sending`, or all if that is 0, tell the others of so many
    steps, and keep so many more to themselves; -1: without end."""
    if nodes < 2:
        raise UsageError(f"nodes={nodes}: to influence each other takes two or more")
    names = tuple(f"n{i}" for i in range(1, nodes + 1))
    processes = []
    for index, name in enumerate(names):
        tells = index < (sending or nodes)
        zero = (0,) * nodes
        processes.append(Node(name, names, sends * tells, acts * tells, zero))
    return World(
        processes=tuple(processes),
        observers=(Past("past", names),),
        properties=PROPERTIES,
        network=Network.MULTISET,  # or else there is no end to what can happen
        crashable=frozenset(),
    )


def small(nodes: int = 2, sends: int = 1, acts: int = 1) -> World:
    """Few steps, so that it can be explored to its end."""
    return world(nodes, sends, acts)


def cost(nodes: int) -> Cost:
    """until all have heard of a step"""
    return Cost(
        messages=nodes - 1,
        delays=1,
        forced_writes=0,
        write_delays=0,
    )


WORLDS = {"main": world, "small": small}
QUIET = {"sends": 1, "acts": 0, "sending": 1}
