"""Run a recorded trace again, step by step, and see whether everything comes out the same."""

from __future__ import annotations

from typing import Any

import msgspec

from quorate.adversary import embodied, is_faithful
from quorate.kernel import (
    Actor,
    By,
    CancelTimer,
    Choice,
    Choose,
    Crash,
    Effect,
    Event,
    Header,
    NodeId,
    Output,
    Receive,
    Record,
    Send,
    SetTimer,
    Start,
    Timeout,
    Trace,
    UsageError,
    World,
    core,
    digest,
    roles_of,
    until_send,
    unwrapped,
)
from quorate.kernel.events import At, For
from quorate.sim.judge import NO_DEADLOCK, Judge
from quorate.traces.life import Life, unheard
from quorate.traces.words import describe

JUDGE_EVERY = 64


class Replay(msgspec.Struct, frozen=True):
    """What came of a replay: the property that broke, the first record that came out otherwise,
    and a line for each step that did not."""

    violated: str | None
    steps: int
    difference: str | None
    lines: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """ "differs", or else how the run ended: "holds" or "violated"."""
        return "differs" if self.difference else "violated" if self.violated else "holds"


class _Different(Exception):
    """This could not have happened here."""


class _Node(Life):
    def __init__(self, boot: Actor) -> None:
        super().__init__(boot)
        self.started = False
        self.up = True
        self.armed: set[tuple[NodeId, str]] = set()
        self.offered: set[tuple[NodeId, str, int | str]] = set()

    def check(self, role: NodeId, event: Any) -> None:
        """Raise unless this node may take `event` now; what the event uses up is gone."""
        if isinstance(event, Start):
            if self.started and self.up:
                raise _Different("it is up already")
            if event.recovered != self.started:
                raise _Different("it has crashed" if self.started else "it has never crashed")
            self.started = self.up = True
        elif not self.up:
            raise _Different("it is down")
        if isinstance(event, Timeout):
            if (role, event.timer) not in self.armed:
                raise _Different(f"its timer {event.timer} was not armed")
            self.armed.discard((role, event.timer))
        if isinstance(event, Choice):
            if (role, event.key, event.value) not in self.offered:
                raise _Different("that choice was not offered")
            self.offered = {o for o in self.offered if o[:2] != (role, event.key)}

    def crash(self, event: Crash) -> None:
        super().crash(event)
        self.up = False
        self.armed, self.offered = set(), set()


class _Run:
    def __init__(self, world: World) -> None:
        world = embodied(world)
        self.nodes = {process.me: _Node(process) for process in world.processes}
        self.sent: set[tuple[NodeId, NodeId, Any]] = set()
        self.judge = Judge(world, self._roles)

    def _roles(self) -> dict[NodeId, Actor]:
        live = (node for node in self.nodes.values() if node.up and is_faithful(node.actor))
        return {role.me: role for node in live for role in roles_of(node.actor)}

    def take(self, record: Record, heard: bool) -> str:
        """The line of a record; `heard`: its sends and outputs left the node. Raises _Different."""
        node = self.nodes.get(record.node)
        if node is None:
            raise _Different("there is no such node")
        event, before = record.event, node.actor
        if isinstance(event, Crash):
            if event.during is not None:
                effects = self._step(node, event.during)
                sends = sum(isinstance(unwrapped(effect), Send) for effect in effects)
                if event.sent >= sends:
                    raise _Different(f"it sends {sends} messages there, not more")
                self._apply(node, until_send(effects, event.sent))
            elif not node.up:
                raise _Different("it is down")
            node.crash(event)
            return describe(None, event, node.actor, ())
        try:
            effects = self._step(node, event)
        except (_Different, UsageError):
            raise
        except Exception as error:
            self.judge.fail(record.node, error)
            return f"{record.node} raised {error!r}"
        if digest(effects) != record.digest:
            raise _Different("its effects differ from those recorded")
        leaving = effects if heard else tuple(e for e in effects if _stays(e))
        self._apply(node, leaving)
        return describe(before, event, node.actor, effects)

    def _step(self, node: _Node, event: Event) -> tuple[Effect, ...]:
        inner = core(event)
        addressed = event.event if isinstance(event, At) else event
        role = addressed.role if isinstance(addressed, For) else node.boot.me
        if isinstance(inner, Receive) and (inner.src, role, inner.msg) not in self.sent:
            raise _Different("that message had not been sent")
        node.check(role, inner)
        return node.step(event)

    def _apply(self, node: _Node, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            role = effect.role if isinstance(effect, By) else node.boot.me
            match unwrapped(effect):
                case Send(to, msg):
                    self.sent.add((role, to, msg))
                case SetTimer(timer):
                    node.armed.add((role, timer))
                case CancelTimer(timer):
                    node.armed.discard((role, timer))
                case Choose(key, options):
                    node.offered.update((role, key, option) for option in options)
                case Output(fact):
                    self.judge.fact(role, fact)
                case _:
                    pass
        if self.judge.due:
            self.judge.states()

    def end(self, header: Header) -> str | None:
        """Judge how it ended; the difference from what the header says, if any. Of the properties
        that broke, the one that the header names counts."""
        self.judge.states()
        if self.judge.violated is None:
            self.judge.ended(header.violated)
        if header.violated in self.judge.broken:
            self.judge.violated = header.violated
        if (header.violated or "").startswith(NO_DEADLOCK):
            return None  # what happens within the network leaves no record: only what it led to
        if header.violated not in (None, self.judge.violated):
            return f"the end: {header.violated} is not violated here, as the trace says it was"
        return None


def _stays(effect: Effect) -> bool:
    return not isinstance(unwrapped(effect), Send | Output)


def replay(world: World, trace: Trace) -> Replay:
    """Run `trace` again in `world`: stops at the first record that comes out otherwise.

    Messages stay deliverable once sent (loss, duplication and reordering need no record).
    """
    run = _Run(world)
    silent = unheard(trace.records)
    lines: list[str] = []
    for index, record in enumerate(trace.records):
        try:
            lines.append(run.take(record, index not in silent))
        except (_Different, UsageError) as problem:
            where = f"record {index + 1}, {record.node}: {problem}"
            return Replay(run.judge.violated, index + 1, where, tuple(lines))
        if index % JUDGE_EVERY == JUDGE_EVERY - 1:
            run.judge.states()
    difference = run.end(trace.header)
    return Replay(run.judge.violated, len(lines), difference, tuple(lines))
