"""Multi-Paxos without one of its guards."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from quorate.kernel import Ballot, Context, Flexible, Map, NodeId, Threshold, World
from quorate.mutants import Mutant
from quorate.protocols import multi_paxos
from quorate.protocols.multi_paxos import Replica, Standing, Vote


class ForgetsVotes(Replica):
    votes: Map[int, Vote] = Map()
    decided: int = 0


class ForgetsPromise(Replica):
    promised: Ballot = Ballot()


class IgnoresVotes(Replica):
    def on_promise(self, ctx: Context, src: NodeId, m: multi_paxos.Promise) -> None:
        Replica.on_promise(self, ctx, src, multi_paxos.Promise(m.ballot, ()))


class OmitsDecided(Replica):
    def on_prepare(self, ctx: Context, src: NodeId, m: multi_paxos.Prepare) -> None:
        after = max(m.after, self.decided)
        Replica.on_prepare(self, ctx, src, multi_paxos.Prepare(m.ballot, after))


class AcceptsLate(Replica):
    def on_accept(self, ctx: Context, src: NodeId, m: multi_paxos.Accept) -> None:
        if m.ballot < self.promised and m.slot > self.snapshot.slot:
            self.votes = self.votes.put(m.slot, Vote(m.ballot, m.value))
            return ctx.send(src, multi_paxos.Accepted(m.ballot, m.slot))
        Replica.on_accept(self, ctx, src, m)


class TrustsOldVotes(Replica):
    def learn(self, ctx: Context, ballot: Ballot, decided: int) -> None:
        while self.decided < decided:
            vote = self.votes.get(self.decided + 1)
            if vote is None:
                return
            self.decide(ctx, self.decided + 1, vote)


class PromisesTruncated(Replica):
    def on_prepare(self, ctx: Context, src: NodeId, m: multi_paxos.Prepare) -> None:
        after = max(m.after, self.snapshot.slot)
        Replica.on_prepare(self, ctx, src, multi_paxos.Prepare(m.ballot, after))


class LeadsOnAnyPromise(Replica):
    def on_promise(self, ctx: Context, src: NodeId, m: multi_paxos.Promise) -> None:
        if self.standing is Standing.CANDIDATE:
            m = multi_paxos.Promise(self.promised, m.votes)
        Replica.on_promise(self, ctx, src, m)


def _swap(replica: type[Replica], phase2: int = 0) -> Callable[..., World]:
    """The main world with every replica replaced; `phase2`: so many acceptances are enough."""

    def world(
        nodes: int = 3, clients: int = 2, values: int = 20, truncate: int = 4, rounds: int = 0
    ) -> World:
        base = multi_paxos.world(nodes, clients, values, truncate, rounds)
        processes = []
        for process in base.processes:
            if isinstance(process, Replica):
                process = replica(**msgspec.structs.asdict(process))
                if phase2:
                    few = Threshold(process.quorums.phase2.nodes, phase2)
                    process.quorums = Flexible(process.quorums.phase1, few)
            processes.append(process)
        return msgspec.structs.replace(base, processes=tuple(processes))

    return world


def _mutant(name: str, breaks: str, replica: type[Replica], phase2: int = 0) -> Mutant:
    return Mutant(
        name=name,
        protocol="multi_paxos",
        breaks=breaks,
        kills="log agreement",
        world=_swap(replica, phase2),
        found_by="seeds",
    )


MUTANTS = (
    _mutant("forgets_votes", "votes do not survive a crash", ForgetsVotes),
    _mutant("forgets_promise", "a promise does not survive a crash", ForgetsPromise),
    _mutant("ignores_votes", "a new leader ignores the votes reported to it", IgnoresVotes),
    _mutant("omits_decided", "a promise leaves out the slots decided here", OmitsDecided),
    _mutant("promises_truncated", "a promise passes over slots truncated here", PromisesTruncated),
    _mutant("accepts_late", "a replica accepts at a ballot below its promise", AcceptsLate),
    _mutant("trusts_old_votes", "a vote of an older ballot counts as decided", TrustsOldVotes),
    _mutant("leads_on_any_promise", "promises to earlier ballots count", LeadsOnAnyPromise),
    _mutant("quorum_too_small", "one acceptance is enough", Replica, phase2=1),
)
