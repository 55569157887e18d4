"""The plain engine: breadth-first search over exact states, each packed into one integer.

What one process can do in a state depends on few of its bits. A table for each process, keyed with
those bits, holds the finished differences to the successors, so that the loop over global states
only adds, compares and remembers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise, product

from quorate.check.engine import Found, Limits, Progress, Way
from quorate.check.model import Model, Move
from quorate.check.network import LINKS, Full
from quorate.check.verdict import Judge
from quorate.kernel import Happening, Network

CRASH_BITS = 8
CRASHES_MAX = (1 << CRASH_BITS) - 1
LOCAL_BITS = 24
OBSERVER_BITS = 32
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
    """One search. A state is named by the integer that it is."""

    def __init__(self, model: Model, network: Network, judge: Judge, go_on: bool) -> None:
        count = len(model.boots)
        self._model, self._judge, self._go_on = model, judge, go_on
        self._shifts = [CRASH_BITS + LOCAL_BITS * process for process in range(count)]
        self._observers_at = CRASH_BITS + LOCAL_BITS * count
        observer_bits = OBSERVER_BITS if model.world.observers else 0
        self._links = LINKS[network](model, self._observers_at + observer_bits)
        falling = [p for p in range(count) if model.crashes and model.crashable[p]]
        self._own = count
        self._who = [*range(count), *falling]  # by table: those of crashes come last
        self._tables = [self._table(number) for number in range(len(self._who))]
        self._masks = [0] * len(self._who)
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

    def way(self, state: int) -> Way:
        """What happened on the way to a state, from the start of every process."""
        states = [state]
        while states[-1] not in self._roots:
            states.append(self._came[states[-1]])
        states.reverse()
        steps = (self._between(before, after) for before, after in pairwise(states))
        return [*self._roots[states[0]], *steps]

    # The search.

    def _begin(self) -> list[int]:
        for moves in product(*map(self._model.starts, range(self._own))):
            if sum(move.crashes for move in moves) > self._model.crashes:
                continue
            state = 0
            for process, move in enumerate(moves):
                added, bits = self._links.change(state, None, move.sent)
                state = (state + added + (move.local << self._shifts[process])) | bits
                state = self._observed(state, state + move.crashes, move.stated)
            self._transitions += 1
            if state not in self._came:
                self._came[state] = state
                self._roots[state] = [(p, move.happenings) for p, move in enumerate(moves)]
                self._judge.see(state, self._locals(state), self._observers(state))
        self._sync()
        return list(self._roots)

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
                cut = f"{limits.memory_max_bytes} bytes of memory"
            if cut is not None:
                return cut
            if progress is not None:
                progress(len(self._came), self._transitions, depth)
        return None

    def _expand(self, states: list[int], following: list[int], states_max: int) -> str | None:
        came, push, judge = self._came, following.append, self._judge
        tables, masks = self._tables, self._masks
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
                        if after not in came:
                            came[after] = state
                            push(after)
                            if visible:
                                judge.see(after, self._locals(after), self._observers(after))
                if judge.judges_rest and self._rests(state):
                    judge.rest(state, self._locals(state), self._observers(state))
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
        """Whether whatever can happen, crashes aside, leaves everything as it is."""
        for table, mask in zip(self._tables[: self._own], self._masks, strict=False):
            for added, bits, _, stated in table[state & mask]:
                if self._observed(state, state + added | bits, stated) != state:
                    return False
        return True

    def _locals(self, state: int) -> tuple[int, ...]:
        return tuple([state >> shift & (1 << LOCAL_BITS) - 1 for shift in self._shifts])

    def _observers(self, state: int) -> int:
        if not self._model.world.observers:
            return 0
        return state >> self._observers_at & (1 << OBSERVER_BITS) - 1

    def _observed(self, before: int, after: int, stated: int) -> int:
        """`after` once the observers, there still as they were before, have seen what was stated.
        `before` if they learn nothing from it, and it is all that happened."""
        if not stated:
            return after
        observers = self._observers(before)
        seen = self._model.observers.after(observers, abs(stated))
        if stated < 0 and seen == observers:
            return before
        if seen >> OBSERVER_BITS:
            raise Full(f"{seen} states of observers")
        return after + (seen - observers << self._observers_at)

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
        local = state >> self._shifts[process] & (1 << LOCAL_BITS) - 1
        if number < self._own:
            for envelope in self._links.waiting(process, state):
                move = self._model.take(envelope, local)
                if move is not None:
                    yield self._step(process, state, envelope, move), move
            for move in self._model.own(process, local):
                yield self._step(process, state, None, move), move
            return
        left = self._model.crashes - (state & (1 << CRASH_BITS) - 1)
        if left:
            for move in self._model.crash(process, local):
                if move.crashes <= left:
                    yield self._step(process, state, None, move), move
            for envelope in self._links.waiting(process, state):
                for move in self._model.crash_taking(envelope, local):
                    if move.crashes <= left:
                        yield self._step(process, state, envelope, move), move

    def _step(self, process: int, state: int, taken: int | None, move: Move) -> Step:
        local = state >> self._shifts[process] & (1 << LOCAL_BITS) - 1
        if move.local >> LOCAL_BITS:
            raise Full(f"{move.local} local states of {self._model.boots[process].me}")
        facts = self._model.facts[process]
        visible = facts[move.local] != facts[local]
        if self._judge.reads_states:
            visible = move.local != local or bool(move.stated)
        added, bits = self._links.change(state, taken, move.sent)
        added += (move.local - local << self._shifts[process]) + move.crashes
        return added, bits, visible, -move.stated if move.idle else move.stated

    def _sync(self) -> None:
        """The bits that decide may have become more."""
        for number, process in enumerate(self._who):
            mask = (1 << LOCAL_BITS) - 1 << self._shifts[process] | self._links.reach[process]
            if number >= self._own:
                mask |= (1 << CRASH_BITS) - 1
            self._masks[number] = mask

    def _between(self, before: int, after: int) -> tuple[int, tuple[Happening, ...]]:
        for number, process in enumerate(self._who):
            for (added, bits, _, stated), move in self._steps(number, before):
                if self._observed(before, before + added | bits, stated) == after:
                    return process, move.happenings
        raise AssertionError("a state does not follow from the one it was reached from")
