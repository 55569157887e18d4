"""Ricart-Agrawala: enter a critical section one at a time, by everyone's leave.

Problem      nodes that share a resource are to use it one at a time, without anyone in charge
Source       Ricart and Agrawala, An Optimal Algorithm for Mutual Exclusion in Computer Networks,
             CACM 24(1) 1981, section 2; the clock is Lamport's, CACM 21(7) 1978
Model        asynchronous; no crashes; links lose, duplicate and reorder
Quorum       all other nodes
Roles
  Node       asks all others for leave, and puts off those who asked later than itself
Messages
  Ask        node → nodes — I asked to enter at this time of my clock
  Leave      node → node — as far as I am concerned, enter by what you asked then
Stable       none: nodes do not crash; one that did would keep all others waiting
Guarantees   exclusion, order, entered, turns
Cost         until a node that has no rival is inside: 2·(nodes - 1) messages, 2 message delays,
             0 forced writes, 0 write delays
Deviations   messages may be lost, so a request is repeated until all have given leave; leave
             names the request that it is for, since it may come twice, or late
"""

from __future__ import annotations

from quorate.kernel import Actor, Context, Message, NodeId, UsageError, World
from quorate.properties.cost import Cost
from quorate.properties.exclusion import (
    Asked,
    Door,
    Entered,
    Left,
    Stamp,
    entered,
    exclusion,
    order,
    turns,
)

IDLE_MS = (0, 200)
STAY_MS = (5, 50)
REPEAT_MS = (80, 120)


class Ask(Message, frozen=True):
    time: int


class Leave(Message, frozen=True):
    time: int


Msg = Ask | Leave


class Node(Actor):
    """Asks all others for leave, and puts off those who asked later than itself."""

    others: tuple[NodeId, ...]
    turns: int
    clock: int = 0
    asked: int | None = None
    given: frozenset[NodeId] = frozenset()
    inside: bool = False
    waiting: frozenset[Stamp] = frozenset()  # requests put off

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.rest(ctx)

    def rest(self, ctx: Context) -> None:
        if self.turns:
            ctx.set_timer("ask", IDLE_MS)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "ask":
            self.turns -= 1
            self.clock += 1
            self.asked, self.given = self.clock, frozenset()
            ctx.output(Asked((self.clock, self.me)))
            self.ask(ctx)
        elif timer == "repeat":
            self.ask(ctx)
        else:
            self.leave(ctx)

    def ask(self, ctx: Context) -> None:
        assert self.asked is not None
        ctx.broadcast([node for node in self.others if node not in self.given], Ask(self.asked))
        ctx.set_timer("repeat", REPEAT_MS)

    def on_ask(self, ctx: Context, src: NodeId, m: Ask) -> None:
        self.clock = max(self.clock, m.time)
        if self.asked is not None and (self.asked, self.me) < (m.time, src):
            self.waiting |= {(m.time, src)}
        else:
            ctx.send(src, Leave(m.time))

    def on_leave(self, ctx: Context, src: NodeId, m: Leave) -> None:
        if m.time != self.asked or self.inside:
            return ctx.ignore("not for the open request")
        self.given |= {src}
        if self.given.issuperset(self.others):
            self.inside = True
            ctx.output(Entered((m.time, self.me)))
            ctx.cancel_timer("repeat")
            ctx.set_timer("leave", STAY_MS)

    def leave(self, ctx: Context) -> None:
        assert self.asked is not None
        ctx.output(Left((self.asked, self.me)))
        for time, node in sorted(self.waiting):
            ctx.send(node, Leave(time))
        self.asked, self.inside, self.waiting = None, False, frozenset()
        self.rest(ctx)


PROPERTIES = (exclusion, order, entered, turns)


def world(nodes: int = 3, turns: int = 4, asking: int = 0) -> World:
    """Nodes n1…, of which the first `asking`, or all if that is 0, enter so many times."""
    if nodes < 2:
        raise UsageError(f"nodes={nodes}: to exclude each other takes two or more")
    names = [f"n{i}" for i in range(1, nodes + 1)]
    processes = []
    for index, name in enumerate(names):
        others = tuple(other for other in names if other != name)
        processes.append(Node(name, others, turns if index < (asking or nodes) else 0))
    return World(
        processes=tuple(processes),
        observers=(Door("door"),),
        properties=PROPERTIES,
        crashable=frozenset(),
    )


def small(nodes: int = 2, turns: int = 1) -> World:
    """Few turns, so that it can be explored to its end."""
    return world(nodes, turns)


def cost(nodes: int) -> Cost:
    """until a node that has no rival is inside"""
    return Cost(
        messages=2 * (nodes - 1),
        delays=2,
        forced_writes=0,
        write_delays=0,
    )


WORLDS = {"main": world, "small": small}
QUIET = {"turns": 1, "asking": 1}
