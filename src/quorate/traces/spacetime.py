"""A trace as the space-time diagram of a run: steps on nodes, and messages between steps.

Source: Lamport, Time, Clocks, and the Ordering of Events in a Distributed System, CACM 21(7) 1978.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from quorate.kernel import (
    Actor,
    By,
    Crash,
    Effect,
    Fact,
    Happening,
    Header,
    Message,
    NodeId,
    Note,
    Output,
    Receive,
    Record,
    Send,
    Trace,
    UsageError,
    core,
    digest,
    roles_of,
    until_send,
    unwrapped,
)
from quorate.traces.life import Life, unheard
from quorate.traces.words import all_told, changes, headline, role_of

OUTSIDE = "outside"
Link = tuple[NodeId, NodeId, Message]
"""Sender, receiver, message."""


class Step(msgspec.Struct, frozen=True, gc=False):
    """One step. `node` is an index into the diagram's nodes, `role` the part that took it.

    `effects` are what left the step: none of what a crash kept back. `received` is the message
    that came, `sent` are those that left, as indices into the diagram's messages.
    """

    at_us: int
    node: int
    role: NodeId
    event: Happening
    title: str
    changes: tuple[str, ...]
    effects: tuple[Effect, ...]
    received: int | None
    sent: tuple[int, ...]

    @property
    def facts(self) -> tuple[tuple[NodeId, Fact], ...]:
        """What was stated in this step, and by which role."""
        return tuple(
            (effect.role if isinstance(effect, By) else self.role, inner.fact)
            for effect in self.effects
            if isinstance(inner := unwrapped(effect), Output)
        )

    @property
    def done(self) -> tuple[str, ...]:
        """What the step did, in words, without what `changes` says."""
        return tuple(all_told(self.effects))

    @property
    def line(self) -> str:
        """The step in one line, as in the trace."""
        return " | ".join((self.title, *self.changes, *self.done))


class Sent(msgspec.Struct, frozen=True, gc=False):
    """A message on its way from node to node: `sent` and `received` are indices of steps.

    `sent` is None where the sender's steps are not in the trace, `received` where no step of the
    trace took it: it was lost, or was still under way, or the receiver is not in the trace.
    A message that arrived twice is here twice, the second time with `again`.
    """

    src: NodeId
    to: NodeId
    msg: Message
    source: int
    target: int
    sent: int | None
    received: int | None = None
    again: bool = False

    @property
    def name(self) -> str:
        """The kind of message."""
        return type(self.msg).__name__

    @property
    def local(self) -> bool:
        """Whether it never left its node: then it counts as no message."""
        return self.source == self.target


class SpaceTime(msgspec.Struct, frozen=True):
    """The diagram. `nodes` names the lanes: first the processes of the trace, then, after
    `inside` of them, whoever they exchange messages with that the trace holds no steps of."""

    header: Header
    nodes: tuple[NodeId, ...]
    inside: int
    steps: tuple[Step, ...]
    messages: tuple[Sent, ...]
    notes: tuple[Note, ...]

    @property
    def timed(self) -> bool:
        """Whether `at_us` is a time, and not the number of the step."""
        return self.header.executor not in ("check", "shrink")


def retell(trace: Trace, processes: Iterable[Actor]) -> SpaceTime:
    """The diagram of a trace, from the boot images of its nodes: every step is taken once more.

    Where the trace does not say which of several equal messages on one link a step received (its
    records have no cause), it is taken to be the latest that was sent and had not arrived yet, or,
    if all have, the latest once more.
    Raises UsageError when a step comes out otherwise than recorded.
    """
    return _Retelling(trace, processes).run()


class _Retelling:
    def __init__(self, trace: Trace, processes: Iterable[Actor]) -> None:
        self.trace = trace
        self.lives = {process.me: Life(process) for process in processes}
        self.lanes = {name: lane for lane, name in enumerate(self.lives)}
        self.inside = len(self.lanes)
        self.hosts = {
            role.me: self.lanes[process.me]
            for process in (life.boot for life in self.lives.values())
            for role in roles_of(process)
        }
        self.steps: list[Step] = []
        self.messages: list[Sent] = []
        self.waiting: dict[Link, list[int]] = {}
        self.latest: dict[Link, int] = {}

    def run(self) -> SpaceTime:
        silent = unheard(self.trace.records)
        for index, record in enumerate(self.trace.records):
            life = self.lives.get(record.node)
            if life is None:
                raise UsageError(f"step {index + 1}: there is no node {record.node}")
            try:
                event, before = record.event, life.actor
                effects = self._take(life, event, record.digest, record.line)
            except UsageError as error:
                raise UsageError(f"step {index + 1}, {record.node}: {error}") from error
            crashed = isinstance(event, Crash)
            changed = () if crashed else tuple(changes(before, life.actor))
            title = headline(event, record.node)
            if effects is None:
                title, effects = record.line, ()
            if index in silent:  # a crash came before anything of it left the node
                effects = tuple(e for e in effects if not isinstance(unwrapped(e), Send | Output))
            self._keep(record, title, changed, effects)
        names = {lane: name for name, lane in self.lanes.items()}
        return SpaceTime(
            self.trace.header,
            tuple(names[lane] for lane in sorted(names)),
            self.inside,
            tuple(self.steps),
            tuple(self.messages),
            self.trace.notes,
        )

    def _take(
        self, life: Life, event: Happening, digested: str, line: str
    ) -> tuple[Effect, ...] | None:
        """What a step did, or None if it raised, as the trace says it did."""
        if isinstance(event, Crash):
            effects = () if event.during is None else life.step(event.during)
            life.crash(event)
            return until_send(effects, event.sent)
        try:
            effects = life.step(event)
        except UsageError:
            raise
        except Exception:
            if " raised " not in line:
                raise
            return None
        if digest(effects) != digested:
            raise UsageError("its effects differ from those recorded")
        return effects

    def _keep(
        self, record: Record, title: str, changed: tuple[str, ...], effects: tuple[Effect, ...]
    ) -> None:
        event = record.event
        taken = event.during if isinstance(event, Crash) and event.during is not None else event
        role, lane, inner = role_of(taken, record.node), self.lanes[record.node], core(taken)
        received = None
        if isinstance(inner, Receive):
            received = self._receive((inner.src, role, inner.msg), record.cause)
        sent = []
        for effect in effects:
            message = unwrapped(effect)
            if isinstance(message, Send):
                src = effect.role if isinstance(effect, By) else role
                sent.append(self._send((src, message.to, message.msg), lane))
        self.steps.append(
            Step(record.at_us, lane, role, event, title, changed, effects, received, tuple(sent))
        )

    def _send(self, link: Link, lane: int) -> int:
        number = len(self.messages)
        self.waiting.setdefault(link, []).append(number)
        self.latest[link] = number
        self.messages.append(Sent(*link, lane, self._lane(link[1]), len(self.steps)))
        return number

    def _receive(self, link: Link, cause: int | None) -> int:
        here, number = len(self.steps), self._waiting(link, cause)
        if number is not None:
            arrived = msgspec.structs.replace(self.messages[number], received=here)
            self.messages[number] = arrived
            return number
        number = len(self.messages)
        first = self._of_step(link, cause)
        if first is None:
            first = self.latest.get(link)
        if first is not None:
            again = msgspec.structs.replace(self.messages[first], received=here, again=True)
        else:
            again = Sent(*link, self._lane(link[0]), self._lane(link[1]), None, here)
        self.messages.append(again)
        return number

    def _waiting(self, link: Link, cause: int | None) -> int | None:
        """Which of the messages that have not arrived this is; it waits no longer."""
        waiting = self.waiting.get(link, [])
        if cause is not None:
            number = next((n for n in waiting if self.messages[n].sent == cause), None)
            if number is not None:
                waiting.remove(number)
            if number is not None or self._of_step(link, cause) is not None:
                return number
        if not waiting:
            return None
        last = len(waiting) - 1
        while last and self._sent_at(waiting[last - 1]) == self._sent_at(waiting[last]):
            last -= 1  # sent in one go: they came in order
        return waiting.pop(last)

    def _of_step(self, link: Link, cause: int | None) -> int | None:
        """A message of that step over that link, which has arrived before."""
        if cause is None or cause >= len(self.steps):
            return None
        messages = ((n, self.messages[n]) for n in self.steps[cause].sent)
        return next((n for n, m in messages if (m.src, m.to, m.msg) == link), None)

    def _sent_at(self, number: int) -> int:
        sent = self.messages[number].sent
        assert sent is not None  # it waits, so it was sent in the trace
        return self.steps[sent].at_us if sent < len(self.steps) else -1

    def _lane(self, role: NodeId) -> int:
        """The lane of a role; one that no process of the trace holds gets a lane of its own, as
        long as they are few."""
        lane = self.hosts.get(role)
        if lane is None:
            crowded = len(self.lanes) >= self.inside + OUTSIDE_MAX and role not in self.lanes
            name = OUTSIDE if crowded else role
            lane = self.lanes.setdefault(name, len(self.lanes))
        return lane


OUTSIDE_MAX = 8
