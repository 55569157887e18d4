"""Multi-Paxos, the leader: one round for every slot, values into slots, and reads."""

from __future__ import annotations

import msgspec

from quorate.kernel import Ballot, Context, Map, NodeId
from quorate.protocols.multi_paxos.follower import BACKOFF_MAX, Follower, Standing
from quorate.protocols.multi_paxos.messages import (
    Accept,
    Accepted,
    Alive,
    Chosen,
    Deposed,
    Heartbeat,
    Install,
    Leading,
    Nack,
    Prepare,
    Promise,
    Propose,
    Read,
    Readable,
    Vote,
)

HEARTBEAT_MS = (50, 50)


class Open(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """A slot that the leader wants decided: its value, who offered it, who accepted it."""

    value: bytes
    client: NodeId
    accepted: frozenset[NodeId] = frozenset()


class Replica(Follower):
    """Acceptor and learner of every slot, and leader when it has a quorum's promise."""

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

    def follow(self, ctx: Context, leader: NodeId) -> None:
        if self.standing is Standing.LEADER:
            ctx.output(Deposed(leader))
            ctx.cancel_timer("heartbeat")
        self.reported = Map()
        self.promises = self.heard = self.probed = frozenset()
        self.open = self.reading = self.waiting = ()
        Follower.follow(self, ctx, leader)

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

    def decide(self, ctx: Context, slot: int, vote: Vote) -> None:
        Follower.decide(self, ctx, slot, vote)
        self.open = self.open[1:]

    def on_install(self, ctx: Context, src: NodeId, m: Install) -> None:
        before = self.decided
        Follower.on_install(self, ctx, src, m)
        self.open = self.open[self.decided - before :]

    def on_nack(self, ctx: Context, src: NodeId, m: Nack) -> None:
        if m.ballot != self.promised or self.standing is Standing.FOLLOWER:
            return ctx.ignore("not the open round")
        self.refused = max(self.refused, m.promised.round)
        self.follow(ctx, "")

    def beat(self, ctx: Context) -> None:
        """Show that this leader lives, and say again what may have been lost."""
        ctx.set_timer("heartbeat", HEARTBEAT_MS)
        ctx.broadcast(self.others, Heartbeat(self.promised, self.decided, self.probe))
        for entry in self.open[:1]:
            silent = tuple(node for node in self.others if node not in entry.accepted)
            again = Accept(self.promised, self.decided + 1, entry.value, self.decided)
            ctx.broadcast(silent, again)

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
