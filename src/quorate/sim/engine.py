"""The simulator: one heap of events in virtual time, every draw from one seed.

Draws come from separate streams, so that a change to one kind of fault leaves the others as they
were. Order is total (time, then sequence), so the same seed gives the same run in any process.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from heapq import heappop, heappush
from typing import Any

from quorate.kernel import (
    Actor,
    By,
    CancelTimer,
    Choice,
    Choose,
    Crash,
    Effect,
    Event,
    NodeId,
    Output,
    Receive,
    Record,
    Send,
    SetTimer,
    Start,
    Timed,
    Timeout,
    World,
    address,
    describe,
    digest,
    forces,
    roles_of,
    unforced_after,
    unwrapped,
)
from quorate.kernel.events import At
from quorate.sim.faults import Faults
from quorate.sim.judge import Judge

DELIVER, FIRE, FAULT, RELEASE = range(4)
JUDGE_STATES_EVERY = 64


class Node:
    """A process in the simulated world."""

    __slots__ = (
        "actor", "boot", "held_until", "incarnation", "index", "local", "may_fail", "me",
        "missed", "paused", "timed", "timers", "undurable", "unforced", "up",
    )  # fmt: skip

    def __init__(self, index: int, boot: Actor, may_fail: bool) -> None:
        self.index = index
        self.boot = self.actor = boot
        self.me = boot.me
        self.may_fail = may_fail
        self.timed = any(isinstance(role, Timed) for role in roles_of(boot))
        self.up = True
        self.incarnation = 0
        self.paused = False
        self.missed: list[tuple[Any, ...]] = []
        self.timers: dict[tuple[NodeId, str], int] = {}
        self.unforced: tuple[Any, ...] = ()
        self.held_until = 0  # effects leave no earlier: a forced write is under way
        self.undurable: deque[tuple[int, Actor, tuple[Any, ...]]] = deque()
        self.local: deque[tuple[NodeId, Event]] = deque()


class Simulation:
    """One run of a world under one seed."""

    def __init__(self, world: World, seed: int, faults: Faults, tracing: bool = False) -> None:
        self.world = world
        self.faults = faults
        self.now_us = 0
        self.deliveries = 0
        self.steps = 0
        self.records: list[Record] | None = [] if tracing else None
        self.judge = Judge(world.properties, self.live_roles)
        self.nodes = [Node(i, p, world.may_crash(p)) for i, p in enumerate(world.processes)]
        self._host = {name: self.nodes[i] for name, i in world.hosts().items()}
        self._heap: list[tuple[Any, ...]] = []
        self._sequence = 0
        self._cut: frozenset[tuple[int, int]] = frozenset()
        self._schedule = random.Random(f"{seed}/schedule")
        self._network = random.Random(f"{seed}/network")
        self._disk = random.Random(f"{seed}/disk")
        self._faulty = random.Random(f"{seed}/faults")
        self.lossy = False
        self._set_network(faults)

    def _set_network(self, faults: Faults) -> None:
        self._loss, self._duplicate, self._slow = faults.loss, faults.duplicate, faults.slow
        self._delay_min, most = faults.delay_us
        self._delay_span = most - self._delay_min + 1
        self.lossy = bool(faults.loss or faults.duplicate or faults.slow)

    def live_roles(self) -> Mapping[NodeId, Actor]:
        """Roles of the processes that are up."""
        return {role.me: role for node in self.nodes if node.up for role in roles_of(node.actor)}

    # Running.

    def start(self) -> None:
        """Every node begins; faults are put on the calendar."""
        for node in self.nodes:
            self._step(node, node.me, Start())
        for kind, rate in (
            ("crash", self.faults.crash_rate),
            ("pause", self.faults.pause_rate),
            ("partition", self.faults.partition_rate),
        ):
            if rate > 0:
                self._push(self._after_s(rate), FAULT, kind, rate)

    def run(self, until_us: int, steps_max: int) -> None:
        """Go on until a virtual time, or a number of steps, or a violation."""
        heap, judge = self._heap, self.judge
        while heap and judge.violated is None and self.steps < steps_max:
            entry = heap[0]
            if entry[0] > until_us:
                break
            heappop(heap)
            self.now_us = entry[0]
            kind = entry[2]
            if kind == DELIVER:
                self._arrive(entry)
            elif kind == FIRE:
                self._fire(entry)
            elif kind == RELEASE:
                node, incarnation, effects = entry[3], entry[4], entry[5]
                if node.incarnation == incarnation:
                    self._durable(node)
                    self._emit(node, effects)
                    self._drain(node)
            elif entry[4] >= 0:
                self._fault(entry[3], entry[4])
            else:
                entry[3]()
            if self.steps % JUDGE_STATES_EVERY == 0:
                judge.states()
        judge.states()

    def heal(self) -> None:
        """Faults cease: links carry, and whoever is down or paused comes back."""
        self._cut = frozenset()
        self._set_network(Faults(delay_us=self.faults.delay_us))
        self._heap = [e for e in self._heap if e[2] != FAULT]
        self._heap.sort()
        for node in self.nodes:
            if not node.up:
                self._restart(node)
            elif node.paused:
                self._resume(node)

    def _push(self, at_us: int, *entry: Any) -> int:
        self._sequence += 1
        heappush(self._heap, (at_us, self._sequence, *entry))
        return self._sequence

    # Events.

    def _arrive(self, entry: tuple[Any, ...]) -> None:
        node = entry[3]
        if node.paused:
            node.missed.append(entry)
        elif node.up:
            self.deliveries += 1
            self._step(node, entry[4], Receive(entry[5], entry[6]))

    def _fire(self, entry: tuple[Any, ...]) -> None:
        node, role, timer = entry[3], entry[4], entry[5]
        if node.timers.get((role, timer)) == entry[1]:
            if node.paused:
                node.missed.append(entry)  # it may yet be cancelled by what the node handles first
                return
            del node.timers[role, timer]
            self._step(node, role, Timeout(timer))

    def _step(self, node: Node, role: NodeId, event: Event) -> None:
        self.steps += 1
        before, unforced = node.actor, node.unforced
        wrapped = event if type(event) is Start else address(before, role, event)
        if node.timed:
            wrapped = At(self.now_us // 1000, wrapped)
        node.actor, effects = before.step(wrapped)
        if node.unforced or self.faults.crash_rate:
            node.unforced = unforced_after(node.unforced, before, node.actor, effects)
        if self.records is not None:
            line = describe(before, wrapped, node.actor, effects)
            record = Record(self.now_us, node.me, wrapped, digest(effects), line)
            self.records.append(record)
        if self.faults.disk_us:
            self._through_disk(node, before, unforced, effects)
        elif effects:
            self._emit(node, effects)
        if node.local:
            self._drain(node)

    def _drain(self, node: Node) -> None:
        """What a node sent itself comes before anything else."""
        while node.local and node.up and not node.paused:
            role, event = node.local.popleft()
            self._step(node, role, event)

    def _through_disk(
        self, node: Node, before: Actor, unforced: tuple[Any, ...], effects: tuple[Effect, ...]
    ) -> None:
        """Hold what leaves the node until the writes that it rests on are durable."""
        if forces(effects):
            node.held_until = max(node.held_until, self.now_us) + self.faults.disk_us
            node.undurable.append((node.held_until, before, unforced))
        if node.held_until <= self.now_us:
            self._durable(node)
            self._emit(node, effects)
        elif effects:
            leaving = tuple(e for e in effects if type(unwrapped(e)) in (Send, Output))
            self._emit(node, tuple(e for e in effects if e not in leaving))
            self._push(node.held_until, RELEASE, node, node.incarnation, leaving)

    def _durable(self, node: Node) -> None:
        while node.undurable and node.undurable[0][0] <= self.now_us:
            node.undurable.popleft()

    def _emit(self, node: Node, effects: tuple[Effect, ...]) -> None:
        me = node.me
        for effect in effects:
            if type(effect) is Send:
                self._send(node, me, effect.to, effect.msg)
            elif type(effect) is By:
                self._do(node, effect.role, effect.effect)
            else:
                self._do(node, me, effect)

    def _do(self, node: Node, role: NodeId, effect: Effect) -> None:
        kind = type(effect)
        if kind is Send:
            self._send(node, role, effect.to, effect.msg)  # type: ignore[union-attr]
        elif kind is SetTimer:
            assert isinstance(effect, SetTimer)
            least, most = effect.after_ms
            after_us = self._schedule.randint(least * 1000, most * 1000)
            entry = (FIRE, node, role, effect.timer)
            node.timers[role, effect.timer] = self._push(self.now_us + after_us, *entry)
        elif kind is CancelTimer:
            node.timers.pop((role, effect.timer), None)  # type: ignore[union-attr]
        elif kind is Output:
            self.judge.fact(role, effect.fact)  # type: ignore[union-attr]
        elif kind is Choose:
            assert isinstance(effect, Choose)
            picked = Choice(effect.key, self._schedule.choice(effect.options))
            node.local.append((role, picked))

    def _send(self, node: Node, src: NodeId, to: NodeId, msg: Any) -> None:
        target = self._host.get(to)
        if target is None:
            return
        if target is node:
            node.local.append((to, Receive(src, msg)))
            return
        if self._cut and (node.index, target.index) in self._cut:
            return
        random = self._network.random
        at = self.now_us + self._delay_min + int(random() * self._delay_span)
        if self.lossy:
            if random() < self._loss:
                return
            if random() < self._slow:
                at = self.now_us + int(random() * self.faults.slow_us)
            if random() < self._duplicate:
                again = at + int(random() * 10 * self._delay_span)
                self._push(again, DELIVER, target, to, src, msg)
        self._sequence += 1
        heappush(self._heap, (at, self._sequence, DELIVER, target, to, src, msg))

    # Faults.

    def _after_s(self, rate: float) -> int:
        return self.now_us + int(self._faulty.expovariate(rate) * 1_000_000)

    def _fault(self, kind: str, rate: float) -> None:
        self._push(self._after_s(rate), FAULT, kind, rate)
        draw = self._faulty
        if kind == "partition":
            return self._partition()
        victims = [n for n in self.nodes if n.may_fail and n.up and not n.paused]
        if not victims:
            return
        node = draw.choice(victims)
        if kind == "crash":
            self._crash(node)
            down_us = draw.randint(*self.faults.down_ms) * 1000
            self._push(self.now_us + down_us, FAULT, lambda: self._restart(node), -1.0)
        else:
            node.paused = True
            pause_us = draw.randint(*self.faults.pause_ms) * 1000
            self._push(self.now_us + pause_us, FAULT, lambda: self._resume(node), -1.0)

    def _partition(self) -> None:
        draw = self._faulty
        side = {node.index for node in self.nodes if draw.random() < 0.5}
        pairs = [(a, b) for a in side for b in range(len(self.nodes)) if b not in side]
        both = draw.random() >= self.faults.one_way
        self._cut = frozenset(pairs) | (
            frozenset((b, a) for a, b in pairs) if both else frozenset()
        )
        cut = self._cut
        long_us = draw.randint(*self.faults.partition_ms) * 1000
        self._push(self.now_us + long_us, FAULT, lambda: self._mend(cut), -1.0)

    def _mend(self, cut: frozenset[tuple[int, int]]) -> None:
        if self._cut is cut:
            self._cut = frozenset()

    def _crash(self, node: Node) -> None:
        """Lose volatile state, and perhaps the writes that no one has been told of."""
        self._durable(node)
        durable, unforced, undone = node.actor, node.unforced, 0
        if node.undurable:
            undone = self._disk.randint(0, len(node.undurable))
            if undone:
                _, durable, unforced = node.undurable[-undone]
        images = (*unforced, durable.lazy())
        pick = self._disk.randrange(len(images))
        node.actor = durable.restart(node.boot, images[pick])
        node.up = False
        node.incarnation += 1
        node.timers.clear()
        node.local.clear()
        node.undurable.clear()
        node.missed.clear()
        node.unforced, node.held_until, node.paused = (), 0, False
        if self.records is not None:
            event = Crash(forgets=len(images) - 1 - pick, undone=undone)
            line = describe(None, event, node.actor, ())
            self.records.append(Record(self.now_us, node.me, event, digest(()), line))

    def _restart(self, node: Node) -> None:
        if not node.up:
            node.up = True
            self._step(node, node.me, Start(recovered=True))

    def _resume(self, node: Node) -> None:
        missed, node.missed, node.paused = node.missed, [], False
        for entry in missed:
            if entry[2] == FIRE:
                self._fire(entry)
            else:
                self._arrive(entry)
        self._drain(node)
