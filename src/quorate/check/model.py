"""A world as small integers: local states, envelopes and steps are interned and computed once.

Global states are many, local steps few, so each (local state, event) is stepped once (and once
more, to see that the handler is deterministic), however many global states share it.

No-ops    a delivery, timer or crash that changes nothing and sends nothing is not a move; the
          message stays where it is. On FIFO links it is taken off its queue, which is a change.
Crashes   a crash and the restart that follows are one move: a node that is down for a while is a
          node that is slow. Messages in flight outlive the crash of their receiver. Each unforced
          write that a crash may lose is a case of its own.
Stops     where a world has an AtRest property, a node may also crash for good. Other properties
          could not tell a node that stopped from one that is never scheduled again.
Cuts      a node may crash within a step: its writes are on disk, but only what came before one of
          its sends left. Explored on reliable links and where nodes may stop; elsewhere a message
          that never left is one that never arrives, so that nothing new would be seen. On
          reliable links a node may also crash with a message that it took and did not handle.
Lies      what a Byzantine process may send may arrive at any time, on any network; it does nothing
          else, and what is sent to it is gone.
Rounds    in lock-step, where all nodes have a timer for each round, a node's timer runs out only
          when no message is under way, and no other node with a timer is a round behind.
Failures  a node whose handler raises stops for good, and no property survives that unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from quorate.adversary import embodied
from quorate.check.local import Envelope, Local, Move, Way, ends_round
from quorate.check.observers import Observers, Stated
from quorate.kernel import (
    Actor,
    By,
    CancelTimer,
    Choice,
    Choose,
    Crash,
    Effect,
    Event,
    Happening,
    Kind,
    Network,
    Output,
    ProtocolBug,
    Receive,
    Send,
    SetTimer,
    Start,
    Timed,
    Timeout,
    UsageError,
    World,
    address,
    core,
    roles_of,
    unforced_after,
    until_send,
    unwrapped,
)


class Model:
    """A world's processes, envelopes and moves. Independent of any search."""

    def __init__(self, world: World, network: Network, crashes: int) -> None:
        for process in world.processes:
            if any(isinstance(role, Timed) for role in roles_of(process)):
                raise UsageError(f"{process.me} is Timed: the checker has no clock; simulate it")
        self.world = world = embodied(world)
        self.crashes = crashes
        self.boots = world.processes
        hosts = world.hosts()
        self.traitors = {hosts[name] for name in world.byzantine}
        self.crashable = [
            world.may_crash(boot) and index not in self.traitors
            for index, boot in enumerate(self.boots)
        ]
        self.lockstep = network is Network.ROUNDS
        self.queues = network is Network.FIFO or self.lockstep
        self.reliable = network is not Network.SET
        self.stops = any(prop.kind is Kind.AT_REST for prop in world.properties)
        self.steps = 0
        self.locals: list[list[Local]] = [[] for _ in self.boots]
        self.facts: list[list[int]] = [[] for _ in self.boots]  # by local state: what it showed
        self.envelopes: list[Envelope] = []
        self.target: list[int] = []  # by envelope: the index of the process that receives it
        self.observers = Observers(world.observers)
        self.hosts = {role: index for role, index in hosts.items() if index not in self.traitors}
        self.lies: list[list[Event]] = [[] for _ in self.boots]  # by process: what it may be told
        for src, universe in world.byzantine.items():
            for to, msg in universe:
                if to in self.hosts:
                    index = self.hosts[to]
                    self.lies[index].append(address(self.boots[index], to, Receive(src, msg)))
        self._local_ids: list[dict[Local, int]] = [{} for _ in self.boots]
        self._fact_ids: list[dict[Any, int]] = [{} for _ in self.boots]
        self._envelope_ids: dict[Envelope, int] = {}
        self._each: dict[tuple[int, int], tuple[tuple[Event, tuple[Move, ...]], ...]] = {}
        self._own: dict[tuple[int, int], tuple[Move, ...]] = {}
        self._hear: dict[tuple[int, int], tuple[Move, ...]] = {}
        self._taken: dict[tuple[int, int], Move | None] = {}
        self._crash: dict[tuple[int, int], tuple[Move, ...]] = {}
        self._crash_taking: dict[tuple[int, int], tuple[Move, ...]] = {}

    # What may happen, by number.

    def starts(self, process: int) -> tuple[Move, ...]:
        """The ways in which a process can begin."""
        boot = Local(self.boots[process])
        if process in self.traitors:
            return (Move(self.intern(process, boot._replace(up=False)), (), 0, 0, (Start(),)),)
        return self._moves(process, None, self._begin(process, boot, Start(), self.crashes))

    def each(self, process: int, local: int) -> tuple[tuple[Event, tuple[Move, ...]], ...]:
        """What a process may do by itself, event by event: timers, by name, then choices."""
        known = self._each.get((process, local))
        if known is None:
            before = self.locals[process][local]
            known = self._each[process, local] = tuple(
                (event, self._moves(process, local, (self._step_way(process, before, event),)))
                for event in self._events(before)
            )
        return known

    def own(self, process: int, local: int) -> tuple[Move, ...]:
        """The same, without what comes to the same by another event."""
        known = self._own.get((process, local))
        if known is None:
            found: dict[Any, Move] = {}
            for _, moves in self.each(process, local):
                for move in moves:
                    found.setdefault(move[:4], move)
            known = self._own[process, local] = tuple(found.values())
        return known

    def hear(self, process: int, local: int) -> tuple[Move, ...]:
        """What Byzantine processes may bring about in another one."""
        known = self._hear.get((process, local))
        if known is None:
            before = self.locals[process][local]
            ways = (self._step_way(process, before, lie) for lie in self.lies[process] if before.up)
            known = self._hear[process, local] = self._moves(process, local, ways)
        return known

    def take(self, envelope: int, local: int) -> Move | None:
        """What delivering an envelope does to its receiver; None if nothing at all."""
        key = (envelope, local)
        if key not in self._taken:
            process = self.target[envelope]
            before = self.locals[process][local]
            found: tuple[Move, ...] = ()
            if before.up:
                way = self._step_way(process, before, self._receive(envelope))
                found = self._moves(process, None if self.queues else local, (way,))
            self._taken[key] = found[0] if found else None
        return self._taken[key]

    def crash(self, process: int, local: int) -> tuple[Move, ...]:
        """What crashes between steps lead to, and within steps that need no message."""
        known = self._crash.get((process, local))
        if known is None:
            before = self.locals[process][local]
            cases = self._between(before)
            for event in (*self._events(before), *self.lies[process]):
                cases += self._cuts(before, event)
            known = self._crash[process, local] = self._crashes(process, local, before, cases)
        return known

    def crash_taking(self, envelope: int, local: int) -> tuple[Move, ...]:
        """What crashes that take an envelope off its link lead to."""
        key = (envelope, local)
        known = self._crash_taking.get(key)
        if known is None:
            process = self.target[envelope]
            before = self.locals[process][local]
            cases = self._between(before) if self.reliable else []
            cases += self._cuts(before, self._receive(envelope))
            known = self._crash_taking[key] = self._crashes(process, None, before, cases)
        return known

    # What happens, by value.

    def happen(
        self, process: int, before: Local, happening: Happening
    ) -> tuple[Local, tuple[Effect, ...], list[Envelope]]:
        """A process after something happened to it, the effects that left, what was sent."""
        if isinstance(happening, Crash):
            return self._down(process, before, happening)
        after, effects, failure = self._step(before.actor, happening)
        if failure:
            return Local(after, facts=before.facts, up=False, failure=failure), (), []
        inner = core(happening)
        role = getattr(happening, "role", before.actor.me)
        timers, offers = before.timers, before.offers
        rounds = before.rounds + (self.lockstep and type(inner) is Timeout)
        if type(inner) is Timeout:
            timers -= {(role, inner.timer)}
        elif type(inner) is Choice:
            offers = tuple(offer for offer in offers if offer[:2] != (role, inner.key))
        unforced: tuple[Any, ...] = ()
        if self.crashes and self.crashable[process]:  # else it makes no difference
            unforced = unforced_after(before.unforced, before.actor, effects)
        local = Local(after, timers, offers, before.facts, unforced, rounds=rounds)
        local, sent = self._apply(local, effects)
        return local, effects, sent

    def _down(
        self, process: int, before: Local, crash: Crash
    ) -> tuple[Local, tuple[Effect, ...], list[Envelope]]:
        state, facts = before, before.facts
        left: tuple[Effect, ...] = ()
        sent: list[Envelope] = []
        if crash.during is not None:
            state, effects, _ = self.happen(process, before, crash.during)
            left = until_send(effects, crash.sent)
            stated, sent = self._apply(before, left)
            facts = stated.facts
        images = (*state.unforced, state.actor.lazy())
        actor = state.actor.restart(self.boots[process], images[-1 - crash.forgets])
        return Local(actor, facts=facts, up=False), left, sent

    def _apply(self, local: Local, effects: Iterable[Effect]) -> tuple[Local, list[Envelope]]:
        timers, facts = set(local.timers), local.facts
        offers = {offer[:2]: offer for offer in local.offers}
        sent: list[Envelope] = []
        for wrapped in effects:
            me = wrapped.role if type(wrapped) is By else local.actor.me
            match unwrapped(wrapped):
                case Send(to, msg) if to in self.hosts:
                    sent.append((me, to, msg))
                case SetTimer(timer):
                    timers.add((me, timer))
                case CancelTimer(timer):
                    timers.discard((me, timer))
                case Choose(key, options):
                    offers[me, key] = (me, key, options)
                case Output(fact) if (me, fact) not in facts:
                    facts = (*facts, (me, fact))
                case _:
                    pass
        asked = tuple(offers[key] for key in sorted(offers))
        return local._replace(timers=frozenset(timers), offers=asked, facts=facts), sent

    def _step(self, actor: Actor, event: Event) -> tuple[Actor, tuple[Effect, ...], str]:
        """The actor after an event, what it did, and how it failed if it did."""
        self.steps += 1
        was = hash(actor)
        try:
            first, again = actor.step(event), actor.step(event)
        except UsageError:
            raise
        except Exception as error:
            return actor, (), f"{type(error).__name__}: {error}"
        if first != again:
            raise ProtocolBug(f"{actor.me} does not take {event!r} the same way twice")
        if hash(actor) != was:
            raise ProtocolBug(f"{actor.me} changed a value in place while taking {event!r}")
        return *first, ""

    # Ways to go on.

    def _receive(self, envelope: int) -> Event:
        src, to, msg = self.envelopes[envelope]
        return address(self.boots[self.target[envelope]], to, Receive(src, msg))

    def _events(self, local: Local) -> list[Event]:
        if not local.up:
            return []
        events = [address(local.actor, role, Timeout(t)) for role, t in sorted(local.timers)]
        for role, key, options in local.offers:
            events += [address(local.actor, role, Choice(key, option)) for option in options]
        return events

    def _between(self, local: Local) -> list[Crash]:
        return [Crash(forgets=n) for n in range(len(local.unforced) + 1)]

    def _cuts(self, before: Local, event: Event) -> list[Crash]:
        """The ways to crash within a step that a crash between steps does not cover."""
        if not (before.up and (self.reliable or self.stops)):
            return []
        _, effects, _ = self._step(before.actor, event)
        unforced = unforced_after(before.unforced, before.actor, effects)
        sends = sum(type(unwrapped(effect)) is Send for effect in effects)
        return [Crash(event, n, lost) for n in range(sends) for lost in range(len(unforced) + 1)]

    def _step_way(self, process: int, before: Local, event: Event) -> Way:
        after, effects, sent = self.happen(process, before, event)
        return Way((event,), after, sent, self.said(process, effects), 0)

    def said(self, process: int, effects: tuple[Effect, ...]) -> Stated:
        """What effects state, and which role of the process states it."""
        me, facts = self.boots[process].me, []
        for wrapped in effects:
            effect = unwrapped(wrapped)
            if type(effect) is Output:
                facts.append((wrapped.role if type(wrapped) is By else me, effect.fact))
        return tuple(facts)

    def _begin(self, process: int, before: Local, start: Start, budget: int) -> Iterator[Way]:
        """A life begins; it may end in its first step."""
        yield self._step_way(process, before, start)
        if budget and self.crashable[process]:
            # Not up yet, but about to be: its first step can be cut like any other.
            for cut in self._cuts(before._replace(up=True), start):
                yield from self._end(process, before, cut, budget)

    def _end(self, process: int, before: Local, crash: Crash, budget: int) -> Iterator[Way]:
        """A life ends in a crash, and another follows; or, if nodes may stop, none."""
        down, effects, sent = self.happen(process, before, crash)
        said = self.said(process, effects)
        for happenings, local, more, stated, crashes in self._begin(
            process, down, Start(recovered=True), budget - 1
        ):
            yield Way((crash, *happenings), local, sent + more, said + stated, crashes + 1)
        if self.stops:
            # Whatever it knew no longer matters: one state for all stops that stated the same.
            stopped = Local(self.boots[process], facts=down.facts, up=False)
            yield Way((crash,), stopped, sent, said, 1)

    def is_behind(self, process: int, local: int, rounds: int) -> bool:
        """Whether fewer rounds have ended for a process, in lock-step, and one is to end."""
        here = self.locals[process][local]
        return bool(here.timers) and here.rounds < rounds

    # Numbers.

    def _crashes(
        self, process: int, local: int | None, before: Local, cases: list[Crash]
    ) -> tuple[Move, ...]:
        if not (before.up and self.crashable[process]):
            return ()
        ways = (way for case in cases for way in self._end(process, before, case, self.crashes))
        return self._moves(process, local, ways)

    def _moves(self, process: int, local: int | None, ways: Iterable[Way]) -> tuple[Move, ...]:
        """Interned ways, without those that come to the same, or leave `local` as it is."""
        found: dict[Any, Move] = {}
        for happenings, after, sent, said, crashes in ways:
            ids = tuple(map(self.envelope, sent))
            number = self.intern(process, after)
            stated = self.observers.number(said)
            idle = number == local and not ids
            if not idle or stated:
                tick = self.lockstep and ends_round(happenings[0])
                move = Move(number, ids, stated, crashes, happenings, idle, tick)
                found.setdefault(move[:4], move)
        return tuple(found.values())

    def intern(self, process: int, state: Local) -> int:
        """The number of a local state."""
        ids = self._local_ids[process]
        number = ids.get(state)
        if number is None:
            number = ids[state] = len(ids)
            self.locals[process].append(state)
            known = self._fact_ids[process]
            self.facts[process].append(known.setdefault((state.facts, state.failure), len(known)))
        return number

    def envelope(self, envelope: Envelope) -> int:
        """The number of an envelope."""
        number = self._envelope_ids.get(envelope)
        if number is None:
            number = self._envelope_ids[envelope] = len(self.envelopes)
            self.envelopes.append(envelope)
            self.target.append(self.hosts[envelope[1]])
        return number
