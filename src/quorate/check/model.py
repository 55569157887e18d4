"""A world as small integers: local states, envelopes and steps are interned and computed once.

Global states are many, local steps few, so each (local state, event) is stepped once (and once
more, to see that the handler is deterministic), however many global states share it.

Crashes. A crash and the restart that follows are one event: on links that may lose, a node that is
down for a while is a node whose messages were lost. Where a world has an AtRest property, a node
may also stop for good. On reliable links a node can also crash within a broadcast, having sent any
proper prefix of it. Each unforced write that a crash may lose is a case of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from quorate.kernel import (
    Actor,
    By,
    CancelTimer,
    Choice,
    Choose,
    Crash,
    Effect,
    Event,
    Fact,
    Happening,
    Kind,
    Network,
    NodeId,
    Output,
    ProtocolBug,
    Receive,
    Record,
    Send,
    SetTimer,
    Start,
    Timed,
    Timeout,
    UsageError,
    World,
    address,
    core,
    describe,
    digest,
    roles_of,
    unforced_after,
    unwrapped,
)


class Local(NamedTuple):
    """A process between two steps, with all that decides what it may do next."""

    actor: Actor
    timers: frozenset[tuple[NodeId, str]] = frozenset()
    offers: frozenset[tuple[NodeId, str, tuple[int | str, ...]]] = frozenset()
    facts: tuple[tuple[NodeId, Fact], ...] = ()
    unforced: tuple[Any, ...] = ()
    up: bool = True


Envelope = tuple[NodeId, NodeId, Any]
Outcome = tuple[int, tuple[int, ...], int]
"""Local state afterwards, envelopes sent, action (for the trace)."""


class Model:
    """A world's processes, envelopes and steps by number."""

    def __init__(self, world: World, crashes: int, network: Network) -> None:
        for process in world.processes:
            if any(isinstance(role, Timed) for role in roles_of(process)):
                raise UsageError(f"{process.me} is Timed: the checker has no clock; simulate it")
        self.world = world
        self.crashes = crashes
        self.reliable = network is not Network.SET
        self.stops = any(prop.kind is Kind.AT_REST for prop in world.properties)
        self.boots = world.processes
        self.hosts = world.hosts()
        self.locals: list[list[Local]] = [[] for _ in self.boots]
        self._local_ids: list[dict[Local, int]] = [{} for _ in self.boots]
        self.facts: list[list[int]] = [[] for _ in self.boots]  # of each local state
        self._fact_ids: list[dict[Any, int]] = [{} for _ in self.boots]
        self.envelopes: list[Envelope] = []
        self._envelope_ids: dict[Envelope, int] = {}
        self.target: list[int] = []  # process of each envelope
        self.actions: list[tuple[int, tuple[Happening, ...]]] = []
        self._action_ids: dict[tuple[int, tuple[Happening, ...]], int] = {}
        self._own: list[dict[int, tuple[Outcome, ...]]] = [{} for _ in self.boots]
        self._own_crashes: list[dict[int, tuple[Outcome, ...]]] = [{} for _ in self.boots]
        self._taken: dict[tuple[int, int], Outcome | None] = {}
        self._cut: dict[tuple[int, int], tuple[Outcome, ...]] = {}
        self.steps = 0

    def first(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The local states after every process has started, and what they sent."""
        ids: list[int] = []
        sent: list[int] = []
        for process, boot in enumerate(self.boots):
            after, envelopes, _ = self._outcome(process, Local(boot), (Start(),))
            ids.append(after)
            sent.extend(envelopes)
        return tuple(ids), tuple(sent)

    def own(self, process: int, local: int) -> tuple[Outcome, ...]:
        """What a process may do by itself: timers and choices. No-ops are left out."""
        known = self._own[process].get(local)
        if known is None:
            before = self.locals[process][local]
            found = [self._outcome(process, before, (e,)) for e in self._spontaneous(before)]
            known = tuple(o for o in found if o[0] != local or o[1])
            self._own[process][local] = known
        return known

    def take(self, envelope: int, local: int) -> Outcome | None:
        """What delivering an envelope does to its target; None if nothing at all."""
        key = (envelope, local)
        if key not in self._taken:
            process = self.target[envelope]
            before = self.locals[process][local]
            outcome = None
            if before.up:
                outcome = self._outcome(process, before, (self._receive(envelope),))
                if outcome[0] == local and not outcome[1] and not self.reliable:
                    outcome = None
            self._taken[key] = outcome
        return self._taken[key]

    def crash(self, process: int, local: int) -> tuple[Outcome, ...]:
        """What crashes between steps lead to."""
        known = self._own_crashes[process].get(local)
        if known is None:
            before = self.locals[process][local]
            known = ()
            if before.up and self.world.may_crash(self.boots[process]):
                cases = [Crash(forgets=n) for n in range(len(before.unforced) + 1)]
                known = tuple(self._crashes(process, before, cases))
                if self.reliable:
                    for event in self._spontaneous(before):
                        known += tuple(self._crashes(process, before, self._cuts(before, event)))
            self._own_crashes[process][local] = known
        return known

    def crash_taking(self, envelope: int, local: int) -> tuple[Outcome, ...]:
        """What crashes while handling an envelope lead to; on reliable links only."""
        key = (envelope, local)
        known = self._cut.get(key)
        if known is None:
            process = self.target[envelope]
            before = self.locals[process][local]
            known = ()
            if self.reliable and before.up and self.world.may_crash(self.boots[process]):
                cases = self._cuts(before, self._receive(envelope))
                known = tuple(self._crashes(process, before, cases))
            self._cut[key] = known
        return known

    def records(self, process: int, local: int, action: int, index: int) -> list[Record]:
        """The trace of an action."""
        records: list[Record] = []
        state = self.locals[process][local]
        for happening in self.actions[action][1]:
            before = state
            state, effects, _ = self._happen(process, before, happening)
            old = None if isinstance(happening, Crash) else before.actor
            line = describe(old, happening, state.actor, effects)
            me = self.boots[process].me
            records.append(Record(index + len(records), me, happening, digest(effects), line))
        return records

    def start_record(self, process: int, boot: Actor) -> Record:
        """How a process began."""
        state, effects, _ = self._happen(process, Local(boot), Start())
        line = describe(boot, Start(), state.actor, effects)
        return Record(0, boot.me, Start(), digest(effects), line)

    # Inside.

    def _receive(self, envelope: int) -> Event:
        src, to, msg = self.envelopes[envelope]
        return address(self.boots[self.target[envelope]], to, Receive(src, msg))

    def _spontaneous(self, local: Local) -> list[Event]:
        if not local.up:
            return []
        events = [address(local.actor, r, Timeout(t)) for r, t in sorted(local.timers)]
        for role, key, options in sorted(local.offers):
            events += [address(local.actor, role, Choice(key, option)) for option in options]
        return events

    def _cuts(self, before: Local, event: Event) -> list[Crash]:
        effects = before.actor.step(event)[1]
        sends = sum(type(unwrapped(effect)) is Send for effect in effects)
        return [Crash(event, sent) for sent in range(sends)]

    def _crashes(self, process: int, before: Local, cases: list[Crash]) -> Iterator[Outcome]:
        for case in cases:
            yield self._outcome(process, before, (case, Start(recovered=True)))
            if self.stops:
                yield self._outcome(process, before, (case,))

    def _outcome(self, process: int, before: Local, happenings: tuple[Happening, ...]) -> Outcome:
        state, sent = before, []
        for happening in happenings:
            state, _, more = self._happen(process, state, happening)
            sent.extend(more)
        ids = tuple(map(self._envelope, sent))
        return self._intern(process, state), ids, self._action(process, happenings)

    def _happen(
        self, process: int, before: Local, happening: Happening
    ) -> tuple[Local, tuple[Effect, ...], list[Envelope]]:
        if isinstance(happening, Crash):
            return self._crash(process, before, happening)
        after, effects = self._step(before.actor, happening)
        timers, offers, facts = set(before.timers), set(before.offers), before.facts
        role = getattr(happening, "role", before.actor.me)
        inner = core(happening)
        if type(inner) is Timeout:
            timers.discard((role, inner.timer))
        elif type(inner) is Choice:
            offers = {o for o in offers if o[:2] != (role, inner.key)}
        sent: list[Envelope] = []
        for wrapped in effects:
            me = wrapped.role if type(wrapped) is By else after.me
            match unwrapped(wrapped):
                case Send(to, msg) if to in self.hosts:
                    sent.append((me, to, msg))
                case SetTimer(timer):
                    timers.add((me, timer))
                case CancelTimer(timer):
                    timers.discard((me, timer))
                case Choose(key, options):
                    offers.add((me, key, options))
                case Output(fact) if (me, fact) not in facts:
                    facts = (*facts, (me, fact))
                case _:
                    pass
        unforced = unforced_after(before.unforced, before.actor, after, effects)
        local = Local(after, frozenset(timers), frozenset(offers), facts, unforced)
        return local, effects, sent

    def _crash(
        self, process: int, before: Local, crash: Crash
    ) -> tuple[Local, tuple[Effect, ...], list[Envelope]]:
        sent: list[Envelope] = []
        state = before
        if crash.during is not None:
            state, _, sent = self._happen(process, before, crash.during)
            # Its writes are on disk; of its sends only some left, and nothing was output.
            sent, state = sent[: crash.sent], state._replace(facts=before.facts)
        images = (*state.unforced, state.actor.lazy())
        kept = images[-1 - crash.forgets]
        actor = state.actor.restart(self.boots[process], kept)
        return Local(actor, facts=state.facts, up=False), (), sent

    def _step(self, actor: Actor, event: Event) -> tuple[Actor, tuple[Effect, ...]]:
        self.steps += 1
        was = hash(actor)
        first, second = actor.step(event), actor.step(event)
        if first != second:
            raise ProtocolBug(f"{actor.me} does not take {event!r} the same way twice")
        if hash(actor) != was:
            raise ProtocolBug(f"{actor.me} changed a value in place while taking {event!r}")
        return first

    def _intern(self, process: int, state: Local) -> int:
        ids = self._local_ids[process]
        number = ids.get(state)
        if number is None:
            number = ids[state] = len(ids)
            self.locals[process].append(state)
            known = self._fact_ids[process]
            self.facts[process].append(known.setdefault(state.facts, len(known)))
        return number

    def _envelope(self, envelope: Envelope) -> int:
        number = self._envelope_ids.get(envelope)
        if number is None:
            number = self._envelope_ids[envelope] = len(self.envelopes)
            self.envelopes.append(envelope)
            self.target.append(self.hosts[envelope[1]])
        return number

    def _action(self, process: int, happenings: tuple[Happening, ...]) -> int:
        key = (process, happenings)
        number = self._action_ids.get(key)
        if number is None:
            number = self._action_ids[key] = len(self.actions)
            self.actions.append(key)
        return number
