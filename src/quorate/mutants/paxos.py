"""Paxos without one of its guards."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from quorate.kernel import (
    Actor,
    Ballot,
    Context,
    Flexible,
    Network,
    NodeId,
    Threshold,
    World,
    at_rest,
)
from quorate.mutants import Mutant
from quorate.properties.consensus import Decided
from quorate.protocols import paxos, settings_of
from quorate.protocols.paxos import Accepted, Acceptor, Phase, Proposer, Vote

decided_at_rest = at_rest("decided at rest", lambda view: any(view.stated(Decided)))
"""When nothing further can happen, some node has decided."""


class AcceptorForgetsVote(Acceptor):
    vote: Vote | None = None


class AcceptorForgetsPromise(Acceptor):
    promised: Ballot = Ballot()


class AcceptorPromisesLate(Acceptor):
    def on_prepare(self, ctx: Context, src: NodeId, m: paxos.Prepare) -> None:
        self.promised = m.ballot
        ctx.send(src, paxos.Promise(m.ballot, self.vote))


class AcceptorAcceptsLate(Acceptor):
    def on_accept(self, ctx: Context, src: NodeId, m: paxos.Accept) -> None:
        self.promised = max(self.promised, m.ballot)
        self.vote = Vote(m.ballot, m.value)
        ctx.send(src, Accepted(m.ballot))


class AcceptorDoesNotRaise(Acceptor):
    def on_accept(self, ctx: Context, src: NodeId, m: paxos.Accept) -> None:
        promised = self.promised
        Acceptor.on_accept(self, ctx, src, m)
        self.promised = promised


class FreshValue(Proposer):
    """Correct: after a crash its client asks for something else, at a ballot not used before."""

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if recovered:
            self.value += "'"
        Proposer.on_start(self, ctx, recovered)


class ProposerDecidesEarly(FreshValue):
    def on_promise(self, ctx: Context, src: NodeId, m: paxos.Promise) -> None:
        phase = self.phase
        Proposer.on_promise(self, ctx, src, m)
        if phase is not self.phase:
            ctx.output(Decided(self.chosen))


class ProposerReusesBallot(FreshValue):
    round: int = 0


class ProposerIgnoresVotes(Proposer):
    def on_promise(self, ctx: Context, src: NodeId, m: paxos.Promise) -> None:
        Proposer.on_promise(self, ctx, src, paxos.Promise(m.ballot, None))


class ProposerTakesFirstVote(Proposer):
    def on_promise(self, ctx: Context, src: NodeId, m: paxos.Promise) -> None:
        if any(vote is not None for _, vote in self.promises):
            m = paxos.Promise(m.ballot, None)
        Proposer.on_promise(self, ctx, src, m)


class ProposerCountsOldPromises(Proposer):
    def on_promise(self, ctx: Context, src: NodeId, m: paxos.Promise) -> None:
        Proposer.on_promise(self, ctx, src, paxos.Promise(self.ballot, m.vote))


class ProposerChoosesTwice(Proposer):
    def on_promise(self, ctx: Context, src: NodeId, m: paxos.Promise) -> None:
        if m.ballot == self.ballot and self.phase is Phase.ACCEPTING:
            self.chosen = m.vote.value if m.vote else self.value
            return ctx.broadcast(self.quorums.phase2.nodes, paxos.Accept(self.ballot, self.chosen))
        Proposer.on_promise(self, ctx, src, m)


class ProposerCountsOldAcceptances(Proposer):
    def on_accepted(self, ctx: Context, src: NodeId, m: Accepted) -> None:
        Proposer.on_accepted(self, ctx, src, Accepted(self.ballot))


class ProposerCountsWhenever(Proposer):
    def on_accepted(self, ctx: Context, src: NodeId, m: Accepted) -> None:
        if m.ballot == self.ballot:
            self.phase = Phase.ACCEPTING
        Proposer.on_accepted(self, ctx, src, m)


class ProposerKeepsPromises(Proposer):
    def prepare(self, ctx: Context) -> None:
        promises, round = self.promises, self.round
        Proposer.prepare(self, ctx)
        if self.round > round:
            self.promises = promises


class ProposerKeepsAcceptances(Proposer):
    def prepare(self, ctx: Context) -> None:
        accepted, round = self.accepted, self.round
        Proposer.prepare(self, ctx)
        if self.round > round:
            self.accepted = accepted


class ProposerGivesUpOnDuplicates(Proposer):
    def on_accepted(self, ctx: Context, src: NodeId, m: Accepted) -> None:
        if src in self.accepted:
            self.phase = Phase.IDLE  # taken for a pre-emption
        else:
            Proposer.on_accepted(self, ctx, src, m)


def _swap(old: type[Actor], new: type[Actor], **fixed: int) -> Callable[..., World]:
    """The small world, each proposer asking one majority only, with one role replaced."""

    def world(
        proposers: int = fixed.get("proposers", 2),
        acceptors: int = 3,
        rounds: int = fixed.get("rounds", 1),  # of p1; the others lead one
        crashes: int = fixed.get("crashes", 0),
    ) -> World:
        base = paxos.small(proposers, acceptors, 1, crashes, thrifty=True)
        first = msgspec.structs.replace(base.processes[0], rounds_max=rounds)
        processes = tuple(
            new(**msgspec.structs.asdict(p)) if type(p) is old else p
            for p in (first, *base.processes[1:])
        )
        return msgspec.structs.replace(base, processes=processes, bounds=_bounds(processes))

    return world


def _bounds(processes: Iterable[Actor]) -> tuple[str, ...]:
    leads = (p for p in processes if isinstance(p, Proposer))
    return tuple(f"{p.me} leads rounds {p.round + 1} to {p.rounds_max}" for p in leads)


class Asks(msgspec.Struct, frozen=True):
    """A proposer that leads the ballots of some rounds, with one quorum for each of its phases."""

    phase1: tuple[NodeId, ...]
    phase2: tuple[NodeId, ...]
    first: int = 1
    last: int = 1


def _asking(
    asks: tuple[Asks, ...],
    old: type[Actor],
    new: type[Actor],
    network: Network = Network.SET,
) -> Callable[..., World]:
    """A world in which each proposer asks just whom it must for the mutation to matter."""

    def world(mutated: bool = True) -> World:
        acceptors = {node for each in asks for node in (*each.phase1, *each.phase2)}
        base = paxos.small(len(asks), len(acceptors), learners=0)
        processes: list[Actor] = []
        for process in base.processes:
            if isinstance(process, Proposer):
                each = asks[len(processes)]
                process = msgspec.structs.replace(
                    process,
                    quorums=Flexible(_all_of(each.phase1), _all_of(each.phase2)),
                    round=each.first - 1,
                    rounds_max=each.last,
                )
            changes = mutated and type(process) is old
            processes.append(new(**msgspec.structs.asdict(process)) if changes else process)
        return msgspec.structs.replace(
            base, processes=tuple(processes), network=network, bounds=_bounds(processes)
        )

    return world


def _all_of(nodes: tuple[NodeId, ...]) -> Threshold:
    return Threshold(nodes, len(nodes))


_LOW_VOTE_AFTER_A_HIGH_ONE = (
    Asks(("a2", "a3"), ("a2", "a3")),
    Asks(("a1", "a3"), ("a1", "a2")),  # a2 votes without having promised
    Asks(("a2", "a3"), ("a2", "a3")),
)
_TWO_VOTES_REPORTED = (
    Asks(("a1", "a2"), ("a1", "a2")),
    Asks(("a2", "a3"), ("a2", "a3")),
    Asks(("a1", "a3"), ("a1", "a3")),
)
# One promise is a quorum where every acceptor must accept.
_TWO_ROUNDS_OF_ONE = (
    Asks(("a2",), ("a1", "a2"), last=2),
    Asks(("a2",), ("a1", "a2")),
    Asks(("a1",), ("a1", "a2"), first=2, last=2),
)


def quorum_too_small(proposers: int = 2, acceptors: int = 3, rounds: int = 1) -> World:
    """Quorums of half the acceptors, rounded down, which need not meet."""
    base = paxos.small(proposers, acceptors, rounds)
    processes = []
    for process in base.processes:
        if isinstance(process, Proposer):
            few = Threshold(process.quorums.phase1.nodes, acceptors // 2)
            process = msgspec.structs.replace(process, quorums=Flexible(few, few))
        processes.append(process)
    return msgspec.structs.replace(base, processes=tuple(processes))


def decides_early(mutated: bool = True, rounds: int = 2) -> World:
    """One proposer, which may crash and then want something else; so no two roles know of
    different decisions, and yet one may have acted upon what is not chosen."""
    proposer = ProposerDecidesEarly if mutated else FreshValue
    base = _swap(Proposer, proposer, proposers=1, rounds=rounds, crashes=1)()
    return msgspec.structs.replace(base, properties=(paxos.dynamic_uniformity, *base.properties))


def lone_proposer(mutated: bool = True) -> World:
    """One proposer that must decide, however often messages are duplicated."""
    proposer = ProposerGivesUpOnDuplicates if mutated else Proposer
    base = _swap(Proposer, proposer, proposers=1)()
    return msgspec.structs.replace(base, properties=(*base.properties, decided_at_rest))


def _mutant(
    name: str, breaks: str, world: Callable[..., World], kills: str = "agreement"
) -> Mutant:
    endless = {"rounds": 0} if "rounds" in settings_of(world) else {}
    return Mutant(
        name=name, protocol="paxos", breaks=breaks, kills=kills, world=world, at_large=endless
    )


MUTANTS = (
    _mutant(
        "forgets_vote",
        "an acceptor's vote does not survive a crash",
        _swap(Acceptor, AcceptorForgetsVote, crashes=1),
    ),
    _mutant(
        "forgets_promise",
        "an acceptor's promise does not survive a crash",
        _swap(Acceptor, AcceptorForgetsPromise, crashes=1),
    ),
    _mutant(
        "promises_late",
        "an acceptor promises a ballot below one that it promised",
        _swap(Acceptor, AcceptorPromisesLate),
    ),
    _mutant(
        "accepts_late",
        "an acceptor accepts at a ballot below its promise",
        _swap(Acceptor, AcceptorAcceptsLate),
    ),
    _mutant(
        "does_not_raise",
        "an acceptor that accepts does not raise its promise",
        _asking(_LOW_VOTE_AFTER_A_HIGH_ONE, Acceptor, AcceptorDoesNotRaise),
    ),
    _mutant(
        "reuses_ballot",
        "a proposer's round does not survive a crash",
        _swap(Proposer, ProposerReusesBallot, crashes=1),
    ),
    _mutant(
        "ignores_votes",
        "a proposer ignores the votes that promises report",
        _swap(Proposer, ProposerIgnoresVotes),
    ),
    _mutant(
        "takes_first_vote",
        "a proposer takes the first vote that a promise reports, not the highest",
        _asking(_TWO_VOTES_REPORTED, Proposer, ProposerTakesFirstVote),
    ),
    _mutant(
        "keeps_promises",
        "a proposer takes promises along into its next round",
        _swap(Proposer, ProposerKeepsPromises, rounds=2),
    ),
    _mutant(
        "counts_old_promises",
        "a proposer counts promises made to its earlier rounds",
        _swap(Proposer, ProposerCountsOldPromises, rounds=2),
    ),
    _mutant(
        "chooses_twice",
        "a proposer chooses again when a late promise arrives",
        _swap(Proposer, ProposerChoosesTwice),
    ),
    _mutant(
        "keeps_acceptances",
        "a proposer takes acceptances along into its next round",
        _asking(_TWO_ROUNDS_OF_ONE, Proposer, ProposerKeepsAcceptances, Network.MULTISET),
    ),
    _mutant(
        "counts_old_acceptances",
        "a proposer counts acceptances of its earlier rounds",
        _asking(_TWO_ROUNDS_OF_ONE, Proposer, ProposerCountsOldAcceptances, Network.MULTISET),
    ),
    _mutant(
        "counts_whenever",
        "a proposer counts acceptances of a round that it lost in a crash",
        _swap(Proposer, ProposerCountsWhenever, crashes=1),
        kills="validity",
    ),
    _mutant(
        "gives_up_on_duplicates",
        "a proposer takes a duplicate reply for a pre-emption",
        lone_proposer,
        kills="decided at rest",
    ),
    _mutant(
        "decides_early",
        "a proposer acts upon its value when it commands it, before a majority has accepted it",
        decides_early,
        kills="dynamic uniformity",
    ),
    _mutant("quorum_too_small", "quorums need not meet", quorum_too_small),
)
