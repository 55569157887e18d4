"""Quorum register: read and write one value kept by many, any quorum of which will do.

Problem      clients share a register that is to outlive some of the nodes that keep it
Source       Attiya, Bar-Noy and Dolev, Sharing Memory Robustly in Message-Passing Systems,
             JACM 42(1) 1995, section 3; several writers: Lynch and Shvartsman, FTCS 1997;
             quorums of votes: Gifford, Weighted Voting for Replicated Data, SOSP 1979
Model        asynchronous; replicas crash and recover; links lose, duplicate and reorder
Quorum       any number for queries and any for stores that together are more than all, or as many
             votes; here, majorities
Roles
  Client     asks a quorum for the latest version, and has a quorum store one before it returns
  Replica    keeps the latest version that it has been told of
Messages
  Query      client → replicas — what have you?
  Latest     replica → client — this value, of this version
  Store      client → replicas — keep this value, unless yours is later
  Stored     replica → client — I have this version, or a later one
Stable
  Replica.version  or a write that a quorum had stored could be gone
  Replica.value    with its version
Guarantees   atomic, seen, finished
Cost         until an operation, of either kind, returns: 4·replicas messages, 4 message delays,
             replicas forced writes, 1 write delay
Deviations   clients do not crash; an operation is numbered, since answers may come twice, or late;
             it is repeated until a quorum has answered. Gifford locks what is read, where a read
             here has it stored; two quorums for stores need not meet, since a write asks first
"""

from __future__ import annotations

import enum

from quorate.kernel import (
    Actor,
    Context,
    Message,
    NodeId,
    QuorumSystem,
    Stable,
    UsageError,
    Weighted,
    World,
)
from quorate.properties.cost import Cost
from quorate.properties.linearizable import Called, History, Returned
from quorate.properties.register import atomic, finished, seen

PAUSE_MS = (0, 300)
REPEAT_MS = (80, 120)

Version = tuple[int, NodeId]
UNWRITTEN: Version = (0, "")


class Query(Message, frozen=True):
    number: int


class Latest(Message, frozen=True):
    number: int
    version: Version
    value: str | None


class Store(Message, frozen=True):
    number: int
    version: Version
    value: str | None


class Stored(Message, frozen=True):
    number: int


Msg = Query | Latest | Store | Stored


class Phase(enum.Enum):
    """What a client is waiting for."""

    IDLE = "idle"
    QUERY = "query"
    STORE = "store"


class Client(Actor):
    """Asks a quorum for the latest version, and has a quorum store one before it returns."""

    reading: QuorumSystem
    writing: QuorumSystem
    writes: bool
    calls: int
    number: int = 0
    phase: Phase = Phase.IDLE
    heard: frozenset[NodeId] = frozenset()
    version: Version = UNWRITTEN
    value: str | None = None

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("call", PAUSE_MS)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "call":
            self.call(ctx)
        else:
            self.ask(ctx)

    def call(self, ctx: Context) -> None:
        self.number += 1
        written = f"{self.me}.{self.number}" if self.writes else None
        ctx.output(Called("write", written) if self.writes else Called("read"))
        self.version, self.value = UNWRITTEN, None
        self.begin(ctx, Phase.QUERY)

    def begin(self, ctx: Context, phase: Phase) -> None:
        self.phase, self.heard = phase, frozenset()
        self.ask(ctx)

    def ask(self, ctx: Context) -> None:
        """Ask whoever has not answered in this phase."""
        query, store = Query(self.number), Store(self.number, self.version, self.value)
        silent = [node for node in self.reading.nodes if node not in self.heard]
        ctx.broadcast(silent, query if self.phase is Phase.QUERY else store)
        ctx.set_timer("repeat", REPEAT_MS)

    def on_latest(self, ctx: Context, src: NodeId, m: Latest) -> None:
        if self.phase is not Phase.QUERY or m.number != self.number:
            return ctx.ignore("not the open query")
        self.heard |= {src}
        if m.version > self.version:
            self.version, self.value = m.version, m.value
        if self.reading.won(self.heard):
            if self.writes:
                self.version = (self.version[0] + 1, self.me)
                self.value = f"{self.me}.{self.number}"
            self.begin(ctx, Phase.STORE)  # a read, too: whoever reads later must not read less

    def on_stored(self, ctx: Context, src: NodeId, m: Stored) -> None:
        if self.phase is not Phase.STORE or m.number != self.number:
            return ctx.ignore("not the open store")
        self.heard |= {src}
        if self.writing.won(self.heard):
            self.end(ctx)

    def end(self, ctx: Context) -> None:
        self.phase = Phase.IDLE
        ctx.output(Returned(None if self.writes else self.value))
        ctx.cancel_timer("repeat")
        if self.number < self.calls:
            ctx.set_timer("call", PAUSE_MS)


