"""Linearizable: each operation seems to take effect at one moment between its call and its return.

Source: Herlihy and Wing, Linearizability, TOPLAS 12(3) 1990. The search for an order that explains
a history goes depth first over those that respect real time, remembering which (operations placed,
state) were tried, as Wing and Gong (JPDC 17, 1993), with the memory and the linked list of Lowe
(Testing for linearizability, Concurrency and Computation 29(4) 2017), and apart for each object.
Two more rules keep it short:

Reads    an operation that returned, fits, may come next, and never changes any state comes next:
         moving it to the front of any order of the rest changes nothing for the others.
Twins    of two calls of the same that never returned, the one called first comes first, since it
         may stand wherever the other may.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

import msgspec

from quorate.kernel import (
    Fact,
    NodeId,
    Observer,
    Property,
    Request,
    UsageError,
    View,
    always,
    eventually,
)
from quorate.properties.objects import UNKNOWN, Model, Operation, Register, Value

STEPS_MAX = 2_000_000  # at some 200 bytes each
CLOCK_EVERY = 1_024


class Called(Request, frozen=True):
    """A client asks for an operation; see Operation."""

    name: str
    argument: Value = None
    key: Value = None


class Returned(Fact, frozen=True):
    """The client's operation ended with this result."""

    result: Value = None


class History(Observer, frozen=True):
    """What clients stated that they called and got back, by client and in order.

    Times count only as far as they say what was over when something else was called, so that equal
    orders are equal histories. A call while another of the same client is open, as after a crash,
    leaves that one open for ever.
    """

    operations: tuple[Operation, ...] = ()

    def see(self, node: NodeId, fact: Fact) -> Self:
        """See Observer. Facts of other kinds change nothing."""
        if not isinstance(fact, Called | Returned):
            return self
        now = max((op.called for op in self.operations), default=0)
        others = tuple(op for op in self.operations if op.process != node)
        mine = tuple(op for op in self.operations if op.process == node)
        if isinstance(fact, Called):
            now += any(op.returned == now for op in self.operations)
            call = Operation(
                process=node,
                name=fact.name,
                argument=fact.argument,
                result=UNKNOWN,
                key=fact.key,
                called=now,
                returned=None,
            )
            mine = (*mine, call)
        elif not mine or mine[-1].returned is not None:
            raise UsageError(f"{node} states Returned, but it has no operation that was Called")
        else:
            done = msgspec.structs.replace(mine[-1], result=fact.result, returned=now)
            mine = (*mine[:-1], done)
        inorder = sorted((*others, *mine), key=lambda op: (str(op.process), op.called))
        return type(self)(self.me, tuple(inorder))


def linearizable(model: Model, name: str = "linearizable") -> Property:
    """What the History observers of a world have seen is linearizable as objects of `model`."""

    @functools.lru_cache(maxsize=1 << 16)
    def explained(operations: tuple[Operation, ...]) -> bool:
        outcome = check_history(operations, model)
        if outcome.verdict == "unknown":
            raise UsageError(f"a history is too long to be judged: {outcome.reason}")
        return outcome.verdict == "holds"

    return always(
        name,
        lambda view: all(explained(history.operations) for history in view.roles(History)),
        states=True,
    )


linearizable_register = linearizable(Register(), "linearizable register")
"""What clients read and write is one register, as far as they can tell."""


def _answered(view: View) -> bool:
    last = {op.process: op for history in view.roles(History) for op in history.operations}
    return bool(last) and all(op.returned is not None for op in last.values())


answered = eventually("every client is answered", _answered, states=True)
"""Once faults have ceased, the last operation of each client has returned."""


