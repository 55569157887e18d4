"""Breadth-first search over rows of views, which are numbered as they are met: what is the same
whether rows are handled one by one or many at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from quorate.check.engine import Found, Limits, Progress, Way
from quorate.check.model import Model
from quorate.check.network import Full
from quorate.check.reduction import Reduction
from quorate.check.symmetry import Element
from quorate.check.verdict import Judge
from quorate.check.views import Row, Views
from quorate.kernel import Happening, Network


class Reached(NamedTuple):
    """What a state is called: the number of one that was reached, and its own row, which differs
    from that one's by silent steps if it is at rest."""

    number: int
    row: Row


class Levels(ABC):
    """One search, level by level."""

    chunk: int
    """How many states to expand between two looks at the limits."""

    def __init__(
        self,
        model: Model,
        network: Network,
        judge: Judge,
        go_on: bool,
        reduction: Reduction | None = None,
    ) -> None:
        self._judge, self._go_on = judge, go_on
        self._views = Views(model, network, reduction)
        self._roots: dict[Row, Way] = {}
        self._transitions = 0

    @abstractmethod
    def __len__(self) -> int:
        """How many states there are so far."""

    @abstractmethod
    def _start(self) -> None:
        """Add the states in `_roots`, in their order."""

    @abstractmethod
    def _expand(self, start: int, end: int) -> None:
        """Judge states at rest, and add all successors of the states with these numbers."""

    @abstractmethod
    def _parent(self, number: int) -> int:
        """The state that one was first reached from; a root, from itself."""

    @abstractmethod
    def _rows(self, numbers: list[int]) -> list[Row]:
        """Some states."""

    def run(self, limits: Limits, progress: Progress | None) -> Found:
        """Search until there is nothing new, a violation, or a limit."""
        depth, cut, first = 1, None, 0
        try:
            for row, way in self._views.starts():
                self._transitions += 1
                self._roots.setdefault(row, way)
            self._start()
            while first < len(self) and cut is None:
                end = len(self)
                if self._stopped():
                    cut = "the first violation"
                elif limits.depth_max and depth >= limits.depth_max:
                    cut = f"depth {depth}"
                else:
                    cut = self._level(first, end, depth, limits, progress)
                    depth += len(self) > end
                    first = end
        except Full as full:
            cut = str(full)
        return Found(len(self), self._transitions, depth, cut)

    def way(self, state: Reached | tuple[Reached, Element]) -> Way:
        """What happened on the way to a state, or to where a permutation leads from there, from the
        start of every process."""
        reached, element = (state, None) if isinstance(state, Reached) else state
        numbers = [reached.number]
        while self._parent(numbers[-1]) != numbers[-1]:
            numbers.append(self._parent(numbers[-1]))
        rows = self._rows(numbers[::-1])
        if element is not None:
            rows = self._real(rows, element)
        way = list(self._roots[rows[0]])
        way += [self._between(before, after) for before, after in pairwise(rows)]
        if element is None:
            way += self._in_silence(rows[-1], reached.row)
        return way

    def _in_silence(self, before: Row, after: Row) -> Iterator[tuple[int, tuple[Happening, ...]]]:
        for process in range(self._views.processes):
            if before[process] != after[process]:
                merged = self._views.merged(process, before[process])
                yield process, merged.path(after[process])

    def _real(self, rows: list[Row], element: Element) -> list[Row]:
        """States of one run of the orbits that some rows stand for, up to where `element` leads
        from the last of them."""
        raise AssertionError("rows are not folded here")

    def _level(
        self, first: int, end: int, depth: int, limits: Limits, progress: Progress | None
    ) -> str | None:
        for start in range(first, end, self.chunk):
            self._expand(start, min(start + self.chunk, end))
            if self._stopped():
                return "the first violation"
            if len(self) >= limits.states_max:
                return limits.states_cut
            if limits.memory_is_full():
                return limits.memory_cut
            if progress is not None:
                progress(len(self), self._transitions, depth, end - first)
        return None

    def _stopped(self) -> bool:
        return bool(self._judge.broken) and not self._go_on

    def _between(self, before: Row, after: Row) -> tuple[int, tuple[Happening, ...]]:
        for process in range(self._views.processes):
            for step in self._views.moves(process, before[process]):
                if self._views.after(before, process, step) == after:
                    return process, step.happenings
        raise AssertionError("a state does not follow from the one it was reached from")
