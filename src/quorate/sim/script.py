"""A trace as a script that can be changed: each arrival names the send that caused it.

When a step is dropped, what depends on it changes or becomes impossible. A script can be performed
all the same: an arrival brings what its cause sends now, and what is not possible is passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from quorate.kernel import (
    Choice,
    Crash,
    Effect,
    Event,
    Happening,
    Ignore,
    NodeId,
    Receive,
    Record,
    Send,
    Start,
    Timed,
    Trace,
    World,
    core,
    digest,
    forces,
    roles_of,
    unwrapped,
)
from quorate.kernel.effects import By
from quorate.kernel.events import At, For
from quorate.sim.stage import Envelope, Impossible, Player, Stage, Step
from quorate.traces.life import unheard
from quorate.traces.words import describe, role_of

Ref = tuple[int, NodeId, NodeId, str, int]
"""A message by its origin: number of the entry, sender, receiver, class, and which of those."""


class Entry(NamedTuple):
    """One event of a script. `cause` is what sent the message that arrives, `heard` says that its
    sends and outputs left the node."""

    number: int
    at_us: int
    node: NodeId
    event: Happening
    cause: Ref | None
    heard: bool = True


Script = tuple[Entry, ...]


class Performed(NamedTuple):
    """What was possible of a script: those entries, the events that they became, and their steps.
    `refs` holds every message that was sent."""

    script: Script
    events: tuple[Happening, ...]
    steps: tuple[Step, ...]
    refs: dict[Ref, Envelope]
    stage: Stage


def refs_of(number: int, me: NodeId, left: Sequence[Effect]) -> dict[Ref, Envelope]:
    """The messages that an entry sent, by their origin."""
    found: dict[Ref, Envelope] = {}
    count: Counter[tuple[NodeId, NodeId, str]] = Counter()
    for effect in left:
        role = effect.role if isinstance(effect, By) else me
        inner = unwrapped(effect)
        if isinstance(inner, Send):
            key = (role, inner.to, type(inner.msg).__name__)
            found[(number, *key, count[key])] = (role, inner.to, inner.msg)
            count[key] += 1
    return found


def script_of(world: World, trace: Trace) -> Script:
    """The script of a trace. Raises Impossible if the trace could not have happened."""
    stage = Stage(world)
    silent = unheard(trace.records)
    waiting: dict[Envelope, list[Ref]] = {}  # by what each equal message came from
    latest: dict[Envelope, Ref] = {}
    entries: list[Entry] = []
    for number, record in enumerate(trace.records):
        heard = number not in silent
        envelope = _arrives(record.node, record.event)
        cause: Ref | None = None
        if envelope is not None:
            cause = _origin(record, waiting.get(envelope, []), latest.get(envelope))
        entries.append(Entry(number, record.at_us, record.node, record.event, cause, heard))
        step = stage.happen(record.node, record.event, heard)
        for ref, message in refs_of(number, record.node, step.left).items():
            waiting.setdefault(message, []).append(ref)
            latest[message] = ref
    return tuple(entries)


def _origin(record: Record, waiting: list[Ref], latest: Ref | None) -> Ref:
    """Which of equal messages arrives: the one that the record names; or else the first of those
    that have not arrived yet, or the last one of all."""
    if latest is None:
        raise Impossible("that message had not been sent")
    named = next((ref for ref in waiting if ref[0] == record.cause), None)
    found = named or (waiting[0] if waiting else latest)
    if found in waiting:
        waiting.remove(found)
    return found


def perform(world: World, script: Sequence[Entry], violates: str, eager: bool) -> Performed:
    """Let a script happen as far as it can, up to the step that violates a property.

    `eager`: states are judged at every step, not only facts.
    """
    stage = Stage(world)
    refs: dict[Ref, Envelope] = {}
    latest: dict[tuple[NodeId, NodeId, str], Envelope] = {}
    silent: Counter[NodeId] = Counter()  # latest steps of a node that nobody has heard of
    forced: Counter[NodeId] = Counter()  # how many of them forced something
    entries: list[Entry] = []
    events: list[Happening] = []
    steps: list[Step] = []
    for entry in script:
        player = stage.players.get(entry.node)
        if player is None:
            continue
        event = _fit(entry, player, stage, refs, latest, silent, forced)
        if event is None:
            continue
        try:
            step = stage.happen(entry.node, event, entry.heard)
        except Impossible:
            continue
        entries.append(entry)
        events.append(event)
        steps.append(step)
        if isinstance(event, Crash) or entry.heard:
            silent[entry.node] = forced[entry.node] = 0
        else:
            silent[entry.node] += 1
            forced[entry.node] += forces(step.effects)
        for ref, envelope in refs_of(entry.number, entry.node, step.left).items():
            refs[ref] = latest[ref[1:4]] = envelope
        if eager:
            stage.judge.states()
        if violates in map(common, stage.judge.broken):
            break
    return Performed(tuple(entries), tuple(events), tuple(steps), refs, stage)


def common(name: str) -> str:
    """What violations of one kind share: their name without what it says of this one."""
    return name.partition(" (")[0]


def recorded(performed: Performed, timed: bool) -> tuple[Record, ...]:
    """The records of what happened; where no clock counts, numbered instead of timed."""
    records = []
    index = {entry.number: number for number, entry in enumerate(performed.script)}
    for number, (entry, event, step) in enumerate(
        zip(performed.script, performed.events, performed.steps, strict=True)
    ):
        before = None if isinstance(event, Crash) else step.before
        effects = () if isinstance(event, Crash) else step.effects
        line = describe(before, event, step.after, effects)
        if step.error is not None:
            line = f"{entry.node} raised {step.error!r}"
        at_us = entry.at_us if timed else number
        cause = index.get(entry.cause[0]) if entry.cause else None
        records.append(Record(at_us, entry.node, event, digest(effects), line, cause))
    return tuple(records)


def is_timed(world: World) -> bool:
    """Whether any actor of a world reads a clock."""
    return any(isinstance(role, Timed) for each in world.processes for role in roles_of(each))


def idle(step: Step) -> bool:
    """Whether a step changed nothing and nobody saw anything of it."""
    return step.before == step.after and all(type(unwrapped(e)) is Ignore for e in step.effects)


def _arrives(node: NodeId, event: Happening) -> Envelope | None:
    """The message whose arrival an event is, or a crash within its arrival."""
    inner: Any = event.during if isinstance(event, Crash) else event
    arrival = core(inner)
    if not isinstance(arrival, Receive):
        return None
    return arrival.src, role_of(inner, node), arrival.msg


def _fit(
    entry: Entry,
    player: Player,
    stage: Stage,
    refs: dict[Ref, Envelope],
    latest: dict[tuple[NodeId, NodeId, str], Envelope],
    silent: Counter[NodeId],
    forced: Counter[NodeId],
) -> Happening | None:
    """The event of an entry as it is possible now; None if it is not."""
    event = entry.event
    if isinstance(event, Crash):
        during: Event | None = None
        if event.during is not None:
            during = _message(entry, event.during, stage, refs, latest)
            if during is None:
                return None
        undone = min(event.undone, forced[entry.node])
        try:
            losable = player.losable(undone, during)
        except Exception:  # the step that it was to cut short makes no sense any more
            return None
        return msgspec.structs.replace(
            event,
            during=during,
            undone=undone,
            forgets=min(event.forgets, losable),
            unheard=silent[entry.node],
        )
    inner = core(event)
    if isinstance(inner, Start):
        return _with(event, Start(player.started))
    if isinstance(inner, Choice):
        role = role_of(event, entry.node)
        options = player.offered.get((role, inner.key), ())
        return event if inner.value in options else None
    return _message(entry, event, stage, refs, latest)


def _message(
    entry: Entry,
    event: Event,
    stage: Stage,
    refs: dict[Ref, Envelope],
    latest: dict[tuple[NodeId, NodeId, str], Envelope],
) -> Event | None:
    """An arrival with what its cause has sent; or else the same from elsewhere, or the like."""
    inner = core(event)
    if not isinstance(inner, Receive) or entry.cause is None:
        return event
    asked = (inner.src, role_of(event, entry.node), inner.msg)
    found = refs.get(entry.cause)
    if found is None:
        found = asked if asked in stage.sent else latest.get(entry.cause[1:4])
    return None if found is None else _with(event, Receive(found[0], found[2]))


def _with(event: Any, inner: Event) -> Event:
    """`event` with another event inside its wrappings."""
    if isinstance(event, At):
        return At(event.at_ms, _with(event.event, inner))
    if isinstance(event, For):
        return For(event.role, _with(event.event, inner))
    return inner
