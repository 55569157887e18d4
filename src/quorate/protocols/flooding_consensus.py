"""Flooding consensus: say all you know, round by round, until it must have reached everyone.

Problem      the nodes decide one value among those proposed, once and for all
Source       Lynch, Distributed Algorithms, 1996, section 6.2.1 (FloodSet); how a round ends: the
             lecture, "Consensus in Practice II"
Model        asynchronous with a perfect failure detector, here a time-out that presumes synchronous
             links, and notice by those who come back; any number of nodes may fail, and it takes a
             round more than do. Patient nodes need no detector: they block until all are back
Quorum       none: each node waits for all who have not failed
Roles
  Node       ends a round once it has heard from each other node, or that it has failed
  Patient    ends its only round once it has heard from all, those who fail included
Messages
  Wish       runner → node — propose this (within a process: no message is sent)
  Values     node → nodes — this is what I know, in this round
  Back       node → nodes — I was gone and am back: count me out (or if patient: say it again)
Stable       none: whoever comes back drops out; or if patient, begins again, with the same wish
Guarantees   agreement, plain_agreement, validity, decision, full_termination
Cost         until all have decided: nodes·nodes·(nodes - 1) messages, nodes message delays,
             0 forced writes, 0 write delays
Deviations   nodes need not be in step: whoever has heard from all goes on at once, and what is
             ahead of it is kept; time-outs double from round to round, as the lag can
"""

from __future__ import annotations

from typing import Any

from quorate.kernel import Actor, Context, Message, Network, NodeId, Threshold, World
from quorate.properties.consensus import (
    Decided,
    Failed,
    Proposed,
    agreement,
    decision,
    full_termination,
    plain_agreement,
    validity,
)
from quorate.properties.cost import Cost

SUSPECT_MS = 200
ASK_MS = (100, 200)


class Wish(Message, frozen=True):
    value: str


class Values(Message, frozen=True):
    round: int
    values: frozenset[str]


class Back(Message, frozen=True):
    round: int


Msg = Wish | Values | Back


class Node(Actor):
    """Ends a round once it has heard from each other node, or that it has failed.

    `wish`: None if it is to be told. `suspect_ms`: how long it waits in round 1; 0: until told.
    """

    group: Threshold  # how many of the nodes must stay for the others to go on
    rounds: int
    wish: str | None
    suspect_ms: int = 0
    round: int = 0
    known: frozenset[str] = frozenset()
    heard: frozenset[tuple[int, NodeId, frozenset[str]]] = frozenset()
    failed: frozenset[NodeId] = frozenset()

    @property
    def others(self) -> tuple[NodeId, ...]:
        return tuple(node for node in self.group.nodes if node != self.me)

    @property
    def is_done(self) -> bool:
        return self.round > self.rounds

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if recovered:
            self.come_back(ctx)
        elif self.wish is not None:
            self.propose(ctx, self.wish)

    def on_wish(self, ctx: Context, src: NodeId, m: Wish) -> None:
        self.propose(ctx, m.value)

    def propose(self, ctx: Context, value: str) -> None:
        if self.is_done:
            return ctx.ignore("it has failed")
        ctx.output(Proposed(value))
        self.known = frozenset({value})
        self.begin(ctx, 1)

    # A round: say what you know, then wait.

    def begin(self, ctx: Context, round: int) -> None:
        self.round = round
        ctx.broadcast(self.others, Values(round, self.known))
        self.set_timer(ctx)
        self.listen(ctx)

    def set_timer(self, ctx: Context) -> None:
        if self.suspect_ms:
            # Another may begin a round later by the time-outs of all rounds before it.
            patience = self.suspect_ms << self.round - 1
            ctx.set_timer("suspect", (patience, patience))

    def on_values(self, ctx: Context, src: NodeId, m: Values) -> None:
        if m.round < self.round:
            return ctx.ignore("a round that is over")
        if src in self.failed:
            return ctx.ignore("taken to have failed")
        self.heard |= {(m.round, src, m.values)}
        self.listen(ctx)

    def missing(self) -> frozenset[NodeId]:
        heard = {node for round, node, _ in self.heard if round == self.round}
        return frozenset(self.group.nodes) - heard - self.failed - {self.me}

    def listen(self, ctx: Context) -> None:
        """A round is over once every expected message has come, or its sender has failed."""
        if not self.round or self.missing():
            return
        for round, _, values in self.heard:
            if round == self.round:
                self.known |= values
        self.heard = frozenset(each for each in self.heard if each[0] > self.round)
        if self.round == self.rounds:
            self.decide(ctx)
        else:
            self.begin(ctx, self.round + 1)

    def decide(self, ctx: Context) -> None:
        self.leave()
        ctx.cancel_timer("suspect")
        ctx.output(Decided(min(self.known)))

    def leave(self) -> None:
        self.round, self.heard, self.failed = self.rounds + 1, frozenset(), frozenset()

    # The failure detector: silence, and notice by whoever was gone.

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.suspect(ctx, self.missing())

    def on_back(self, ctx: Context, src: NodeId, m: Back) -> None:
        if self.is_done:
            return ctx.ignore("already decided")
        self.suspect(ctx, frozenset({src}))

    def suspect(self, ctx: Context, nodes: frozenset[NodeId]) -> None:
        """Take nodes to have failed: to skip one of their rounds is to skip all that follow."""
        self.failed |= nodes
        self.heard = frozenset(
            each for each in self.heard if each[1] not in nodes or each[0] == self.round
        )
        self.listen(ctx)

    def come_back(self, ctx: Context) -> None:
        """It has missed what it cannot know of, so it leaves, and says so."""
        self.leave()
        ctx.output(Failed())
        ctx.broadcast(self.others, Back(0))


