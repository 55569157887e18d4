"""Paxos Commit, the roles: participant, acceptor, leader, and what they tell each other."""

from __future__ import annotations

from typing import Literal

import msgspec

from quorate.kernel import Actor, Ballot, Context, Majority, Map, Message, NodeId, Stable
from quorate.properties.commit import Began, Decided, Outcome
from quorate.protocols import two_phase_commit
from quorate.protocols.two_phase_commit import NEWS, Abort, Commit, Inquire, Prepare

LEAD_MS = (50, 400)

Value = Literal["prepared", "aborted"] | tuple[NodeId, ...]  # a set is what a registrar votes for
Values = tuple[tuple[NodeId, Value], ...]


class Vote(Message, frozen=True):
    value: Value


class Accepted(Message, frozen=True):
    ballot: Ballot
    values: Values


class Lead(Message, frozen=True):
    ballot: Ballot


class Promise(Message, frozen=True):
    ballot: Ballot
    voted: Ballot
    votes: Values


class Accept(Message, frozen=True):
    ballot: Ballot
    values: Values


Msg = Prepare | Vote | Accepted | Commit | Abort | Inquire | Lead | Promise | Accept


class Transaction(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """Who takes part in it, and for what acceptors vote."""

    participants: tuple[NodeId, ...]
    acceptors: Majority
    leaders: tuple[NodeId, ...]

    @property
    def instances(self) -> tuple[NodeId, ...]:
        return self.participants

    @property
    def asked(self) -> tuple[NodeId, ...]:
        """Those f + 1 acceptors that are enough while nothing fails."""
        return self.acceptors.nodes[: len(self.acceptors.nodes) // 2 + 1]

    def verdict(self, votes: Values) -> Outcome | None:
        """What votes come to: one aborted instance aborts all."""
        if "aborted" in dict(votes).values():
            return Outcome.ABORTED
        return Outcome.COMMITTED if len(votes) == len(self.instances) else None

    def concerned(self, votes: Values) -> tuple[NodeId, ...]:
        """Who has to know what these votes come to."""
        return self.participants

    def outcome(self, accepted: frozenset[tuple[NodeId, Values]]) -> Outcome | None:
        """What a quorum has voted for at one ballot comes to."""
        for votes in sorted({votes for _, votes in accepted}):
            if self.acceptors.won(frozenset(who for who, its in accepted if its == votes)):
                return self.verdict(votes)
        return None


class Participant(two_phase_commit.Participant, kw_only=True):
    """That of two-phase commit, but acceptors vote for what it wants."""

    tx: Transaction
    accepted: frozenset[tuple[NodeId, Values]] = frozenset()

    def vote(self, ctx: Context, value: Value = "prepared") -> None:
        ctx.broadcast(self.tx.asked, Vote(value))
        if self.begins and self.prepared and self.coordinator:
            ctx.send(self.coordinator, Inquire())  # so that it has the others asked

    def abort(self, ctx: Context) -> None:
        # It has not been prepared, so nothing but aborted can be chosen in its instance.
        self.end(ctx, Outcome.ABORTED)
        self.vote(ctx, "aborted")

    def inquire(self, ctx: Context) -> None:
        ctx.broadcast(self.tx.leaders, Inquire())
        self.wait(ctx)

    def on_accepted(self, ctx: Context, src: NodeId, m: Accepted) -> None:
        self.accepted |= {(src, m.values)}
        outcome = self.tx.outcome(self.accepted)
        if outcome is not None:
            self.end(ctx, outcome)


class Acceptor(Actor):
    """Votes once in each ballot, in the instances of all participants together."""

    tx: Transaction
    learners: tuple[NodeId, ...]
    promised: Stable[Ballot] = Ballot()
    ballot: Stable[Ballot] = Ballot()
    votes: Stable[Values] = ()
    wanted: Values = ()

    def on_vote(self, ctx: Context, src: NodeId, m: Vote) -> None:
        if self.promised != Ballot() or src in dict(self.wanted):
            return ctx.ignore("ballot 0 is over for it")
        self.wanted = tuple(sorted((*self.wanted, (src, m.value))))
        if self.tx.verdict(self.wanted) is not None:
            self.votes = self.wanted  # one forced write for all instances
            ctx.broadcast(self.learners, Accepted(Ballot(), self.votes))

    def on_lead(self, ctx: Context, src: NodeId, m: Lead) -> None:
        if m.ballot <= self.promised:
            return ctx.ignore("promised this or a higher ballot")
        self.promised = m.ballot
        ctx.send(src, Promise(m.ballot, self.ballot, self.votes))

    def on_accept(self, ctx: Context, src: NodeId, m: Accept) -> None:
        if m.ballot < self.promised:
            return ctx.ignore("promised a higher ballot")
        self.promised = self.ballot = m.ballot
        self.votes = m.values
        ctx.send(src, Accepted(m.ballot, m.values))


class Leader(Actor):
    """Counts the votes; in a later ballot it ends the instances that are still open."""

    tx: Transaction
    rounds_max: int = 0
    round: Stable[int] = 0
    inquiries: int = 0
    asking: bool = False
    promises: Map[NodeId, Promise] = Map()
    accepted: frozenset[tuple[NodeId, Values]] = frozenset()
    outcome: Outcome | None = None

    @property
    def ballot(self) -> Ballot:
        return Ballot(self.round, self.me) if self.round else Ballot()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.output(Began(frozenset(self.tx.participants)))

    def on_inquire(self, ctx: Context, src: NodeId, m: Inquire) -> None:
        if self.outcome is not None:
            return ctx.send(src, NEWS[self.outcome])
        if self.inquiries == 2:
            return ctx.ignore("about to lead")  # or many who inquire would put it off for ever
        self.inquiries += 1
        if self.inquiries == 2:  # somebody has waited for long
            return ctx.set_timer("lead", LEAD_MS)
        ctx.broadcast(frozenset(self.tx.participants) - {src}, Prepare())

    def on_timer(self, ctx: Context, timer: str) -> None:
        if self.rounds_max and self.round >= self.rounds_max:
            return ctx.ignore("no rounds left")
        self.round, self.inquiries, self.asking = self.round + 1, 0, True
        self.promises, self.accepted = Map(), frozenset()
        ctx.broadcast(self.tx.acceptors.nodes, Lead(self.ballot))

    def on_promise(self, ctx: Context, src: NodeId, m: Promise) -> None:
        if m.ballot != self.ballot or not self.asking:
            return ctx.ignore("not the open ballot")
        self.promises = self.promises.put(src, m)
        if self.tx.acceptors.won(frozenset(self.promises.keys())):
            self.asking = False
            ctx.broadcast(self.tx.acceptors.nodes, Accept(m.ballot, self.values()))

    def values(self) -> Values:
        return tuple((instance, self.suitable(instance)) for instance in self.tx.instances)

    def suitable(self, instance: NodeId, free: Value = "aborted") -> Value:
        """The most recent value that a promise reports; `free`, where there is none."""
        reports = [(m.voted, dict(m.votes).get(instance)) for _, m in self.promises.sorted()]
        votes = [(ballot, value) for ballot, value in reports if value is not None]
        return max(votes)[1] if votes else free

    def on_accepted(self, ctx: Context, src: NodeId, m: Accepted) -> None:
        if m.ballot != self.ballot or self.outcome is not None:
            return ctx.ignore("not the open ballot")
        self.accepted |= {(src, m.values)}
        self.outcome = self.tx.outcome(self.accepted)
        if self.outcome is not None:
            self.accepted = frozenset()
            ctx.cancel_timer("lead")
            ctx.output(Decided(self.outcome))
            ctx.broadcast(self.tx.concerned(m.values), NEWS[self.outcome])
