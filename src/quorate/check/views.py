"""A global state as a row of small numbers, one for each process: its view.

A view is all that decides what a process can do next: its local state, and what is on the way to
it. Every message has one receiver, so a move changes the view of its own process, and acts on the
views of those that it sends to; an action on a view gives a view again. Crashes used are a column
of their own, and crashes act on it. Views, actions and moves are numbered as they are met.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import reduce
from itertools import product
from typing import Any, NamedTuple

from quorate.check.engine import Way
from quorate.check.inbox import INBOXES, Inbox
from quorate.check.model import Model, Move
from quorate.kernel import Happening, Network

Row = tuple[int, ...]
Acts = tuple[tuple[int, int], ...]
"""What else a move changes: columns, each with an action."""


class Ahead(NamedTuple):
    """One way to go on from a view: the view then, and what changes elsewhere. Crashes and lies
    are not `due`: a state is at rest though they may happen."""

    to: int
    acts: Acts
    due: bool
    happenings: tuple[Happening, ...]


class Column:
    """The values that one number of a row stands for, and the actions that change them."""

    def __init__(self, act: Callable[[Any, Any], Any]) -> None:
        self._act = act
        self._value_ids: dict[Hashable, int] = {}
        self._action_ids: dict[Hashable, int] = {}
        self.values: list[Any] = []
        self.actions: list[Any] = []

    def number(self, value: Any) -> int:
        """The number of a value."""
        known = self._value_ids.get(value)
        if known is None:
            known = self._value_ids[value] = len(self.values)
            self.values.append(value)
        return known

    def action(self, action: Any) -> int:
        """The number of an action."""
        known = self._action_ids.get(action)
        if known is None:
            known = self._action_ids[action] = len(self.actions)
            self.actions.append(action)
        return known

    def act(self, action: int, number: int) -> int:
        """What an action makes of a value, both by number; -1 where it may not happen."""
        value = self._act(self.values[number], self.actions[action])
        return -1 if value is None else self.number(value)


class Views:
    """The columns of a world, and the moves from each view. Independent of any search."""

    def __init__(self, model: Model, network: Network) -> None:
        self.model = model
        self.processes = len(model.boots)
        self.columns = [Column(self._arrive) for _ in model.boots]
        self.inbox: Inbox = INBOXES[network](model)
        self._budget = self._add(self._spend, bool(model.crashes))
        self.observers_at = self._add(self._observe, bool(model.world.observers))

    def _add(self, act: Callable[[Any, Any], Any], needed: bool) -> int | None:
        if not needed:
            return None
        self.columns.append(Column(act))
        return len(self.columns) - 1

    def sizes(self) -> list[int]:
        """How many values each column has so far."""
        return [len(column.values) for column in self.columns]

    def starts(self) -> Iterator[tuple[Row, Way]]:
        """The states in which every process has begun, and how."""
        for moves in product(*map(self.model.starts, range(self.processes))):
            crashes = sum(move.crashes for move in moves)
            if crashes > self.model.crashes:
                continue
            inboxes = [self.inbox.empty for _ in moves]
            for envelope in (envelope for move in moves for envelope in move.sent):
                target = self.model.target[envelope]
                inboxes[target] = self.inbox.put(inboxes[target], (envelope,))
            values: list[Any] = [(m.local, i) for m, i in zip(moves, inboxes, strict=True)]
            if self.model.crashes:
                values.append(crashes)
            if self.model.world.observers:
                values.append(reduce(self.model.observers.after, [m.stated for m in moves], 0))
            row = tuple(c.number(v) for c, v in zip(self.columns, values, strict=True))
            yield row, [(process, move.happenings) for process, move in enumerate(moves)]

    def moves(self, process: int, view: int) -> Iterator[Ahead]:
        """What a process can do: deliveries, timers, choices, lies, crashes: in this order."""
        model = self.model
        local, inbox = self.columns[process].values[view]
        for envelope in self.inbox.waiting(inbox):
            move = model.take(envelope, local)
            if move is not None:
                yield self._ahead(process, self.inbox.take(inbox, envelope), move)
        for move in model.own(process, local):
            yield self._ahead(process, inbox, move)
        for move in model.hear(process, local):
            yield self._ahead(process, inbox, move)._replace(due=False)
        if not (model.crashes and model.crashable[process]):
            return
        for move in model.crash(process, local):
            yield self._ahead(process, inbox, move)
        for envelope in self.inbox.waiting(inbox):
            for move in model.crash_taking(envelope, local):
                yield self._ahead(process, self.inbox.take(inbox, envelope), move)

    def after(self, row: Row, process: int, ahead: Ahead) -> Row | None:
        """A state after a move; None where it may not happen."""
        new = list(row)
        new[process] = ahead.to
        for column, action in ahead.acts:
            new[column] = self.columns[column].act(action, row[column])
        return None if -1 in new else tuple(new)

    def local(self, process: int, view: int) -> int:
        """The local state in a view, by the model's number."""
        local: int = self.columns[process].values[view][0]
        return local

    def observers(self, row: Row) -> int:
        """The state of the observers, by the model's number."""
        at = self.observers_at
        return 0 if at is None else int(self.columns[at].values[row[at]])

    def _ahead(self, process: int, inbox: Any, move: Move) -> Ahead:
        sent: dict[int, tuple[int, ...]] = {}
        for envelope in move.sent:
            target = self.model.target[envelope]
            sent[target] = (*sent.get(target, ()), envelope)
        own = self.inbox.put(inbox, sent.pop(process, ()))
        acts = [(target, self.columns[target].action(sent[target])) for target in sorted(sent)]
        if move.crashes and self._budget is not None:
            acts.append((self._budget, self.columns[self._budget].action(move.crashes)))
        if move.stated and self.observers_at is not None:
            shown = self.columns[self.observers_at].action((move.stated, move.idle))
            acts.append((self.observers_at, shown))
        to = self.columns[process].number((move.local, own))
        return Ahead(to, tuple(acts), not move.crashes, move.happenings)

    def _arrive(self, view: tuple[int, Any], sent: tuple[int, ...]) -> tuple[int, Any]:
        local, inbox = view
        return local, self.inbox.put(inbox, sent)

    def _spend(self, used: int, crashes: int) -> int | None:
        return used + crashes if used + crashes <= self.model.crashes else None

    def _observe(self, state: int, shown: tuple[int, bool]) -> int | None:
        stated, idle = shown
        after = self.model.observers.after(state, stated)
        return None if idle and after == state else after
