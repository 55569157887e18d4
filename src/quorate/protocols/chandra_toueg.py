"""Chandra-Toueg: agree by coordinators that take turns, each until it is suspected.

Problem      the nodes decide one value among those proposed, once and for all
Source       Chandra and Toueg, Unreliable Failure Detectors for Reliable Distributed Systems,
             JACM 43(2) 1996, section 6.2 (figure 6)
Model        asynchronous with a failure detector of class ◇S, here a time-out that grows;
             crash-recovery; links lose, duplicate and reorder; n ≥ 2f + 1
Quorum       a majority of nodes
Roles
  Node       holds an estimate and its stamp, the round it is from; coordinates every nth round
Messages
  Estimate   node → coordinator — this is my estimate, adopted in that round (phase 1)
  Propose    coordinator → nodes — adopt this value, the most recent of a majority (phase 2)
  Ack        node → coordinator — I have adopted it (phase 3)
  Nack       node → coordinator — I suspected you first (phase 3)
  Decide     node → node — this is the decision (phase 4)
Stable
  Node.round     or a coordinator could propose two values in one round
  Node.estimate  or a majority that adopted a value could forget it
  Node.stamp     or a later coordinator could take an older value for the most recent
  Node.decided   or it would have to find out again
Guarantees   agreement, validity, decision, termination
Cost         until all have decided: 4·(nodes - 1) messages, 4 message delays,
             2·nodes + 1 forced writes, 4 write delays
Deviations   a node that has adopted waits for the decision before it goes on to the next round;
             nodes skip rounds to join others; whoever knows the decision answers with it, in place
             of relaying it; nodes come back from crashes
"""

from __future__ import annotations

from quorate.kernel import Actor, Context, Majority, Message, NodeId, Stable, World
from quorate.properties.consensus import (
    Decided,
    Proposed,
    agreement,
    decision,
    termination,
    validity,
)
from quorate.properties.cost import Cost

SUSPECT_MS = (100, 200)
PATIENCE_MAX = 20


class Estimate(Message, frozen=True):
    round: int
    value: str
    stamp: int


class Propose(Message, frozen=True):
    round: int
    value: str


class Ack(Message, frozen=True):
    round: int


class Nack(Message, frozen=True):
    round: int


class Decide(Message, frozen=True):
    value: str


Msg = Estimate | Propose | Ack | Nack | Decide


