"""Eventually: is there a fair run in which the property never comes to hold for good?

Fairness is weak, and of each class of events (the delivery of an envelope, a timer, a choice): what
can happen from some point on without end does happen. So links lose nothing here. A delivery that
changes nothing is not owed, and nor is a crash or what a Byzantine node says; nodes that crash come
back, and runs in which one does not, or in which a step fails, are not judged.

A run that visits a strongly connected component's every state and step, over and over, is fair if
each class of events cannot happen somewhere in it, or happens somewhere in it; if neither, no run
that stays in the component is. A state from which nothing leads on is a component like others. So
`Eventually` is violated exactly if a fair component has a state in which the property fails (Manna
and Pnueli, Temporal Verification of Reactive Systems: Safety, 1995, section 5.5).

A component is not held against the protocol if a bound of the world keeps some role from going on
in all of its states: without the bound there would be more to come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from quorate.check.graph import OFF, Graph
from quorate.check.shift import Shift
from quorate.kernel import Actor, NodeId, Observer, Property, View, roles_of

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]
FOLDED_SEARCH_MAX = 100_000  # (state, classes owed) looked at for each part of a lap


class Lasso(msgspec.Struct, frozen=True):
    """A run without end, as steps of a graph: some lead to the state `at`, others from it back to
    it, for ever; if there are none of those, nothing changes any more."""

    at: int
    stem: tuple[int, ...]
    cycle: tuple[int, ...]


class Components:
    """The strongly connected components of a graph, and which of them are fair.

    In a graph that is folded a class of events has many names, so that only the search for a lap
    can tell; every component passes for fair there.
    """

    def __init__(self, graph: Graph, shift: Shift | None = None) -> None:
        self.graph, self._shift = graph, shift
        count = len(graph)
        first = np.array(graph.first)
        source = np.repeat(np.arange(count), np.diff(first))
        target, label = np.array(graph.target), np.array(graph.label)
        inside = target >= 0
        ones = np.ones(int(inside.sum()), dtype=np.int8)
        links = csr_array((ones, (source[inside], target[inside])), shape=(count, count))
        self.count, of = connected_components(links, connection="strong")
        self.of: Numbers = of.astype(np.int64)
        self.fair: Mask = np.ones(self.count, dtype=bool)
        if shift is None:
            owed = label != OFF
            self._judge_fairness(source[owed], target[owed], label[owed])
        self._enabled: dict[int, frozenset[int]] = {}

    def _judge_fairness(self, source: Numbers, target: Numbers, label: Numbers) -> None:
        """The arrays hold every step that is owed."""
        size = np.bincount(self.of, minlength=self.count)
        stays = (target >= 0) & (self.of[source] == self.of[target])
        # Most components are one state that every step leaves; they are settled first.
        lively = size > 1
        lively[self.of[source[stays]]] = True
        self.fair[self.of[source]] = lively[self.of[source]]
        kept = lively[self.of[source]]
        source, label, stays = source[kept], label[kept], stays[kept]
        classes = max(len(self.graph.classes), 1)
        able = _distinct(source * classes + label)
        pair, states = np.unique(
            self.of[able // classes] * classes + able % classes, return_counts=True
        )
        always = pair[states == size[pair // classes]]
        served = self.of[source[stays]] * classes + label[stays]
        self.fair[always[~np.isin(always, served)] // classes] = False

    def lasso(self, start: int) -> Lasso | None:
        """A fair run that comes back to `start` for ever; None if none was found."""
        cycle = self._lap(start)
        return None if cycle is None else Lasso(start, tuple(self.graph.way(start)[1]), cycle)

    def _lap(self, start: int) -> tuple[int, ...] | None:
        """Steps from a state back to it that serve every class which could happen throughout."""
        at, owed = start, self._able(start)
        lap: list[int] = []
        while owed:
            part = self._towards(at, owed)
            if part is None:
                return None
            for step in part:
                at, owed = self.graph.target[step], self._still_owed(step, owed)
            lap += part
        back = self._back(at, start)
        return None if back is None else (*lap, *back)

    def _towards(self, at: int, owed: frozenset[int]) -> list[int] | None:
        """The shortest way to settle one of the classes that are owed."""
        came: dict[Any, tuple[Any, int]] = {}
        queue = deque([(at, owed)])
        seen = {(at, owed)}
        while queue and (self._shift is None or len(seen) < FOLDED_SEARCH_MAX):
            here = queue.popleft()
            for step in self._steps_within(here[0]):
                left = self._still_owed(step, here[1])
                there = self.graph.target[step], left
                if len(left) < len(here[1]):
                    return [*_trail(came, here), step]
                if there not in seen:
                    seen.add(there)
                    came[there] = here, step
                    queue.append(there)
        return None

    def _back(self, at: int, start: int) -> list[int] | None:
        came: dict[Any, tuple[Any, int]] = {}
        queue, seen = deque([at]), {at}
        while queue:
            here = queue.popleft()
            if here == start:
                return _trail(came, here)
            for step in self._steps_within(here):
                there = self.graph.target[step]
                if there not in seen:
                    seen.add(there)
                    came[there] = here, step
                    queue.append(there)
        return None

    def _steps_within(self, at: int) -> Iterator[int]:
        target, of = self.graph.target, self.of
        return (
            step
            for step in self.graph.steps(at)
            if target[step] >= 0 and of[target[step]] == of[at]
        )

    def _still_owed(self, step: int, owed: frozenset[int]) -> frozenset[int]:
        graph, able = self.graph, self._able(self.graph.target[step])
        left = owed - {graph.label[step]}
        if self._shift is not None and graph.turn[step]:
            left = frozenset(self._shift.label(graph, label, graph.turn[step]) for label in left)
        return left & able

    def _able(self, at: int) -> frozenset[int]:
        """The classes that can happen in a state."""
        known = self._enabled.get(at)
        if known is None:
            labels = {self.graph.label[step] for step in self.graph.steps(at)}
            known = self._enabled[at] = frozenset(labels - {OFF})
        return known


def _distinct(numbers: Numbers) -> Numbers:
    """Each number once, in order; np.unique hashes them, which is slow for millions."""
    inorder = np.sort(numbers)
    first = np.ones(len(inorder), dtype=bool)
    first[1:] = inorder[1:] != inorder[:-1]
    return inorder[first]


def _trail(came: dict[Any, tuple[Any, int]], at: Any) -> list[int]:
    steps = []
    while at in came:
        at, step = came[at]
        steps.append(step)
    return steps[::-1]


class Verdicts:
    """Judges Eventually properties on one graph."""

    def __init__(self, graph: Graph, shift: Shift | None = None) -> None:
        self.graph, self._shift = graph, shift
        self.components = Components(graph, shift)
        self._seen, self._sees = self._look()
        world = graph.model.world
        self.whole = self.where(self._all_run)
        self._bounded = self.where(world.bounded) if world.bounded else None

    def find(self, prop: Property) -> tuple[str, str, Lasso | None]:
        """The verdict on a property, why it is unknown, and a run that violates it."""
        fails = ~self.where(prop.holds, prop.states) & self.whole
        lasso, is_bounded = self.run_in(fails)
        if lasso is not None:
            return "violated", "", lasso
        if is_bounded:
            bounds = "; ".join(self.graph.model.world.bounds)
            return "unknown", f"it fails only where a bound holds: {bounds}", None
        if self._shift is not None:
            return "unknown", "no run that repeats itself was found", None
        if self.graph.cut is not None:
            return "unknown", f"the search for runs ended at {self.graph.cut}", None
        return "holds", "", None

    def run_in(self, states: Mask) -> tuple[Lasso | None, bool]:
        """A fair run that is in one of `states` again and again; and whether there are some that
        may be due to a bound."""
        of = self.components.of
        starts = np.flatnonzero(states & self.components.fair[of])
        free = starts
        if self._bounded is not None:
            some_free = np.zeros(self.components.count, dtype=bool)
            some_free[of[~self._bounded]] = True
            free = starts[some_free[of[starts]]]
        elif self.graph.model.world.bounds:
            free = starts[:0]
        tried: set[int] = set()
        for start in map(int, free):
            # The first state of a component is the nearest; where nothing is folded, it will do.
            if of[start] not in tried:
                tried.add(int(of[start]))
                lasso = self.components.lasso(start)
                if lasso is not None:
                    return lasso, False
        return None, len(starts) > len(free)

    def where(self, holds: Any, states: bool = True) -> Mask:
        """The states in which a predicate on views holds; `states` as in Property."""
        model = self.graph.model
        known: dict[Hashable, bool] = {}
        values = np.empty(len(self._seen), dtype=bool)
        for number, (locals, observers) in enumerate(self._seen):
            key: Hashable = (locals, observers)
            if not states:
                key = tuple([model.facts[p][local] for p, local in enumerate(locals)])
            value = known.get(key)
            if value is None:
                value = known[key] = bool(holds(self.view(locals, observers, states)))
            values[number] = value
        return values[self._sees]

    def _look(self) -> tuple[list[tuple[tuple[int, ...], int]], Numbers]:
        """What can be seen of states, without the network, and which of it each state shows."""
        layout = self.graph.layout
        numbers: dict[tuple[tuple[int, ...], int], int] = {}
        sees = np.empty(len(self.graph), dtype=np.int64)
        for at in range(len(self.graph)):
            state = self.graph.states[at]
            seen = layout.locals(state), layout.observers(state)
            sees[at] = numbers.setdefault(seen, len(numbers))
        return list(numbers), sees

    def view(self, locals: tuple[int, ...], observers: int, states: bool) -> View:
        """What a property sees of a state."""
        model = self.graph.model
        here = [model.locals[p][local] for p, local in enumerate(locals)]
        stated = tuple(fact for local in here for fact in local.facts)
        if not states:
            return View({}, stated)
        live: dict[NodeId, Actor | Observer] = {
            role.me: role for local in here if local.up for role in roles_of(local.actor)
        }
        live |= {observer.me: observer for observer in model.observers.states[observers]}
        return View(live, stated)

    def _all_run(self, view: View) -> bool:
        return self.graph.model.hosts.keys() <= view.actors.keys()
