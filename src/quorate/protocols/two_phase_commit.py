"""Two-phase commit: commit a transaction at every participant, or abort it at every one.

Problem      the participants end one transaction in the same way
Source       Gray and Lamport, Consensus on Transaction Commit, TODS 31(1) 2006, section 3;
             recovery as in Mohan, Lindsay and Obermarck, R*, TODS 11(4) 1986 (presumed abort)
Model        asynchronous; crash-recovery; links lose, duplicate and reorder
Quorum       all participants
Roles
  Coordinator  decides: commit once all are prepared, abort whenever it likes before (TM)
  Participant  works, then is prepared, then does as it is told; may abort while it works (RM)
Messages
  Prepare      coordinator → participants — now would be a good time to prepare
  Prepared     participant → coordinator — I can commit and I can abort; you decide
  Commit       coordinator → participants — the transaction is committed
  Abort        coordinator ↔ participants — it is aborted
  Inquire      participant → coordinator — I am prepared; what was decided?
Stable
  Coordinator.outcome   or a restarted coordinator would decide anew what others have done
  Participant.prepared  or a restarted participant would abort what it left to the coordinator
Guarantees   agreement, stability, unanimity, nontriviality, termination
Cost         until all participants have ended: 3·participants - 1 - 2·colocated messages, 4 -
             colocated message delays, participants + 1 forced writes, 3 write delays
Deviations   a participant that aborts says so when it is asked to prepare; one that forgets an
             outcome in a crash inquires again, so that the coordinator never forgets it
"""

from __future__ import annotations

from quorate.kernel import Actor, Context, Message, NodeId, Stable, World, placed
from quorate.properties import commit
from quorate.properties.commit import Began, Decided, Outcome
from quorate.properties.cost import Cost

AT_ONCE = (0, 0)
INQUIRE_MS = (150, 300)
COORDINATOR_WAITS_MS = (500, 1_000)
PARTICIPANT_WORKS_MS = (1_000, 2_000)


class Prepare(Message, frozen=True):
    pass


class Prepared(Message, frozen=True):
    pass


class Commit(Message, frozen=True):
    pass


class Abort(Message, frozen=True):
    pass


class Inquire(Message, frozen=True):
    pass


Msg = Prepare | Prepared | Commit | Abort | Inquire
NEWS = {Outcome.COMMITTED: Commit(), Outcome.ABORTED: Abort()}


class Coordinator(Actor):
    """Decides. `asked` are the participants that wait for Prepare before they prepare."""

    participants: frozenset[NodeId]
    asked: frozenset[NodeId] = frozenset()
    prepared: frozenset[NodeId] = frozenset()
    outcome: Stable[Outcome | None] = None

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.output(Began(self.participants))
        if self.outcome is not None:
            self.tell(ctx, self.outcome)  # again, since it may not have left before the crash
        elif recovered:
            self.decide(ctx, Outcome.ABORTED)  # presumed, since nothing is on record
        else:
            ctx.set_timer("abort", COORDINATOR_WAITS_MS)

    def on_prepared(self, ctx: Context, src: NodeId, m: Prepared) -> None:
        if self.outcome is not None:
            return ctx.ignore("already decided")
        self.prepared |= {src}
        if src not in self.asked:
            ctx.broadcast(self.asked - self.prepared, Prepare())
        if self.prepared == self.participants:
            ctx.set_timer("commit", AT_ONCE)

    def on_abort(self, ctx: Context, src: NodeId, m: Abort) -> None:
        if self.outcome is not None:
            return ctx.ignore("already decided")
        self.decide(ctx, Outcome.ABORTED)

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.decide(ctx, Outcome.COMMITTED if timer == "commit" else Outcome.ABORTED)

    def decide(self, ctx: Context, outcome: Outcome) -> None:
        self.outcome = outcome
        ctx.cancel_timer("abort")
        ctx.cancel_timer("commit")
        self.tell(ctx, outcome)

    def tell(self, ctx: Context, outcome: Outcome) -> None:
        ctx.output(Decided(outcome))
        ctx.broadcast(self.participants, NEWS[outcome])

    def on_inquire(self, ctx: Context, src: NodeId, m: Inquire) -> None:
        if self.outcome is None:
            return self.on_prepared(ctx, src, Prepared())
        ctx.send(src, NEWS[self.outcome])


