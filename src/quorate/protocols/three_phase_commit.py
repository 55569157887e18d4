"""Three-phase commit: commit or abort everywhere, and never wait for who has stopped.

Problem      the participants end one transaction in the same way, even if a coordinator is lost
Source       Skeen, Nonblocking Commit Protocols, SIGMOD 1981; termination rules: Bernstein,
             Hadzilacos and Goodman, Concurrency Control and Recovery, 1987, section 7.5
Model        synchronous: no message is lost or late; any number of nodes may stop, for good
Quorum       all participants to commit; all who have not failed to end without the coordinator
Roles
  Coordinator  decides as in two-phase commit, but tells all that it will before it commits
  Participant  as in two-phase commit; when it hears nothing, it takes over in order of succession
Messages
  Prepare      coordinator → participants — now would be a good time to prepare
  Prepared     participant → coordinator — I can commit and I can abort; you decide
  PreCommit    coordinator, participant → participants — all are prepared; I shall commit
  Ack          participant → coordinator, participant — I know that
  Commit       coordinator, participant → participants — the transaction is committed
  Abort        coordinator, participant ↔ participants — it is aborted
  Inquire      participant → coordinator — not sent
  Ask          participant → participants — I take over; how do you stand?
  State        participant → participant — like this
Stable
  Coordinator.outcome       as in two-phase commit; nobody reads it while nodes do not return
  Coordinator.precommits    what it has told, likewise
  Participant.prepared      likewise
  Participant.precommitted  likewise
Guarantees   agreement, stability, unanimity, nontriviality, termination
Cost         until all participants have ended: 5·participants - 1 - 4·colocated messages, 6 -
             colocated message delays, 2·participants + 2 forced writes, 5 write delays
Deviations   one coordinator for each rank; no recovery from a total failure; no promise needs Ack
"""

from __future__ import annotations

import enum

from quorate.kernel import Actor, Context, Map, Message, Network, NodeId, Stable, World, placed
from quorate.properties.commit import Outcome
from quorate.properties.cost import Cost
from quorate.protocols import two_phase_commit
from quorate.protocols.two_phase_commit import NEWS, Abort, Commit, Inquire, Prepare, Prepared

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


Msg = Prepare | Prepared | PreCommit | Ack | Commit | Abort | Inquire | Ask | State


class Coordinator(two_phase_commit.Coordinator):
    """Decides as in two-phase commit, but tells all that it will before it commits."""

    precommits: Stable[bool] = False
    acks: frozenset[NodeId] = frozenset()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if not recovered:
            two_phase_commit.Coordinator.on_start(self, ctx, recovered)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer != "commit":
            return self.decide(ctx, Outcome.COMMITTED if self.precommits else Outcome.ABORTED)
        self.precommits = True
        ctx.cancel_timer("abort")
        ctx.broadcast(self.participants, PreCommit())
        ctx.set_timer("acks", ACKS_MS)

    def on_ack(self, ctx: Context, src: NodeId, m: Ack) -> None:
        self.acks |= {src}
        if self.acks == self.participants and self.outcome is None:
            self.decide(ctx, Outcome.COMMITTED)

    def decide(self, ctx: Context, outcome: Outcome) -> None:
        ctx.cancel_timer("acks")
        two_phase_commit.Coordinator.decide(self, ctx, outcome)


class Participant(two_phase_commit.Participant, kw_only=True):
    """As in two-phase commit; when it hears nothing, it takes over in order of succession."""

    succession: tuple[NodeId, ...]
    asks: bool = True
    precommitted: Stable[bool] = False
    states: Map[NodeId, Standing] = Map()
    unacknowledged: frozenset[NodeId] | None = None

    @property
    def others(self) -> tuple[NodeId, ...]:
        return tuple(node for node in self.succession if node != self.me)

    @property
    def standing(self) -> Standing:
        if self.outcome is not None:
            return Standing(self.outcome.value)
        prepared = Standing.UNCERTAIN if self.prepared else Standing.WORKING
        return Standing.PRECOMMITTED if self.precommitted else prepared

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if not recovered:
            two_phase_commit.Participant.on_start(self, ctx, recovered)

    def wait(self, ctx: Context) -> None:
        """Whoever comes before this one in the order has the time to take over, and to finish."""
        patience = SUSPECT_MS * (1 + self.succession.index(self.me))
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
        self.precommitted = True
        ctx.send(src, Ack())
        self.wait(ctx)

    # Termination: this participant takes over.

    def on_ask(self, ctx: Context, src: NodeId, m: Ask) -> None:
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
        self.end(ctx, outcome)
        ctx.broadcast(self.others, NEWS[outcome])

    def end(self, ctx: Context, outcome: Outcome) -> None:
        two_phase_commit.Participant.end(self, ctx, outcome)
        ctx.cancel_timer("suspect")
        ctx.cancel_timer("collect")


PROPERTIES = two_phase_commit.PROPERTIES


def world(
    participants: int = 3,
    asks: bool = True,
    spontaneous: bool = False,
    colocated: bool = False,
) -> World:
    """Coordinator tm, and participants rm1…, of which the first prepares without being asked.

    `asks`: who hears nothing asks the others, or else goes by its own standing alone.
    `spontaneous`: all prepare without being asked; `colocated`: tm is on the node of rm1.
    """
    names = tuple(f"rm{i}" for i in range(1, participants + 1))
    first = names if spontaneous else names[:1]
    works = (Participant(rm, "tm", rm in first, succession=names, asks=asks) for rm in names)
    asked = frozenset(names) - frozenset(first)
    roles: tuple[Actor, ...] = (Coordinator("tm", frozenset(names), asked), *works)
    return World(
        processes=placed(roles, two_phase_commit.beside) if colocated else roles,
        properties=PROPERTIES,
        synchronous=True,
    )


def asynchronous(participants: int = 2, crashes: int = 0, asks: bool = True) -> World:
    """Where a time-out may come while a message is still under way: it disagrees.

    Its links lose nothing; `--network set` lets them lose and delay what they like.
    """
    base = world(participants, asks)
    return World(
        processes=base.processes, properties=PROPERTIES, network=Network.FIFO, crashes=crashes
    )


def cost(participants: int, colocated: bool) -> Cost:
    """until all participants have ended"""
    return Cost(
        messages=5 * participants - 1 - 4 * colocated,
        delays=6 - colocated,
        forced_writes=2 * participants + 2,
        write_delays=5,
        spontaneous_write_delays=4,
    )


WORLDS = {"main": world, "asynchronous": asynchronous}
QUIET: dict[str, object] = {}
