"""Three-phase commit, the roles: coordinator and participant, and what they tell each other."""

from __future__ import annotations

import enum

from quorate.kernel import Context, Map, Message, NodeId, Stable
from quorate.properties.commit import Began, Outcome
from quorate.protocols import two_phase_commit
from quorate.protocols.two_phase_commit import (
    INQUIRE_MS,
    NEWS,
    Abort,
    Commit,
    Inquire,
    Prepare,
    Prepared,
)

ACKS_MS = (500, 500)
COLLECT_MS = (200, 200)
SUSPECT_MS = 2_000


class Standing(enum.Enum):
    """How far a participant has come."""

    WORKING = "working"
    UNCERTAIN = "uncertain"
    PRECOMMITTED = "precommitted"
    COMMITTED = "committed"
    ABORTED = "aborted"


class PreCommit(Message, frozen=True):
    pass


class Ack(Message, frozen=True):
    pass


class Ask(Message, frozen=True):
    pass


class State(Message, frozen=True):
    standing: Standing


class Returned(Message, frozen=True):
    standing: Standing


Msg = Prepare | Prepared | PreCommit | Ack | Commit | Abort | Inquire | Ask | State | Returned


class Coordinator(two_phase_commit.Coordinator):
    """Decides as in two-phase commit, but tells all that it will before it commits."""

    precommits: Stable[bool] = False
    acks: frozenset[NodeId] = frozenset()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if self.precommits and self.outcome is None:
            ctx.output(Began(self.participants))
            return self.inquire(ctx)  # they may have committed without it, or aborted
        two_phase_commit.Coordinator.on_start(self, ctx, recovered)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "abort":
            return self.decide(ctx, Outcome.ABORTED)
        if timer == "commit":
            self.precommits = True
            ctx.cancel_timer("abort")
            ctx.broadcast(self.participants, PreCommit())
            ctx.set_timer("acks", ACKS_MS)
        elif self.acks:  # who has not acknowledged has failed
            self.decide(ctx, Outcome.COMMITTED)
        else:
            self.inquire(ctx)  # all have failed, and may abort when they are back

    def on_ack(self, ctx: Context, src: NodeId, m: Ack) -> None:
        self.acks |= {src}
        if self.acks == self.participants and self.outcome is None:
            self.decide(ctx, Outcome.COMMITTED)

    def on_inquire(self, ctx: Context, src: NodeId, m: Inquire) -> None:
        if self.outcome is None:
            return ctx.ignore("not decided yet")
        ctx.send(src, NEWS[self.outcome])

    def inquire(self, ctx: Context) -> None:
        ctx.broadcast(self.participants, Inquire())
        ctx.set_timer("inquire", INQUIRE_MS)

    def on_commit(self, ctx: Context, src: NodeId, m: Commit) -> None:
        if self.outcome is None:
            self.decide(ctx, Outcome.COMMITTED)

    def decide(self, ctx: Context, outcome: Outcome) -> None:
        ctx.cancel_timer("acks")
        ctx.cancel_timer("inquire")
        two_phase_commit.Coordinator.decide(self, ctx, outcome)


