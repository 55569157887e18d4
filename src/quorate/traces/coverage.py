"""Which faults struck in which states of the protocol: read off a trace, whoever recorded it.

A state is what tells a person where a role stands: the fields in which it differs from its boot
image, with the value where that is a flag or one of a few names. A message's fault is counted where
its sender stood once it was sent, or where its receiver stood when it came.
"""

from __future__ import annotations

import enum
from collections import Counter, deque
from collections.abc import Iterator

from quorate.kernel import (
    Actor,
    By,
    Crash,
    Effect,
    NodeId,
    Note,
    Receive,
    Record,
    Send,
    Trace,
    World,
    core,
    roles_of,
    until_send,
    unwrapped,
)
from quorate.traces.life import Life, unheard
from quorate.traces.words import role_of

FAULTS = (
    "crash",
    "crash within a step",
    "forced write lost",
    "unforced write lost",
    "pause",
    "cut off",
    "message lost",
    "message again",
    "message overtaken",
)
"""The faults that are told apart, in the order in which they are shown."""

Pair = tuple[str, str, str]
"""A class of role, its state, and a fault; no fault is the state being there at all."""
SEEN = ""
"""In place of a fault: the state was there."""


def state_of(role: Actor, boot: Actor) -> str:
    """Where a role stands, in words."""
    parts = []
    for name in role.__struct_fields__:
        value = getattr(role, name)
        if value == getattr(boot, name):
            continue
        if isinstance(value, enum.Enum):
            parts.append(f"{name} {value.value}")
        elif isinstance(value, bool):
            parts.append(name if value else f"not {name}")
        else:
            parts.append(name)
    return ", ".join(parts) or "as at boot"


def pairs_of(trace: Trace, world: World) -> Counter[Pair]:
    """How often each pair was met in a run of a world. A message counts as lost if no step took it
    by the end of the run. Adversaries have no state: only what they send is seen."""
    return _Retelling(trace, world).pairs


class _Retelling:
    def __init__(self, trace: Trace, world: World) -> None:
        self.pairs: Counter[Pair] = Counter()
        hosts = world.hosts()
        faithful = set(range(len(world.processes))) - {hosts[name] for name in world.byzantine}
        self._lives = {world.processes[i].me: Life(world.processes[i]) for i in sorted(faithful)}
        self._hosts = {role for role, i in hosts.items() if i in faithful}
        # By step: who sent what to whom, and where the sender then stood.
        self._sent: dict[tuple[int, NodeId, object], tuple[str, str]] = {}
        self._came: set[tuple[int, NodeId, object]] = set()
        self._latest: dict[tuple[NodeId, NodeId], int] = {}
        self._run(trace)

    def _run(self, trace: Trace) -> None:
        silent = unheard(trace.records)
        notes = deque(note for note in trace.notes if note.fault)
        for index, record in enumerate(trace.records):
            while notes and notes[0].at_us < record.at_us:
                self._befall(notes.popleft())
            if " raised " in record.line:
                return  # a violation, and the end of the run
            if record.node in self._lives:
                self._take(index, record, index not in silent)
        for note in notes:
            self._befall(note)
        for key in self._sent.keys() - self._came:
            self.pairs[*self._sent[key], "message lost"] += 1

    def _take(self, index: int, record: Record, heard: bool) -> None:
        life, event = self._lives[record.node], record.event
        effects: tuple[Effect, ...] = ()
        if isinstance(event, Crash):
            self._crash(life, event)
            if event.during is not None:
                effects = until_send(life.step(event.during), event.sent)
            life.crash(event)
        else:
            self._receive(life, record)
            effects = life.step(event)
            for where in self._standing(life):
                self.pairs[*where, SEEN] += 1
        for effect in effects if heard else ():
            inner = unwrapped(effect)
            if isinstance(inner, Send) and inner.to in self._hosts:
                role = effect.role if isinstance(effect, By) else life.boot.me
                self._sent[index, inner.to, inner.msg] = self._where(life, role)

    def _receive(self, life: Life, record: Record) -> None:
        """Note what had befallen a message that comes."""
        event = core(record.event)
        if not isinstance(event, Receive) or record.cause is None:
            return
        to = role_of(record.event, record.node)
        key, where = (record.cause, to, event.msg), self._where(life, to)
        if key in self._came:
            self.pairs[*where, "message again"] += 1
        self._came.add(key)
        link = event.src, to
        if record.cause < self._latest.get(link, 0):
            self.pairs[*where, "message overtaken"] += 1
        self._latest[link] = max(record.cause, self._latest.get(link, 0))

    def _crash(self, life: Life, event: Crash) -> None:
        for where in self._standing(life):
            self.pairs[*where, "crash" if event.during is None else "crash within a step"] += 1
            if event.undone:
                self.pairs[*where, "forced write lost"] += 1
            if event.forgets:
                self.pairs[*where, "unforced write lost"] += 1

    def _befall(self, note: Note) -> None:
        for node in note.nodes:
            for where in self._standing(self._lives[node]) if node in self._lives else ():
                self.pairs[*where, note.fault] += 1

    def _standing(self, life: Life) -> Iterator[tuple[str, str]]:
        for role, boot in zip(roles_of(life.actor), roles_of(life.boot), strict=True):
            yield type(boot).__name__, state_of(role, boot)

    def _where(self, life: Life, name: NodeId) -> tuple[str, str]:
        """The class of a role on a node, and where it stands."""
        pairs = zip(roles_of(life.actor), roles_of(life.boot), strict=True)
        return next(
            (type(boot).__name__, state_of(role, boot)) for role, boot in pairs if boot.me == name
        )
