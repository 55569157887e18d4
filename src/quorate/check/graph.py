"""The reachable states of a world and every step between them, for what depends on whole runs.

Each step has a label: the class of events that it belongs to (the delivery of an envelope, a timer,
a choice), or OFF for a crash or a lie. A state's steps lie together, in an order that never varies.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator
from itertools import product

from quorate.check.engine import Limits, Progress, Way
from quorate.check.layout import CRASHES_MAX, LOCAL_MASK, OBSERVER_BITS, Layout
from quorate.check.local import Move
from quorate.check.model import Model
from quorate.check.network import LINKS, Full, round_goes_on
from quorate.kernel import Choice, Happening, Network, Timeout, core

OFF = -1
"""The label of what nobody owes."""
BEYOND = -1
"""In place of a state: one that was not explored."""

LOOK_EVERY = 4_096  # states between two looks at memory and the clock
_Step = tuple[int, int, int, int]
"""A label, what to add, what to set, and what observers see."""


class Graph:
    """States are numbered as a breadth-first search finds them; the steps of state i are those from
    `first[i]` up to, not including, `first[i + 1]`. `cut` says why there is more, if there is.

    `fold` puts one state in place of all that behave alike, and says how it got there; what it
    says is kept in `turn`, by step. Nothing is folded by default.
    """

    def __init__(
        self,
        model: Model,
        network: Network,
        fold: Callable[[Graph, int], tuple[int, int]] | None = None,
    ) -> None:
        count = len(model.boots)
        self.model = model
        self.states: list[int] = []
        self.came = array("q")  # the step by which each was first reached; of a root, BEYOND
        self.first, self.target, self.label = array("q", [0]), array("q"), array("q")
        self.turn = array("q")
        self.cut: str | None = None
        self.layout = Layout(count, bool(model.world.observers))
        self.links = LINKS[network](model, self.layout.base)
        falling = [p for p in range(count) if model.crashes and model.crashable[p]]
        self._own = count
        self._who = [*range(count), *falling]  # by table: those of crashes come last
        self._masks = [0] * len(self._who)
        self._tables: list[dict[int, tuple[_Step, ...]]] = [{} for _ in self._who]
        self._numbers: dict[int, int] = {BEYOND: BEYOND}
        self.classes: list[Hashable] = []  # by label
        self._labels: dict[Hashable, int] = {}
        self._roots: dict[int, Way] = {}
        self._fold = fold

    def __len__(self) -> int:
        return len(self.first) - 1

    def explore(self, limits: Limits, progress: Progress | None = None) -> None:
        """Find every state, up to a limit; steps to what lies beyond it stay known as such."""
        try:
            self._begin()
            at = 0
            while at < len(self.states):
                self._expand(at, limits.states_max)
                at += 1
                if at % LOOK_EVERY == 0:
                    if progress is not None:
                        progress(len(self.states), len(self.target), 0, len(self.states) - at)
                    if limits.memory_is_full():
                        self.cut = f"{limits.memory_max_bytes} bytes of memory"
                        break
        except Full as full:
            self.cut = str(full)
        if len(self.states) > len(self):
            # A state that was seen but not expanded lies beyond, too.
            for step, target in enumerate(self.target):
                if target >= len(self):
                    self.target[step] = BEYOND

    def steps(self, at: int) -> range:
        """The steps of a state, by number."""
        return range(self.first[at], self.first[at + 1])

    def source(self, step: int) -> int:
        """The state that a step is of."""
        return bisect_right(self.first, step) - 1

    def way(self, at: int) -> tuple[Way, list[int]]:
        """A shortest way to a state: how every process started, and the steps from there."""
        steps: list[int] = []
        while at not in self._roots:
            steps.append(self.came[at])
            at = self.source(steps[-1])
        return self._roots[at], steps[::-1]

    def happened(self, step: int) -> tuple[int, tuple[Happening, ...]]:
        """What a step is: the process, and what happens to it."""
        at = self.source(step)
        state = self.states[at]
        moves = [
            (process, move.happenings)
            for number, process in enumerate(self._who)
            for _, envelope, move in self._moves(number, state)
            if not self._is_idle(state, move)
        ]
        return moves[step - self.first[at]]

    # The search.

    def _begin(self) -> None:
        for moves in product(*map(self.model.starts, range(self._own))):
            if sum(move.crashes for move in moves) > self.model.crashes:
                continue
            state = 0
            for process, move in enumerate(moves):
                added, bits = self.links.change(state, None, move.sent)
                after = (state + added + (move.local << self.layout.shifts[process])) | bits
                state = self._observed(state, after + move.crashes, move.stated)
            if state not in self._numbers:
                self._roots[len(self.states)] = [(p, m.happenings) for p, m in enumerate(moves)]
                self._add(state, BEYOND)
        self._sync()

    def _add(self, state: int, step: int) -> int:
        number = self._numbers[state] = len(self.states)
        self.states.append(state)
        self.came.append(step)
        return number

    def _expand(self, at: int, states_max: int) -> None:
        state, numbers, fold = self.states[at], self._numbers, self._fold
        for number, (table, mask) in enumerate(zip(self._tables, self._masks, strict=True)):
            steps = table.get(state & mask)
            if steps is None:
                steps = self._fill(number, state)
            for label, added, bits, stated in steps:
                after = state + added | bits
                if stated:
                    after = self._observed(state, after, stated)
                    if stated < 0 and after == state:
                        continue  # nothing happens
                if fold is not None:
                    after, turn = fold(self, after)
                    self.turn.append(turn)
                target = numbers.get(after)
                if target is None:
                    if len(self.states) < states_max:
                        target = self._add(after, len(self.target))
                    else:
                        target, self.cut = BEYOND, f"{states_max} states"
                self.target.append(target)
                self.label.append(label)
        self.first.append(len(self.target))

    def _observed(self, before: int, after: int, stated: int) -> int:
        """`after` once the observers, there still as they were before, have seen what was stated.
        `before` if they learn nothing from it, and it is all that happened."""
        if not stated:
            return after
        observers = self.layout.observers(before)
        seen = self.model.observers.after(observers, abs(stated))
        if stated < 0 and seen == observers:
            return before
        if seen >> OBSERVER_BITS:
            raise Full(f"{seen} states of observers")
        return after + (seen - observers << self.layout.observers_at)

    def _is_idle(self, state: int, move: Move) -> bool:
        observers = self.layout.observers(state)
        return move.idle and self.model.observers.after(observers, move.stated) == observers

    # The tables.

    def _fill(self, number: int, state: int) -> tuple[_Step, ...]:
        key = state & self._masks[number]
        steps = tuple(
            (label, *self._difference(self._who[number], state, envelope, move))
            for label, envelope, move in self._moves(number, state)
        )
        self._tables[number][key] = steps
        self._sync()
        return steps

    def _difference(
        self, process: int, state: int, taken: int | None, move: Move
    ) -> tuple[int, int, int]:
        if move.local > LOCAL_MASK:
            raise Full(f"{move.local} local states of {self.model.boots[process].me}")
        added, bits = self.links.change(state, taken, move.sent)
        local = self.layout.local(state, process)
        added += (move.local - local << self.layout.shifts[process]) + move.crashes
        return added, bits, -move.stated if move.idle else move.stated

    def _moves(self, number: int, state: int) -> Iterator[tuple[int, int | None, Move]]:
        """What can happen in a state by way of one table: the label, the envelope that it takes,
        if any, and the move."""
        process = self._who[number]
        for way in self._ways(number, process, state):
            if not (way[2].tick and self._goes_on(state, process)):
                yield way

    def _goes_on(self, state: int, process: int) -> bool:
        return round_goes_on(self.links, self.model, state, self.layout.locals(state), process)

    def _ways(
        self, number: int, process: int, state: int
    ) -> Iterator[tuple[int, int | None, Move]]:
        """The same but for the end of a round."""
        model, local = self.model, self.layout.local(state, process)
        if number < self._own:
            for envelope in self.links.waiting(process, state):
                move = model.take(envelope, local)
                if move is not None:
                    yield self.label_of(envelope), envelope, move
            for event, moves in model.each(process, local):
                label = self.label_of((process, getattr(event, "role", None), _name(core(event))))
                for move in moves:
                    yield label, None, move
            for move in model.hear(process, local):
                yield OFF, None, move
            return
        left = model.crashes - self.layout.crashes(state)
        if not left:
            return
        for move in model.crash(process, local):
            if move.crashes <= left:
                yield OFF, None, move
        for envelope in self.links.waiting(process, state):
            for move in model.crash_taking(envelope, local):
                if move.crashes <= left:
                    yield OFF, envelope, move

    def label_of(self, of: Hashable) -> int:
        """The label of a class of events: an envelope by number, or what a process does itself."""
        label = self._labels.setdefault(of, len(self.classes))
        if label == len(self.classes):
            self.classes.append(of)
        return label

    def _sync(self) -> None:
        """The bits that decide may have become more."""
        for number, process in enumerate(self._who):
            mask = LOCAL_MASK << self.layout.shifts[process] | self.links.reach[process]
            self._masks[number] = mask | (CRASHES_MAX if number >= self._own else 0)


def _name(event: Timeout | Choice) -> tuple[type, str]:
    return type(event), event.timer if isinstance(event, Timeout) else event.key
