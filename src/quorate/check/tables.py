"""The moves of `Views` as arrays: the successors of many rows at once.

What a process can do follows from its view alone. Tables by view, filled when a view is first met,
say how many moves it has and which; a move adds a constant to its row, and each of its actions
adds one more, which is looked up by action and view.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from quorate.check.states import Fields, Numbers, Words
from quorate.check.views import Acts, Views

_UNKNOWN = -2
_NEVER = -1


class Wider(Exception):
    """A column has more values than its bits can tell apart."""


class Successors(NamedTuple):
    """What can happen in some rows: for each of `rows`, the place of the row that it comes from.

    `restless` tells for each row expanded whether anything that is due would change it.
    """

    rows: Words
    source: Numbers
    restless: npt.NDArray[np.bool_]


class _Moves:
    """The moves of one process."""

    def __init__(self) -> None:
        self.known = 0  # views that have a place in the arrays by view
        self.local = np.zeros(1, np.int64)
        self.facts = np.zeros(1, np.int64)
        self.count = np.full(1, _UNKNOWN, np.int64)
        self.first = np.zeros(1, np.int64)
        self.leaves = np.zeros(1, bool)  # whether a move that is due ends in another view
        self.size = 0  # moves that have a place in the arrays by move
        self.change = np.zeros(1, np.int64)
        self.step = np.zeros(1, np.uint64)
        self.acts = np.zeros(1, np.int64)
        self.still = np.zeros(1, bool)  # whether it is due and ends in the same view
        self.any_still = False


class Tables:
    """Moves and actions of a world as far as they have been asked for, and the fields of rows.

    `judges_rest`: whether `restless` matters.
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

    def successors(self, rows: Words) -> Successors:
        """Every successor of every row. Raises Wider if a new value does not fit its column."""
        views = [self._filled(rows, process) for process in range(self.views.processes)]
        counts = [m.count.take(v) for m, v in zip(self._moves, views, strict=True)]
        ends = np.cumsum([0, *(count.sum() for count in counts)])
        new = np.empty((self.fields.width, ends[-1]), np.uint64)
        source, acts = np.empty(ends[-1], np.int64), np.empty(ends[-1], np.int64)
        restless = np.zeros(rows.shape[1], bool)
        still = []
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
            if self._judges_rest:
                restless |= moves.leaves.take(views[process])
                if moves.any_still:
                    still.append(np.flatnonzero(moves.still.take(which)) + ends[process])
        kept = self._act(rows, new, source, acts)
        for places in still:
            changed = (new.take(places, axis=1) != rows.take(source[places], axis=1)).any(axis=0)
            restless[source[places[changed]]] = True
        if kept is not None:
            new, source = new.compress(kept, axis=1), source.compress(kept)
        return Successors(new, source, restless)

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
        leaves = False
        for ahead in self.views.moves(process, view):
            still = ahead.to == view and ahead.due
            leaves |= ahead.to != view and ahead.due
            moves.change = _put(moves.change, moves.size, ahead.to - view)
            moves.acts = _put(moves.acts, moves.size, self._acts_number(ahead.acts))
            moves.still = _put(moves.still, moves.size, still)
            moves.any_still |= still
            moves.size += 1
        moves.first = _put(moves.first, view, first)
        moves.leaves = _put(moves.leaves, view, leaves)
        moves.count = _put(moves.count, view, moves.size - first)

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