class Node(Actor):
    """Holds an estimate and its stamp, the round it is from; coordinates every nth round."""

    quorum: Majority
    wish: str
    rounds_max: int = 0
    round: Stable[int] = 0
    estimate: Stable[str] = ""
    stamp: Stable[int] = 0
    decided: Stable[str | None] = None
    heard: frozenset[tuple[NodeId, int, str]] = frozenset()  # with stamp and value
    acks: frozenset[NodeId] = frozenset()

    @property
    def coordinator(self) -> NodeId:
        nodes = self.quorum.nodes
        return nodes[(self.round - 1) % len(nodes)]

    @property
    def others(self) -> tuple[NodeId, ...]:
        return tuple(node for node in self.quorum.nodes if node != self.me)

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.output(Proposed(self.wish))
        if self.decided is not None:
            return ctx.output(Decided(self.decided))
        self.estimate = self.estimate or self.wish
        self.begin(ctx, self.round + 1)

    def begin(self, ctx: Context, round: int) -> None:
        """Phase 1: tell the coordinator of the round what this node's estimate is."""
        if self.rounds_max and round > self.rounds_max:
            return ctx.ignore("no rounds left")
        self.round, self.heard, self.acks = round, frozenset(), frozenset()
        if self.coordinator == self.me:
            self.hear(ctx, self.me, self.stamp, self.estimate)
        else:
            ctx.send(self.coordinator, Estimate(round, self.estimate, self.stamp))
        patience = min(round, PATIENCE_MAX)
        ctx.set_timer("suspect", (SUSPECT_MS[0] * patience, SUSPECT_MS[1] * patience))

    def on_timer(self, ctx: Context, timer: str) -> None:
        if self.coordinator != self.me:
            ctx.send(self.coordinator, Nack(self.round))
        self.begin(ctx, self.round + 1)

    def on_estimate(self, ctx: Context, src: NodeId, m: Estimate) -> None:
        if self.decided is not None:
            return ctx.send(src, Decide(self.decided))
        if m.round > self.round:
            self.begin(ctx, m.round)
        if m.round != self.round or self.acks:
            return ctx.ignore("not the open stage")
        self.hear(ctx, src, m.stamp, m.value)

    def hear(self, ctx: Context, node: NodeId, stamp: int, value: str) -> None:
        """Phase 2: the coordinator proposes the most recent estimate of a majority."""
        self.heard |= {(node, stamp, value)}
        if not self.quorum.won(frozenset(node for node, _, _ in self.heard)):
            return
        _, value = max((stamp, value) for _, stamp, value in self.heard)
        self.estimate, self.stamp = value, self.round
        self.heard, self.acks = frozenset(), frozenset({self.me})
        ctx.broadcast(self.others, Propose(self.round, value))
        self.count(ctx)

    def on_propose(self, ctx: Context, src: NodeId, m: Propose) -> None:
        """Phase 3: adopt it, unless this node has suspected the coordinator and gone on."""
        if self.decided is not None:
            return ctx.send(src, Decide(self.decided))
        if m.round < self.round:
            return ctx.send(src, Nack(m.round))
        if m.round > self.round:
            self.begin(ctx, m.round)
        if m.round != self.round:
            return ctx.ignore("no rounds left")
        self.estimate, self.stamp = m.value, m.round
        ctx.send(src, Ack(m.round))

    def on_ack(self, ctx: Context, src: NodeId, m: Ack) -> None:
        if self.decided is not None or m.round != self.round:
            return ctx.ignore("not the open stage")
        self.acks |= {src}
        self.count(ctx)

    def count(self, ctx: Context) -> None:
        """Phase 4: a majority has adopted it, so no later coordinator can miss it."""
        if self.quorum.won(self.acks):
            self.decide(ctx, self.estimate)
            ctx.broadcast(self.others, Decide(self.estimate))

    def on_nack(self, ctx: Context, src: NodeId, m: Nack) -> None:
        if self.decided is not None:
            return ctx.send(src, Decide(self.decided))
        if m.round != self.round or self.coordinator != self.me:
            return ctx.ignore("not the open stage")
        self.begin(ctx, self.round + 1)

    def on_decide(self, ctx: Context, src: NodeId, m: Decide) -> None:
        if self.decided is not None:
            return ctx.ignore("already decided")
        self.decide(ctx, m.value)

    def decide(self, ctx: Context, value: str) -> None:
        self.decided, self.heard, self.acks = value, frozenset(), frozenset()
        ctx.output(Decided(value))
        ctx.cancel_timer("suspect")


PROPERTIES = (agreement, validity, decision, termination)


def world(nodes: int = 3, rounds: int = 0, crashes: int = 0) -> World:
    """Nodes n1…, each with a wish of its own. 0 rounds: no end."""
    names = tuple(f"n{i}" for i in range(1, nodes + 1))
    return World(
        processes=tuple(
            Node(name, Majority(names), f"v{i}", rounds) for i, name in enumerate(names, 1)
        ),
        properties=PROPERTIES,
        crashes=crashes,
        bounds=(f"each node takes part in rounds 1 to {rounds}",) if rounds else (),
    )


def small(nodes: int = 3, rounds: int = 2, crashes: int = 0) -> World:
    """The same with few rounds, so that it can be explored to its end."""
    return world(nodes, rounds, crashes)


def cost(nodes: int) -> Cost:
    """until all have decided"""
    return Cost(messages=4 * (nodes - 1), delays=4, forced_writes=2 * nodes + 1, write_delays=4)


WORLDS = {"main": world, "small": small}
QUIET: dict[str, object] = {}
