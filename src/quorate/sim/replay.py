"""Run a recorded trace again, step by step, and see whether everything comes out the same."""

from __future__ import annotations

from typing import Any

import msgspec

from quorate.kernel import (
    Actor,
    By,
    CancelTimer,
    Choice,
    Choose,
    Crash,
    Effect,
    NodeId,
    Output,
    Receive,
    Record,
    Send,
    SetTimer,
    Start,
    Timeout,
    Trace,
    World,
    core,
    describe,
    digest,
    forces,
    roles_of,
    unforced_after,
    unwrapped,
)
from quorate.kernel.events import For
from quorate.sim.judge import Judge


class Replay(msgspec.Struct, frozen=True):
    """What came of a replay: the property that broke, the first record that came out otherwise."""

    violated: str | None
    steps: int
    difference: str | None
    lines: tuple[str, ...]


class _Node:
    def __init__(self, boot: Actor) -> None:
        self.boot = self.actor = boot
        self.up = True
        self.unforced: tuple[Any, ...] = ()
        self.armed: set[tuple[NodeId, str]] = set()
        self.offered: set[tuple[NodeId, str, int | str]] = set()
        self.forced: list[tuple[Actor, tuple[Any, ...]]] = []  # as it was before each forcing step


class _World:
    def __init__(self, world: World) -> None:
        self.nodes = {process.me: _Node(process) for process in world.processes}
        self.sent: set[tuple[NodeId, NodeId, Any]] = set()
        self.judge = Judge(world.properties, self._roles)

    def _roles(self) -> dict[NodeId, Actor]:
        live = (node for node in self.nodes.values() if node.up)
        return {role.me: role for node in live for role in roles_of(node.actor)}

    def take(self, record: Record) -> tuple[str | None, str]:
        """Why the record could not have happened here (or None), and its line."""
        node = self.nodes.get(record.node)
        if node is None:
            return f"there is no node {record.node}", ""
        event = record.event
        if isinstance(event, Crash):
            return self._crash(node, event)
        inner = core(event)
        role = event.role if isinstance(event, For) else record.node
        problem = self._possible(node, role, inner)
        if problem is not None:
            return problem, ""
        before = node.actor
        node.actor, effects = before.step(event)
        if forces(effects):
            node.forced.append((before, node.unforced))
        node.unforced = unforced_after(node.unforced, before, node.actor, effects)
        if digest(effects) != record.digest:
            return "its effects differ from those recorded", ""
        self._apply(node, record.node, effects)
        self.judge.states()
        return None, describe(before, event, node.actor, effects)

    def _possible(self, node: _Node, role: NodeId, event: Any) -> str | None:
        if isinstance(event, Start):
            node.up = True
        elif not node.up:
            return "it is down"
        if isinstance(event, Receive) and (event.src, role, event.msg) not in self.sent:
            return "that message had not been sent"
        if isinstance(event, Timeout):
            if (role, event.timer) not in node.armed:
                return f"its timer {event.timer} was not armed"
            node.armed.discard((role, event.timer))
        if isinstance(event, Choice) and (role, event.key, event.value) not in node.offered:
            return "that choice was not offered"
        return None

    def _crash(self, node: _Node, event: Crash) -> tuple[str | None, str]:
        if event.during is not None:
            before = node.actor
            node.actor, effects = before.step(event.during)
            node.unforced = unforced_after(node.unforced, before, node.actor, effects)
            sends = [e for e in effects if isinstance(unwrapped(e), Send)]
            self._apply(node, before.me, tuple(sends[: event.sent]))
        if event.undone > len(node.forced):
            return "it had not forced so many writes", ""
        actor, unforced = node.actor, node.unforced
        if event.undone:
            actor, unforced = node.forced[-event.undone]
        images = (*unforced, actor.lazy())
        if event.forgets >= len(images):
            return "it had not written so much unforced", ""
        line = describe(None, event, node.actor, ())
        node.actor = actor.restart(node.boot, images[-1 - event.forgets])
        node.up, node.unforced = False, ()
        node.armed, node.offered, node.forced = set(), set(), []
        return None, line

    def _apply(self, node: _Node, me: NodeId, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            role, inner = (effect.role, effect.effect) if isinstance(effect, By) else (me, effect)
            match inner:
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


def replay(world: World, trace: Trace) -> Replay:
    """Run `trace` again in `world`: stops at the first record that comes out otherwise.

    Messages stay deliverable once sent (loss, duplication and reordering need no record).
    """
    state = _World(world)
    lines: list[str] = []
    for count, record in enumerate(trace.records, start=1):
        problem, line = state.take(record)
        if problem is not None:
            where = f"record {count}, {record.node}: {problem}"
            return Replay(state.judge.violated, count, where, tuple(lines))
        lines.append(line)
    if state.judge.violated is None:
        state.judge.rest(trace.header.violated)
    return Replay(state.judge.violated, len(trace.records), None, tuple(lines))
