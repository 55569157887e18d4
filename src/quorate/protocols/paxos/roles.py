"""Paxos, the roles: proposer, acceptor, learner, and what they tell each other."""

from __future__ import annotations

import enum

import msgspec

from quorate.kernel import Actor, Ballot, Context, Flexible, Message, NodeId, Stable
from quorate.properties.consensus import Decided, Proposed

RETRY_MS = (150, 300)


class Vote(msgspec.Struct, frozen=True, order=True, cache_hash=True, gc=False):
    """A value accepted at a ballot."""

    ballot: Ballot
    value: str


class Prepare(Message, frozen=True):
    ballot: Ballot


class Promise(Message, frozen=True):
    ballot: Ballot
    vote: Vote | None


class Accept(Message, frozen=True):
    ballot: Ballot
    value: str


class Accepted(Message, frozen=True):
    ballot: Ballot


class Nack(Message, frozen=True):
    ballot: Ballot
    promised: Ballot


class Success(Message, frozen=True):
    value: str


Msg = Prepare | Promise | Accept | Accepted | Nack | Success


class Acceptor(Actor):
    """Remembers the highest ballot promised and the last vote cast."""

    promised: Stable[Ballot] = Ballot()
    vote: Stable[Vote | None] = None

    def on_prepare(self, ctx: Context, src: NodeId, m: Prepare) -> None:
        if m.ballot == self.promised:
            return ctx.ignore("already promised")
        if m.ballot < self.promised:
            return ctx.send(src, Nack(m.ballot, self.promised))
        self.promised = m.ballot
        ctx.send(src, Promise(m.ballot, self.vote))

    def on_accept(self, ctx: Context, src: NodeId, m: Accept) -> None:
        # "unless it has already responded to a prepare request having a number greater than n"
        if m.ballot < self.promised:
            return ctx.send(src, Nack(m.ballot, self.promised))
        self.promised = m.ballot
        self.vote = Vote(m.ballot, m.value)
        ctx.send(src, Accepted(m.ballot))


class Phase(enum.Enum):
    """Where a proposer stands in its round."""

    IDLE = "idle"
    PREPARING = "preparing"
    ACCEPTING = "accepting"
    DONE = "done"


class Proposer(Actor):
    """Leads rounds until one succeeds. Several may; they are safe, but they may duel."""

    quorums: Flexible
    learners: tuple[NodeId, ...]
    value: str
    rounds_max: int
    round: Stable[int] = 0
    phase: Phase = Phase.IDLE
    promises: frozenset[tuple[NodeId, Vote | None]] = frozenset()
    chosen: str = ""
    accepted: frozenset[NodeId] = frozenset()
    refused: int = 0
    retry_ms: tuple[int, int] = RETRY_MS

    @property
    def ballot(self) -> Ballot:
        return Ballot(self.round, self.me)

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.output(Proposed(self.value))
        self.prepare(ctx)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if self.phase is Phase.DONE:
            self.tell(ctx)
        else:
            self.prepare(ctx)

    def prepare(self, ctx: Context) -> None:
        round = max(self.round, self.refused) + 1
        if self.rounds_max and round > self.rounds_max:
            return ctx.ignore("no rounds left")
        self.round, self.phase = round, Phase.PREPARING
        self.promises, self.accepted = frozenset(), frozenset()
        ctx.broadcast(self.quorums.phase1.nodes, Prepare(self.ballot))
        if round != self.rounds_max:
            ctx.set_timer("retry", self.retry_ms)

    def on_promise(self, ctx: Context, src: NodeId, m: Promise) -> None:
        if m.ballot != self.ballot or self.phase is not Phase.PREPARING:
            return ctx.ignore("not the open round")
        self.promises |= {(src, m.vote)}
        if not self.quorums.phase1.won(frozenset(node for node, _ in self.promises)):
            return
        # "the value of the highest-numbered proposal among the responses,
        # or is any value if the responses reported no proposals"
        votes = [vote for _, vote in self.promises if vote is not None]
        self.chosen = max(votes).value if votes else self.value
        self.phase, self.promises = Phase.ACCEPTING, frozenset()
        ctx.broadcast(self.quorums.phase2.nodes, Accept(self.ballot, self.chosen))

    def on_accepted(self, ctx: Context, src: NodeId, m: Accepted) -> None:
        if m.ballot != self.ballot or self.phase is not Phase.ACCEPTING:
            return ctx.ignore("not the open round")
        self.accepted |= {src}
        if self.quorums.phase2.won(self.accepted):
            self.phase, self.accepted = Phase.DONE, frozenset()
            ctx.output(Decided(self.chosen))
            self.tell(ctx)

    def tell(self, ctx: Context) -> None:
        """Spread the news, again and again, since it may be lost."""
        ctx.broadcast(self.learners, Success(self.chosen))
        ctx.set_timer("retry", self.retry_ms)

    def on_nack(self, ctx: Context, src: NodeId, m: Nack) -> None:
        if m.ballot != self.ballot or self.phase is Phase.DONE:
            return ctx.ignore("not the open round")
        self.refused = max(self.refused, m.promised.round)


class Latecomer(Proposer):
    """Begins when it likes: whatever is not for good by then, it may still change."""

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("begin", RETRY_MS)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "begin":
            return Proposer.on_start(self, ctx, recovered=False)
        Proposer.on_timer(self, ctx, timer)


class Learner(Actor):
    """Hears of success, and decides."""

    decided: str | None = None

    def on_success(self, ctx: Context, src: NodeId, m: Success) -> None:
        if self.decided is not None:
            return ctx.ignore("already decided")
        self.decided = m.value
        ctx.output(Decided(m.value))
