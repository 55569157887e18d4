"""Master lease: a leader that reads from its own copy, for as long as no other can lead.

Problem      reads are linearizable although the leader of a replicated log asks nobody for them
Source       Chandra, Griesemer and Redstone, Paxos Made Live, PODC 2007, section 5.2
Model        clocks that drift by no more than a known rate, and need not agree; else asynchronous;
             crash-recovery; links lose, duplicate and reorder; n = 2f + 1 replicas
Quorum       a majority of replicas
Roles
  Replica    as in Multi-Paxos; whoever accepts from a leader helps no other to lead for a term
  Client     writes a register or only reads it: one call after the other, until it is answered
Messages
  Propose    client → replica — write this value, which is to say: put it into the log
  Chosen     leader → client — your value is in this slot
  Prepare    candidate → replicas — may I lead every slot after this one? (1a)
  Promise    replica → candidate — yes, and these were my votes there (1b)
  Accept     leader → replicas — vote for this value in this slot (2a)
  Accepted   replica → leader — I voted for it; no other leads for a term by my clock (2b)
  Nack       replica → candidate, leader — no, I promised a higher ballot, or granted a lease
  Heartbeat  as in Multi-Paxos
  Alive      as in Multi-Paxos
  CatchUp    as in Multi-Paxos
  Learn      as in Multi-Paxos
  Install    as in Multi-Paxos
  Read       as in Multi-Paxos
  Truncate   as in Multi-Paxos
  Get        client → replica — what is in the register?
  Got        leader → client — this is
Stable
  Replica.promised  as in Multi-Paxos
  Replica.votes     as in Multi-Paxos
  Replica.snapshot  as in Multi-Paxos
  Replica.decided   as in Multi-Paxos
Guarantees   log_agreement, log_validity, exclusion, held, linearizable_register, answered
Cost         for all reads of a term, once there is a leader: 2·(nodes - 1) messages, 2 message
             delays, nodes forced writes, 1 write delay
Deviations   the lease is asked for, and renewed, when somebody reads, and not all the time
"""

from __future__ import annotations

from quorate.kernel import Actor, Context, Flexible, Majority, Message, NodeId, Timed, World
from quorate.properties.cost import Cost
from quorate.properties.lease import Ledger, Used, exclusion, held, lease_ms
from quorate.properties.linearizable import (
    Called,
    History,
    Returned,
    answered,
    linearizable_register,
)
from quorate.properties.log import Offered, log_agreement, log_validity
from quorate.protocols import multi_paxos
from quorate.protocols.multi_paxos import Accept, Accepted, Propose, Standing

RETRY_MS = (100, 200)
PAUSE_MS = (20, 500)


class Get(Message, frozen=True):
    tag: int


class Got(Message, frozen=True):
    tag: int
    value: bytes | None


Msg = multi_paxos.Msg | Get | Got


class Replica(multi_paxos.Replica, Timed, kw_only=True):
    """As in Multi-Paxos; whoever accepts from a leader helps no other to lead for a term."""

    term_ms: int
    drift_ppm: int
    granted_ms: int = 0  # on its own clock: until then it helps no other than it last promised
    until_ms: int = 0  # on its own clock: until then it is the master
    asked_ms: int = 0
    asked_slot: int = 0  # the lease is renewed when this is decided
    gets: tuple[tuple[NodeId, int], ...] = ()

    # Whoever accepts grants the lease.

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if recovered:  # until when it was granted is forgotten: it may be for a whole term
            self.granted_ms = ctx.at_ms + self.term_ms
        multi_paxos.Replica.on_start(self, ctx, recovered)

    def on_accept(self, ctx: Context, src: NodeId, m: Accept) -> None:
        multi_paxos.Replica.on_accept(self, ctx, src, m)
        if m.ballot == self.promised:
            self.granted_ms = ctx.at_ms + self.term_ms

    def grants(self, ctx: Context, candidate: NodeId) -> bool:
        """Whether this one may lead, as far as leases go."""
        return ctx.at_ms >= self.granted_ms or candidate == self.promised.proposer

    def stand(self, ctx: Context) -> None:
        if not self.grants(ctx, self.me):
            self.await_leader(ctx)
            return ctx.ignore("granted to another")
        multi_paxos.Replica.stand(self, ctx)

    def on_prepare(self, ctx: Context, src: NodeId, m: multi_paxos.Prepare) -> None:
        if not self.grants(ctx, m.ballot.proposer):
            return ctx.send(src, multi_paxos.Nack(m.ballot, self.promised))
        multi_paxos.Replica.on_prepare(self, ctx, src, m)

    # A quorum that accepts makes the leader the master, from when it asked.

    def renew(self, ctx: Context) -> None:
        if self.asked_slot <= self.decided:
            self.asked_slot, self.asked_ms = self.decided + len(self.open) + 1, ctx.at_ms
            self.accept(ctx, b"", "")

    def decide_in_order(self, ctx: Context) -> None:
        before = self.decided
        multi_paxos.Replica.decide_in_order(self, ctx)
        if before < self.asked_slot <= self.decided:
            self.until_ms = self.asked_ms + lease_ms(self.term_ms, self.drift_ppm)
            gets, self.gets = self.gets, ()
            for client, tag in gets:
                self.on_get(ctx, client, Get(tag))

    def follow(self, ctx: Context, leader: NodeId) -> None:
        self.until_ms, self.asked_slot, self.gets = 0, 0, ()
        multi_paxos.Replica.follow(self, ctx, leader)

    # The master knows all that was decided, and nobody decides without it.

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "election" and self.is_master(ctx):
            return self.await_leader(ctx)  # although it may be cut off
        multi_paxos.Replica.on_timer(self, ctx, timer)

    def is_master(self, ctx: Context) -> bool:
        return self.standing is Standing.LEADER and ctx.at_ms < self.until_ms

    def on_get(self, ctx: Context, src: NodeId, m: Get) -> None:
        if self.standing is not Standing.LEADER:
            return ctx.ignore("not the leader")
        if self.is_master(ctx):
            ctx.output(Used(self.promised))
            ctx.send(src, Got(m.tag, self.register()))
        else:
            self.gets += ((src, m.tag),)
        if ctx.at_ms >= self.until_ms - self.term_ms // 2:
            self.renew(ctx)

    def on_read(self, ctx: Context, src: NodeId, m: multi_paxos.Read) -> None:
        if self.is_master(ctx):
            return ctx.output(multi_paxos.Readable(m.tag, self.decided))
        multi_paxos.Replica.on_read(self, ctx, src, m)

    def register(self) -> bytes | None:
        """The last value in the log; one that comes again, by a duplicate, changes nothing."""
        slots = range(1, self.decided + 1)
        values = dict.fromkeys([None, *(self.votes[slot].value or None for slot in slots)])
        return list(values)[-1]


