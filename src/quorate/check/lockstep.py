"""Lock-step runs: every message takes as long, every timer runs out at its earliest, and so each
node sees the same wherever it sits as long as the same is sent to it.

Seats are nodes of one or more worlds, wired as one likes: a scenario of Fischer, Lynch and Merritt,
Easy Impossibility Proofs for Distributed Consensus Problems, Distributed Computing 1(1) 1986.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from quorate.check.engine import Way
from quorate.check.local import Local
from quorate.check.model import Model
from quorate.check.trace import retrace
from quorate.check.verdict import Judge
from quorate.kernel import (
    Actor,
    By,
    CancelTimer,
    Effect,
    Event,
    Header,
    Kind,
    Message,
    Network,
    NodeId,
    Receive,
    SetTimer,
    Start,
    Timeout,
    Trace,
    UsageError,
    View,
    World,
    address,
    core,
    roles_of,
    unwrapped,
)
from quorate.kernel.values import encode_hook

DELAY_MS = 100
"""What a message takes, which is what it may take in the synchronous model."""
UNTIL_MS = 60_000
STEPS_MAX = 10_000
DELIVER, FIRE = range(2)


class Staged(msgspec.Struct, frozen=True):
    """A run of a world in which some nodes were traitors: what they said, in `lies`, to whom; the
    run, as a trace that can be replayed; and the properties that it violates."""

    lies: dict[NodeId, tuple[tuple[NodeId, Message], ...]]
    trace: Trace
    violated: tuple[str, ...]


class Seat(NamedTuple):
    """A node of a world."""

    model: Model
    process: int


class Step(NamedTuple):
    """What happened at a seat, by number."""

    seat: int
    event: Event


Route = Callable[[int, NodeId], int | None]
"""To which seat a message goes that one seat sends to a name; None: to nobody."""
Twist = Callable[[int, NodeId, Any], Message | None]
"""What a seat, by number, sends to a name in place of a message; None: nothing."""


def honest(seat: int, to: NodeId, message: Message) -> Message:
    """As the protocol would have it."""
    return message


class Lockstep:
    """One run of some seats; `steps` are what happened, in order; `over`: nothing is left to do.

    Raises UsageError for nodes that flip coins, and for runs without end.
    """

    def __init__(self, seats: Sequence[Seat], route: Route, twist: Twist = honest) -> None:
        self.steps: list[Step] = []
        self._seats, self._route, self._twist = seats, route, twist
        self._locals = [Local(seat.model.boots[seat.process]) for seat in seats]
        self._due: dict[tuple[int, NodeId, str], tuple[int, int]] = {}  # when, and which arming
        self._number = itertools.count().__next__
        self._heap: list[tuple[int, int, str, int, int, Event]] = []
        for number in range(len(seats)):
            self._step(0, number, Start())
        while self._heap and self._heap[0][0] <= UNTIL_MS:
            at_ms, kind, _, number, seat, event = heapq.heappop(self._heap)
            if kind == DELIVER or self._rings(seat, event, number):
                self._step(at_ms, seat, event)
            if len(self.steps) > STEPS_MAX:
                raise UsageError(f"a run in lock-step does not end within {STEPS_MAX:,} steps")
        self.over = not self._heap

    def actor(self, seat: int) -> Actor:
        """Who sits at a seat, as the run has left him."""
        return self._locals[seat].actor

    def _rings(self, seat: int, event: Any, number: int) -> bool:
        role = getattr(event, "role", self._locals[seat].actor.me)
        timer = getattr(event, "event", event).timer
        known = self._due.get((seat, role, timer))
        return known is not None and known[1] == number

    def _step(self, at_ms: int, seat: int, event: Event) -> None:
        self.steps.append(Step(seat, event))
        model, process = self._seats[seat]
        local, effects, sent = model.happen(process, self._locals[seat], event)
        if local.failure:
            raise UsageError(f"{local.actor.me} raised {local.failure}")
        if local.offers:
            raise UsageError(f"{local.actor.me} flips coins: what it will do cannot be foretold")
        self._locals[seat] = local
        self._set_timers(at_ms, seat, effects)
        for src, to, msg in sent:
            self._send(at_ms, seat, src, to, msg)

    def _set_timers(self, at_ms: int, seat: int, effects: Iterable[Effect]) -> None:
        for wrapped in effects:
            actor = self._locals[seat].actor
            role = wrapped.role if type(wrapped) is By else actor.me
            match unwrapped(wrapped):
                case SetTimer(timer, (least, _)):
                    number, when = self._number(), at_ms + least
                    self._due[seat, role, timer] = when, number
                    ring = address(actor, role, Timeout(timer))
                    heapq.heappush(self._heap, (when, FIRE, role, number, seat, ring))
                case CancelTimer(timer):
                    self._due.pop((seat, role, timer), None)
                case _:
                    pass

    def _send(self, at_ms: int, seat: int, src: NodeId, to: NodeId, msg: Message) -> None:
        target, said = self._route(seat, to), self._twist(seat, to, msg)
        if target is None or said is None:
            return
        event = address(self._locals[target].actor, to, Receive(src, said))
        # At each seat, what comes at one time comes in the order of the senders' names.
        entry = (at_ms + DELAY_MS, DELIVER, src, self._number(), target, event)
        heapq.heappush(self._heap, entry)


def staged(
    world: World,
    run: Lockstep,
    nodes: Mapping[int, int],
    traitors: frozenset[NodeId],
    header: Header,
) -> Staged:
    """What some seats saw, as a run of a world in which the nodes that do not sit there are
    traitors, and say what these were told in their names.

    `nodes`: by seat, the process of the world that sits there. Raises UsageError if a traitor would
    have to sign for others.
    """
    way: Way = [(nodes[step.seat], (step.event,)) for step in run.steps if step.seat in nodes]
    lies: dict[NodeId, dict[tuple[NodeId, Message], None]] = {name: {} for name in sorted(traitors)}
    for process, (event,) in way:
        told: Any = core(event)
        if isinstance(told, Receive) and told.src in traitors:
            role = getattr(event, "role", world.processes[process].me)
            lies[told.src][role, told.msg] = None
    said = {name: tuple(each) for name, each in lies.items()}
    promised = tuple(prop for prop in world.properties if prop.kind is not Kind.SOMETIMES)
    world = msgspec.structs.replace(world, byzantine=said, properties=promised, symmetry=())
    model = Model(world, Network.FIFO, 0)
    hosts = world.hosts()
    full: Way = [*((hosts[name], (Start(),)) for name in said), *way]
    violated = _judged(model, way, run.over)
    plain = {
        name: tuple((to, msgspec.to_builtins(msg, enc_hook=encode_hook)) for to, msg in each)
        for name, each in said.items()
    }
    header = msgspec.structs.replace(header, violated=next(iter(violated), None), lies=plain)
    return Staged(said, Trace(header, retrace(model, full)), violated)


def _judged(model: Model, way: Way, over: bool) -> tuple[str, ...]:
    """The properties that a run violates; if it has an end, also those that hold only then."""
    judge = Judge(model)
    here = [Local(boot, up=p not in model.traitors) for p, boot in enumerate(model.boots)]
    for process, (happening,) in way:
        here[process] = model.happen(process, here[process], happening)[0]
        judge.see(None, tuple(model.intern(p, local) for p, local in enumerate(here)))
    if not over:
        return tuple(judge.broken)
    judge.rest(None, tuple(model.intern(p, local) for p, local in enumerate(here)))
    actors = {role.me: role for local in here if local.up for role in roles_of(local.actor)}
    view = View(actors, tuple(fact for local in here for fact in local.facts))
    awaited = [p for p in model.world.properties if p.kind is Kind.EVENTUALLY]
    return (*judge.broken, *(prop.name for prop in awaited if not prop.holds(view)))