class Replica(Actor):
    """Keeps the latest version that it has been told of."""

    version: Stable[Version] = UNWRITTEN
    value: Stable[str | None] = None

    def on_query(self, ctx: Context, src: NodeId, m: Query) -> None:
        ctx.send(src, Latest(m.number, self.version, self.value))

    def on_store(self, ctx: Context, src: NodeId, m: Store) -> None:
        if m.version > self.version:
            self.version, self.value = m.version, m.value
        ctx.send(src, Stored(m.number))


PROPERTIES = (atomic, seen, finished)


def world(
    writers: int = 2,
    readers: int = 2,
    writes: int = 3,
    reads: int = 4,
    replicas: int = 3,
    reading: int = 0,
    writing: int = 0,
) -> World:
    """Writers w1… and readers r1…, each with so many operations, on replicas s1…

    `reading` and `writing`: how many replicas are a quorum for a query, and for a store; 0: a
    majority. Raises UsageError where a quorum of one kind can miss one of the other.
    """
    majority = replicas // 2 + 1
    quorums = reading or majority, writing or majority
    return weighted("1" * replicas, *quorums, writers, readers, writes, reads)


def small(
    writers: int = 1,
    readers: int = 1,
    writes: int = 1,
    reads: int = 1,
    replicas: int = 3,
    reading: int = 0,
    writing: int = 0,
) -> World:
    """Few operations, so that it can be explored to its end."""
    return world(writers, readers, writes, reads, replicas, reading, writing)


def weighted(
    votes: str = "211",
    reading: int = 2,
    writing: int = 3,
    writers: int = 2,
    readers: int = 2,
    writes: int = 3,
    reads: int = 4,
) -> World:
    """Gifford's voting: `votes` has a digit for each replica s1…, and `reading` votes are a quorum
    for a query, `writing` for a store. A replica of no votes is a weak representative: it is asked
    and told like others, but nobody waits for it. Raises UsageError as the main world does."""
    if not (votes.isascii() and votes.isdecimal()):
        raise UsageError(f"votes={votes!r}: give one digit for each replica, such as 211")
    weights = tuple(map(int, votes))
    names = tuple(f"s{i}" for i in range(1, len(votes) + 1))
    query, store = (Weighted(names, weights, count) for count in (reading, writing))
    total = sum(weights)
    if not (1 <= reading <= total and 1 <= writing <= total and query.intersects(store)):
        raise UsageError(
            f"reading={reading} and writing={writing} of {total} votes need not meet: each must be "
            f"1 to {total}, and together they must be more than {total}"
        )
    clients = [Client(f"w{i}", query, store, True, writes) for i in range(1, writers + 1)]
    clients += [Client(f"r{i}", query, store, False, reads) for i in range(1, readers + 1)]
    return World(
        processes=(*clients, *(Replica(name) for name in names)),
        observers=(History("history"),),
        properties=PROPERTIES,
        crashable=frozenset(names),
    )


def cost(replicas: int) -> Cost:
    """until an operation, of either kind, returns"""
    return Cost(
        messages=4 * replicas,
        delays=4,
        forced_writes=replicas,
        write_delays=1,
    )


WORLDS = {"main": world, "small": small, "weighted": weighted}
QUIET = {"writers": 1, "readers": 0, "writes": 1}
