"""The plain engine of reduced searches: rows of views, one by one."""

from __future__ import annotations

from itertools import product

from quorate.check.levels import Levels, Reached
from quorate.check.merging import Step
from quorate.check.views import Row


class Rows(Levels):
    """One search."""

    chunk = 1_024

    def __len__(self) -> int:
        return len(self._states)

    def _start(self) -> None:
        self._states: list[Row] = []
        self._came: dict[Row, int] = {}
        self._moves: dict[tuple[int, int], tuple[Step[int], ...]] = {}
        for number, row in enumerate(self._roots):
            self._add(row, number)

    def _expand(self, start: int, end: int) -> None:
        for number in range(start, end):
            row = self._states[number]
            for process, view in enumerate(row[: self._views.processes]):
                for step in self._moves_of(process, view):
                    after = self._views.after(row, process, step)
                    if after is not None:
                        self._transitions += 1
                        self._add(after, number)
            if self._judge.judges_rest:
                self._judge_rest(number, row)

    def _parent(self, number: int) -> int:
        return self._came[self._states[number]]

    def _rows(self, numbers: list[int]) -> list[Row]:
        return [self._states[number] for number in numbers]

    def _add(self, row: Row, source: int) -> None:
        if row not in self._came:
            self._came[row] = source
            self._states.append(row)
            name = Reached(len(self._states) - 1, row)
            self._judge.see(name, self._views.locals(row), self._views.observers(row))

    def _moves_of(self, process: int, view: int) -> tuple[Step[int], ...]:
        known = self._moves.get((process, view))
        if known is None:
            known = self._moves[process, view] = tuple(self._views.moves(process, view))
        return known

    def _judge_rest(self, number: int, row: Row) -> None:
        count = self._views.processes
        for views in product(*(self._views.ends(p, view) for p, view in enumerate(row[:count]))):
            rest = (*views, *row[count:])
            if self._views.rests(rest):
                name = Reached(number, rest)
                self._judge.rest(name, self._views.locals(rest), self._views.observers(rest))
