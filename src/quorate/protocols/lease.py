"""Lease: hold a lock for a while, by the word of a majority, and let time take it back.

Problem      one client at a time is the holder, although any may crash, pause or be cut off
Source       Gray and Cheriton, Leases, SOSP 1989; Trencseni, Gazso and Reinhardt, PaxosLease:
             Diskless Paxos for Leases, 2012; Burrows, Chubby, OSDI 2006, section 2.4 (tokens)
Model        clocks that drift by no more than a known rate, and need not agree; else asynchronous;
             crash-recovery; links lose, duplicate and reorder; n ≥ 2f + 1 acceptors
Quorum       a majority of acceptors
Roles
  Client     asks for the lease, renews it, and writes only while its own clock lets it
  Acceptor   grants the lease to one client for a term on its own clock
  Resource   carries out writes, but none that comes with an earlier token than another did
Messages
  Request    client → acceptors — grant me the lease, or some more of it, under this token
  Grant      acceptor → client — it is yours for a term, from when you asked
  Nack       acceptor → client — no: it is granted under this token, or was under a later one
  Release    client → acceptors — I do not hold it under this token, and never will again
  Write      client → resource — I hold the lease under this token: do this
Stable
  Client.round       or two of its leases would have one token
  Acceptor.promised  or a later lease could have an earlier token
  Resource.latest    or it would carry out what a former holder asked for
Guarantees   exclusion, fencing, held, progress
Cost         until a client holds it: 2·acceptors messages, 2 message delays, acceptors + 1 forced
             writes, 2 write delays
Deviations   one phase in place of two, so that rivals may split the acceptors, and then give up;
             a client asks for so many terms, and lets others have the lease after that
"""

from __future__ import annotations

from quorate.kernel import Actor, Ballot, Context, Majority, Message, NodeId, Stable, Timed, World
from quorate.properties.cost import Cost
from quorate.properties.lease import (
    Acquired,
    Ledger,
    Used,
    Wanted,
    Written,
    exclusion,
    fencing,
    held,
    lease_ms,
    progress,
)

PATIENCE_MS = (150, 200)
RETRY_MS = (50, 400)
WORK_MS = (5, 20)


class Request(Message, frozen=True):
    token: Ballot
    asked_ms: int  # on the client's clock


class Grant(Message, frozen=True):
    token: Ballot
    asked_ms: int


class Nack(Message, frozen=True):
    token: Ballot


class Release(Message, frozen=True):
    token: Ballot


class Write(Message, frozen=True):
    token: Ballot


Msg = Request | Grant | Nack | Release | Write


