"""Three-phase commit without one of its guards, where messages are neither lost nor late; or, of
those of recovery, where nobody takes over."""

from __future__ import annotations

from collections.abc import Callable

from quorate.kernel import Actor, Context, Map, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.properties.commit import Outcome
from quorate.protocols import three_phase_commit
from quorate.protocols.three_phase_commit import (
    Coordinator,
    Participant,
    PreCommit,
    Standing,
)


class CoordinatorCommitsAtOnce(Coordinator):
    def on_timer(self, ctx: Context, timer: str) -> None:
        self.decide(ctx, Outcome.COMMITTED if timer == "commit" else Outcome.ABORTED)


class ParticipantAbortsWhatIsPrecommitted(Participant):
    def conclude(self, ctx: Context) -> None:
        if Standing.COMMITTED in {standing for _, standing in self.states.items()}:
            return self.finish(ctx, Outcome.COMMITTED)
        self.finish(ctx, Outcome.ABORTED)


class ParticipantCommitsOverUncertain(Participant):
    def conclude(self, ctx: Context) -> None:
        if Standing.PRECOMMITTED in {standing for _, standing in self.states.items()}:
            return self.finish(ctx, Outcome.COMMITTED)
        Participant.conclude(self, ctx)


class ParticipantTakesOverAtOnce(Participant):
    def wait(self, ctx: Context) -> None:
        ctx.set_timer("suspect", (1, 100))


class ParticipantGivesUp(Participant):
    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "suspect":
            return self.end(ctx, Outcome.ABORTED)
        Participant.on_timer(self, ctx, timer)


class ParticipantForgetsPreCommit(Participant):
    precommitted: bool = False


class ParticipantTakesPreCommit(Participant):
    def on_pre_commit(self, ctx: Context, src: NodeId, m: PreCommit) -> None:
        returned, self.returned = self.returned, Map()
        Participant.on_pre_commit(self, ctx, src, m)
        self.returned = returned


class ParticipantWaitsForNobody(Participant):
    def conclude_together(self, ctx: Context) -> None:
        if self.returned:
            precommitted = Standing.PRECOMMITTED in dict(self.returned.items()).values()
            self.finish(ctx, Outcome.COMMITTED if precommitted else Outcome.ABORTED)


class CoordinatorForgetsPreCommit(Coordinator):
    precommits: bool = False


class CoordinatorCommitsUnacknowledged(Coordinator):
    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "acks":
            return self.decide(ctx, Outcome.COMMITTED)
        Coordinator.on_timer(self, ctx, timer)


def _swap(new: type[Actor], recovery: bool) -> Callable[..., World]:
    def small(participants: int = 2, crashes: int = 3) -> World:
        return swapped(three_phase_commit.small(participants, crashes), new)

    # More who may be uncertain make it likelier that one of them comes to lead.
    def world(participants: int = 2 + (new is ParticipantCommitsOverUncertain)) -> World:
        return swapped(three_phase_commit.world(participants), new)

    return small if recovery else world


def _mutant(name: str, breaks: str, new: type[Actor], recovery: bool = False) -> Mutant:
    return Mutant(
        name=name,
        protocol="three_phase_commit",
        breaks=breaks,
        kills="AC1 agreement",
        world=_swap(new, recovery),
        found_by="check" if recovery else "seeds",
    )


MUTANTS = (
    _mutant("commits_at_once", "a coordinator leaves out the phase", CoordinatorCommitsAtOnce),
    _mutant(
        "aborts_what_is_precommitted",
        "who takes over aborts although one was told that all will commit",
        ParticipantAbortsWhatIsPrecommitted,
    ),
    _mutant(
        "commits_over_uncertain",
        "who takes over commits before those who are uncertain know",
        ParticipantCommitsOverUncertain,
    ),
    _mutant(
        "takes_over_at_once",
        "who takes over does not wait for the bound on messages",
        ParticipantTakesOverAtOnce,
    ),
    _mutant("gives_up", "a participant that hears nothing aborts", ParticipantGivesUp),
    _mutant(
        "forgets_precommit",
        "that all will commit does not survive a participant's crash",
        ParticipantForgetsPreCommit,
        recovery=True,
    ),
    _mutant(
        "takes_precommit",
        "a participant that has been gone takes a late PreCommit",
        ParticipantTakesPreCommit,
        recovery=True,
    ),
    _mutant(
        "waits_for_nobody",
        "a participant that has been gone decides without the others",
        ParticipantWaitsForNobody,
        recovery=True,
    ),
    _mutant(
        "coordinator_forgets_precommit",
        "a coordinator that comes back aborts, whatever it has told",
        CoordinatorForgetsPreCommit,
        recovery=True,
    ),
    _mutant(
        "commits_unacknowledged",
        "a coordinator commits although nobody has acknowledged",
        CoordinatorCommitsUnacknowledged,
        recovery=True,
    ),
)
