"""Multi-Paxos without one of its guards."""

from __future__ import annotations

from typing import Any

import msgspec

from quorate.kernel import Ballot, Context, Flexible, Map, NodeId, Process, Threshold, World
from quorate.mutants import Mutant
from quorate.properties.log import Offered, log_agreement, log_growth, log_validity
from quorate.protocols import multi_paxos
from quorate.protocols.multi_paxos import Client, Replica, Standing, Vote


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


class OffersOnce(Client):
    """Offers its value to the replica on its own node, once: few values make few slots."""

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("offer", multi_paxos.OFFER_MS)

    def on_timer(self, ctx: Context, timer: str) -> None:
        ctx.output(Offered(self.value()))
        ctx.send(self.replicas[0], multi_paxos.Propose(self.value()))


class Small(msgspec.Struct, frozen=True):
    """n1 and n2 may lead, each with a value of its own, and n3 has to accept: how, in numbers.

    n1 asks n3 for both phases; `second` are those whom n2 asks, of which it needs two.
    """

    rounds: int = 1  # of n1; n2 leads one
    second: tuple[NodeId, ...] = ("n2", "n3")
    phase2: int = 2  # so many acceptances are enough
    truncate: int = 0  # n1's client truncates the log after so many values
    crashes: int = 0  # of n3

    def world(self, replica: type[Replica]) -> World:
        """That world, with replicas of a kind."""

        def made(node: NodeId, asks: tuple[NodeId, ...], rounds: int) -> Replica:
            quorums = Flexible(Threshold(asks, 2), Threshold(asks, self.phase2))
            # Who leads no round believes that it was refused one.
            return replica(node, quorums, max(rounds, 1), refused=0 if rounds else 1)

        pair = ("n1", "n3")
        first = (made("n1", pair, self.rounds), OffersOnce("c1", pair, 1, self.truncate))
        second = (made("n2", self.second, 1), OffersOnce("c2", ("n2",), 1))
        return World(
            processes=(Process("h1", first), Process("h2", second), made("n3", pair, 0)),
            properties=(log_agreement, log_validity, log_growth),  # progress is not for one round
            crashes=self.crashes,
            crashable=frozenset({"n3"}),
            bounds=(f"n1 leads rounds 1 to {self.rounds}", "n2 leads round 1"),
        )


def _main(replica: type[Replica], phase2: int, clients: int, values: int, truncate: int) -> World:
    """The main world, with replicas of a kind."""
    base = multi_paxos.world(clients=clients, values=values, truncate=truncate)
    processes = []
    for process in base.processes:
        if isinstance(process, Replica):
            process = replica(**msgspec.structs.asdict(process))
            few = Threshold(process.quorums.phase2.nodes, phase2)
            process.quorums = Flexible(process.quorums.phase1, few)
        processes.append(process)
    return msgspec.structs.replace(base, processes=tuple(processes))


def _mutant(name: str, breaks: str, new: type[Replica], **numbers: Any) -> Mutant:
    phase2 = numbers.pop("phase2", 2)

    def world(
        small: bool = True,
        mutated: bool = True,
        clients: int = 2,  # this and what follows: of the large world
        values: int = 20,
        truncate: int = 4,
    ) -> World:
        replica, enough = (new, phase2) if mutated else (Replica, 2)
        if small:
            return Small(phase2=enough, **numbers).world(replica)
        return _main(replica, enough, clients, values, truncate)

    return Mutant(
        name=name,
        protocol="multi_paxos",
        breaks=breaks,
        kills="log agreement",
        world=world,
        at_large={"small": False},
    )


MUTANTS = (
    _mutant("forgets_votes", "votes do not survive a crash", ForgetsVotes, crashes=1),
    _mutant("forgets_promise", "a promise does not survive a crash", ForgetsPromise, crashes=1),
    _mutant("ignores_votes", "a new leader ignores the votes reported to it", IgnoresVotes),
    _mutant("omits_decided", "a promise leaves out the slots decided here", OmitsDecided),
    _mutant(
        "promises_truncated",
        "a promise passes over slots truncated here",
        PromisesTruncated,
        truncate=1,
    ),
    _mutant("accepts_late", "a replica accepts at a ballot below its promise", AcceptsLate),
    _mutant(
        "trusts_old_votes",
        "a vote of an older ballot counts as decided",
        TrustsOldVotes,
        second=("n1", "n2", "n3"),
    ),
    _mutant(
        "leads_on_any_promise", "promises to earlier ballots count", LeadsOnAnyPromise, rounds=2
    ),
    _mutant("quorum_too_small", "one acceptance is enough", Replica, phase2=1),
)