class Patient(Node):
    """Ends its only round once it has heard from all, those who fail and come back included;
    or from as many as its `group` asks for."""

    def missing(self) -> frozenset[NodeId]:
        missing = Node.missing(self)
        enough = self.group.won(frozenset(self.group.nodes) - missing)
        return frozenset() if enough else missing

    def come_back(self, ctx: Context) -> None:
        """It begins again, and what came while it was gone, others say again."""
        ctx.broadcast(self.others, Back(1))
        Node.on_start(self, ctx, recovered=False)

    def set_timer(self, ctx: Context) -> None:
        ctx.set_timer("ask", ASK_MS)

    def on_timer(self, ctx: Context, timer: str) -> None:
        """I'm back … hey, did anyone hear me?"""
        ctx.broadcast(self.missing(), Back(self.round))
        self.set_timer(ctx)

    def on_back(self, ctx: Context, src: NodeId, m: Back) -> None:
        ctx.send(src, Values(1, self.known))

    def decide(self, ctx: Context) -> None:
        ctx.cancel_timer("ask")
        Node.decide(self, ctx)


PROPERTIES = (agreement, plain_agreement, validity, decision, full_termination)


def world(nodes: int = 4, faults: int = 0, suspect_ms: int = SUSPECT_MS) -> World:
    """Nodes n1…, each with a wish of its own, that tolerate so many failures; 0: all but one."""
    return _world(nodes, faults or nodes - 1, suspect_ms, synchronous=True)


def small(nodes: int = 3, faults: int = 1, crashes: int = 1) -> World:
    """Whoever fails comes back and says so; nobody is suspected of it before."""
    return _world(nodes, faults, network=Network.FIFO, crashes=crashes)


def mistaken(nodes: int = 3, faults: int = 1, crashes: int = 0) -> World:
    """Time-outs over links that may take longer: a detector that is wrong until they are tuned."""
    return _world(nodes, faults, SUSPECT_MS, network=Network.FIFO, crashes=crashes)


def patient(votes: str = "abc", waits: int = 0, crashes: int = 1) -> World:
    """Everyone waits for everyone: nothing goes wrong, and all wait for whoever stays down.

    `votes`: a letter for each node; `waits`: for how many votes, its own included, if not for all.
    """
    names = tuple(f"n{i}" for i in range(1, len(votes) + 1))
    group = Threshold(names, waits or len(votes))
    nodes = (Patient(name, group, 1, vote) for name, vote in zip(names, votes, strict=True))
    return World(processes=tuple(nodes), properties=PROPERTIES, crashes=crashes)


def _world(nodes: int, faults: int, suspect_ms: int = 0, **how: Any) -> World:
    group = Threshold(tuple(f"n{i}" for i in range(1, nodes + 1)), 1)
    return World(
        processes=tuple(
            Node(name, group, faults + 1, f"v{i}", suspect_ms)
            for i, name in enumerate(group.nodes, 1)
        ),
        properties=PROPERTIES,
        **how,
    )


def cost(nodes: int) -> Cost:
    """until all have decided"""
    return Cost(messages=nodes * nodes * (nodes - 1), delays=nodes, forced_writes=0, write_delays=0)


WORLDS = {"main": world, "small": small, "mistaken": mistaken, "patient": patient}
QUIET: dict[str, object] = {}
