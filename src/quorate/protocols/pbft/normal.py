"""Normal operation of PBFT: a primary orders requests, and a quorum agrees twice on where.

Source: Castro and Liskov, TOCS 20(4) 2002, sections 4.1 and 4.2; batches: section 5.1.4.
"""

from __future__ import annotations

from quorate.kernel import Context, Map, NodeId
from quorate.properties.replication import Prepared
from quorate.protocols.pbft.checkpoints import Log, Votes
from quorate.protocols.pbft.messages import (
    Batch,
    Bodies,
    Checkpoint,
    Commit,
    Executed,
    Prepare,
    PrePrepare,
    Reply,
    Request,
    Sealed,
    Status,
    Vote,
    digest,
    named,
)

VIEW_MS = (500, 500)
STATUS_MS = (150, 250)
DOUBLINGS_MAX = 6
BATCH_MAX = 64
PIPELINE = 4


class Orderer(Log):
    """Has requests ordered by the primary of its view, and orders them when it is that itself."""

    doubtful: Map[int, tuple[NodeId, PrePrepare]] = Map()

    @property
    def leads(self) -> bool:
        return self.group.primary(self.view) == self.me and self.leaving is None

    def restart_timer(self, ctx: Context) -> None:
        ctx.cancel_timer("view")
        self.timing = False
        self.start_timer(ctx)

    def start_timer(self, ctx: Context) -> None:
        """The primary has so long; for each view that came to nothing, twice as long."""
        if not self.timing and (self.leaving or self.pending):
            self.timing = True
            longer = 2 ** min(self.attempts, DOUBLINGS_MAX)
            ctx.set_timer("view", (VIEW_MS[0] * longer, VIEW_MS[1] * longer))

    # Requests: the primary gives each batch of them a sequence number.

    def is_authentic(self, sealed: Sealed) -> bool:
        return sealed.author == sealed.content.client and sealed.convinces(self.me)

    def on_request(self, ctx: Context, src: NodeId, m: Request) -> None:
        if not self.is_authentic(m.sealed):
            return ctx.ignore("not from the client that it names")
        wanted = m.sealed.content
        answer = self.state.answer(wanted.client)
        if wanted.timestamp <= answer.timestamp:
            if wanted.timestamp < answer.timestamp:
                return ctx.ignore("the client has moved on")
            return ctx.send(wanted.client, Reply(self.view, answer.timestamp, answer.result))
        if not self.hold(ctx, m.sealed):
            return ctx.ignore("pending already")
        if self.leads:
            self.propose(ctx)
        elif src == wanted.client:
            ctx.send(self.group.primary(self.view), m)

    def hold(self, ctx: Context, sealed: Sealed) -> bool:
        """Keep a request until it is executed, and the primary to it; False: nothing new."""
        wanted = sealed.content
        known = self.pending.get(wanted.client)
        if known is not None and known.content.timestamp >= wanted.timestamp:
            return False
        if wanted.timestamp > self.state.answer(wanted.client).timestamp:
            self.pending = self.pending.put(wanted.client, sealed)
            if self.leaving is None:
                self.start_timer(ctx)
        return True

    def propose(self, ctx: Context) -> None:
        """Give what is pending the next sequence number."""
        seq = self.last + 1
        if seq > min(self.stable_seq + self.group.window, self.state.seq + PIPELINE):
            return
        open_seqs = range(self.state.seq + 1, seq)
        ordered = {
            sealed.content
            for digest in map(self.accepted, open_seqs)
            for sealed in self.batches.get(digest or b"") or ()
        }
        waiting = [sealed for _, sealed in self.pending.sorted() if sealed.content not in ordered]
        if waiting:
            batch = tuple(waiting[:BATCH_MAX])
            ctx.broadcast(self.others, PrePrepare(self.view, seq, named(batch), batch))
            self.pre_prepare(ctx, seq, batch)

    def on_pre_prepare(self, ctx: Context, src: NodeId, m: PrePrepare) -> None:
        if m.view != self.view or self.leaving or src != self.group.primary(m.view):
            return ctx.ignore("not from the primary of this view")
        low = max(self.stable_seq, self.beginning.last)
        if not low < m.seq <= self.stable_seq + self.group.window:
            return ctx.ignore("outside the window")
        if not m.batch or named(m.batch) != m.digest:
            return ctx.ignore("not what its digest says")
        if self.accepted(m.seq) is not None:
            return ctx.ignore("pre-prepared already")
        if any(sealed.author != sealed.content.client for sealed in m.batch):
            return ctx.ignore("not from the clients that it names")
        self.doubtful = self.doubtful.put(m.seq, (src, m))
        self.believe(ctx, m.seq)

    def believe(self, ctx: Context, seq: int) -> None:
        """Pre-prepare what is authentic, or what f + 1 replicas vouch for by their votes."""
        if seq not in self.doubtful:
            return
        src, m = self.doubtful[seq]
        vouching = self.voters(self.prepares, seq, Vote(m.view, m.digest)) | {src}
        if all(map(self.is_authentic, m.batch)) or self.group.weak.won(vouching):
            self.doubtful = self.doubtful.drop([seq])
            for sealed in m.batch:
                self.hold(ctx, sealed)
            self.pre_prepare(ctx, seq, m.batch)

    def pre_prepare(self, ctx: Context, seq: int, batch: Batch) -> None:
        self.batches = self.batches.put(named(batch), batch)
        self.vote(ctx, seq, named(batch))

    def vote(self, ctx: Context, seq: int, digest: bytes) -> None:
        """Accept a digest for a sequence number in this view, for good; a backup says so."""
        vote = Vote(self.view, digest)
        earlier = [v for v in self.pre_prepared.get(seq) or () if v.digest != digest]
        self.pre_prepared = self.pre_prepared.put(seq, tuple(sorted((*earlier, vote))))
        if not self.leads:
            ctx.broadcast(self.others, Prepare(self.view, seq, digest))
        self.progress(ctx, seq)

    # Agreement on the order within the view, and then that it outlives the view.

    def on_prepare(self, ctx: Context, src: NodeId, m: Prepare) -> None:
        if self.counts(ctx, self.prepares, src, m):
            self.prepares = self.prepares.put((m.seq, src), Vote(m.view, m.digest))
            self.believe(ctx, m.seq)
            self.progress(ctx, m.seq)

    def on_commit(self, ctx: Context, src: NodeId, m: Commit) -> None:
        if self.counts(ctx, self.commits, src, m):
            self.commits = self.commits.put((m.seq, src), Vote(m.view, m.digest))
            self.progress(ctx, m.seq)

    def counts(self, ctx: Context, votes: Votes, src: NodeId, m: Prepare | Commit) -> bool:
        """Whether this is a replica's first vote in its latest view: one for each is kept."""
        known = votes.get((m.seq, src))
        if src not in self.group.nodes:
            ctx.ignore("not a replica")
        elif not self.stable_seq < m.seq <= self.stable_seq + self.group.window:
            ctx.ignore("outside the window")
        elif known is not None and m.view <= known.view:
            ctx.ignore("voted already")
        else:
            return True
        return False

    def progress(self, ctx: Context, seq: int) -> None:
        """Commit to what is prepared here, and execute what is committed."""
        accepted = self.accepted(seq)
        if accepted is None or self.leaving:
            return
        vote = Vote(self.view, accepted)
        if self.prepared.get(seq) != vote:
            both = {self.me, self.group.primary(self.view)}
            if not self.group.strong.won(self.voters(self.prepares, seq, vote) | both):
                return
            self.prepared = self.prepared.put(seq, vote)
            ctx.output(Prepared(self.view, seq, accepted))
            ctx.broadcast(self.others, Commit(self.view, seq, accepted))
        self.execute(ctx)
        if self.leads:
            self.propose(ctx)

    def on_executed(self, ctx: Context, src: NodeId, m: Executed) -> None:
        if src != self.me or self.running is None or m.turn != self.turn:
            return ctx.ignore("not what the host was asked for")
        operations, self.running = self.running, None
        self.finish(ctx, operations, m.results, m.body)
        self.execute(ctx)
        if self.leads:
            self.propose(ctx)

    # Retransmission: a replica that waits says how far it is, and others what it may have missed.

    def is_waiting(self) -> bool:
        return bool(self.leaving or self.pending or self.last > self.state.seq) or (
            max(self.checkpoints) > self.stable_seq
        )

    def ask(self, ctx: Context) -> None:
        if self.is_waiting():
            waits, missing = self.leaving is not None, self.missing()
            status = Status(self.view, waits, self.stable_seq, self.state.seq, missing)
            ctx.broadcast(self.others, status)
            self.fetch(ctx)
        ctx.set_timer("status", STATUS_MS)

    def on_status(self, ctx: Context, src: NodeId, m: Status) -> None:
        if src not in self.group.nodes:
            return ctx.ignore("not a replica")
        for seq, snapshot in self.checkpoints.sorted():
            if seq > m.stable:
                ctx.send(src, Checkpoint(seq, digest(snapshot)))
        for each in m.missing:
            if each in self.batches:
                ctx.send(src, Bodies(self.batches[each]))
        if m.view == self.view and not (m.waits or self.leaving):
            for seq in range(max(m.executed, self.stable_seq) + 1, self.last + 1):
                self.say_again(ctx, src, seq)

    def say_again(self, ctx: Context, to: NodeId, seq: int) -> None:
        accepted = self.accepted(seq)
        if accepted is None:
            return
        if not self.leads:
            ctx.send(to, Prepare(self.view, seq, accepted))
        elif seq > self.beginning.last:
            ctx.send(to, PrePrepare(self.view, seq, accepted, self.batches[accepted]))
        if self.prepared.get(seq) == Vote(self.view, accepted):
            ctx.send(to, Commit(self.view, seq, accepted))
