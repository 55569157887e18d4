"""A session: what one client asks for, one operation after the other, of whichever replica answers.

It keeps two vectors, of the writes that it made and of those that it may have read. A replica that
does not hold what they say is behind; which operation asks for which of them makes the guarantee:

Read your writes       a read asks for what was written
Monotonic reads        a read asks for what was read
Writes follow reads    a write asks for what was read
Monotonic writes       a write asks for what was written
"""

from __future__ import annotations

import msgspec

from quorate.kernel import Actor, Context, NodeId
from quorate.properties.linearizable import Called
from quorate.properties.sessions import Read, Wrote
from quorate.protocols.bayou.log import Change, Vector, joined
from quorate.protocols.bayou.replica import Accepted, Get, Got, Put, Refused

PAUSE_MS = (0, 300)
PATIENCE_MS = (80, 120)
BEHIND_MS = (20, 60)


class Task(msgspec.Struct, frozen=True, cache_hash=True):
    """Read `key`; or, with `changes`, the first of which is of that key, make the first that can be
    made of them."""

    key: str
    changes: tuple[Change, ...] = ()


class Guarantees(msgspec.Struct, frozen=True, cache_hash=True):
    """Which of the four a session asks for."""

    read_your_writes: bool = True
    monotonic_reads: bool = True
    writes_follow_reads: bool = True
    monotonic_writes: bool = True


ALL = Guarantees()


class Session(Actor):
    """Does its tasks in order, at the first replica that answers and is not behind."""

    replicas: tuple[NodeId, ...]
    tasks: tuple[Task, ...]
    guarantees: Guarantees = ALL
    number: int = 0
    open: bool = False
    at: int = 0
    written: Vector = ()
    read: Vector = ()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.rest(ctx)

    def rest(self, ctx: Context) -> None:
        if self.number < len(self.tasks):
            ctx.set_timer("call", PAUSE_MS)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "call":
            self.number, self.open = self.number + 1, True
            task = self.tasks[self.number - 1]
            written = task.changes[0].value if task.changes else None
            ctx.output(Called("write" if task.changes else "read", written, task.key))
        else:
            self.at = (self.at + 1) % len(self.replicas)
        self.ask(ctx)

    def ask(self, ctx: Context) -> None:
        task, of = self.tasks[self.number - 1], self.guarantees
        reads, writes = of.monotonic_reads, of.read_your_writes
        if task.changes:
            reads, writes = of.writes_follow_reads, of.monotonic_writes
        needs = joined(self.read if reads else (), self.written if writes else ())
        ask = Put(self.number, needs, task.changes) if task.changes else None
        ctx.send(self.replicas[self.at], ask or Get(self.number, needs, task.key))
        ctx.set_timer("elsewhere", PATIENCE_MS)

    def on_refused(self, ctx: Context, src: NodeId, m: Refused) -> None:
        if not self.is_open(m.number):
            return ctx.ignore("not the open operation")
        ctx.set_timer("elsewhere", BEHIND_MS)

    def on_got(self, ctx: Context, src: NodeId, m: Got) -> None:
        if not self.is_open(m.number):
            return ctx.ignore("not the open operation")
        self.read = joined(self.read, m.vector)
        ctx.output(Read(m.value, m.number, src, m.held, m.committed))
        self.end(ctx)

    def on_accepted(self, ctx: Context, src: NodeId, m: Accepted) -> None:
        if not self.is_open(m.number):
            return ctx.ignore("not the open operation")
        time, replica = m.dot
        self.written = joined(self.written, ((replica, time),))
        ctx.output(Wrote(None, m.number, m.dot))
        self.end(ctx)

    def is_open(self, number: int) -> bool:
        return self.open and number == self.number

    def end(self, ctx: Context) -> None:
        self.open = False
        ctx.cancel_timer("elsewhere")
        self.rest(ctx)
