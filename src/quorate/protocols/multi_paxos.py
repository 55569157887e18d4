"""Multi-Paxos: agree on a log, one leader at a time running one round for every open slot.

Problem      the replicas decide one value for each slot of a log, in order, without gaps
Source       Lamport, Paxos Made Simple 2001, section 3; Chandra, Griesemer and Redstone, Paxos
             Made Live, PODC 2007, section 5; reads: Ongaro, Consensus (thesis) 2014, section 6.4
Model        asynchronous; crash-recovery; links lose, duplicate and reorder; n = 2f + 1 replicas
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

import enum

import msgspec

from quorate.kernel import (
    Actor,
    Ballot,
    Context,
    Fact,
    Flexible,
    Lazy,
    Majority,
    Map,
    Message,
    NodeId,
    Stable,
    World,
)
from quorate.properties.cost import Cost
from quorate.properties.log import (
    Appended,
    Decided,
    Installed,
    Offered,
    log_agreement,
    log_growth,
    log_progress,
    log_validity,
)

HEARTBEAT_MS = (50, 50)
ELECTION_MS = (300, 600)
OFFER_MS = (200, 400)
BACKOFF_MAX = 8
LEARN_MAX = 256


class Vote(msgspec.Struct, frozen=True, order=True, cache_hash=True, gc=False):
    """A value accepted at a ballot."""

    ballot: Ballot
    value: bytes


class Snapshot(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """`state` is where slots 1 to `slot` have led."""

    slot: int = 0
    state: bytes = b""


class Open(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """A slot that the leader wants decided: its value, who offered it, who accepted it."""

    value: bytes
    client: NodeId
    accepted: frozenset[NodeId] = frozenset()


class Propose(Message, frozen=True):
    value: bytes


class Chosen(Message, frozen=True):
    slot: int
    value: bytes


class Prepare(Message, frozen=True):
    ballot: Ballot
    after: int


class Promise(Message, frozen=True):
    ballot: Ballot
    votes: tuple[tuple[int, Vote], ...]


class Accept(Message, frozen=True):
    ballot: Ballot
    slot: int
    value: bytes
    decided: int


class Accepted(Message, frozen=True):
    ballot: Ballot
    slot: int


class Nack(Message, frozen=True):
    ballot: Ballot
    promised: Ballot


class Heartbeat(Message, frozen=True):
    ballot: Ballot
    decided: int
    probe: int


class Alive(Message, frozen=True):
    ballot: Ballot
    probe: int


class CatchUp(Message, frozen=True):
    after: int


class Learn(Message, frozen=True):
    ballot: Ballot
    values: tuple[tuple[int, bytes], ...]
    decided: int


class Install(Message, frozen=True):
    slot: int
    state: bytes


class Read(Message, frozen=True):
    tag: int


class Truncate(Message, frozen=True):
    slot: int
    state: bytes


Msg = (
    Propose | Chosen | Prepare | Promise | Accept | Accepted | Nack
    | Heartbeat | Alive | CatchUp | Learn | Install | Read | Truncate
)  # fmt: skip


class Leading(Fact, frozen=True):
    """This replica leads at `ballot`."""

    ballot: Ballot


class Deposed(Fact, frozen=True):
    """This replica, which led, no longer does; `leader` is who does, if known."""

    leader: NodeId


class Readable(Fact, frozen=True):
    """Whoever has applied `slot` may answer the reads under `tag`: they are linearizable."""

    tag: int
    slot: int


class Standing(enum.Enum):
    """What a replica is at present, besides acceptor and learner."""

    FOLLOWER = "follower"
    CANDIDATE = "candidate"
    LEADER = "leader"


class Replica(Actor):
    """Acceptor and learner of every slot, and leader when it has a quorum's promise."""

    quorums: Flexible
    rounds_max: int = 0
    promised: Stable[Ballot] = Ballot()
    votes: Stable[Map[int, Vote]] = Map()
    snapshot: Stable[Snapshot] = Snapshot()
    decided: Lazy[int] = 0
    standing: Standing = Standing.FOLLOWER
    leader: NodeId = ""
    attempts: int = 0
    refused: int = 0
    promises: frozenset[NodeId] = frozenset()
    reported: Map[int, Vote] = Map()
    open: tuple[Open, ...] = ()  # of the slots after `decided`, none left out
    barrier: int = 0
    heard: frozenset[NodeId] = frozenset()
    probe: int = 0
    probed: frozenset[NodeId] = frozenset()
    reading: tuple[int, ...] = ()
    waiting: tuple[int, ...] = ()

    @property
    def others(self) -> tuple[NodeId, ...]:
        return tuple([node for node in self.quorums.phase1.nodes if node != self.me])

    def on_start(self, ctx: Context, recovered: bool) -> None:
        # What a lazy write lost is learned again; a snapshot needs no learning.
        self.decided = max(self.decided, self.snapshot.slot)
        if self.snapshot.slot:
            ctx.output(Installed(self.snapshot.slot, self.snapshot.state))
        for slot in range(self.snapshot.slot + 1, self.decided + 1):
            ctx.output(Decided(slot, self.votes[slot].value))
        self.await_leader(ctx)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "heartbeat":
            self.beat(ctx)
        elif self.standing is not Standing.LEADER:
            self.stand(ctx)
        elif self.quorums.phase2.won(self.heard | {self.me}):
            self.heard = frozenset()
            self.await_leader(ctx)
        else:
            self.follow(ctx, "")  # cut off: clients should look for a leader elsewhere

    def await_leader(self, ctx: Context) -> None:
        patience = min(1 + self.attempts, BACKOFF_MAX)
        ctx.set_timer("election", (ELECTION_MS[0] * patience, ELECTION_MS[1] * patience))

    def follow(self, ctx: Context, leader: NodeId) -> None:
        """Be a follower, of `leader` if it is known."""
        if self.standing is Standing.LEADER:
            ctx.output(Deposed(leader))
            ctx.cancel_timer("heartbeat")
        self.standing, self.leader, self.reported = Standing.FOLLOWER, leader, Map()
        self.promises = self.heard = self.probed = frozenset()
        self.open = self.reading = self.waiting = ()
        self.await_leader(ctx)

    # Phase 1: one round for every slot that is not decided here.

    def stand(self, ctx: Context) -> None:
        """Try to lead, at a ballot that nobody has used."""
        round = max(self.promised.round, self.refused) + 1
        if self.rounds_max and round > self.rounds_max:
            return ctx.ignore("no rounds left")
        self.attempts = min(self.attempts + 1, BACKOFF_MAX)
        self.follow(ctx, "")
        self.promised, self.standing = Ballot(round, self.me), Standing.CANDIDATE
        self.promises = frozenset({self.me})
        self.reported = Map((s, v) for s, v in self.votes.items() if s > self.decided)
        ctx.broadcast(self.others, Prepare(self.promised, self.decided))
        self.lead_if_promised(ctx)

    def on_prepare(self, ctx: Context, src: NodeId, m: Prepare) -> None:
        if m.ballot < self.promised:
            return ctx.send(src, Nack(m.ballot, self.promised))
        if m.ballot == self.promised:
            return ctx.ignore("already promised")
        if m.after < self.snapshot.slot:
            # Its votes there are gone, so it cannot promise; but whoever asks can start from here.
            return ctx.send(src, Install(self.snapshot.slot, self.snapshot.state))
        self.promised = m.ballot
        self.follow(ctx, "")
        votes = tuple((slot, vote) for slot, vote in self.votes.sorted() if slot > m.after)
        ctx.send(src, Promise(m.ballot, votes))

    def on_promise(self, ctx: Context, src: NodeId, m: Promise) -> None:
        if m.ballot != self.promised or self.standing is not Standing.CANDIDATE:
            return ctx.ignore("not the open round")
        self.promises |= {src}
        for slot, vote in m.votes:
            known = self.reported.get(slot)
            if known is None or known < vote:
                self.reported = self.reported.put(slot, vote)
        self.lead_if_promised(ctx)

    def lead_if_promised(self, ctx: Context) -> None:
        if not self.quorums.phase1.won(self.promises):
            return
        reported, self.reported = self.reported, Map()
        self.standing, self.leader, self.attempts = Standing.LEADER, self.me, 0
        self.barrier = max((self.decided, *reported))
        ctx.output(Leading(self.promised))
        for slot in range(self.decided + 1, self.barrier + 1):
            vote = reported.get(slot)
            self.accept(ctx, vote.value if vote else b"", "")
        self.beat(ctx)

    # Phase 2: one round trip for each slot, as many in flight as are proposed.

    def on_propose(self, ctx: Context, src: NodeId, m: Propose) -> None:
        if self.standing is not Standing.LEADER:
            return ctx.ignore("not the leader")
        self.accept(ctx, m.value, src if src != self.me else "")

    def accept(self, ctx: Context, value: bytes, client: NodeId) -> None:
        self.open = (*self.open, Open(value, client))
        slot = self.decided + len(self.open)
        # To itself as well, as a message: its own write then runs beside those of the others.
        ctx.broadcast((*self.others, self.me), Accept(self.promised, slot, value, self.decided))

    def on_accept(self, ctx: Context, src: NodeId, m: Accept) -> None:
        if self.obeys(ctx, src, m.ballot):
            if m.slot > self.snapshot.slot:
                self.votes = self.votes.put(m.slot, Vote(m.ballot, m.value))
            ctx.send(src, Accepted(m.ballot, m.slot))
            self.learn(ctx, m.ballot, m.decided)

    def obeys(self, ctx: Context, src: NodeId, ballot: Ballot) -> bool:
        """Follow the leader of `ballot`, unless it is below the one promised: False."""
        if ballot != self.promised or self.leader != ballot.proposer:
            if ballot < self.promised:
                ctx.send(src, Nack(ballot, self.promised))
                return False
            self.promised = ballot
            self.follow(ctx, ballot.proposer)
        return True

    def on_accepted(self, ctx: Context, src: NodeId, m: Accepted) -> None:
        at = m.slot - self.decided - 1
        if m.ballot != self.promised or not 0 <= at < len(self.open):
            return ctx.ignore("not an open slot")
        entry = self.open[at]
        entry = Open(entry.value, entry.client, entry.accepted | {src})
        self.open = (*self.open[:at], entry, *self.open[at + 1 :])
        if at == 0:
            self.decide_in_order(ctx)

    def decide_in_order(self, ctx: Context) -> None:
        while self.open and self.quorums.phase2.won(self.open[0].accepted):
            entry = self.open[0]
            self.decide(ctx, self.decided + 1, Vote(self.promised, entry.value))
            if entry.client:
                ctx.send(entry.client, Chosen(self.decided, entry.value))

    def on_nack(self, ctx: Context, src: NodeId, m: Nack) -> None:
        if m.ballot != self.promised or self.standing is Standing.FOLLOWER:
            return ctx.ignore("not the open round")
        self.refused = max(self.refused, m.promised.round)
        self.follow(ctx, "")

    # Decisions spread with the leader's next message; what is missed is caught up with.

    def decide(self, ctx: Context, slot: int, vote: Vote) -> None:
        if self.votes.get(slot) != vote:
            self.votes = self.votes.put(slot, vote)
        self.decided, self.open = slot, self.open[1:]
        ctx.output(Decided(slot, vote.value))

    def learn(self, ctx: Context, ballot: Ballot, decided: int) -> None:
        """Decide what the leader of `ballot` says is decided, as far as it is known here."""
        while self.decided < decided:
            vote = self.votes.get(self.decided + 1)
            if vote is None or vote.ballot != ballot:
                return  # a vote from an older ballot may not be what was chosen
            self.decided += 1
            ctx.output(Decided(self.decided, vote.value))

    def beat(self, ctx: Context) -> None:
        """Show that this leader lives, and say again what may have been lost."""
        ctx.set_timer("heartbeat", HEARTBEAT_MS)
        ctx.broadcast(self.others, Heartbeat(self.promised, self.decided, self.probe))
        for entry in self.open[:1]:
            silent = tuple(node for node in self.others if node not in entry.accepted)
            again = Accept(self.promised, self.decided + 1, entry.value, self.decided)
            ctx.broadcast(silent, again)

    def on_heartbeat(self, ctx: Context, src: NodeId, m: Heartbeat) -> None:
        if not self.obeys(ctx, src, m.ballot):
            return
        self.attempts = 0
        self.await_leader(ctx)
        ctx.send(src, Alive(m.ballot, m.probe))
        self.learn(ctx, m.ballot, m.decided)
        if self.decided < m.decided:
            ctx.send(src, CatchUp(self.decided))

    def on_catch_up(self, ctx: Context, src: NodeId, m: CatchUp) -> None:
        if m.after < self.snapshot.slot:
            ctx.send(src, Install(self.snapshot.slot, self.snapshot.state))
        first = max(m.after, self.snapshot.slot) + 1
        slots = range(first, min(self.decided + 1, first + LEARN_MAX))
        values = tuple((slot, self.votes[slot].value) for slot in slots)
        ctx.send(src, Learn(self.promised, values, self.decided))

    def on_learn(self, ctx: Context, src: NodeId, m: Learn) -> None:
        for slot, value in m.values:
            if slot == self.decided + 1:
                self.decide(ctx, slot, Vote(m.ballot, value))
        if m.values and self.decided < m.decided:
            ctx.send(src, CatchUp(self.decided))

    # Snapshots: the host says what a prefix of the log amounts to, and the prefix can go.

    def on_truncate(self, ctx: Context, src: NodeId, m: Truncate) -> None:
        if not self.snapshot.slot < m.slot <= self.decided:
            return ctx.ignore("nothing to truncate")
        self.stand_on(Snapshot(m.slot, m.state))

    def on_install(self, ctx: Context, src: NodeId, m: Install) -> None:
        if m.slot <= self.decided:
            return ctx.ignore("nothing new in this state")
        self.stand_on(Snapshot(m.slot, m.state))
        self.decided, self.open = m.slot, self.open[m.slot - self.decided :]
        ctx.output(Installed(m.slot, m.state))

    def stand_on(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.votes = self.votes.drop([slot for slot in self.votes if slot <= snapshot.slot])

    # Reads: a quorum that still follows after the read came proves that no newer leader decided.

    def on_read(self, ctx: Context, src: NodeId, m: Read) -> None:
        if self.standing is not Standing.LEADER:
            return ctx.ignore("not the leader")
        self.waiting += (m.tag,)
        if not self.reading:
            self.begin_probe(ctx)

    def begin_probe(self, ctx: Context) -> None:
        self.reading, self.waiting = self.waiting, ()
        self.probe, self.probed = self.probe + 1, frozenset({self.me})
        ctx.broadcast(self.others, Heartbeat(self.promised, self.decided, self.probe))
        self.answer_reads(ctx)

    def on_alive(self, ctx: Context, src: NodeId, m: Alive) -> None:
        if m.ballot != self.promised or self.standing is not Standing.LEADER:
            return ctx.ignore("not the open round")
        self.heard |= {src}
        if self.reading and m.probe == self.probe:
            self.probed |= {src}
            self.answer_reads(ctx)

    def answer_reads(self, ctx: Context) -> None:
        if not self.quorums.phase2.won(self.probed):
            return
        # A value chosen under an earlier leader may wait below the barrier to be decided here.
        for tag in self.reading:
            ctx.output(Readable(tag, max(self.decided, self.barrier)))
        self.reading = ()
        if self.waiting:
            self.begin_probe(ctx)


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
