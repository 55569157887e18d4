"""Presumed abort: two-phase commit whose coordinator forgets, and takes what it forgot for aborted.

Problem      as in two-phase commit; and nobody keeps a record of the transaction for ever
Source       Mohan, Lindsay and Obermarck, Transaction Management in R*, TODS 11(4) 1986, section 3
Model        asynchronous; crash-recovery; links lose, duplicate and reorder; a coordinator that
             stops between Prepared and Commit blocks every prepared participant
Quorum       all participants
Roles
  Coordinator  as in two-phase commit; forgets a commit once all have it on record, an abort at once
  Participant  as in two-phase commit; if it only `reads`, it is let go when it is asked to prepare
Messages
  Prepare      coordinator → participants — now would be a good time to prepare
  Prepared     participant → coordinator — I can commit and I can abort; you decide
  Read         participant → coordinator — I have changed nothing; it is all the same to me
  Commit       coordinator → participants — the transaction is committed
  Abort        coordinator ↔ participants — it is aborted
  Ack          participant → coordinator — I have it on record, and shall not ask
  Inquire      participant → coordinator — I am prepared; what was decided?
Stable
  Coordinator.owing     or a restarted coordinator would presume that what committed was aborted
  Coordinator.ended     unforced: if it is lost, all are told once more
  Participant.prepared  or a restarted participant would abort what it left to the coordinator
  Participant.ended     or it would ask a coordinator that has forgotten, since it said so, a commit
Guarantees   agreement, stability, unanimity, nontriviality, termination, forgetting
Cost         until the coordinator forgets: 4·participants - 2·readers - 1 messages, 5 message
             delays, 2·(participants - readers) + 1 forced writes, 4 if readers < participants - 1
             else 3 write delays
Deviations   the first participant prepares unasked; an abort is not written even unforced
"""

from __future__ import annotations

from typing import ClassVar

from quorate.kernel import Context, Lazy, Message, NodeId, Stable, UsageError, World
from quorate.properties.commit import Began, Decided, Forgotten, Outcome, Released, forgetting
from quorate.properties.cost import Cost
from quorate.protocols import two_phase_commit
from quorate.protocols.two_phase_commit import NEWS, Abort, Commit, Inquire, Prepare, Prepared

AGAIN_MS = (300, 600)
OTHER = {Outcome.ABORTED: Outcome.COMMITTED, Outcome.COMMITTED: Outcome.ABORTED}


class Read(Message, frozen=True):
    pass


class Ack(Message, frozen=True):
    pass


Msg = Prepare | Prepared | Read | Commit | Abort | Ack | Inquire


class Coordinator(two_phase_commit.Coordinator):
    """Forgets. `owing` is the record of a commit: who has to be told, and has to acknowledge it."""

    presumed: ClassVar[Outcome] = Outcome.ABORTED
    outcome: Outcome | None = None
    owing: Stable[frozenset[NodeId]] = frozenset()
    ended: Lazy[bool] = False
    readers: frozenset[NodeId] = frozenset()
    acks: frozenset[NodeId] = frozenset()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if not recovered:
            return two_phase_commit.Coordinator.on_start(self, ctx, recovered)
        ctx.output(Began(self.participants))
        if self.owing and not self.ended:
            self.decide(ctx, OTHER[self.presumed])  # again, since it may not have left
        else:
            self.forget(ctx)

    def on_read(self, ctx: Context, src: NodeId, m: Read) -> None:
        if self.outcome is None:
            self.readers |= {src}
        self.on_prepared(ctx, src, Prepared())

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer != "again":
            return two_phase_commit.Coordinator.on_timer(self, ctx, timer)
        assert self.outcome is not None
        ctx.broadcast(self.owing - self.readers - self.acks, NEWS[self.outcome])
        ctx.set_timer("again", AGAIN_MS)

    def decide(self, ctx: Context, outcome: Outcome) -> None:
        if outcome is not self.presumed:
            self.owing = self.owing or self.participants - self.readers
        two_phase_commit.Coordinator.decide(self, ctx, outcome)
        ctx.set_timer("again", AGAIN_MS)
        self.settle(ctx)

    def tell(self, ctx: Context, outcome: Outcome) -> None:
        ctx.output(Decided(outcome))
        ctx.broadcast((self.owing or self.participants) - self.readers, NEWS[outcome])

    def on_ack(self, ctx: Context, src: NodeId, m: Ack) -> None:
        if self.outcome is not OTHER[self.presumed]:
            return ctx.ignore("nobody has to acknowledge that")
        self.acks |= {src}
        self.settle(ctx)

    def settle(self, ctx: Context) -> None:
        if self.outcome is self.presumed or self.owing - self.readers <= self.acks:
            self.ended = bool(self.owing)
            self.forget(ctx)

    def forget(self, ctx: Context) -> None:
        self.outcome = self.presumed  # as of whatever it has no record of
        ctx.cancel_timer("again")
        ctx.output(Forgotten())


