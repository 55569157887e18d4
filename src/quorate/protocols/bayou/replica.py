"""A replica: answers whoever reaches it, and asks the others now and then for what it lacks."""

from __future__ import annotations

from quorate.kernel import Actor, Context, Message, NodeId, Stable
from quorate.properties.convergence import Dot, Held
from quorate.protocols.bayou.log import Change, Have, Log, Update, Vector, covers

GOSSIP_MS = (150, 300)


class Get(Message, frozen=True):
    number: int
    needs: Vector
    key: str


class Got(Message, frozen=True):
    number: int
    value: str | None
    vector: Vector
    held: int
    committed: int


class Put(Message, frozen=True):
    number: int
    needs: Vector
    changes: tuple[Change, ...]


class Accepted(Message, frozen=True):
    number: int
    dot: Dot


class Refused(Message, frozen=True):
    number: int


class Replica(Actor):
    """Accepts writes, orders them, and lets others have what they lack."""

    peers: tuple[NodeId, ...]
    primary: bool
    keep: int
    batch: int
    log: Stable[Log] = Log()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.tell(ctx)
        ctx.set_timer("gossip", GOSSIP_MS)

    def tell(self, ctx: Context) -> None:
        log = self.log
        dots = tuple(write.dot for write in log.writes)
        ctx.output(Held(log.base.count, dots, log.csn, log.outcome.items))

    def grow(self, ctx: Context, log: Log) -> None:
        self.log = log.commit() if self.primary else log
        self.tell(ctx)

    # Sessions.

    def on_get(self, ctx: Context, src: NodeId, m: Get) -> None:
        if not covers(self.log.vector, m.needs):
            return ctx.send(src, Refused(m.number))
        log, now = self.log, self.log.outcome
        value = dict(now.items).get(m.key)
        ctx.send(src, Got(m.number, value, now.vector, now.count, log.csn))

    def on_put(self, ctx: Context, src: NodeId, m: Put) -> None:
        if not covers(self.log.vector, m.needs):
            return ctx.send(src, Refused(m.number))
        done = dict(self.log.outcome.done)
        if (src, m.number) not in done:
            self.grow(ctx, self.log.accept(self.me, (src, m.number), m.changes))
            done = dict(self.log.outcome.done)
        ctx.send(src, Accepted(m.number, done[src, m.number]))

    # Anti-entropy: whoever lacks something asks for it.

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.log = self.log.omit(self.keep)
        ctx.broadcast(self.peers, Have(self.log.vector, self.log.csn))
        ctx.set_timer("gossip", GOSSIP_MS)

    def on_have(self, ctx: Context, src: NodeId, m: Have) -> None:
        update = self.log.missing(m, self.batch)
        if update is None:
            return ctx.ignore("it lacks nothing that is held here")
        ctx.send(src, update)

    def on_update(self, ctx: Context, src: NodeId, m: Update) -> None:
        log = self.log.learn(m)
        if log == self.log:
            return ctx.ignore("nothing new")
        self.grow(ctx, log)
