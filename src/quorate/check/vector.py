"""The numpy engine: breadth-first search over packed rows, many at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from quorate.check.engine import Found, Limits, Progress, Way
from quorate.check.model import Model
from quorate.check.network import Full
from quorate.check.states import BLOCK, Numbers, States, Words
from quorate.check.tables import Tables, Wider
from quorate.check.verdict import Judge, Locals
from quorate.check.views import Row, Views
from quorate.kernel import Happening, Network

CHUNK = 1 << 15  # rows expanded at a time: few enough for the processor's cache


class Vector:
    """One search. A state is named by its number."""

    def __init__(self, model: Model, network: Network, judge: Judge, go_on: bool) -> None:
        self._judge, self._go_on = judge, go_on
        self._views = Views(model, network)
        self._tables = Tables(self._views, judge.judges_rest)
        self._states = States(self._tables.fields.width)
        self._roots: dict[Row, Way] = {}
        self._came = np.empty(0, np.int32)  # by state: the one that it was first reached from
        self._transitions = 0

    def run(self, limits: Limits, progress: Progress | None) -> Found:
        """Search until there is nothing new, a violation, or a limit."""
        depth, cut, first = 1, None, 0
        try:
            self._begin()
            while first < len(self._states) and cut is None:
                end = len(self._states)
                if self._stopped():
                    cut = "the first violation"
                elif limits.depth_max and depth >= limits.depth_max:
                    cut = f"depth {depth}"
                else:
                    cut = self._level(first, end, depth, limits, progress)
                    depth += len(self._states) > end
                    first = end
        except Full as full:
            cut = str(full)
        return Found(len(self._states), self._transitions, depth, cut)

    def way(self, state: int) -> Way:
        """What happened on the way to a state, from the start of every process."""
        numbers = [state]
        while self._came[numbers[-1]] != numbers[-1]:
            numbers.append(int(self._came[numbers[-1]]))
        rows = [self._row(number) for number in reversed(numbers)]
        way = list(self._roots[rows[0]])
        for before, after in zip(rows, rows[1:], strict=False):
            way.append(self._between(before, after))
        return way

    # The search.

    def _begin(self) -> None:
        for row, way in self._views.starts():
            self._transitions += 1
            if row not in self._roots:
                self._roots[row] = way
        self._lay_out()
        columns = [np.array(values, np.int64) for values in zip(*self._roots, strict=True)]
        self._add(self._tables.fields.pack(columns), None)

    def _level(
        self, first: int, end: int, depth: int, limits: Limits, progress: Progress | None
    ) -> str | None:
        for start in range(first, end, CHUNK):
            self._expand(start, min(start + CHUNK, end))
            if self._stopped():
                return "the first violation"
            if len(self._states) >= limits.states_max:
                return f"{limits.states_max} states"
            if limits.memory_is_full():
                return f"{limits.memory_max_bytes} bytes of memory"
            if progress is not None:
                progress(len(self._states), self._transitions, depth)
        return None

    def _expand(self, start: int, end: int) -> None:
        while True:
            rows = self._states.words[:, start:end]
            try:
                found = self._tables.successors(rows)
                break
            except Wider:
                self._lay_out()
        self._transitions += found.source.size
        if self._judge.judges_rest:
            at_rest = start + np.flatnonzero(~found.restless)
            self._show(at_rest, self._judge.rest, self._judge.rest_reads_states)
        self._add(found.rows, start + found.source)

    def _add(self, rows: Words, source: Numbers | None) -> None:
        size = len(self._states)
        _, places = self._states.add(rows)
        new = np.arange(size, len(self._states))
        if len(self._states) > self._came.size:
            came = np.empty(self._states.words.shape[1], np.int32)
            came[:size] = self._came[:size]
            self._came = came
        self._came[new] = new if source is None else source.take(places)
        self._show(new, self._judge.see, self._judge.reads_states)

    def _lay_out(self) -> None:
        """Write all states anew, with more bits where they have become too few."""
        old = self._tables.fields
        new = self._tables.lay_out()
        words = np.empty((new.width, self._states.words.shape[1]), np.uint64)
        for start in range(0, len(self._states), BLOCK):
            part = slice(start, min(start + BLOCK, len(self._states)))
            columns = range(len(self._views.columns))
            values = [old.get(self._states.words[:, part], column) for column in columns]
            words[:, part] = new.pack(values)
        self._states.replace(words)

    def _stopped(self) -> bool:
        return bool(self._judge.broken) and not self._go_on

    def _show(
        self, states: Numbers, look: Callable[[int, Locals], None], reads_states: bool
    ) -> None:
        """Show some states to the judge: one of all that it could not tell apart."""
        rows = self._states.words.take(states, axis=1)
        see = self._tables.locals if reads_states else self._tables.facts
        differ = _first_of_each([see(rows, process) for process in range(self._views.processes)])
        for state in states.take(differ).tolist():
            row = self._row(state)
            locals = tuple([self._views.local(p, row[p]) for p in range(self._views.processes)])
            look(state, locals)

    def _row(self, state: int) -> Row:
        words = self._states.words[:, state : state + 1]
        columns = range(len(self._views.columns))
        return tuple([int(self._tables.fields.get(words, column)[0]) for column in columns])

    def _between(self, before: Row, after: Row) -> tuple[int, tuple[Happening, ...]]:
        for process in range(self._views.processes):
            for ahead in self._views.moves(process, before[process]):
                if self._views.after(before, process, ahead) == after:
                    return process, ahead.happenings
        raise AssertionError("a state does not follow from the one it was reached from")


def _first_of_each(columns: list[Numbers]) -> Numbers:
    """The places of the first of each kind of row, in order."""
    key, size = np.zeros_like(columns[0]), 1
    for column in columns:
        room = int(column.max(initial=0)) + 1
        if size * room >= 1 << 62:
            key = np.unique(key, return_inverse=True)[1]
            size = int(key.max(initial=0)) + 1
        key, size = key * room + column, size * room
    if size > 1 << 20:
        return np.sort(np.unique(key, return_index=True)[1])
    first = np.full(size, -1, np.int64)
    first[key[::-1]] = np.arange(key.size)[::-1]
    return np.sort(first[first >= 0])
