"""The numpy engine: breadth-first search over packed rows, many at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from quorate.check.folding import Folding
from quorate.check.levels import Levels, Reached
from quorate.check.states import Fields, Numbers, States, Words
from quorate.check.symmetric import SymmetricModel
from quorate.check.symmetry import NOT_ALIKE, Element
from quorate.check.tables import Tables, Wider
from quorate.check.verdict import Locals
from quorate.check.views import Row, Views
from quorate.kernel import UsageError

Look = Callable[[Reached, Locals, int], None]


class Vector(Levels):
    """One search."""

    chunk = 1 << 15  # few enough for the processor's cache

    def __len__(self) -> int:
        return len(self._states)

    def _start(self) -> None:
        self._tables = Tables(self._views, self._judge.judges_rest)
        self._states = States(self._tables.fields)
        self._folding: Folding | None = None
        if isinstance(self._views.model, SymmetricModel):
            self._folding = Folding(self._views, self._views.model.symmetry)
        shown = partial(_Shown, self._views, self._tables)
        self._everywhere = shown(self._judge.see, self._judge.reads_states)
        self._resting = shown(self._judge.rest, self._judge.rest_reads_states)
        self._came = np.empty(0, np.int32)  # by state: the one that it was first reached from
        columns = [np.array(values, np.int64) for values in zip(*self._roots, strict=True)]
        if self._folding is not None:
            if not self._folding.is_closed(self._roots):
                raise UsageError(f"symmetry: not symmetric at the start; {NOT_ALIKE}")
            columns = self._folding.canonical(columns)
        self._states.lay_out(self._tables.lay_out())
        self._add(self._tables.fields.pack(columns), np.arange(len(self._roots)))

    def _expand(self, start: int, end: int) -> None:
        while True:
            rows = self._states.words[:, start:end]
            try:
                new, source = self._tables.successors(rows)
                new = self._folded(new)
                if self._judge.judges_rest:
                    resting, places = self._tables.resting(rows)
                    self._resting.show(resting, start + places)
                break
            except Wider:
                self._states.lay_out(self._tables.lay_out())
        self._transitions += source.size
        self._add(new, start + source)

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

    def _real(self, rows: list[Row], element: Element) -> list[Row]:
        assert self._folding is not None
        return self._folding.real(rows, element)

    def _parent(self, number: int) -> int:
        return int(self._came[number])

    def _rows(self, numbers: list[int]) -> list[Row]:
        return self._tables.fields.rows(self._states.words.take(numbers, axis=1))

    def _add(self, rows: Words, source: Numbers) -> None:
        size = len(self)
        _, places = self._states.add(rows)
        new = np.arange(size, len(self))
        if len(self) > self._came.size:
            came = np.empty(self._states.words.shape[1], np.int32)
            came[:size] = self._came[:size]
            self._came = came
        self._came[new] = source.take(places)
        self._everywhere.show(self._states.words[:, size : len(self)], new)


class _Shown:
    """What the judge was shown, so that it is not shown again what it cannot tell from it."""

    def __init__(self, views: Views, tables: Tables, look: Look, reads_states: bool) -> None:
        self._views, self._tables = views, tables
        self._look, self._reads_states = look, reads_states
        observed = reads_states and views.observers_at is not None
        self._kinds = States(Fields([1] * (views.processes + observed)))

    def show(self, rows: Words, numbers: Numbers) -> None:
        """Show some states to the judge, each named by a number and its row."""
        if not numbers.size:
            return
        kinds = self._tables.kinds(rows, self._reads_states)
        sizes = [int(column.max()) + 1 for column in kinds]
        if not self._kinds.fields.hold(sizes):
            held = (1 << bits for bits in self._kinds.fields.bits)
            self._kinds.lay_out(Fields([max(pair) for pair in zip(sizes, held, strict=True)]))
        _, places = self._kinds.add(self._kinds.fields.pack(kinds))
        new = self._tables.fields.rows(rows.take(places, axis=1))
        for number, row in zip(numbers.take(places).tolist(), new, strict=True):
            self._look(Reached(number, row), self._views.locals(row), self._views.observers(row))
