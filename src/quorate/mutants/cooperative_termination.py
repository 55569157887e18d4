"""Cooperative termination without one of its guards."""

from __future__ import annotations

from quorate.kernel import Actor, Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.protocols.cooperative_termination import Abort, Inquire, Participant, small


class ParticipantKeepsSilent(Participant):
    def on_inquire(self, ctx: Context, src: NodeId, m: Inquire) -> None:
        if self.outcome is not None:
            return ctx.ignore("let the coordinator tell")
        Participant.on_inquire(self, ctx, src, m)


class ParticipantAbortsWhatIsPrepared(Participant):
    def on_inquire(self, ctx: Context, src: NodeId, m: Inquire) -> None:
        if self.outcome is None:
            self.abort(ctx)
        Participant.on_inquire(self, ctx, src, m)


class ParticipantVotesAfterAll(Participant):
    def on_inquire(self, ctx: Context, src: NodeId, m: Inquire) -> None:
        if self.outcome is None and not self.prepared:
            return ctx.send(src, Abort())
        Participant.on_inquire(self, ctx, src, m)


def _mutant(name: str, breaks: str, kills: str, new: type[Actor]) -> Mutant:
    def world(participants: int = 2) -> World:
        return swapped(small(participants), new)

    return Mutant(
        name=name, protocol="cooperative_termination", breaks=breaks, kills=kills, world=world
    )


MUTANTS = (
    _mutant(
        "keeps_silent",
        "a participant that knows does not tell another one that asks",
        "no participant waits for what another knows",
        ParticipantKeepsSilent,
    ),
    _mutant(
        "aborts_what_is_prepared",
        "a participant that is asked aborts although it has voted",
        "AC1 agreement",
        ParticipantAbortsWhatIsPrepared,
    ),
    _mutant(
        "votes_after_all",
        "a participant that has told another one to abort still votes",
        "AC1 agreement",
        ParticipantVotesAfterAll,
    ),
)