class Client(Timed):
    """Asks for the lease, renews it, and writes only while its own clock lets it."""

    quorum: Majority
    resource: NodeId
    term_ms: int
    drift_ppm: int
    renewals: int
    leases_max: int = 0
    looks: bool = True
    round: Stable[int] = 0
    leases: int = 0
    asked_ms: int = -1  # on its own clock; -1: it waits for no grant
    grants: frozenset[NodeId] = frozenset()
    until_ms: int = 0  # on its own clock; 0: not held
    renewed: int = 0

    @property
    def token(self) -> Ballot:
        return Ballot(self.round, self.me)

    @property
    def lease_ms(self) -> int:
        return lease_ms(self.term_ms, self.drift_ppm)

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.output(Wanted())
        ctx.set_timer("seek", RETRY_MS)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "seek":
            self.round += 1
            self.ask(ctx)
            ctx.set_timer("give up", PATIENCE_MS)
        elif timer == "give up":
            self.give_up(ctx)
        elif timer == "renew":
            self.renewed += 1
            self.ask(ctx)
        elif self.holds(ctx) or (timer == "write" and not self.looks):
            self.use(ctx, timer)
        else:
            self.end(ctx)

    def ask(self, ctx: Context) -> None:
        self.asked_ms, self.grants = ctx.at_ms, frozenset()
        ctx.broadcast(self.quorum.nodes, Request(self.token, self.asked_ms))

    def on_grant(self, ctx: Context, src: NodeId, m: Grant) -> None:
        if (m.token, m.asked_ms) != (self.token, self.asked_ms):
            return ctx.ignore("not the open request")
        self.grants |= {src}
        until_ms = self.asked_ms + self.lease_ms  # no acceptor has granted it before it was asked
        if not self.quorum.won(self.grants) or ctx.at_ms >= until_ms:
            return
        begins, self.until_ms = not self.until_ms, until_ms
        if begins:
            self.leases, self.renewed = self.leases + 1, 0
            ctx.output(Acquired(self.token))
            ctx.cancel_timer("give up")
            ctx.set_timer("work", WORK_MS)
        if self.renewed < self.renewals:
            ctx.set_timer("renew", (self.lease_ms // 3, self.lease_ms // 2))

    def holds(self, ctx: Context) -> bool:
        return ctx.at_ms < self.until_ms

    def use(self, ctx: Context, timer: str) -> None:
        """Look at the clock, work, look again, write."""
        if timer == "write":
            ctx.output(Used(self.token))
            ctx.send(self.resource, Write(self.token))
        ctx.set_timer("write" if timer == "work" else "work", WORK_MS)

    def end(self, ctx: Context) -> None:
        self.until_ms, self.asked_ms = 0, -1
        ctx.cancel_timer("renew")
        if not self.leases_max or self.leases < self.leases_max:
            ctx.set_timer("seek", RETRY_MS)

    def on_nack(self, ctx: Context, src: NodeId, m: Nack) -> None:
        if self.until_ms or self.asked_ms < 0 or m.token < self.token:
            return ctx.ignore("of no use")
        self.give_up(ctx)
        self.round = m.token.round

    def give_up(self, ctx: Context) -> None:
        """Rivals may each have some of the acceptors: let go, and try again later."""
        self.asked_ms = -1
        ctx.broadcast(self.quorum.nodes, Release(self.token))
        ctx.cancel_timer("give up")
        ctx.set_timer("seek", RETRY_MS)


class Acceptor(Timed):
    """Grants the lease to one client for a term on its own clock."""

    term_ms: int
    promised: Stable[Ballot] = Ballot()
    until_ms: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if recovered:  # until when it was granted is forgotten: it may be for a whole term
            self.until_ms = ctx.at_ms + self.term_ms

    def on_request(self, ctx: Context, src: NodeId, m: Request) -> None:
        if m.token < self.promised or (m.token > self.promised and ctx.at_ms < self.until_ms):
            return ctx.send(src, Nack(self.promised))
        self.promised = m.token
        self.until_ms = ctx.at_ms + self.term_ms
        ctx.send(src, Grant(m.token, m.asked_ms))

    def on_release(self, ctx: Context, src: NodeId, m: Release) -> None:
        if m.token != self.promised:
            return ctx.ignore("granted to another")
        self.until_ms = ctx.at_ms


class Resource(Actor):
    """Carries out writes, but none that comes with an earlier token than another did."""

    latest: Stable[Ballot] = Ballot()

    def on_write(self, ctx: Context, src: NodeId, m: Write) -> None:
        if m.token < self.latest:
            return ctx.ignore("fenced off")
        self.latest = m.token
        ctx.output(Written(m.token))


PROPERTIES = (exclusion, fencing, held, progress)


def world(
    clients: int = 3,
    acceptors: int = 3,
    term_ms: int = 200,
    drift_ppm: int = 20_000,
    renewals: int = 2,
    leases: int = 0,
    looks: bool = True,
) -> World:
    """Clients c1…, acceptors a1…, and resource r. Clocks gain or lose `drift_ppm` at the most.

    0 `leases` for each client: no end. `looks`: at its clock right before it writes.
    """
    quorum = Majority(tuple(f"a{i}" for i in range(1, acceptors + 1)))
    settings = (quorum, "r", term_ms, drift_ppm, renewals, leases, looks)
    rivals = (Client(f"c{i}", *settings) for i in range(1, clients + 1))
    grantors = (Acceptor(name, term_ms) for name in quorum.nodes)
    processes = (*rivals, *grantors, Resource("r"))
    return World(processes=processes, observers=(Ledger("ledger"),), properties=PROPERTIES)


def pausing(clients: int = 3, acceptors: int = 3) -> World:
    """A client looks at its clock, pauses past its lease, and writes: fencing is what is left."""
    return world(clients, acceptors, looks=False)


def cost(acceptors: int) -> Cost:
    """until a client holds it"""
    return Cost(
        messages=2 * acceptors,
        delays=2,
        forced_writes=acceptors + 1,
        write_delays=2,
        counted=(Request, Grant),
    )


WORLDS = {"main": world, "pausing": pausing}
QUIET = {"clients": 1, "renewals": 0, "leases": 1}
