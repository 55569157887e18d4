"""Paxos Commit without one of its guards."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from quorate.kernel import Actor, Ballot, Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.properties.commit import Outcome, agreement
from quorate.protocols import paxos_commit
from quorate.protocols.paxos_commit import (
    Accept,
    Accepted,
    Acceptor,
    Leader,
    Participant,
    Value,
    Values,
    Vote,
)


class AcceptorForgetsPromise(Acceptor):
    promised: Ballot = Ballot()


class AcceptorForgetsVotes(Acceptor):
    ballot: Ballot = Ballot()
    votes: Values = ()


class AcceptorVotesLate(Acceptor):
    def on_vote(self, ctx: Context, src: NodeId, m: Vote) -> None:
        promised, self.promised = self.promised, Ballot()
        Acceptor.on_vote(self, ctx, src, m)
        self.promised = promised


class AcceptorAcceptsLate(Acceptor):
    def on_accept(self, ctx: Context, src: NodeId, m: Accept) -> None:
        self.promised = min(self.promised, m.ballot)
        Acceptor.on_accept(self, ctx, src, m)


class LeaderTakesFreeForPrepared(Leader):
    def suitable(self, instance: NodeId, free: Value = "prepared") -> Value:
        return Leader.suitable(self, instance, free)


class LeaderAlwaysAborts(Leader):
    def suitable(self, instance: NodeId, free: Value = "aborted") -> Value:
        return "aborted"


class LeaderLeadsOnAfterCrash(Leader):
    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.asking = recovered
        Leader.on_start(self, ctx, recovered)


class ParticipantHearsOneAcceptor(Participant):
    def on_accepted(self, ctx: Context, src: NodeId, m: Accepted) -> None:
        self.accepted |= {(acceptor, m.values) for acceptor in self.tx.acceptors.nodes}
        Participant.on_accepted(self, ctx, src, m)


class ParticipantForgets(Participant):
    prepared: bool = False


class ParticipantGivesUp(Participant):
    def inquire(self, ctx: Context) -> None:
        self.end(ctx, Outcome.ABORTED)


def _swap(new: type[Actor], crashes: NodeId = "", ballot_0: bool = True) -> Callable[..., World]:
    """The small world with one role replaced, of which one node may crash once. `ballot_0`:
    participants count its votes themselves, so that it competes with the leader's ballot."""

    def world(faults: int = 1, rounds: int = 1, faster: bool = ballot_0) -> World:
        return msgspec.structs.replace(
            swapped(paxos_commit.small(faults, rounds, faster), new),
            crashes=int(bool(crashes)),
            crashable=frozenset({crashes}),
        )

    return world


def _duel(mutated: bool = True, rounds: int = 1) -> World:
    """Two leaders are about to lead; of a participant that is prepared only one acceptor knows."""
    world = paxos_commit.world(participants=1, leaders=2, rounds=rounds, apart=True)
    fields: dict[NodeId, dict[str, object]] = {
        "rm1": {"prepared": True, "inquires": False},
        "a1": {"votes": (("rm1", "prepared"),)},
        **{leader: {"inquiries": 1} for leader in ("l1", "l2")},
    }
    processes = (
        msgspec.structs.replace(process, **fields.get(process.me, {}))
        for process in world.processes
    )
    world = msgspec.structs.replace(world, processes=tuple(processes), properties=(agreement,))
    return swapped(world, AcceptorAcceptsLate) if mutated else world


def _mutant(name: str, breaks: str, kills: str, world: Callable[..., World]) -> Mutant:
    return Mutant(
        name=name,
        protocol="paxos_commit",
        breaks=breaks,
        kills=kills,
        world=world,
        at_large={"rounds": 0},
    )


MUTANTS = (
    _mutant(
        "forgets_promise",
        "an acceptor's promise does not survive a crash",
        "AC1 agreement",
        _swap(AcceptorForgetsPromise, "a2"),
    ),
    _mutant(
        "forgets_votes",
        "an acceptor's votes do not survive a crash",
        "AC1 agreement",
        _swap(AcceptorForgetsVotes, "a2"),
    ),
    _mutant(
        "votes_late",
        "an acceptor votes at ballot 0 although it has promised a later one",
        "AC1 agreement",
        _swap(AcceptorVotesLate),
    ),
    _mutant(
        "accepts_late",
        "an acceptor votes in a ballot although it has promised a later one",
        "AC1 agreement",
        _duel,
    ),
    _mutant(
        "takes_free_for_prepared",
        "a leader ends an instance that is free as prepared",
        "AC3 unanimity",
        _swap(LeaderTakesFreeForPrepared),
    ),
    _mutant(
        "always_aborts",
        "a leader ends every instance as aborted",
        "AC1 agreement",
        _swap(LeaderAlwaysAborts),
    ),
    _mutant(
        "leads_on_after_crash",
        "a restarted leader takes promises for the ballot that it led before",
        "AC2 stability",
        _swap(LeaderLeadsOnAfterCrash, "l1", ballot_0=False),
    ),
    _mutant(
        "hears_one_acceptor",
        "a participant decides by one acceptor",
        "AC1 agreement",
        _swap(ParticipantHearsOneAcceptor),
    ),
    _mutant(
        "participant_forgets",
        "a participant that was prepared aborts after a crash",
        "AC1 agreement",
        _swap(ParticipantForgets, "rm1"),
    ),
    _mutant(
        "gives_up",
        "a prepared participant that hears nothing aborts",
        "AC1 agreement",
        _swap(ParticipantGivesUp),
    ),
)
