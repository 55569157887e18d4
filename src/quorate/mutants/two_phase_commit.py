"""Two-phase commit without one of its guards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from quorate.kernel import Actor, Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.properties.commit import Outcome
from quorate.protocols.two_phase_commit import (
    AT_ONCE,
    Coordinator,
    Inquire,
    Participant,
    Prepare,
    Prepared,
    small,
    world,
)


class CoordinatorForgets(Coordinator):
    outcome: Outcome | None = None


class CoordinatorPresumesCommit(Coordinator):
    def on_start(self, ctx: Context, recovered: bool) -> None:
        if recovered and self.outcome is None:
            return self.decide(ctx, Outcome.COMMITTED)
        Coordinator.on_start(self, ctx, recovered)


class CoordinatorDoesNotWait(Coordinator):
    def on_prepared(self, ctx: Context, src: NodeId, m: Prepared) -> None:
        Coordinator.on_prepared(self, ctx, src, m)
        if self.outcome is None:
            ctx.set_timer("commit", AT_ONCE)


class CoordinatorCountsTwice(Coordinator):
    count: int = 0

    def on_prepared(self, ctx: Context, src: NodeId, m: Prepared) -> None:
        Coordinator.on_prepared(self, ctx, src, m)
        if self.outcome is None:
            self.count += 1
            if self.count == len(self.participants):
                ctx.set_timer("commit", AT_ONCE)


class CoordinatorChangesItsMind(Coordinator):
    def decide(self, ctx: Context, outcome: Outcome) -> None:
        Coordinator.decide(self, ctx, outcome)
        if outcome is Outcome.COMMITTED:
            ctx.set_timer("abort", AT_ONCE)  # the time-out was never called off


class CoordinatorAlwaysAborts(Coordinator):
    def decide(self, ctx: Context, outcome: Outcome) -> None:
        Coordinator.decide(self, ctx, Outcome.ABORTED)


class CoordinatorDoesNotAnswer(Coordinator):
    def on_inquire(self, ctx: Context, src: NodeId, m: Inquire) -> None:
        if self.outcome is None:
            return Coordinator.on_inquire(self, ctx, src, m)
        ctx.ignore("already told")


class ParticipantForgets(Participant):
    prepared: bool = False


class ParticipantWorksOn(Participant):
    def on_start(self, ctx: Context, recovered: bool) -> None:
        Participant.on_start(self, ctx, recovered and self.prepared)


class ParticipantGivesUp(Participant):
    def inquire(self, ctx: Context) -> None:
        self.end(ctx, Outcome.ABORTED)


class ParticipantPreparesAfterAll(Participant):
    def on_prepare(self, ctx: Context, src: NodeId, m: Prepare) -> None:
        if not self.prepared:
            self.prepare(ctx)


def _swap(base: Callable[..., World], new: type[Actor]) -> Callable[..., World]:
    """A world of the protocol with one role replaced."""

    def world(participants: int = 2) -> World:
        return swapped(base(participants), new)

    return world


def _mutant(
    name: str,
    breaks: str,
    kills: str,
    new: type[Actor],
    base: Callable[..., World] = small,
    found_by: Literal["check", "seeds"] = "check",
) -> Mutant:
    return Mutant(
        name=name,
        protocol="two_phase_commit",
        breaks=breaks,
        kills=kills,
        world=_swap(base, new),
        found_by=found_by,
    )


MUTANTS = (
    _mutant(
        "coordinator_forgets",
        "the coordinator's decision does not survive a crash",
        "AC2 stability",
        CoordinatorForgets,
    ),
    _mutant(
        "presumes_commit",
        "a coordinator with nothing on record commits",
        "AC3 unanimity",
        CoordinatorPresumesCommit,
    ),
    _mutant(
        "does_not_wait",
        "a coordinator commits once one participant is prepared",
        "AC3 unanimity",
        CoordinatorDoesNotWait,
    ),
    _mutant(
        "counts_twice",
        "a coordinator counts messages, not participants",
        "AC3 unanimity",
        CoordinatorCountsTwice,
    ),
    _mutant(
        "changes_its_mind",
        "a coordinator's time-out runs on after it has committed",
        "AC2 stability",
        CoordinatorChangesItsMind,
    ),
    _mutant(
        "always_aborts",
        "a coordinator aborts even when all are prepared",
        "AC4 commit is reachable",
        CoordinatorAlwaysAborts,
    ),
    _mutant(
        "does_not_answer",
        "a coordinator tells its decision once only",
        "AC5 termination",
        CoordinatorDoesNotAnswer,
        world,
        "seeds",
    ),
    _mutant(
        "participant_forgets",
        "a participant that was prepared aborts after a crash",
        "AC1 agreement",
        ParticipantForgets,
    ),
    _mutant(
        "works_on",
        "a participant that lost its work in a crash prepares all the same",
        "AC1 agreement",
        ParticipantWorksOn,
    ),
    _mutant(
        "prepares_after_all",
        "a participant that has aborted prepares when it is asked to",
        "AC1 agreement",
        ParticipantPreparesAfterAll,
    ),
    _mutant(
        "gives_up",
        "a prepared participant that hears nothing aborts",
        "AC1 agreement",
        ParticipantGivesUp,
        world,
    ),
)