class Client(Actor):
    """Writes a register or only reads it: one call after the other, each until it is answered."""

    replicas: tuple[NodeId, ...]
    calls: int
    writes: bool
    done: int = 0
    tries: int = 0

    def call(self) -> Propose | Get:
        """The open one, or the next."""
        number = self.done + 1
        if self.writes and number % 2 == 0:
            return Propose(f"{self.me}.{number}".encode())
        return Get(number)

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("call", PAUSE_MS)

    def on_timer(self, ctx: Context, timer: str) -> None:
        call = self.call()
        if timer == "again":
            self.tries = (self.tries + 1) % len(self.replicas)
        elif isinstance(call, Propose):
            ctx.output(Called("write", call.value))
            ctx.output(Offered(call.value))
        else:
            ctx.output(Called("read"))
        ctx.send(self.replicas[self.tries], call)
        ctx.set_timer("again", RETRY_MS)

    def on_chosen(self, ctx: Context, src: NodeId, m: multi_paxos.Chosen) -> None:
        self.end(ctx, Propose(m.value), None)

    def on_got(self, ctx: Context, src: NodeId, m: Got) -> None:
        self.end(ctx, Get(m.tag), m.value)

    def end(self, ctx: Context, call: Propose | Get, result: bytes | None) -> None:
        if call != self.call():
            return ctx.ignore("answered before")
        self.done += 1
        ctx.output(Returned(result))
        ctx.cancel_timer("again")
        if self.done < self.calls:
            ctx.set_timer("call", PAUSE_MS)


PROPERTIES = (log_agreement, log_validity, exclusion, held, linearizable_register, answered)


def world(
    nodes: int = 3,
    clients: int = 3,
    writers: int = 1,
    calls: int = 12,
    term_ms: int = 1_000,
    drift_ppm: int = 20_000,
) -> World:
    """Replicas n1… and clients c1…, each of which calls so often; only the first ones ever write.

    Clocks gain or lose `drift_ppm` at the most.
    """
    quorum = Majority(tuple(f"n{i}" for i in range(1, nodes + 1)))
    replicas = [
        Replica(node, Flexible(quorum, quorum), term_ms=term_ms, drift_ppm=drift_ppm)
        for node in quorum.nodes
    ]
    users = [Client(f"c{i}", quorum.nodes, calls, i <= writers) for i in range(1, clients + 1)]
    return World(
        processes=(*replicas, *users),
        observers=(Ledger("ledger"), History("history")),
        properties=PROPERTIES,
        crashable=frozenset(quorum.nodes),
    )


def cost(nodes: int) -> Cost:
    """for all reads of a term, once there is a leader"""
    return Cost(
        messages=2 * (nodes - 1),
        delays=2,
        forced_writes=nodes,
        write_delays=1,
        counted=(Accept, Accepted),
    )


WORLDS = {"main": world}
QUIET = {"clients": 1, "calls": 3, "writers": 0, "term_ms": 5_000}