class Participant(two_phase_commit.Participant):
    """Records and acknowledges what would not be presumed. `reads`: and changes nothing."""

    presumed: ClassVar[Outcome] = Outcome.ABORTED
    reads: bool = False
    ended: Stable[bool] = False

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if not self.ended:
            return two_phase_commit.Participant.on_start(self, ctx, recovered)
        self.end(ctx, OTHER[self.presumed])

    def prepare(self, ctx: Context) -> None:
        if not self.reads:
            return two_phase_commit.Participant.prepare(self, ctx)
        ctx.cancel_timer("abort")
        ctx.output(Released(voted=True))
        ctx.send(self.coordinator, Read())

    def on_commit(self, ctx: Context, src: NodeId, m: Commit) -> None:
        self.hear(ctx, src, Outcome.COMMITTED)

    def on_abort(self, ctx: Context, src: NodeId, m: Abort) -> None:
        self.hear(ctx, src, Outcome.ABORTED)

    def hear(self, ctx: Context, src: NodeId, outcome: Outcome) -> None:
        if self.outcome is OTHER[outcome]:
            return ctx.ignore("an answer from before it ended")
        if outcome is not self.presumed:
            self.ended = True
            ctx.send(src, Ack())
        self.end(ctx, outcome)

    def end(self, ctx: Context, outcome: Outcome) -> None:
        if not self.reads:
            return two_phase_commit.Participant.end(self, ctx, outcome)
        self.outcome = outcome
        ctx.cancel_timer("abort")
        ctx.cancel_timer("prepare")
        ctx.output(Released(voted=False))


PROPERTIES = (*two_phase_commit.PROPERTIES, forgetting)


def world(participants: int = 3, readers: int = 1, crashes: int = 0) -> World:
    """Coordinator tm, and participants rm1…, of which the first prepares without being asked, and
    the last `readers` have only read."""
    if readers >= participants:
        raise UsageError(f"readers={readers}: rm1 of {participants} has changed something")
    names = tuple(f"rm{i}" for i in range(1, participants + 1))
    works = (
        Participant(name, "tm", name == "rm1", True, reads=name in names[participants - readers :])
        for name in names
    )
    return World(
        processes=(Coordinator("tm", frozenset(names), frozenset(names[1:])), *works),
        properties=PROPERTIES,
        crashes=crashes,
    )


def small(participants: int = 2, readers: int = 0, crashes: int = 1) -> World:
    """It can be explored to its end."""
    return world(participants, readers, crashes)


def cost(participants: int, readers: int) -> Cost:
    """until the coordinator forgets"""
    return Cost(
        messages=4 * participants - 2 * readers - 1,
        delays=5,
        forced_writes=2 * (participants - readers) + 1,
        write_delays=4 if readers < participants - 1 else 3,
    )


WORLDS = {"main": world, "small": small}
QUIET: dict[str, object] = {}
