"""The simulator: one heap of events in virtual time, every draw from one seed.

Draws come from separate streams, so that a change to one kind of fault leaves the others as they
were. Order is total (time, then sequence), so the same seed gives the same run in any process.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from heapq import heappop, heappush
from itertools import count
from typing import Any

from quorate.adversary import is_faithful
from quorate.kernel import (
    Actor,
    By,
    CancelTimer,
    Choice,
    Choose,
    Crash,
    Effect,
    Event,
    Ignore,
    NodeId,
    Output,
    Persist,
    ProtocolBug,
    Receive,
    Send,
    SetTimer,
    Start,
    StorageError,
    Timeout,
    UsageError,
    World,
    address,
    forces,
    roles_of,
    unforced_after,
    until_send,
    unwrapped,
)
from quorate.kernel.events import At, For
from quorate.kernel.process import LOCAL_DELIVERIES_MAX
from quorate.sim.atlas import Atlas
from quorate.sim.calm import calm_steps
from quorate.sim.disk import Disk
from quorate.sim.faults import Faults
from quorate.sim.judge import Judge
from quorate.sim.nemesis import Nemesis
from quorate.sim.node import ENDLESS, Node
from quorate.sim.scheduling import links_for
from quorate.sim.tape import Tape
from quorate.traces.words import describe

DELIVER, FIRE, RELEASE, CALL, FAULT = range(5)
JUDGE_EVERY = 64


class Simulation:
    """One run of a world under one seed.

    Entries of the heap are (time in µs, sequence number, kind, …, …): DELIVER node event, FIRE node
    (role, timer), RELEASE node (incarnation, effects, sender), CALL function None, FAULT function
    None (void once healed).
    """

    def __init__(self, world: World, seed: int, faults: Faults, tracing: bool = False) -> None:
        self.faults = faults
        self.now_us = 0
        self.deliveries = 0
        self.steps = 0
        self.lost = 0
        self.tape = Tape(tracing)
        self._receive = self.tape.receive if tracing else Receive
        self.judge = Judge(world, self._live_roles)
        self.nodes = [Node(i, p, world.may_crash(p)) for i, p in enumerate(world.processes)]
        self.cut: frozenset[tuple[int, int]] = frozenset()
        self.disk = random.Random(f"{seed}/disk")
        self.hosts = {name: self.nodes[i] for name, i in world.hosts().items()}
        self.heap: list[tuple[int, int, int, Any, Any]] = []
        self.number = count(1).__next__
        self._schedule = random.Random(f"{seed}/schedule")
        self.draw = random.Random(f"{seed}/network").random
        self.links = links_for(faults)(self, self.draw)
        self._set_network(faults)
        self._crashes = faults.crashes or faults.damages or tracing  # a scenario may crash nodes
        self._plain = not (faults.disk_us or self._crashes)
        self._simple = self._plain and not world.observers and all(n.simple for n in self.nodes)
        for node in self.nodes if self._plain else ():
            node.log_nothing()
        self.atlas = Atlas(world, faults)
        for node in self.nodes if faults.damages else ():
            node.disk = Disk(node.boot, faults, self.disk)
        self.nemesis = Nemesis(self, random.Random(f"{seed}/faults"))

    def _set_network(self, faults: Faults) -> None:
        self.links.set(faults)
        self.delay_min, most = faults.delay_us
        self.delay_span = most - self.delay_min + 1
        self._strobe_us = faults.strobe_ms * 1000

    def _live_roles(self) -> Mapping[NodeId, Actor]:
        nodes = (node for node in self.nodes if node.up and is_faithful(node.actor))
        return {role.me: role for node in nodes for role in roles_of(node.actor)}

    # Running.

    def start(self) -> None:
        """Every node begins; faults are put on the calendar."""
        self.nemesis.arm()
        for node in self.nodes:
            self.take(node, Start())
        self.nemesis.start()

    def run(self, until_us: int, steps_max: int) -> None:
        """Go on until a virtual time, or a number of steps, or a violation."""
        going = True
        while going and self.judge.violated is None and self.steps < steps_max:
            go = calm_steps if self.calm else Simulation._some
            going = go(self, until_us, min(steps_max, self.steps + JUDGE_EVERY))
            self.judge.states()

    def _some(self, until_us: int, steps_max: int) -> bool:
        """Go on for some steps. False when nothing is left to do until then."""
        while self.heap and self.steps < steps_max and self.judge.violated is None:
            entry = heappop(self.heap)
            if entry[0] > until_us:
                heappush(self.heap, entry)
                self.now_us = until_us
                return False
            self.now_us = entry[0]
            self.happen(entry)
        return bool(self.heap)

    @property
    def calm(self) -> bool:
        """Whether a message needs no more than a delay: `calm_steps` then does all there is."""
        return self._simple and not self.cut and self.links.open

    def happen(self, entry: tuple[int, int, int, Any, Any]) -> None:
        """One entry of the heap. A pause puts off all that is about its node."""
        _, number, kind, node, what = entry
        if kind >= CALL:
            node()
        elif kind == FIRE and (later := node.rang(what, number)) is not None:
            heappush(self.heap, (*later, FIRE, node, what))
        elif node.up and not node.awake:
            node.missed.append(entry)
        elif kind == DELIVER:
            if node.up:
                self.deliveries += 1
                self.take(node, what)
            else:
                self.lost += 1
        elif kind == RELEASE:
            incarnation, effects, sender = what
            if node.incarnation == incarnation:
                self.tape.sender = sender
                node.durable(self.now_us)
                node.unheard -= 1
                self._emit(node, effects)
                self._drain(node)
        elif node.timers.get(what, (0, 0))[1] == number:
            del node.timers[what]
            role, timer = what
            self.take(node, address(node.boot, role, Timeout(timer)))

    def resume(self, node: Node) -> None:
        """The node is awake again: it handles everything that came meanwhile, in order."""
        missed, node.missed, node.awake = node.missed, [], True
        self._drain(node)
        for entry in missed:
            self.happen(entry)  # a timer may have been cancelled by what was handled first

    def heal(self) -> None:
        """Faults cease: links carry in bounded time, and whoever is down or paused comes back."""
        self._set_network(self.faults.healed())
        latest = self.now_us + self.faults.delay_us[1]  # for what is under way, too
        self.heap[:] = sorted(
            (min(entry[0], latest), *entry[1:]) if entry[2] == DELIVER else entry
            for entry in self.heap
            if entry[2] != FAULT
        )
        self.nemesis.heal()

    def at_rest(self) -> bool:
        """Whether nothing further can happen, and no message was lost that could make it so."""
        return not self.heap and not self.lost

    def after(self, delay_us: int, function: Callable[[], object], fault: bool = False) -> None:
        """Call `function` after a time; a fault only if the world has not been healed by then."""
        self._push(self.now_us + delay_us, FAULT if fault else CALL, function)

    def next(self, fault: Callable[[], object]) -> None:
        """Let a fault strike ahead of all else that is to come."""
        heappush(self.heap, (self.now_us, -self.number(), FAULT, fault, None))

    def deliver(self, node: Node, event: Event, after_us: int = 0) -> None:
        """Let `event`, the arrival of a message, reach `node` after a time."""
        heappush(self.heap, (self.now_us + after_us, self.number(), DELIVER, node, event))

    def _push(self, at_us: int, kind: int, node: Any, what: Any = None) -> int:
        number = self.number()
        heappush(self.heap, (at_us, number, kind, node, what))
        return number

    # Steps.

    def take(self, node: Node, event: Event) -> None:
        """One event of a node, and then what the node sends itself: that comes before all else."""
        self._step(node, event)
        if node.local:
            self._drain(node)

    def _drain(self, node: Node) -> None:
        local = node.local
        for _ in range(LOCAL_DELIVERIES_MAX):
            if not local or not node.awake:
                return
            self._step(node, local.popleft())
        self.judge.fail(node.me, ProtocolBug(ENDLESS))

    def _step(self, node: Node, event: Event) -> None:
        self.steps += 1
        if node.timed:
            event = At(node.clock_ms(self.now_us), event)
        before = node.actor
        try:
            node.actor, effects = node.step(before, event)
        except UsageError:
            raise
        except Exception as error:
            self.judge.fail(node.me, error)
            self.tape.take(self.now_us, node.me, event, (), f"{node.me} raised {error!r}")
            return
        if self._plain:
            if effects:
                self._emit(node, effects)
        else:
            self._carefully(node, before, event, effects)

    def _carefully(
        self, node: Node, before: Actor, event: Event, effects: tuple[Effect, ...]
    ) -> None:
        """A step of which a record is kept, or that a crash may undo, or that the disk delays."""
        unforced, writes = node.unforced, bool(effects) and type(unwrapped(effects[0])) is Persist
        forced = writes and forces(effects)
        if writes and node.lazy and self._crashes:
            node.unforced = unforced_after(unforced, before, effects)
        if writes and node.disk is not None:
            node.disk.note(effects)
        if node.fuse:
            self.nemesis.burn(node)
        if node.doomed and self._strike(node, event, effects):
            return
        if self.tape.runs:
            line = describe(before, event, node.actor, effects)
            self.tape.take(self.now_us, node.me, event, effects, line)
        if forced and (node.full or node.failing):
            node.unheard += 1
            node.undurable.append((self.now_us + 1, before, unforced))
            return self.crash(node, undone_min=int(node.full))
        if forced and self.faults.disk_us:
            node.held_until = max(node.held_until, self.now_us) + self.faults.disk_us
            node.undurable.append((node.held_until, before, unforced))
        if not node.unheard and node.held_until <= self.now_us:
            self._emit(node, effects)
            return
        leaving = tuple(e for e in effects if type(unwrapped(e)) in (Send, Output))
        node.unheard += 1
        what = (node.incarnation, leaving, self.tape.sender)
        self._push(node.held_until, RELEASE, node, what)
        self._emit(node, tuple(e for e in effects if type(unwrapped(e)) not in (Send, Output)))

    def _emit(self, node: Node, effects: Iterable[Any], role: NodeId | None = None) -> None:
        """Let effects out. Sends come first here: a simulation spends its time on them."""
        src = role or node.me
        msg = None
        for effect in effects:
            kind = type(effect)
            if kind is Send:
                target = self.hosts.get(effect.to)
                if target is None:
                    continue
                if effect.msg is not msg:  # a broadcast is received as one value by all
                    msg = effect.msg
                    received = self._receive(src, msg)
                event = received if target.plain else For(effect.to, received)
                if target is node:
                    node.local.append(event)
                elif self.cut or not self.links.open:
                    self.links.send(node, target, event)
                else:
                    delay_us = self.delay_min + int(self.draw() * self.delay_span)
                    entry = (self.now_us + delay_us, self.number(), DELIVER, target, event)
                    heappush(self.heap, entry)
            elif kind is Output:
                self.judge.fact(src, effect.fact)
            elif kind is By:
                self._emit(node, (effect.effect,), effect.role)
            elif kind is not Persist and kind is not Ignore:
                self.do(node, src, effect)
        if self.judge.due:
            self.judge.states()

    def do(self, node: Node, role: NodeId, effect: Effect) -> None:
        """What an actor asks of its own node."""
        if type(effect) is SetTimer:
            least, most = effect.after_ms
            after_us = least * 1000 + int(self._schedule.random() * ((most - least) * 1000 + 1))
            at = self.now_us + int(after_us / node.pace) + node.lag_us
            if self._strobe_us:
                at += -at % self._strobe_us
            timer, due = (role, effect.timer), (at, self.number())
            if node.arm(timer, due):
                heappush(self.heap, (*due, FIRE, node, timer))
        elif type(effect) is CancelTimer:
            node.timers.pop((role, effect.timer), None)
        elif type(effect) is Choose:
            picked = Choice(effect.key, self._schedule.choice(effect.options))
            node.local.append(address(node.boot, role, picked))

    # Crashes.

    def _strike(self, node: Node, event: Event, effects: tuple[Effect, ...]) -> bool:
        """Crash around this step: while what it wrote is under way, or else within its broadcast.

        True when only a part of its effects is to leave; that is taken care of here.
        """
        sends = sum(type(unwrapped(effect)) is Send for effect in effects)
        wait_us = max(node.held_until - self.now_us, 0)
        if forces(effects):
            wait_us += self.faults.disk_us
        if wait_us and self.disk.random() < 0.5:
            incarnation, node.doomed = node.incarnation, False
            sooner_us = int(self.disk.random() * wait_us)
            self.after(sooner_us, lambda: self.nemesis.crash_if(node, incarnation), fault=True)
            return False
        if not sends or (node.unheard and not wait_us):
            return (
                False  # what earlier steps sent leaves first, and after a pause it may yet have to
            )
        node.doomed = node.up = node.awake = False
        node.dying = True
        node.timers.clear()
        sent = self.disk.randrange(sends)

        def die() -> None:
            self.tape.sender = len(self.tape.records)  # the crash is recorded next
            self._emit(node, until_send(effects, sent))
            self.crash(node, event, sent)

        if wait_us:
            self.after(wait_us, die)
        else:
            die()
        return True

    def crash(
        self, node: Node, during: Event | None = None, sent: int = 0, undone_min: int = 0
    ) -> None:
        """Lose volatile state, and perhaps the writes that no one has been told of."""
        node.durable(self.now_us)
        undone = self.disk.randint(undone_min, len(node.undurable))
        images = node.images(undone)
        pick = self.disk.randrange(images)
        event = Crash(during, sent, images - 1 - pick, undone, node.unheard)
        node.actor = self._recovered(node, undone, pick)
        node.up = node.awake = node.failing = False
        node.incarnation += 1
        node.unforced = ()
        self.lost += 1  # whatever it was about to send, or still had to hear
        node.forget()
        self.links.crashed(node)
        self.tape.take(self.now_us, node.me, event, (), describe(None, event, node.actor, ()))
        self.nemesis.crashed(node)

    def _recovered(self, node: Node, undone: int, pick: int) -> Actor:
        """What a restart will find; when that cannot be trusted, there will be none."""
        image = node.crash_image(undone, pick)
        if node.disk is None:
            return image
        try:
            found = node.disk.recover(undone, pick, self.atlas.may_lose(node))
        except StorageError:
            self.atlas.lose(node)
            return image
        if self.faults.checksums and found != image:
            self.judge.fail(node.me, ProtocolBug("its log reads otherwise than it was written"))
        return found

    def restart(self, node: Node) -> None:
        """A node that is down comes back with what its disk holds."""
        if not node.up:
            node.up = node.awake = True
            self.take(node, Start(recovered=True))