class Participant(two_phase_commit.Participant, kw_only=True):
    """As in two-phase commit; when it hears nothing, it takes over in order of succession."""

    succession: tuple[NodeId, ...]
    asks: bool = True
    takes_over: bool = True
    precommitted: Stable[bool] = False
    concluded: Stable[Outcome | None] = None  # what it has decided for all
    states: Map[NodeId, Standing] = Map()
    unacknowledged: frozenset[NodeId] | None = None
    returned: Map[NodeId, Standing] = Map()  # once it has been gone, all who have

    @property
    def others(self) -> tuple[NodeId, ...]:
        return tuple(node for node in self.succession if node != self.me)

    @property
    def standing(self) -> Standing:
        if self.outcome is not None:
            return Standing(self.outcome.value)
        prepared = Standing.UNCERTAIN if self.prepared else Standing.WORKING
        return Standing.PRECOMMITTED if self.precommitted else prepared

    def wait(self, ctx: Context) -> None:
        """Whoever comes before this one in the order has the time to take over, and to finish."""
        patience = SUSPECT_MS * (1 + self.succession.index(self.me))
        if self.returned:
            ctx.set_timer("inquire", INQUIRE_MS)
        elif self.takes_over:
            ctx.set_timer("suspect", (patience, patience))

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "suspect":
            self.states = Map({self.me: self.standing})
            ctx.broadcast(self.others if self.asks else (), Ask())
            ctx.set_timer("collect", COLLECT_MS)
        elif timer == "collect":
            self.conclude(ctx)
        else:
            two_phase_commit.Participant.on_timer(self, ctx, timer)

    def on_pre_commit(self, ctx: Context, src: NodeId, m: PreCommit) -> None:
        if self.outcome is not None:
            return ctx.ignore("already ended")
        if self.returned:
            return ctx.ignore("others may count on how it stood")
        self.precommitted = True
        ctx.send(src, Ack())
        self.wait(ctx)

    # Termination: this participant takes over.

    def on_ask(self, ctx: Context, src: NodeId, m: Ask) -> None:
        if self.returned and self.outcome is None:
            return ctx.ignore("others may have ended without it")
        ctx.send(src, State(self.standing))
        if self.prepared and self.outcome is None:
            self.wait(ctx)

    def on_state(self, ctx: Context, src: NodeId, m: State) -> None:
        if not self.states or self.unacknowledged is not None or self.outcome is not None:
            return ctx.ignore("not asking")
        self.states = self.states.put(src, m.standing)
        if len(self.states) == len(self.succession):
            self.conclude(ctx)

    def conclude(self, ctx: Context) -> None:
        """All who still run have answered, or had the time to."""
        stand = {standing for _, standing in self.states.items()}
        if self.unacknowledged is not None or Standing.COMMITTED in stand:
            self.finish(ctx, Outcome.COMMITTED)
        elif stand & {Standing.ABORTED, Standing.WORKING}:
            self.finish(ctx, Outcome.ABORTED)
        elif Standing.PRECOMMITTED in stand:
            # Those who are uncertain must know first, lest the next one to take over aborts.
            self.precommitted = True
            self.unacknowledged = frozenset(
                node
                for node, standing in self.states.items()
                if node != self.me and standing is Standing.UNCERTAIN
            )
            ctx.broadcast(self.unacknowledged, PreCommit())
            ctx.set_timer("collect", COLLECT_MS)
        else:
            self.finish(ctx, Outcome.ABORTED)

    def on_ack(self, ctx: Context, src: NodeId, m: Ack) -> None:
        if not self.unacknowledged or self.outcome is not None:
            return ctx.ignore("not asking")
        self.unacknowledged -= {src}
        if not self.unacknowledged:
            self.finish(ctx, Outcome.COMMITTED)

    def finish(self, ctx: Context, outcome: Outcome) -> None:
        self.concluded = outcome
        self.end(ctx, outcome)
        ctx.broadcast(self.others, NEWS[outcome])

    def end(self, ctx: Context, outcome: Outcome) -> None:
        two_phase_commit.Participant.end(self, ctx, outcome)
        ctx.cancel_timer("suspect")
        ctx.cancel_timer("collect")

    # Recovery: this participant has been gone.

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if self.concluded is not None:
            return self.finish(ctx, self.concluded)  # again: it may not have left before the crash
        if self.prepared:
            self.returned = Map({self.me: self.standing})
        two_phase_commit.Participant.on_start(self, ctx, recovered)
        self.conclude_together(ctx)

    def inquire(self, ctx: Context) -> None:
        ctx.broadcast(self.others, Returned(self.standing))
        two_phase_commit.Participant.inquire(self, ctx)

    def on_inquire(self, ctx: Context, src: NodeId, m: Inquire) -> None:
        if self.outcome is None:
            return ctx.ignore("not ended yet")
        ctx.send(src, NEWS[self.outcome])

    def on_returned(self, ctx: Context, src: NodeId, m: Returned) -> None:
        """Whoever has been gone takes no part, until there is nobody who has not."""
        if self.outcome is not None:
            return ctx.send(src, NEWS[self.outcome])
        if not self.returned:
            return ctx.ignore("it will be told")
        self.returned = self.returned.put(src, m.standing)
        self.conclude_together(ctx)

    def conclude_together(self, ctx: Context) -> None:
        """Once all have been gone, what they logged is all that there is to know."""
        if len(self.returned) == len(self.succession):
            stand = {standing for _, standing in self.returned.items()}
            precommitted = Standing.PRECOMMITTED in stand
            self.finish(ctx, Outcome.COMMITTED if precommitted else Outcome.ABORTED)
