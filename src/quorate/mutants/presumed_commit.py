"""Presumed commit without one of its guards."""

from __future__ import annotations

from quorate.kernel import Actor, Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.properties.commit import Outcome
from quorate.protocols.presumed_commit import Coordinator, Participant, small


class CoordinatorCollectsNothing(Coordinator):
    owing: frozenset[NodeId] = frozenset()


class CoordinatorForgetsEarly(Coordinator):
    def settle(self, ctx: Context) -> None:
        self.acks = self.owing
        Coordinator.settle(self, ctx)


class CoordinatorKeepsTheRecord(Coordinator):
    def decide(self, ctx: Context, outcome: Outcome) -> None:
        owing = self.owing
        Coordinator.decide(self, ctx, outcome)
        self.owing = owing


class ParticipantAcknowledgesFirst(Participant):
    ended: bool = False


class ParticipantTakesOldAnswers(Participant):
    def hear(self, ctx: Context, src: NodeId, outcome: Outcome) -> None:
        self.outcome = None
        Participant.hear(self, ctx, src, outcome)


def _mutant(name: str, breaks: str, kills: str, new: type[Actor]) -> Mutant:
    def world(participants: int = 2) -> World:
        return swapped(small(participants), new)

    return Mutant(name=name, protocol="presumed_commit", breaks=breaks, kills=kills, world=world)


MUTANTS = (
    _mutant(
        "collects_nothing",
        "a coordinator asks participants to prepare before it has them on record",
        "AC3 unanimity",
        CoordinatorCollectsNothing,
    ),
    _mutant(
        "keeps_the_record",
        "a commit does not strike out the record of the participants",
        "AC2 stability",
        CoordinatorKeepsTheRecord,
    ),
    _mutant(
        "forgets_early",
        "a coordinator forgets an abort that not all have acknowledged",
        "AC1 agreement",
        CoordinatorForgetsEarly,
    ),
    _mutant(
        "acknowledges_first",
        "a participant acknowledges an abort that a crash makes it forget",
        "AC2 stability",
        ParticipantAcknowledgesFirst,
    ),
    _mutant(
        "takes_old_answers",
        "a participant that has aborted heeds a late answer to what it once asked",
        "AC2 stability",
        ParticipantTakesOldAnswers,
    ),
)
