"""Small actors whose every move in the simulator can be foretold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from quorate.kernel import (
    Actor,
    Context,
    Crash,
    Fact,
    Header,
    Lazy,
    Message,
    NodeId,
    Property,
    Receive,
    Record,
    Stable,
    Timed,
    World,
    core,
)
from quorate.sim import Faults, Run, simulate

HEADER = Header(protocol="toys", executor="sim")


class Ping(Message, frozen=True):
    number: int


class Pong(Message, frozen=True):
    number: int


class Got(Fact, frozen=True):
    number: int


class Picked(Fact, frozen=True):
    value: int | str


class Rang(Fact, frozen=True):
    timer: str


class Read(Fact, frozen=True):
    at_ms: int


class Sender(Actor):
    """Sends pings number 1 to `count` at once, or one every `every_ms`."""

    to: tuple[NodeId, ...]
    count: int = 1
    every_ms: int = 0
    sent: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if self.every_ms:
            return ctx.set_timer("next", (self.every_ms, self.every_ms))
        for number in range(1, self.count + 1):
            ctx.broadcast(self.to, Ping(number))

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.sent += 1
        ctx.broadcast(self.to, Ping(self.sent))
        if self.sent < self.count:
            ctx.set_timer("next", (self.every_ms, self.every_ms))

    def on_pong(self, ctx: Context, src: NodeId, m: Pong) -> None:
        ctx.output(Got(m.number))


class Counter(Actor):
    """Counts pings thrice: on disk, on disk without forcing, and in memory. Answers each."""

    kept: Stable[int] = 0
    loose: Lazy[int] = 0
    heard: int = 0
    answers: bool = True

    def on_ping(self, ctx: Context, src: NodeId, m: Ping) -> None:
        self.kept, self.loose, self.heard = self.kept + 1, self.loose + 1, self.heard + 1
        ctx.output(Got(m.number))
        if self.answers:
            ctx.send(src, Pong(m.number))


class Greeter(Actor):
    """Counts its lives on disk and states each; answers a ping twice, without a write."""

    lives: Stable[int] = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.lives += 1
        ctx.output(Got(-self.lives))

    def on_ping(self, ctx: Context, src: NodeId, m: Ping) -> None:
        for number in (m.number, m.number + 1):
            ctx.send(src, Pong(number))


class Loose(Actor):
    """Counts pings on disk without forcing."""

    loose: Lazy[int] = 0

    def on_ping(self, ctx: Context, src: NodeId, m: Ping) -> None:
        self.loose += 1


class Chooser(Actor):
    """Asks for a choice of its own, and states it."""

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.choose("coin", ("heads", "tails"))

    def on_choice(self, ctx: Context, key: str, value: int | str) -> None:
        ctx.output(Picked(value))


class Clerk(Actor):
    """Sends itself a ping for every ping of others; keeps what happened, in order."""

    log: tuple[str, ...] = ()

    def on_ping(self, ctx: Context, src: NodeId, m: Ping) -> None:
        self.log = (*self.log, f"{src}{m.number}")
        if src != self.me:
            ctx.send(self.me, m)


class Echo(Actor):
    """Talks to itself without end."""

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.send(self.me, Ping(0))

    def on_ping(self, ctx: Context, src: NodeId, m: Ping) -> None:
        ctx.send(self.me, m)


class Babbler(Echo):
    """Does so from the first ping on."""

    def on_start(self, ctx: Context, recovered: bool) -> None: ...


class Alarms(Actor):
    """Three timers: one rings, one is re-armed, one is cancelled."""

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("rings", (10, 20))
        ctx.set_timer("again", (5, 5))
        ctx.set_timer("again", (30, 30))
        ctx.set_timer("never", (15, 15))
        ctx.cancel_timer("never")

    def on_timer(self, ctx: Context, timer: str) -> None:
        ctx.output(Rang(timer))


class Clock(Timed):
    """States what its clock shows, at the start and after a second."""

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.output(Read(ctx.at_ms))
        ctx.set_timer("second", (1_000, 1_000))

    def on_timer(self, ctx: Context, timer: str) -> None:
        ctx.output(Read(ctx.at_ms))


class Clumsy(Actor):
    """Fails at the first ping."""

    def on_ping(self, ctx: Context, src: NodeId, m: Ping) -> None:
        raise KeyError(m.number)


def world(*processes: Actor, properties: tuple[Property, ...] = (), may_crash: str = "") -> World:
    """A world in which only the named processes may crash or pause."""
    names = frozenset(may_crash.split())
    return World(processes=processes, properties=properties, crashable=names)


def run(of: World, seed: int = 0, **knobs: Any) -> Run:
    """A traced run."""
    return simulate(of, seed=seed, faults=Faults(**knobs), header=HEADER)


def records(run: Run, node: NodeId, kind: type) -> list[Record]:
    """The records of one node whose event is of a kind, inside its wrappings."""
    assert run.trace is not None
    return [r for r in run.trace.records if r.node == node and isinstance(core(r.event), kind)]


def pings(run: Run, node: NodeId) -> list[int]:
    """The numbers of the pings that reached a node, in that order."""
    events = [core(record.event) for record in records(run, node, Receive)]
    return [event.msg.number for event in events if isinstance(event.msg, Ping)]


def crashes(records: Iterable[Record] | None) -> list[Crash]:
    """The crashes among some records."""
    return [record.event for record in records or () if isinstance(record.event, Crash)]
