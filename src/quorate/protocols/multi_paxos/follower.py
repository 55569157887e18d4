"""Multi-Paxos, the follower: promises and votes for every slot, and learns what is decided."""

from __future__ import annotations

import enum

from quorate.kernel import Actor, Ballot, Context, Flexible, Lazy, Map, NodeId, Stable
from quorate.properties.log import Decided, Installed
from quorate.protocols.multi_paxos.messages import (
    Accept,
    Accepted,
    Alive,
    CatchUp,
    Heartbeat,
    Install,
    Learn,
    Nack,
    Prepare,
    Promise,
    Snapshot,
    Truncate,
    Vote,
)

ELECTION_MS = (300, 600)
BACKOFF_MAX = 8
LEARN_MAX = 256


class Standing(enum.Enum):
    """What a replica is at present, besides acceptor and learner."""

    FOLLOWER = "follower"
    CANDIDATE = "candidate"
    LEADER = "leader"


class Follower(Actor):
    """Acceptor and learner of every slot; hears of the leader, and misses it when it is silent."""

    quorums: Flexible
    rounds_max: int = 0
    promised: Stable[Ballot] = Ballot()
    votes: Stable[Map[int, Vote]] = Map()
    snapshot: Stable[Snapshot] = Snapshot()
    decided: Lazy[int] = 0
    standing: Standing = Standing.FOLLOWER
    leader: NodeId = ""
    attempts: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        # What a lazy write lost is learned again; a snapshot needs no learning.
        self.decided = max(self.decided, self.snapshot.slot)
        if self.snapshot.slot:
            ctx.output(Installed(self.snapshot.slot, self.snapshot.state))
        for slot in range(self.snapshot.slot + 1, self.decided + 1):
            ctx.output(Decided(slot, self.votes[slot].value))
        self.await_leader(ctx)

    def await_leader(self, ctx: Context) -> None:
        patience = min(1 + self.attempts, BACKOFF_MAX)
        ctx.set_timer("election", (ELECTION_MS[0] * patience, ELECTION_MS[1] * patience))

    def follow(self, ctx: Context, leader: NodeId) -> None:
        """Be a follower, of `leader` if it is known."""
        self.standing, self.leader = Standing.FOLLOWER, leader
        self.await_leader(ctx)

    # The acceptor: one promise for every slot, and a vote in each.

    def on_prepare(self, ctx: Context, src: NodeId, m: Prepare) -> None:
        if m.ballot < self.promised:
            return ctx.send(src, Nack(m.ballot, self.promised))
        if m.ballot == self.promised:
            return ctx.ignore("already promised")
        if m.after < self.snapshot.slot:
            # Its votes there are gone, so it cannot promise; but whoever asks can start from here.
            return ctx.send(src, Install(self.snapshot.slot, self.snapshot.state))
        self.promised = m.ballot
        self.follow(ctx, "")
        votes = tuple((slot, vote) for slot, vote in self.votes.sorted() if slot > m.after)
        ctx.send(src, Promise(m.ballot, votes))

    def on_accept(self, ctx: Context, src: NodeId, m: Accept) -> None:
        if self.obeys(ctx, src, m.ballot):
            if m.slot > self.snapshot.slot:
                self.votes = self.votes.put(m.slot, Vote(m.ballot, m.value))
            ctx.send(src, Accepted(m.ballot, m.slot))
            self.learn(ctx, m.ballot, m.decided)

    def obeys(self, ctx: Context, src: NodeId, ballot: Ballot) -> bool:
        """Follow the leader of `ballot`, unless it is below the one promised: False."""
        if ballot != self.promised or self.leader != ballot.proposer:
            if ballot < self.promised:
                ctx.send(src, Nack(ballot, self.promised))
                return False
            self.promised = ballot
            self.follow(ctx, ballot.proposer)
        return True

    # The learner: decisions come with the leader's next message; what is missed is caught up with.

    def decide(self, ctx: Context, slot: int, vote: Vote) -> None:
        if self.votes.get(slot) != vote:
            self.votes = self.votes.put(slot, vote)
        self.decided = slot
        ctx.output(Decided(slot, vote.value))

    def learn(self, ctx: Context, ballot: Ballot, decided: int) -> None:
        """Decide what the leader of `ballot` says is decided, as far as it is known here."""
        while self.decided < decided:
            vote = self.votes.get(self.decided + 1)
            if vote is None or vote.ballot != ballot:
                return  # a vote from an older ballot may not be what was chosen
            self.decided += 1
            ctx.output(Decided(self.decided, vote.value))

    def on_heartbeat(self, ctx: Context, src: NodeId, m: Heartbeat) -> None:
        if not self.obeys(ctx, src, m.ballot):
            return
        self.attempts = 0
        self.await_leader(ctx)
        ctx.send(src, Alive(m.ballot, m.probe))
        self.learn(ctx, m.ballot, m.decided)
        if self.decided < m.decided:
            ctx.send(src, CatchUp(self.decided))

    def on_catch_up(self, ctx: Context, src: NodeId, m: CatchUp) -> None:
        if m.after < self.snapshot.slot:
            ctx.send(src, Install(self.snapshot.slot, self.snapshot.state))
        first = max(m.after, self.snapshot.slot) + 1
        slots = range(first, min(self.decided + 1, first + LEARN_MAX))
        values = tuple((slot, self.votes[slot].value) for slot in slots)
        ctx.send(src, Learn(self.promised, values, self.decided))

    def on_learn(self, ctx: Context, src: NodeId, m: Learn) -> None:
        for slot, value in m.values:
            if slot == self.decided + 1:
                self.decide(ctx, slot, Vote(m.ballot, value))
        if m.values and self.decided < m.decided:
            ctx.send(src, CatchUp(self.decided))

    # Snapshots: the host says what a prefix of the log amounts to, and the prefix can go.

    def on_truncate(self, ctx: Context, src: NodeId, m: Truncate) -> None:
        if not self.snapshot.slot < m.slot <= self.decided:
            return ctx.ignore("nothing to truncate")
        self.stand_on(Snapshot(m.slot, m.state))

    def on_install(self, ctx: Context, src: NodeId, m: Install) -> None:
        if m.slot <= self.decided:
            return ctx.ignore("nothing new in this state")
        self.stand_on(Snapshot(m.slot, m.state))
        self.decided = m.slot
        ctx.output(Installed(m.slot, m.state))

    def stand_on(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.votes = self.votes.drop([slot for slot in self.votes if slot <= snapshot.slot])
