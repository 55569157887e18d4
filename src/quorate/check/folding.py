"""Symmetry on whole arrays of rows: each row becomes the one that stands for its orbit.

As in orbits.py, the images of a row in which signatures ascend are those of its whole orbit. Most
rows have no two equal signatures, and so one such image: they are permuted in groups, by a table
for each permutation and column. For the others every permutation is tried.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from quorate.check.states import Numbers
from quorate.check.symmetry import ENVELOPE, OBSERVERS, Element, Symmetry, compose
from quorate.check.views import Row, Views

Weights = tuple[int, ...]
_MASK = (1 << 64) - 1
_UNKNOWN = -1
_Table = npt.NDArray[np.int64]


class Folding:
    """A symmetry acting on the columns of rows."""

    def __init__(self, views: Views, symmetry: Symmetry) -> None:
        self._views, self._symmetry = views, symmetry
        self._elements = list(symmetry.elements())
        ends = np.cumsum([0, *map(len, symmetry.groups)])
        self._groups = [slice(start, end) for start, end in pairwise(ends.tolist())]
        blocks = len(symmetry.blocks)
        self._weights = [np.empty((blocks, 0), np.uint64) for _ in views.columns]
        self._tables: dict[tuple[Element, int], _Table] = {}
        self._inboxes: dict[tuple[Element, Any], Any] = {}
        self._inbox_weights: dict[Any, Weights] = {}

    def canonical(self, columns: list[Numbers]) -> list[Numbers]:
        """The rows that stand for the orbits of some rows."""
        signatures = np.zeros((len(self._symmetry.blocks), columns[0].size), np.uint64)
        for column, values in enumerate(columns):
            signatures += self._weighed(column).take(values, axis=1)
        places, tied = self._places(signatures)
        folded = [values.copy() for values in columns]
        codes = np.zeros(tied.size, np.int64)
        for place in places:
            codes *= len(places)
            codes += place
        codes[tied] = -1
        for code in np.unique(codes).tolist():
            some = np.flatnonzero(codes == code)
            mine = [values.take(some) for values in columns]
            if code < 0:
                images = self._least(mine, signatures.take(some, axis=1))
            else:
                images = self._images(self._element(places[:, some[0]]), mine)
            for values, image in zip(folded, images, strict=True):
                values[some] = image
        return folded

    def image(self, element: Element, row: Row) -> Row:
        """The row that a permutation leads to."""
        images = self._images(element, [np.array([value], np.int64) for value in row])
        return tuple(int(values[0]) for values in images)

    def real(self, rows: list[Row], element: Element) -> list[Row]:
        """States of one run of the orbits that some rows stand for; the last of them is where
        `element` leads from the last row."""
        states = [self.image(element, rows[-1])]
        for before, after in reversed(list(pairwise(rows))):
            element = compose(element, self._turn(before, after))
            states.append(self.image(element, before))
        return states[::-1]

    def is_closed(self, rows: dict[Row, Any]) -> bool:
        """Whether the images of rows are among them."""
        generators = self._symmetry.generators
        return all(self.image(element, row) in rows for element in generators for row in rows)

    def _turn(self, before: Row, after: Row) -> Element:
        """The permutation from some successor of a row to the row that stands for its orbit."""
        for process in range(self._views.processes):
            for step in self._views.moves(process, before[process]):
                found = self._views.after(before, process, step)
                if found is None:
                    continue
                for element in self._elements:
                    if self.image(element, found) == after:
                        return element
        raise AssertionError("a state does not follow from the one it was reached from")

    def _places(self, signatures: npt.NDArray[np.uint64]) -> tuple[Numbers, npt.NDArray[np.bool_]]:
        """Where each block goes so that signatures ascend, and whether two of them are equal."""
        places = np.empty(signatures.shape, np.int64)
        tied = np.zeros(signatures.shape[1], bool)
        for group in self._groups:
            mine = signatures[group]
            order = mine.argsort(axis=0, kind="stable")
            np.put_along_axis(places[group], order, np.arange(len(mine))[:, None], axis=0)
            ascending = np.take_along_axis(mine, order, axis=0)
            tied |= (ascending[1:] == ascending[:-1]).any(axis=0)
        return places, tied

    def _element(self, places: Numbers) -> Element:
        return tuple(tuple(places[group].tolist()) for group in self._groups)

    def _least(self, columns: list[Numbers], signatures: npt.NDArray[np.uint64]) -> list[Numbers]:
        """The least of the images of each row in which signatures ascend."""
        least = [np.full(values.size, np.iinfo(np.int64).max) for values in columns]
        for element in self._elements:
            ascends = np.ones(columns[0].size, bool)
            for group, places in zip(self._groups, element, strict=True):
                moved = signatures[group][np.argsort(places)]
                ascends &= (moved[1:] >= moved[:-1]).all(axis=0)
            some = np.flatnonzero(ascends)
            images = self._images(element, [values.take(some) for values in columns])
            less, equal = np.zeros(some.size, bool), np.ones(some.size, bool)
            for image, values in zip(images, least, strict=True):
                known = values.take(some)
                less |= equal & (image < known)
                equal &= image == known
            for image, values in zip(images, least, strict=True):
                values[some[less]] = image[less]
        return least

    # Tables by column.

    def _images(self, element: Element, columns: list[Numbers]) -> list[Numbers]:
        if element == self._symmetry.identity:
            return columns
        process = self._symmetry.at(element).process
        images = columns.copy()
        for column, values in enumerate(columns):
            target = process[column] if column < len(process) else column
            images[target] = self._table(element, column, values).take(values)
        return images

    def _table(self, element: Element, column: int, values: Numbers) -> _Table:
        """What the values of a column become: known at least for `values`."""
        size = len(self._views.columns[column].values)
        table = self._tables.get((element, column))
        if table is None or table.size < size:
            wider = np.full(2 * size, _UNKNOWN, np.int64)
            if table is not None:
                wider[: table.size] = table
            table = self._tables[element, column] = wider
        unknown = values[table.take(values) == _UNKNOWN]
        for value in np.unique(unknown).tolist():
            table[value] = self._become(element, column, value)
        return table

    def _become(self, element: Element, column: int, number: int) -> int:
        permutation, views = self._symmetry.at(element), self._views
        value = views.columns[column].values[number]
        if column == views.observers_at:
            return views.columns[column].number(permutation.observers(value))
        if column >= views.processes:
            return number
        local, inbox = value
        renamed = self._inboxes.get((element, inbox))
        if renamed is None:
            sent = tuple(map(permutation.envelope, views.inbox.flight(inbox)))
            renamed = self._inboxes[element, inbox] = views.inbox.put(views.inbox.empty, sent)
        target = views.columns[permutation.process[column]]
        return target.number((permutation.local(column, local), renamed))

    def _weighed(self, column: int) -> npt.NDArray[np.uint64]:
        """What the values of a column add to the signature of each block."""
        known, values = self._weights[column], self._views.columns[column].values
        if known.shape[1] < len(values):
            more = [self._sum(column, value) for value in values[known.shape[1] :]]
            known = np.concatenate([known, np.array(more, np.uint64).T], axis=1)
            self._weights[column] = known
        return known

    def _sum(self, column: int, value: Any) -> Weights:
        if column == self._views.observers_at:
            return self._symmetry.weights((OBSERVERS, value))
        if column >= self._views.processes:
            return (0,) * len(self._symmetry.blocks)
        local, inbox = value
        sums = self._inbox_weights.get(inbox)
        if sums is None:
            sums = (0,) * len(self._symmetry.blocks)
            for envelope in self._views.inbox.flight(inbox):
                sums = _added(sums, self._symmetry.weights((ENVELOPE, envelope)))
            self._inbox_weights[inbox] = sums
        return _added(sums, self._symmetry.weights((column, local)))


def _added(one: Weights, other: Weights) -> Weights:
    return tuple([mine + theirs & _MASK for mine, theirs in zip(one, other, strict=True)])
