"""Presumed abort without one of its guards."""

from __future__ import annotations

from quorate.kernel import Actor, Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.properties.commit import Outcome
from quorate.protocols.presumed_abort import OTHER, Coordinator, Participant, small


class CoordinatorRecordsNothing(Coordinator):
    owing: frozenset[NodeId] = frozenset()


class CoordinatorForgetsEarly(Coordinator):
    def settle(self, ctx: Context) -> None:
        self.acks = self.owing
        Coordinator.settle(self, ctx)


class CoordinatorPresumesCommit(Coordinator):
    def forget(self, ctx: Context) -> None:
        Coordinator.forget(self, ctx)
        self.outcome = OTHER[self.presumed]


class CoordinatorWaitsForReaders(Coordinator):
    def settle(self, ctx: Context) -> None:
        if self.participants <= self.acks:
            Coordinator.settle(self, ctx)


class ParticipantAcknowledgesFirst(Participant):
    ended: bool = False


class ParticipantTakesOldAnswers(Participant):
    def hear(self, ctx: Context, src: NodeId, outcome: Outcome) -> None:
        self.outcome = None
        Participant.hear(self, ctx, src, outcome)


def _mutant(name: str, breaks: str, kills: str, new: type[Actor], readers: int = 0) -> Mutant:
    def world(participants: int = 2, readers: int = readers) -> World:
        return swapped(small(participants, readers), new)

    return Mutant(name=name, protocol="presumed_abort", breaks=breaks, kills=kills, world=world)


MUTANTS = (
    _mutant(
        "records_nothing",
        "a commit is no more on record than an abort",
        "AC1 agreement",
        CoordinatorRecordsNothing,
    ),
    _mutant(
        "forgets_early",
        "a coordinator forgets a commit that not all have acknowledged",
        "AC1 agreement",
        CoordinatorForgetsEarly,
    ),
    _mutant(
        "presumes_commit",
        "a coordinator takes what it has no record of for committed",
        "AC3 unanimity",
        CoordinatorPresumesCommit,
    ),
    _mutant(
        "waits_for_readers",
        "a coordinator waits for those to acknowledge whom it has let go",
        "the coordinator forgets",
        CoordinatorWaitsForReaders,
        readers=1,
    ),
    _mutant(
        "acknowledges_first",
        "a participant acknowledges a commit that a crash makes it forget",
        "AC2 stability",
        ParticipantAcknowledgesFirst,
    ),
    _mutant(
        "takes_old_answers",
        "a participant that has committed heeds a late answer to what it once asked",
        "AC2 stability",
        ParticipantTakesOldAnswers,
    ),
)
