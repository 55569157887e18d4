"""How much of what the checker can reach a recorded run visits.

The states are those of the whole world, as the checker counts them on a network that is a set, but
without the number of crashes that led there. Between a crash and the restart after it there is no
state, since to the checker both are one move; a node that may stop for good counts as stopped
meanwhile.
"""

from __future__ import annotations

from typing import NamedTuple

from quorate.check.engine import Limits
from quorate.check.graph import Graph
from quorate.check.model import Envelope, Local, Model
from quorate.kernel import (
    Crash,
    Effect,
    Network,
    Record,
    Trace,
    UsageError,
    World,
    forces,
)
from quorate.traces.life import unheard


class Visited(NamedTuple):
    """Numbers of reachable states, and how many others there were: those that take more crashes
    than the checker was allowed, or what a disk loses there and not here."""

    states: frozenset[int]
    beyond: int


class Reachable:
    """The reachable states of a world, by number. Raises UsageError where they cannot be compared
    with a run: where the network is not a set, a node is Timed, or there are too many states."""

    def __init__(
        self,
        world: World,
        states_max: int,
        crashes: int | None = None,
    ) -> None:
        if world.network is not Network.SET:
            raise UsageError(
                f"the checker's network is a {world.network.value} here, which the simulator's is "
                "not: choose a world whose network is a set"
            )
        self.model = Model(world, world.network, world.crashes if crashes is None else crashes)
        self.graph = Graph(self.model, world.network)
        self.graph.explore(Limits(states_max))
        if self.graph.cut is not None:
            raise UsageError(
                f"the checker reaches more than {self.graph.cut}: take a smaller world"
            )
        self._numbers: dict[int, int] = {}
        for state in self.graph.states:
            self._numbers.setdefault(self._uncounted(state), len(self._numbers))

    def __len__(self) -> int:
        return len(self._numbers)

    def visited(self, trace: Trace) -> Visited:
        """The states that a run passes through. Raises UsageError for a run of another world."""
        return _Walk(self.model, self.graph, self._numbers).along(trace)

    def _uncounted(self, state: int) -> int:
        return state - self.graph.layout.crashes(state)


class _Walk:
    """One run, in the terms of the model."""

    def __init__(self, model: Model, graph: Graph, numbers: dict[int, int]) -> None:
        self._model, self._graph, self._numbers = model, graph, numbers
        self._index = {boot.me: process for process, boot in enumerate(model.boots)}
        self._here = [Local(boot) for boot in model.boots]
        self._forced: list[list[Local]] = [[] for _ in model.boots]  # before each forcing step
        self._ids: list[int | None] = [
            model.intern(p, local._replace(up=False)) if p in model.traitors else None
            for p, local in enumerate(self._here)
        ]  # None: not started, or down
        self._network = self._observers = 0

    def along(self, trace: Trace) -> Visited:
        silent = unheard(trace.records)
        states: set[int] = set()
        beyond: set[int] = set()
        for index, record in enumerate(trace.records):
            if " raised " in record.line:
                break  # a violation, and the end of the run
            process = self._index[record.node]
            if process in self._model.traitors:
                continue
            self._take(process, record, index not in silent)
            ids = [number for number in self._ids if number is not None]
            if len(ids) == len(self._ids):
                state = self._graph.layout.pack(0, tuple(ids), self._observers, self._network)
                number = self._numbers.get(state)
                states.add(number) if number is not None else beyond.add(state)
        return Visited(frozenset(states), len(beyond))

    def _take(self, process: int, record: Record, heard: bool) -> None:
        model, event, before = self._model, record.event, self._here[process]
        down = isinstance(event, Crash)
        if isinstance(event, Crash) and event.undone:
            before = self._forced[process][-event.undone]
        after, effects, sent = model.happen(process, before, event)
        if down:
            self._forced[process] = []
        elif forces(effects):
            self._forced[process].append(before)
        if heard:
            self._let_out(process, effects, sent)
        else:
            after = after._replace(facts=before.facts)
        self._here[process] = after
        self._ids[process] = self._number(process, after, down)

    def _let_out(self, process: int, effects: tuple[Effect, ...], sent: list[Envelope]) -> None:
        model = self._model
        _, bits = self._graph.links.change(0, None, tuple(map(model.envelope, sent)))
        self._network |= bits
        stated = model.observers.number(model.said(process, effects))
        self._observers = model.observers.after(self._observers, stated)

    def _number(self, process: int, local: Local, down: bool) -> int | None:
        if down and not self._model.stops:
            return None
        if down:
            local = Local(self._model.boots[process], facts=local.facts, up=False)
        return self._model.intern(process, local)