class Participant(Actor):
    """Works until it aborts or is prepared, which it `begins` by itself or when it is asked to."""

    coordinator: NodeId
    begins: bool = True
    inquires: bool = False
    prepared: Stable[bool] = False
    outcome: Outcome | None = None

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if self.prepared:
            ctx.output(commit.Prepared())
            self.inquire(ctx)
        elif recovered:
            self.abort(ctx)  # its work is lost
        else:
            ctx.set_timer("abort", PARTICIPANT_WORKS_MS)
            if self.begins:
                ctx.set_timer("prepare", AT_ONCE)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "prepare":
            self.prepare(ctx)
        elif timer == "inquire":
            self.inquire(ctx)
        else:
            self.abort(ctx)

    def on_prepare(self, ctx: Context, src: NodeId, m: Prepare) -> None:
        if self.prepared:
            return ctx.ignore("already prepared")
        if self.outcome is not None:
            return ctx.send(src, Abort())
        self.prepare(ctx)

    def prepare(self, ctx: Context) -> None:
        self.prepared = True
        ctx.cancel_timer("abort")
        ctx.output(commit.Prepared())
        self.vote(ctx)
        self.wait(ctx)

    def vote(self, ctx: Context) -> None:
        ctx.send(self.coordinator, Prepared())

    def abort(self, ctx: Context) -> None:
        self.end(ctx, Outcome.ABORTED)

    def inquire(self, ctx: Context) -> None:
        ctx.send(self.coordinator, Inquire())
        self.wait(ctx)

    def wait(self, ctx: Context) -> None:
        if self.inquires:
            ctx.set_timer("inquire", INQUIRE_MS)

    def on_commit(self, ctx: Context, src: NodeId, m: Commit) -> None:
        self.end(ctx, Outcome.COMMITTED)

    def on_abort(self, ctx: Context, src: NodeId, m: Abort) -> None:
        self.end(ctx, Outcome.ABORTED)

    def end(self, ctx: Context, outcome: Outcome) -> None:
        if outcome is self.outcome:
            return ctx.ignore("already ended")
        self.outcome = outcome
        for timer in ("inquire",) if self.prepared else ("abort", "prepare"):
            ctx.cancel_timer(timer)
        ctx.output(Decided(outcome))


PROPERTIES = commit.CONDITIONS


def beside(role: NodeId) -> NodeId:
    """The node of each role, where the coordinator is on that of the first participant."""
    return "n1" if role in ("tm", "rm1") else role


def world(
    participants: int = 3,
    crashes: int = 0,
    inquires: bool = True,
    spontaneous: bool = False,
    colocated: bool = False,
) -> World:
    """Coordinator tm, and participants rm1…, of which the first prepares without being asked.

    `inquires`: a prepared participant inquires again and again, since messages may be lost.
    `spontaneous`: all prepare without being asked; `colocated`: tm is on the node of rm1.
    """
    names = tuple(f"rm{i}" for i in range(1, participants + 1))
    asked = frozenset() if spontaneous else frozenset(names[1:])
    alike = names if spontaneous and not colocated else names[1:]
    works = (Participant(name, "tm", name not in asked, inquires) for name in names)
    roles: tuple[Actor, ...] = (Coordinator("tm", frozenset(names), asked), *works)
    return World(
        processes=placed(roles, beside) if colocated else roles,
        properties=PROPERTIES,
        crashes=crashes,
        symmetry=(tuple((name,) for name in alike),),
    )


def small(participants: int = 2, crashes: int = 1) -> World:
    """Messages stay for ever, so that nobody inquires twice: it can be explored to its end."""
    return world(participants, crashes, inquires=False)


def tla(participants: int = 3) -> World:
    """As the paper's appendix specifies it: all prepare by themselves, and nothing crashes."""
    return world(participants, inquires=False, spontaneous=True)


def blocking(participants: int = 2) -> World:
    """The coordinator may stop for good, and does so at the worst moment."""
    return World(
        processes=tla(participants).processes,
        properties=(*PROPERTIES, commit.nonblocking),
        crashes=1,
        crashable=frozenset({"tm"}),
    )


def cost(participants: int, colocated: bool) -> Cost:
    """until all participants have ended"""
    return Cost(
        messages=3 * participants - 1 - 2 * colocated,
        delays=4 - colocated,
        forced_writes=participants + 1,
        write_delays=3,
        spontaneous_write_delays=2,
    )


WORLDS = {"main": world, "small": small, "tla": tla, "blocking": blocking}
QUIET: dict[str, object] = {}
