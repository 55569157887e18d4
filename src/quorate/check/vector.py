"""The numpy engine: breadth-first search over packed rows, many at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np

from quorate.check.engine import Found, Limits, Progress, Way
from quorate.check.folding import Folding
from quorate.check.model import Model
from quorate.check.network import Full
from quorate.check.states import Fields, Numbers, States, Words
from quorate.check.symmetric import SymmetricModel
from quorate.check.symmetry import NOT_ALIKE, Element
from quorate.check.tables import Tables, Wider
from quorate.check.verdict import Judge, Locals
from quorate.check.views import Row, Views
from quorate.kernel import Happening, Network, UsageError

Look = Callable[[int, Locals, int], None]
CHUNK = 1 << 15  # rows expanded at a time: few enough for the processor's cache


class Vector:
    """One search. A state is named by its number; with symmetry, by that of the one that stands
    for its orbit, and by the permutation that leads from there to it."""

    def __init__(self, model: Model, network: Network, judge: Judge, go_on: bool) -> None:
        self._judge, self._go_on = judge, go_on
        self._views = Views(model, network)
        self._tables = Tables(self._views, judge.judges_rest)
        self._states = States(self._tables.fields)
        self._folding: Folding | None = None
        if isinstance(model, SymmetricModel):
            self._folding = Folding(self._views, model.symmetry)
        shown = partial(_Shown, self._views, self._tables)
        self._everywhere = shown(judge.see, judge.reads_states)
        self._resting = shown(judge.rest, judge.rest_reads_states)
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

    def way(self, state: int | tuple[int, Element]) -> Way:
        """What happened on the way to a state, from the start of every process."""
        number, element = state if isinstance(state, tuple) else (state, None)
        numbers = [number]
        while self._came[numbers[-1]] != numbers[-1]:
            numbers.append(int(self._came[numbers[-1]]))
        rows = self._states.rows(np.array(numbers[::-1]))
        if self._folding is not None and element is not None:
            rows = self._folding.real(rows, element)
        way = list(self._roots[rows[0]])
        for before, after in pairwise(rows):
            way.append(self._between(before, after))
        return way

    # The search.

    def _begin(self) -> None:
        for row, way in self._views.starts():
            self._transitions += 1
            if row not in self._roots:
                self._roots[row] = way
        columns = [np.array(values, np.int64) for values in zip(*self._roots, strict=True)]
        if self._folding is not None:
            if not self._folding.is_closed(self._roots):
                raise UsageError(f"symmetry: not symmetric at the start; {NOT_ALIKE}")
            columns = self._folding.canonical(columns)
        self._lay_out()
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
                after = self._folded(found.rows)
                break
            except Wider:
                self._lay_out()
        self._transitions += found.source.size
        if self._judge.judges_rest:
            at_rest = start + np.flatnonzero(~found.restless)
            self._resting.show(self._states, at_rest)
        self._add(after, start + found.source)

    def _folded(self, rows: Words) -> Words:
        """Rows that stand for the orbits of rows. Raises Wider."""
        if self._folding is None:
            return rows
        fields = self._tables.fields
        columns = self._folding.canonical(
            [fields.get(rows, column) for column in range(len(self._views.columns))]
        )
        if not fields.hold(self._views.sizes()):
            raise Wider
        return fields.pack(columns)

    def _add(self, rows: Words, source: Numbers | None) -> None:
        size = len(self._states)
        _, places = self._states.add(rows)
        new = np.arange(size, len(self._states))
        if len(self._states) > self._came.size:
            came = np.empty(self._states.words.shape[1], np.int32)
            came[:size] = self._came[:size]
            self._came = came
        self._came[new] = new if source is None else source.take(places)
        self._everywhere.show(self._states, new)

    def _lay_out(self) -> None:
        self._states.lay_out(self._tables.lay_out())

    def _stopped(self) -> bool:
        return bool(self._judge.broken) and not self._go_on

    def _between(self, before: Row, after: Row) -> tuple[int, tuple[Happening, ...]]:
        for process in range(self._views.processes):
            for ahead in self._views.moves(process, before[process]):
                if self._views.after(before, process, ahead) == after:
                    return process, ahead.happenings
        raise AssertionError("a state does not follow from the one it was reached from")


class _Shown:
    """What the judge was shown, so that it is not shown again what it cannot tell from it."""

    def __init__(self, views: Views, tables: Tables, look: Look, reads_states: bool) -> None:
        self._views, self._tables = views, tables
        self._look, self._reads_states = look, reads_states
        observed = reads_states and views.observers_at is not None
        self._kinds = States(Fields([1] * (views.processes + observed)))

    def show(self, states: States, numbers: Numbers) -> None:
        """Show some states to the judge."""
        if not numbers.size:
            return
        rows = states.words.take(numbers, axis=1)
        kinds = self._tables.kinds(rows, self._reads_states)
        sizes = [int(column.max()) + 1 for column in kinds]
        if not self._kinds.fields.hold(sizes):
            held = (1 << bits for bits in self._kinds.fields.bits)
            self._kinds.lay_out(Fields([max(pair) for pair in zip(sizes, held, strict=True)]))
        _, places = self._kinds.add(self._kinds.fields.pack(kinds))
        new = numbers.take(places)
        for number, row in zip(new.tolist(), states.rows(new), strict=True):
            views = enumerate(row[: self._views.processes])
            locals = tuple([self._views.local(process, view) for process, view in views])
            self._look(number, locals, self._views.observers(row))