class Stuck(msgspec.Struct, frozen=True):
    """How far a violated part can be explained: the longest order found, the state after it, and
    the operations of which one should come next but none can: one of them had already returned
    when whatever is left was called. `key` is that of the part, which has `total` operations
    that returned; `left` of them are not in the order."""

    key: Any
    order: tuple[Operation, ...]
    state: str
    next: tuple[Operation, ...]
    left: int
    total: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a check. `parts` were checked apart; `steps` counts the orders that were begun;
    `reason` says why the verdict is unknown."""

    verdict: Literal["holds", "violated", "unknown"]
    model: str
    operations: int
    indefinite: int
    parts: int
    steps: int
    reason: str = ""
    stuck: Stuck | None = None


def check_history(
    history: Sequence[Operation],
    model: Model,
    *,
    steps_max: int = STEPS_MAX,
    timeout_s: float | None = None,
) -> Outcome:
    """Whether `history` is linearizable as an object of `model`.

    The verdict is unknown if more than `steps_max` steps of the search, or `timeout_s` seconds,
    were not enough. Raises UsageError for an operation that the model does not know.
    """
    for operation in history:
        if operation.name not in model.operations:
            raise UsageError(
                f"{model.name} has no operation {operation.name!r}; it has: "
                + ", ".join(model.operations)
            )
    budget = _Budget(steps_max, timeout_s)
    parts = model.parts(history)
    stuck: Stuck | None = None
    reason = ""
    for key, part in parts.items():
        try:
            stuck = _Search(model, key, part, budget).run()
        except _Spent as spent:
            reason = str(spent)
        if stuck is not None:
            break
    return Outcome(
        verdict="violated" if stuck else "unknown" if reason else "holds",
        model=model.name,
        operations=len(history),
        indefinite=sum(operation.returned is None for operation in history),
        parts=len(parts),
        steps=budget.steps,
        reason="" if stuck else reason,
        stuck=stuck,
    )


class _Spent(Exception):
    """The search has gone on for long enough; the text says by what measure."""


class _Budget:
    def __init__(self, steps_max: int, timeout_s: float | None) -> None:
        self.steps, self._steps_max = 0, steps_max
        self._timeout_s, self._began = timeout_s, time.monotonic()

    def spend(self) -> None:
        if self.steps >= self._steps_max:
            raise _Spent(f"{self._steps_max:,} steps were not enough")
        self.steps += 1
        if self._timeout_s is None or self.steps % CLOCK_EVERY:
            return
        if time.monotonic() - self._began > self._timeout_s:
            raise _Spent(f"{self._timeout_s:g} s were not enough")


_Option = tuple[int, Any]
"""An operation by number, and the state after it."""


class _Search:
    """One part. Operations are numbered by their calls, those that returned before the others.

    The linked list holds calls and returns in order of time, without those of operations placed:
    what comes before the first return may be placed next. Entry 0 is its head; operation i is
    called at entry `calls[i]` and returns at `returns[i]`.
    """

    def __init__(
        self, model: Model, key: Any, operations: Sequence[Operation], budget: _Budget
    ) -> None:
        self._model, self._key, self._budget = model, key, budget
        inorder = sorted(operations, key=lambda op: (op.returned is None, op.called))
        self._ops = inorder
        self._definite = sum(op.returned is not None for op in inorder)
        self._left = self._definite
        self._reads = [
            op.returned is not None and model.only_reads(op.name, op.argument, op.result)
            for op in inorder
        ]
        # Whoever is called at the time at which another returns is concurrent with it.
        marks = [(op.called, 0, i) for i, op in enumerate(inorder)]
        marks += [(op.returned, 1, i) for i, op in enumerate(inorder) if op.returned is not None]
        marks.sort()
        self._entry = [-1, *(~i if end else i for _, end, i in marks), -1]
        self._calls, self._returns = [0] * len(inorder), [0] * len(inorder)
        for at, (_, end, i) in enumerate(marks, start=1):
            (self._returns if end else self._calls)[i] = at
        self._next = [*range(1, len(marks) + 2), 0]
        self._prev = [0, *range(len(marks) + 1)]
        self._end = len(marks) + 1
        self._twin = self._twins()
        self._low = 0  # operations below it that returned are placed, and bit i is of low + i
        self._bits = 0
        self._open = 0  # which of those that never returned are placed
        self._most = -1
        self._stuck: Stuck | None = None

    def _twins(self) -> list[int]:
        """By operation: the one that must be placed before it, or -1."""
        last: dict[Any, int] = {}
        twin = [-1] * len(self._ops)
        for i in range(self._definite, len(self._ops)):
            same = (self._ops[i].name, self._ops[i].argument)
            twin[i] = last.get(same, -1)
            last[same] = i
        return twin

    def run(self) -> Stuck | None:
        """None if there is an order, or how far there is one. Raises _Spent."""
        state = self._model.initial
        seen: set[tuple[int, int, int, Any]] = set()
        way: list[tuple[int, Any, tuple[int, int, int], list[_Option]]] = []
        options = self._options(state)
        while self._left:
            while options:
                i, after = options.pop()
                before = self._low, self._bits, self._open
                self._mark(i)
                here = (self._low, self._bits, self._open, after)
                if here in seen:
                    self._low, self._bits, self._open = before
                    continue
                seen.add(here)
                self._budget.spend()
                way.append((i, state, before, options))
                self._lift(i)
                state = after
                options = self._options(state)
                break
            else:
                self._note((step[0] for step in way), state)
                if not way:
                    return self._stuck
                i, state, (self._low, self._bits, self._open), options = way.pop()
                self._unlift(i)
        return None

    def _candidates(self) -> list[int]:
        """Operations that were called before any that is not placed returned."""
        found, entry, following = [], self._next[0], self._next
        while entry != self._end and (i := self._entry[entry]) >= 0:
            found.append(i)
            entry = following[entry]
        return found

    def _options(self, state: Any) -> list[_Option]:
        """What may be placed next; the last is to be tried first."""
        step, ops = self._model.step, self._ops
        options: list[_Option] = []
        for i in self._candidates():
            twin = self._twin[i]
            if twin >= 0 and not self._open >> twin - self._definite & 1:
                continue
            op = ops[i]
            after = step(state, op.name, op.argument, op.result)
            if after is None:
                continue
            if self._reads[i]:
                return [(i, after)]
            if op.returned is None and after == state:
                continue  # it might as well never happen
            options.append((i, after))
        # What returned first must be placed soonest; what never returned need not be placed.
        last = self._end
        options.sort(key=lambda option: self._returns[option[0]] or last, reverse=True)
        return options

    def _mark(self, i: int) -> None:
        if i >= self._definite:
            self._open |= 1 << i - self._definite
            return
        self._bits |= 1 << i - self._low
        while self._bits & 1:
            self._bits >>= 1
            self._low += 1

    def _lift(self, i: int) -> None:
        following, prev = self._next, self._prev
        for entry in (self._calls[i], self._returns[i]):
            if entry:
                before, after = prev[entry], following[entry]
                following[before], prev[after] = after, before
        self._left -= i < self._definite

    def _unlift(self, i: int) -> None:
        following, prev = self._next, self._prev
        for entry in (self._returns[i], self._calls[i]):
            if entry:
                following[prev[entry]] = prev[following[entry]] = entry
        self._left += i < self._definite

    def _note(self, order: Iterable[int], state: Any) -> None:
        if self._definite - self._left > self._most:
            self._most = self._definite - self._left
            waiting = [i for i in self._candidates() if i < self._definite]
            self._stuck = Stuck(
                key=self._key,
                order=tuple(self._ops[i] for i in order),
                state=self._model.shown(state),
                next=tuple(self._ops[i] for i in waiting),
                left=self._left,
                total=self._definite,
            )
