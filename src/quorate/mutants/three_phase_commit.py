"""Three-phase commit without one of its guards, where messages are neither lost nor late."""

from __future__ import annotations

from collections.abc import Callable

from quorate.kernel import Actor, Context, World
from quorate.mutants import Mutant, swapped
from quorate.properties.commit import Outcome
from quorate.protocols import three_phase_commit
from quorate.protocols.three_phase_commit import Coordinator, Participant, Standing


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


def _swap(new: type[Actor]) -> Callable[..., World]:
    def world(participants: int = 3) -> World:
        return swapped(three_phase_commit.world(participants), new)

    return world


def _mutant(name: str, breaks: str, new: type[Actor]) -> Mutant:
    return Mutant(
        name=name,
        protocol="three_phase_commit",
        breaks=breaks,
        kills="AC1 agreement",
        world=_swap(new),
        found_by="seeds",
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
)
