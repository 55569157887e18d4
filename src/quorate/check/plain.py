"""The plain engine: breadth-first search over exact states, each packed into one integer.

What one process can do in a state depends on few of its bits. A table for each process, keyed with
those bits, holds the finished differences to the successors, so that the loop over global states
only adds, compares and remembers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise, product

from quorate.check.engine import Found, Limits, Progress, Way
from quorate.check.layout import CRASHES_MAX, LOCAL_BITS, LOCAL_MASK, OBSERVER_BITS, Layout
from quorate.check.local import Move
from quorate.check.model import Model
from quorate.check.network import LINKS, Full, round_goes_on
from quorate.check.orbits import Orbits
from quorate.check.symmetric import SymmetricModel
from quorate.check.symmetry import Element, compose
from quorate.check.verdict import Judge
from quorate.kernel import Happening, Network

CHUNK = 16_384  # states between two looks at memory and the clock

Step = tuple[int, int, bool, int]
"""What to add, what to set, whether a property might see the difference, and what observers see,
below zero if that is all that happens."""


class _Table(dict[int, tuple[Step, ...]]):
    """Steps by the bits that decide them, computed when they are first asked for."""

    def __init__(self, fill: Callable[[int], tuple[Step, ...]]) -> None:
        self._fill = fill

    def __missing__(self, key: int) -> tuple[Step, ...]:
        steps = self[key] = self._fill(key)
        return steps


class Plain:
    """One search. A state is named by the integer that it is; with symmetry, by the one that stands
    for its orbit, and by the permutation that leads from that one to it."""

    def __init__(self, model: Model, network: Network, judge: Judge, go_on: bool) -> None:
        count = len(model.boots)
        self._model, self._judge, self._go_on = model, judge, go_on
        self._layout = Layout(count, bool(model.world.observers))
        self._links = LINKS[network](model, self._layout.base)
        falling = [p for p in range(count) if self._befalls(p)]
        self._own = count
        self._who = [*range(count), *falling]  # by table: those of what befalls them come last
        self._tables = [self._table(number) for number in range(len(self._who))]
        self._masks = [0] * len(self._who)
        self._orbits: Orbits | None = None
        if isinstance(model, SymmetricModel):
            self._orbits = Orbits(model.symmetry, self._layout, self._links, self._sync)
        self._roots: dict[int, Way] = {}
        self._came: dict[int, int] = {}  # each state to the one that it was first reached from
        self._transitions = 0

    def run(self, limits: Limits, progress: Progress | None) -> Found:
        """Search until there is nothing new, a violation, or a limit."""
        level, depth, cut = [], 1, None
        try:
            level = self._begin()
            while level and cut is None:
                if self._stopped():
                    cut = "the first violation"
                elif limits.depth_max and depth >= limits.depth_max:
                    cut = f"depth {depth}"
                else:
                    following: list[int] = []
                    cut = self._level(level, following, depth, limits, progress)
                    level = following
                    depth += bool(following)
        except Full as full:
            cut = str(full)
        return Found(len(self._came), self._transitions, depth, cut)

    def way(self, state: int | tuple[int, Element]) -> Way:
        """What happened on the way to a state, from the start of every process."""
        states = self._real(*state) if isinstance(state, tuple) else self._ancestry(state)
        steps = (self._between(before, after) for before, after in pairwise(states))
        return [*self._roots[states[0]], *steps]

    def _ancestry(self, state: int) -> list[int]:
        """The states that a state was first reached through, and itself."""
        states = [state]
        while self._came[states[-1]] != states[-1]:
            states.append(self._came[states[-1]])
        return states[::-1]

    def _real(self, state: int, element: Element) -> list[int]:
        """States of one run, of the orbits that led to that of `state`: the last of them is where
        `element` leads from there."""
        assert self._orbits is not None
        orbits = self._ancestry(state)
        states = [self._orbits.image(element, state)]
        for before, after in reversed(list(pairwise(orbits))):
            element = compose(element, self._turn(self._orbits, before, after))
            states.append(self._orbits.image(element, before))
        return states[::-1]

    def _turn(self, orbits: Orbits, before: int, after: int) -> Element:
        """The permutation from some successor of a state to the one that stands for its orbit."""
        for number in range(len(self._who)):
            for (added, bits, _, stated), _ in self._steps(number, before):
                found, element = orbits.fold(self._observed(before, before + added | bits, stated))
                if found == after:
                    return element
        raise AssertionError("a state does not follow from the one it was reached from")

    def _befalls(self, process: int) -> bool:
        model = self._model
        return bool(model.lies[process] or (model.crashes and model.crashable[process]))

    # The search.

    def _begin(self) -> list[int]:
        for moves in product(*map(self._model.starts, range(self._own))):
            if sum(move.crashes for move in moves) > self._model.crashes:
                continue
            state = 0
            for process, move in enumerate(moves):
                added, bits = self._links.change(state, None, move.sent)
                state = (state + added + (move.local << self._layout.shifts[process])) | bits
                state = self._observed(state, state + move.crashes, move.stated)
            self._transitions += 1
            self._roots.setdefault(state, [(p, move.happenings) for p, move in enumerate(moves)])
        self._sync()
        for state in self._roots if self._orbits is None else self._orbits.roots(self._roots):
            if state not in self._came:
                self._came[state] = state
                self._judge.see(state, self._layout.locals(state), self._layout.observers(state))
        return list(self._came)

    def _level(
        self,
        level: list[int],
        following: list[int],
        depth: int,
        limits: Limits,
        progress: Progress | None,
    ) -> str | None:
        for start in range(0, len(level), CHUNK):
            cut = self._expand(level[start : start + CHUNK], following, limits.states_max)
            if cut is None and limits.memory_is_full():
                cut = limits.memory_cut
            if cut is not None:
                return cut
            if progress is not None:
                progress(len(self._came), self._transitions, depth, len(level))
        return None

    def _expand(self, states: list[int], following: list[int], states_max: int) -> str | None:
        came, push, judge, layout = self._came, following.append, self._judge, self._layout
        tables, masks = self._tables, self._masks
        fold = self._orbits.canonical if self._orbits is not None else None
        transitions = 0
        try:
            for state in states:
                for table, mask in zip(tables, masks, strict=True):
                    steps = table[state & mask]
                    transitions += len(steps)
                    for added, bits, visible, stated in steps:
                        after = state + added | bits
                        if stated:
                            after = self._observed(state, after, stated)
                            transitions -= stated < 0 and after == state
                        if fold is not None:
                            after = fold(after)
                        if after not in came:
                            came[after] = state
                            push(after)
                            if visible:
                                judge.see(after, layout.locals(after), layout.observers(after))
                if judge.judges_rest and self._rests(state):
                    judge.rest(state, layout.locals(state), layout.observers(state))
                if self._stopped():
                    return "the first violation"
                if len(came) >= states_max:
                    return f"{states_max} states"
        finally:
            self._transitions += transitions
        return None

    def _stopped(self) -> bool:
        return bool(self._judge.broken) and not self._go_on

    def _rests(self, state: int) -> bool:
        """Whether whatever can happen, crashes and lies aside, leaves everything as it is."""
        for table, mask in zip(self._tables[: self._own], self._masks, strict=False):
            for added, bits, _, stated in table[state & mask]:
                if self._observed(state, state + added | bits, stated) != state:
                    return False
        return True

    def _observed(self, before: int, after: int, stated: int) -> int:
        """`after` once the observers, there still as they were before, have seen what was stated.
        `before` if they learn nothing from it, and it is all that happened."""
        if not stated:
            return after
        observers = self._layout.observers(before)
        seen = self._model.observers.after(observers, abs(stated))
        if stated < 0 and seen == observers:
            return before
        if seen >> OBSERVER_BITS:
            raise Full(f"{seen} states of observers")
        return after + (seen - observers << self._layout.observers_at)

    # The tables.

    def _table(self, number: int) -> _Table:
        def fill(key: int) -> tuple[Step, ...]:
            steps = tuple(step for step, _ in self._steps(number, key))
            self._sync()
            return steps

        return _Table(fill)

    def _steps(self, number: int, state: int) -> Iterator[tuple[Step, Move]]:
        """What can happen in a state by way of one table: an order that never varies."""
        process = self._who[number]
        for envelope, move in self._moves(number, process, state):
            if not (move.tick and self._goes_on(state, process)):
                yield self._step(process, state, envelope, move), move

    def _goes_on(self, state: int, process: int) -> bool:
        locals = self._layout.locals(state)
        return round_goes_on(self._links, self._model, state, locals, process)

    def _moves(self, number: int, process: int, state: int) -> Iterator[tuple[int | None, Move]]:
        """The same but for the end of a round, with the envelope that each takes, if any."""
        model, local = self._model, self._layout.local(state, process)
        if number < self._own:
            for envelope in self._links.waiting(process, state):
                taking = model.take(envelope, local)
                if taking is not None:
                    yield envelope, taking
            for move in model.own(process, local):
                yield None, move
            return
        for move in model.hear(process, local):
            yield None, move
        left = model.crashes - self._layout.crashes(state)
        if left:
            for move in model.crash(process, local):
                if move.crashes <= left:
                    yield None, move
            for envelope in self._links.waiting(process, state):
                for move in model.crash_taking(envelope, local):
                    if move.crashes <= left:
                        yield envelope, move

    def _step(self, process: int, state: int, taken: int | None, move: Move) -> Step:
        local = self._layout.local(state, process)
        if move.local >> LOCAL_BITS:
            raise Full(f"{move.local} local states of {self._model.boots[process].me}")
        facts = self._model.facts[process]
        visible = facts[move.local] != facts[local]
        if self._judge.reads_states:
            visible = move.local != local or bool(move.stated)
        added, bits = self._links.change(state, taken, move.sent)
        added += (move.local - local << self._layout.shifts[process]) + move.crashes
        return added, bits, visible, -move.stated if move.idle else move.stated

    def _sync(self) -> None:
        """The bits that decide may have become more."""
        for number, process in enumerate(self._who):
            mask = LOCAL_MASK << self._layout.shifts[process] | self._links.reach[process]
            if number >= self._own:
                mask |= CRASHES_MAX
            self._masks[number] = mask

    def _between(self, before: int, after: int) -> tuple[int, tuple[Happening, ...]]:
        for number, process in enumerate(self._who):
            for (added, bits, _, stated), move in self._steps(number, before):
                if self._observed(before, before + added | bits, stated) == after:
                    return process, move.happenings
        raise AssertionError("a state does not follow from the one it was reached from")
