"""Multi-Paxos: agree on a log, one leader at a time running one round for every open slot.

Problem      the replicas decide one value for each slot of a log, in order, without gaps
Source       Lamport, Paxos Made Simple 2001, section 3; Chandra, Griesemer and Redstone, Paxos
             Made Live, PODC 2007, section 5; reads: Ongaro, Consensus (thesis) 2014, section 6.4
Model        asynchronous; crash-recovery; links lose, duplicate and reorder; n = 2f + 1 replicas
Quorum       a majority of replicas
Roles
  Replica    acceptor and learner of every slot, and leader when it has a quorum's promise
  Client     offers values until told that they were chosen
Messages
  Propose    client → replica — put this value into the log
  Chosen     leader → client — your value is in this slot
  Prepare    candidate → replicas — may I lead every slot after this one? (1a)
  Promise    replica → candidate — yes, and these were my votes there (1b)
  Accept     leader → replicas — vote for this value in this slot; these slots are decided (2a, 3)
  Accepted   replica → leader — I voted for it (2b)
  Nack       replica → candidate, leader — no, I promised a higher ballot (1b, 2b)
  Heartbeat  leader → replicas — I lead; these slots are decided (3)
  Alive      replica → leader — I still follow you
  CatchUp    replica → leader — I know the log only up to here
  Learn      leader → replica — these slots hold these values
  Install    replica → replica — start from this state; the slots before it are gone
  Read       host → leader — when may I read?
  Truncate   host → replica — this state stands for the log up to here; forget those slots
Stable
  Replica.promised  or it would let an old leader pass that a new one counts on not passing
  Replica.votes     or a new leader would not learn of a value that may be chosen
  Replica.snapshot  or the slots it stands for would be lost
  Replica.decided   written without forcing: losing it costs a catch-up, nothing else
Guarantees   log_agreement, log_validity, log_growth, log_progress
Cost         for each value, once there is a leader: 2·(nodes - 1) messages, 2 message delays,
             nodes forced writes, 1 write delay
Deviations   acceptances go to the leader, which tells of decisions with its next message
"""

from __future__ import annotations

from quorate.kernel import Actor, Context, Flexible, Majority, NodeId, World
from quorate.properties.cost import Cost
from quorate.properties.log import (
    Appended,
    Offered,
    log_agreement,
    log_growth,
    log_progress,
    log_validity,
)
from quorate.protocols.multi_paxos.follower import Standing
from quorate.protocols.multi_paxos.leader import Open, Replica
from quorate.protocols.multi_paxos.messages import (
    Accept,
    Accepted,
    Alive,
    CatchUp,
    Chosen,
    Deposed,
    Heartbeat,
    Install,
    Leading,
    Learn,
    Msg,
    Nack,
    Prepare,
    Promise,
    Propose,
    Read,
    Readable,
    Snapshot,
    Truncate,
    Vote,
)

__all__ = [
    "Accept", "Accepted", "Alive", "CatchUp", "Chosen", "Client", "Deposed", "Heartbeat", "Install",
    "Leading", "Learn", "Msg", "Nack", "Open", "Prepare", "Promise", "Propose", "Read", "Readable",
    "Replica", "Snapshot", "Standing", "Truncate", "Vote",
]  # fmt: skip

OFFER_MS = (200, 400)


class Client(Actor):
    """Offers values, one at a time, until told that they were chosen."""

    replicas: tuple[NodeId, ...]
    count: int
    truncate_every: int = 0
    done: int = 0
    tries: int = 0

    def value(self) -> bytes:
        return f"{self.me}.{self.done + 1}".encode()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.offer(ctx)

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.tries = (self.tries + 1) % len(self.replicas)
        self.offer(ctx)

    def offer(self, ctx: Context) -> None:
        if self.done == self.count:
            return ctx.cancel_timer("offer")
        value = self.value()
        ctx.output(Offered(value))
        ctx.send(self.replicas[self.tries], Propose(value))
        ctx.set_timer("offer", OFFER_MS)

    def on_chosen(self, ctx: Context, src: NodeId, m: Chosen) -> None:
        if m.value != self.value():
            return ctx.ignore("an earlier value")
        ctx.output(Appended(m.slot, m.value))
        self.done += 1
        if self.truncate_every and self.done % self.truncate_every == 0:
            ctx.broadcast(self.replicas, Truncate(m.slot, b""))
        self.offer(ctx)


PROPERTIES = (log_agreement, log_validity, log_growth, log_progress)


def world(
    nodes: int = 3,
    clients: int = 2,
    values: int = 20,
    truncate: int = 8,
    rounds: int = 0,
    crashes: int = 0,
) -> World:
    """Replicas n1… and clients c1…, each of which offers some values, one after the other."""
    quorum = Majority(tuple(f"n{i}" for i in range(1, nodes + 1)))
    replicas = [Replica(node, Flexible(quorum, quorum), rounds) for node in quorum.nodes]
    offers = [Client(f"c{i}", quorum.nodes, values, truncate) for i in range(1, clients + 1)]
    return World(
        processes=(*replicas, *offers),
        properties=PROPERTIES,
        crashes=crashes,
        crashable=frozenset(quorum.nodes),
        bounds=(f"ballots of rounds 1 to {rounds}",) if rounds else (),
    )


def small(
    nodes: int = 3, clients: int = 1, values: int = 1, truncate: int = 0, rounds: int = 1
) -> World:
    """A world that can be explored to its end."""
    return world(nodes, clients, values, truncate, rounds)


def cost(nodes: int) -> Cost:
    """for each value, once there is a leader"""
    return Cost(
        messages=2 * (nodes - 1),
        delays=2,
        forced_writes=nodes,
        write_delays=1,
        counted=(Accept, Accepted),
    )


WORLDS = {"main": world, "small": small}
QUIET = {"clients": 1, "values": 1, "truncate": 0}
