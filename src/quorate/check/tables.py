"""The moves of `Views` as arrays: the successors of many rows at once.

What a process can do follows from its view alone. Tables by view, filled when a view is first met,
say how many moves it has and which; a move adds a constant to its row, and each of its actions
adds one more, which is looked up by action and view.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from quorate.check.states import Fields, Numbers, Words
from quorate.check.views import Acts, Views

_UNKNOWN = -2
_NEVER = -1
_NONE, _SEVERAL = -1, -2


class Wider(Exception):
    """A column has more values than its bits can tell apart."""


class _Moves:
    """The moves of one process."""

    def __init__(self) -> None:
        self.known = 0  # views that have a place in the arrays by view
        self.local = np.zeros(1, np.int64)
        self.facts = np.zeros(1, np.int64)
        self.count = np.full(1, _UNKNOWN, np.int64)
        self.first = np.zeros(1, np.int64)
        self.end = np.zeros(1, np.int64)  # the view to rest in, _NONE or _SEVERAL
        self.ends: dict[int, list[int]] = {}  # by view, where there are several
        self.asks: dict[int, list[Acts]] = {}  # by view to rest in: what is due does it to others
        self.size = 0  # moves that have a place in the arrays by move
        self.change = np.zeros(1, np.int64)
        self.step = np.zeros(1, np.uint64)
        self.acts = np.zeros(1, np.int64)


class Tables:
    """Moves and actions of a world as far as they have been asked for, and the fields of rows.

    `judges_rest`: whether `resting` will be asked.
    """

    def __init__(self, views: Views, judges_rest: bool) -> None:
        self.views = views
        self.fields = Fields(views.sizes())
        self._judges_rest = judges_rest
        self._moves = [_Moves() for _ in range(views.processes)]
        self._acts_ids: dict[Acts, int] = {(): 0}
        self._acts = [np.full(1, _NEVER, np.int64) for _ in views.columns]
        self._actions = [np.full((1, 1), _UNKNOWN, np.int32) for _ in views.columns]

    def lay_out(self) -> Fields:
        """Place the columns anew, for as many values as they have now."""
        self.fields = Fields(self.views.sizes())
        for process, moves in enumerate(self._moves):
            moves.step = self.fields.step(moves.change, process)
        return self.fields

    def kinds(self, rows: Words, by_state: bool) -> list[Numbers]:
        """What each process has stated, by the model's numbers; or, `by_state`, all that a
        property can see: local states, and then the observers."""
        kinds = []
        for process in range(self.views.processes):
            moves = self._met(process)
            shown = moves.local if by_state else moves.facts
            kinds.append(shown.take(self.fields.get(rows, process)))
        if by_state and self.views.observers_at is not None:
            kinds.append(self.fields.get(rows, self.views.observers_at))
        return kinds

    def successors(self, rows: Words) -> tuple[Words, Numbers]:
        """Every successor of every row, with the place of the row that it comes from. Raises Wider
        if a new value does not fit its column."""
        views = [self._filled(rows, process) for process in range(self.views.processes)]
        counts = [m.count.take(v) for m, v in zip(self._moves, views, strict=True)]
        ends = np.cumsum([0, *(count.sum() for count in counts)])
        new = np.empty((self.fields.width, ends[-1]), np.uint64)
        source, acts = np.empty(ends[-1], np.int64), np.empty(ends[-1], np.int64)
        everyone = np.arange(rows.shape[1])
        for process, moves in enumerate(self._moves):
            count, part = counts[process], slice(ends[process], ends[process + 1])
            mine = source[part] = np.repeat(everyone, count)
            which = np.repeat(moves.first.take(views[process]) - np.cumsum(count) + count, count)
            which += np.arange(which.size)
            acts[part] = moves.acts.take(which)
            for word, old in zip(new, rows, strict=True):
                word[part] = old.take(mine)
            new[self.fields.word[process], part] += moves.step.take(which)
        kept = self._act(rows, new, source, acts)
        if kept is not None:
            new, source = new.compress(kept, axis=1), source.compress(kept)
        return new, source

    def resting(self, rows: Words) -> tuple[Words, Numbers]:
        """States at rest: some of these rows themselves, or what silent steps make of them; with
        the places of the rows that they come from. To be called after `successors`."""
        columns = [self.fields.get(rows, column) for column in range(len(self.views.columns))]
        for process, moves in enumerate(self._moves):
            columns[process] = moves.end.take(columns[process])
        places = np.flatnonzero(np.all([column != _NONE for column in columns], axis=0))
        columns = [column.take(places) for column in columns]
        for process in range(self.views.processes):
            columns, places = self._spread(process, rows, columns, places)
        rest = np.ones(places.size, bool)
        for process, moves in enumerate(self._moves):
            for view in np.unique(columns[process]).tolist():
                for acts in moves.asks.get(view, ()):
                    mine = np.flatnonzero(columns[process] == view)
                    rest[mine] &= ~self._changes(acts, [column.take(mine) for column in columns])
        columns = [column.compress(rest) for column in columns]
        return self.fields.pack(columns), places.compress(rest)

    def _spread(
        self, process: int, rows: Words, columns: list[Numbers], places: Numbers
    ) -> tuple[list[Numbers], Numbers]:
        """Give each of several views to rest in a row of its own."""
        several = columns[process] == _SEVERAL
        if not several.any():
            return columns, places
        mine = self.fields.get(rows, process).take(places)
        ends = [
            self._moves[process].ends[view] if many else [end]
            for view, end, many in zip(
                mine.tolist(), columns[process].tolist(), several.tolist(), strict=True
            )
        ]
        repeats = [len(each) for each in ends]
        columns = [np.repeat(column, repeats) for column in columns]
        columns[process] = np.array([end for each in ends for end in each], np.int64)
        return columns, np.repeat(places, repeats)

    def _changes(self, acts: Acts, columns: list[Numbers]) -> npt.NDArray[np.bool_]:
        """Whether actions, if they may happen, change anything."""
        changes, may = np.zeros(columns[0].size, bool), np.ones(columns[0].size, bool)
        for column, action in acts:
            after = self._after(column, np.full(columns[0].size, action), columns[column])
            changes |= after != columns[column]
            may &= after != _NEVER
        return changes & may

    def _act(
        self, rows: Words, new: Words, source: Numbers, acts: Numbers
    ) -> npt.NDArray[np.bool_] | None:
        """Change `new` by what moves do elsewhere. Tells which may happen, unless all may."""
        acting = np.flatnonzero(acts)
        acts = acts.take(acting)
        kept = None
        for column, by_acts in enumerate(self._acts):
            action = by_acts.take(acts)
            some = np.flatnonzero(action != _NEVER)
            if not some.size:
                continue
            at = acting.take(some)
            before = self.fields.get(rows, column).take(source.take(at))
            after = self._after(column, action.take(some), before)
            never = after == _NEVER
            if never.any():
                kept = np.ones(source.size, bool) if kept is None else kept
                kept[at[never]] = False
                after[never] = before[never]
            new[self.fields.word[column], at] += self.fields.step(after - before, column)
        return kept

    # Filling the tables.

    def _met(self, process: int) -> _Moves:
        """The moves of a process, with a place for every view."""
        moves, values = self._moves[process], self.views.columns[process].values
        for view in range(moves.known, len(values)):
            local = self.views.local(process, view)
            moves.local = _put(moves.local, view, local)
            moves.facts = _put(moves.facts, view, self.views.model.facts[process][local])
            moves.count = _put(moves.count, view, _UNKNOWN)
        moves.known = len(values)
        return moves

    def _filled(self, rows: Words, process: int) -> Numbers:
        """The views of a process in some rows, after seeing that all their moves are known."""
        moves, views = self._met(process), self.fields.get(rows, process)
        unknown = moves.count.take(views) == _UNKNOWN
        if unknown.any():
            for view in np.unique(views[unknown]).tolist():
                self._fill(process, moves, view)
            moves.step = self.fields.step(moves.change, process)
            self._refuse_wider()
        return views

    def _fill(self, process: int, moves: _Moves, view: int) -> None:
        first = moves.size
        for step in self.views.moves(process, view):
            moves.change = _put(moves.change, moves.size, step.to - view)
            moves.acts = _put(moves.acts, moves.size, self._acts_number(step.does))
            moves.size += 1
        moves.first = _put(moves.first, view, first)
        moves.count = _put(moves.count, view, moves.size - first)
        if self._judges_rest:
            ends = self.views.ends(process, view)
            moves.ends[view] = ends
            moves.end = _put(
                moves.end, view, _NONE if not ends else _SEVERAL if ends[1:] else ends[0]
            )
            for end in ends:
                steps = self.views.steps(process, end).all
                moves.asks[end] = [step.does for step in steps if step.due and step.does]

    def _acts_number(self, acts: Acts) -> int:
        number = self._acts_ids.get(acts)
        if number is None:
            number = self._acts_ids[acts] = len(self._acts_ids)
            found = dict(acts)
            for column, by_acts in enumerate(self._acts):
                self._acts[column] = _put(by_acts, number, found.get(column, _NEVER))
        return number

    def _after(self, column: int, action: Numbers, before: Numbers) -> Numbers:
        """What actions make of the values of a column."""
        known, holder = self._actions[column], self.views.columns[column]
        sizes = len(holder.actions), len(holder.values)
        if any(size > room for size, room in zip(sizes, known.shape, strict=True)):
            rooms = zip(sizes, known.shape, strict=True)
            shape = [max(size, 2 * room) if size > room else room for size, room in rooms]
            wider = np.full(shape, _UNKNOWN, np.int32)
            wider[: known.shape[0], : known.shape[1]] = known
            known = self._actions[column] = wider
        flat = known.reshape(-1)
        places = action * known.shape[1] + before
        after = flat.take(places)
        unknown = after == _UNKNOWN
        if unknown.any():
            for place in np.unique(places[unknown]).tolist():
                flat[place] = holder.act(*divmod(place, known.shape[1]))
            self._refuse_wider()
            after = flat.take(places)
        return after.astype(np.int64)

    def _refuse_wider(self) -> None:
        if not self.fields.hold(self.views.sizes()):
            raise Wider


def _put(array: Any, place: int, value: Any) -> Any:
    """An array with a value at a place, the same one if it has room."""
    if place >= array.size:
        array = np.concatenate([array, np.zeros(max(place + 1, array.size), array.dtype)])
    array[place] = value
    return array
