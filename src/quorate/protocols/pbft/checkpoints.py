"""The log of a replica of PBFT, how it is kept short, and how a replica that fell behind comes on.

Source: Castro and Liskov, TOCS 20(4) 2002, sections 4.3 and 4.6.
"""

from __future__ import annotations

from quorate.kernel import Actor, Context, Map, NodeId, Stable
from quorate.properties.log import Installed
from quorate.properties.replication import Committed
from quorate.protocols.pbft.messages import (
    NULL,
    Batch,
    Beginning,
    Bodies,
    Checkpoint,
    Fetch,
    Group,
    Operation,
    Ordered,
    Reply,
    Sealed,
    Snapshot,
    State,
    ViewChange,
    Vote,
    digest,
    named,
)

Claims = tuple[tuple[int, bytes], ...]
Votes = Map[tuple[int, NodeId], Vote]
"""By sequence number, of each replica its latest vote there."""


class Log(Actor):
    """What a replica remembers: votes within a window above its stable checkpoint, and no more."""

    group: Group
    view: Stable[int] = 0
    leaving: Stable[ViewChange | None] = None  # what it said as it left for a view that is to begin
    beginning: Stable[Beginning] = Beginning()  # what its view began with
    pre_prepared: Stable[Map[int, tuple[Vote, ...]]] = Map()
    prepared: Stable[Map[int, Vote]] = Map()
    batches: Stable[Map[bytes, Batch]] = Map()
    checkpoints: Stable[Map[int, Snapshot]] = Map({0: Snapshot()})  # the stable one and later ones
    bodies: Stable[Map[int, bytes]] = Map()  # of these, what the host's service stands at
    state: Snapshot = Snapshot()
    running: tuple[Operation, ...] | None = None  # what the host is executing
    turn: int = 0
    claims: Map[NodeId, Claims] = Map()  # of each replica, its latest checkpoints
    prepares: Votes = Map()
    commits: Votes = Map()
    pending: Map[NodeId, Sealed] = Map()  # of each client, what is to be executed
    timing: bool = False
    attempts: int = 0

    @property
    def others(self) -> tuple[NodeId, ...]:
        return tuple([node for node in self.group.nodes if node != self.me])

    @property
    def stable_seq(self) -> int:
        return min(self.checkpoints)

    @property
    def last(self) -> int:
        """The highest sequence number that this view has used."""
        here = (seq for seq in self.pre_prepared if self.accepted(seq) is not None)
        return max((self.stable_seq, self.beginning.last, *here))

    def accepted(self, seq: int) -> bytes | None:
        """What is pre-prepared at `seq` in this view."""
        votes = self.pre_prepared.get(seq) or ()
        return next((vote.digest for vote in votes if vote.view == self.view), None)

    def voters(self, votes: Votes, seq: int, vote: Vote) -> frozenset[NodeId]:
        """Who has given exactly this vote: view, sequence number and digest."""
        return frozenset(node for node in self.group.nodes if votes.get((seq, node)) == vote)

    def missing(self) -> tuple[bytes, ...]:
        """Digests that are to be executed here, of requests that are not known here."""
        after = range(self.state.seq + 1, self.last + 1)
        wanted = (self.accepted(seq) for seq in after)
        return tuple(d for d in wanted if d and d not in self.batches)

    # Execution, in order, of what is committed.

    def execute(self, ctx: Context) -> None:
        """Execute whatever is committed and next."""
        while not self.leaving and self.running is None:
            seq, vote = self.state.seq + 1, self.prepared.get(self.state.seq + 1)
            if vote is None or vote.view != self.view:
                return
            known = vote.digest == NULL or vote.digest in self.batches
            if not (
                known and self.group.strong.won(self.voters(self.commits, seq, vote) | {self.me})
            ):
                return
            self.run(ctx, vote.digest)

    def run(self, ctx: Context, chosen: bytes) -> None:
        """Execute what is next, or have the host do that."""
        seq, operations = self.state.seq + 1, self.state.fresh(self.batches.get(chosen) or ())
        ctx.output(Committed(self.view, seq, chosen, self.group.strong.faults))
        due = seq % self.group.interval == 0
        if self.group.served and (operations or due):
            self.running, self.turn = operations, self.turn + 1
            return ctx.output(Ordered(self.turn, seq, operations, due))
        self.finish(ctx, operations, (), b"")

    def finish(
        self,
        ctx: Context,
        operations: tuple[Operation, ...],
        results: tuple[bytes, ...],
        body: bytes,
    ) -> None:
        """The next operations are executed, here or by the host; `body` is where that leads."""
        service = digest(body) if body else self.state.service
        self.state, done = self.state.after(operations, results, service)
        for each in done:
            ctx.output(each)
            ctx.send(each.client, Reply(self.view, each.timestamp, each.result))
        self.settle(ctx, progress=bool(done))
        if self.state.seq % self.group.interval == 0:
            self.take_checkpoint(ctx, body)

    def settle(self, ctx: Context, progress: bool) -> None:
        """Requests that have their answer are pending no more; others get their full time."""
        answered = [
            client
            for client, sealed in self.pending.items()
            if sealed.content.timestamp <= self.state.answer(client).timestamp
        ]
        self.pending = self.pending.drop(answered)
        if progress:
            self.attempts = 0
            self.restart_timer(ctx)

    def restart_timer(self, ctx: Context) -> None:
        """Give the primary time for what is pending, if anything is."""
        raise NotImplementedError

    # Checkpoints: what a quorum has, the others can get; so the log up to there can go.

    def take_checkpoint(self, ctx: Context, body: bytes) -> None:
        self.checkpoints = self.checkpoints.put(self.state.seq, self.state)
        if body:
            self.bodies = self.bodies.put(self.state.seq, body)
        ctx.broadcast(self.others, Checkpoint(self.state.seq, digest(self.state)))
        self.stabilize(ctx)

    def on_checkpoint(self, ctx: Context, src: NodeId, m: Checkpoint) -> None:
        if src not in self.group.nodes:
            return ctx.ignore("not a replica")
        known = dict(((m.seq, m.digest), *(self.claims.get(src) or ())))  # the first one stands
        most = self.group.window // self.group.interval + 1
        self.claims = self.claims.put(src, tuple(sorted(known.items()))[-most:])
        self.stabilize(ctx)
        if m.seq > self.stable_seq + self.group.window:
            self.fetch(ctx)

    def claimants(self, claim: tuple[int, bytes]) -> frozenset[NodeId]:
        others = frozenset(node for node, claims in self.claims.items() if claim in claims)
        mine = self.checkpoints.get(claim[0])
        return others | {self.me} if mine is not None and digest(mine) == claim[1] else others

    def stabilize(self, ctx: Context) -> None:
        """Forget what is below the highest checkpoint that a quorum has as it is here."""
        own = [(seq, digest(snapshot)) for seq, snapshot in self.checkpoints.sorted()]
        seq = max(c[0] for c in own if c == own[0] or self.group.strong.won(self.claimants(c)))
        if seq > self.stable_seq:
            self.forget(seq)
            self.moved(ctx)

    def forget(self, stable: int) -> None:
        self.checkpoints = self.checkpoints.drop([s for s in self.checkpoints if s < stable])
        self.bodies = self.bodies.drop([s for s in self.bodies if s < stable])
        self.pre_prepared = self.pre_prepared.drop([s for s in self.pre_prepared if s <= stable])
        self.prepared = self.prepared.drop([s for s in self.prepared if s <= stable])
        self.prepares = self.prepares.drop([key for key in self.prepares if key[0] <= stable])
        self.commits = self.commits.drop([key for key in self.commits if key[0] <= stable])
        used = {vote.digest for _, votes in self.pre_prepared.items() for vote in votes}
        self.batches = self.batches.drop([d for d in self.batches if d not in used])

    def moved(self, ctx: Context) -> None:
        """The window has moved."""
        raise NotImplementedError

    # State transfer: from anyone, since f + 1 vouch for its digest.

    def lacks(self, claim: tuple[int, bytes]) -> bool:
        """Whether this replica does not have a state, or has it otherwise, that f + 1 vouch for:
        by what they said, or as the view began with it."""
        mine = self.checkpoints.get(claim[0])
        other = self.state.seq < claim[0] if mine is None else digest(mine) != claim[1]
        begun = claim == (self.beginning.seq, self.beginning.checkpoint)
        return other and (begun or self.group.weak.won(self.claimants(claim)))

    def fetch(self, ctx: Context) -> None:
        """Ask for the highest state that is lacking here."""
        claims = {claim for _, claims in self.claims.items() for claim in claims}
        lacking = filter(self.lacks, claims | {(self.beginning.seq, self.beginning.checkpoint)})
        seq, _ = max(lacking, default=(0, NULL))
        if seq:
            ctx.broadcast(self.others, Fetch(seq))

    def on_fetch(self, ctx: Context, src: NodeId, m: Fetch) -> None:
        snapshot = self.checkpoints.get(m.seq)
        if snapshot is None:
            return ctx.ignore("no such checkpoint")
        ctx.send(src, State(snapshot, self.bodies.get(m.seq) or b""))

    def on_state(self, ctx: Context, src: NodeId, m: State) -> None:
        if not self.lacks(m.claim):
            return ctx.ignore("not a state that is vouched for, or not a new one")
        self.stand_at(ctx, m.snapshot, m.body)
        self.settle(ctx, progress=True)
        self.take_checkpoint(ctx, m.body)
        self.execute(ctx)

    def stand_at(self, ctx: Context, snapshot: Snapshot, body: bytes) -> None:
        """Go on from there; what the host is executing, if anything, leads elsewhere."""
        self.state, self.running = snapshot, None
        if body:
            ctx.output(Installed(snapshot.seq, body))

    def on_bodies(self, ctx: Context, src: NodeId, m: Bodies) -> None:
        if named(m.batch) not in self.missing():
            return ctx.ignore("not what is missing")
        self.batches = self.batches.put(named(m.batch), m.batch)
        self.execute(ctx)
