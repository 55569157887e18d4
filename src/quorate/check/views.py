"""A global state as a row of small numbers, one for each process: its view.

A view is all that decides what a process can do next: its local state, and what is on the way to
it. Every message has one receiver, so a move changes the view of its own process, and acts on the
views of those that it sends to; an action on a view gives a view again. Crashes used are a column
of their own, and crashes act on it. Views, actions and moves are numbered as they are met.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import partial, reduce
from itertools import product
from typing import Any

from quorate.check.engine import Way
from quorate.check.inbox import INBOXES, Inbox
from quorate.check.local import Move
from quorate.check.merging import Merged, Step, Steps
from quorate.check.model import Model
from quorate.check.reduction import Reduction
from quorate.check.verdict import Locals
from quorate.kernel import Network

Row = tuple[int, ...]
View = tuple[int, Any]
"""A local state, by the number that the model gave it, and an inbox."""
Acts = tuple[tuple[int, int], ...]
"""What a step does to others: columns, each with an action."""
Arrival = tuple[tuple[int, ...], int]
"""What an inbox gets, in order; and, if the round ends with it in lock-step, how many have ended,
else -1."""


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

    def __init__(self, model: Model, network: Network, reduction: Reduction | None) -> None:
        self.model = model
        self._reduction = reduction
        self._known: dict[tuple[int, int], Steps[int]] = {}
        self.processes = len(model.boots)
        self.columns = [Column(partial(self._arrive, p)) for p in range(self.processes)]
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
            begun = enumerate(zip(moves, inboxes, strict=True))
            values: list[Any] = [self._view(p, move.local, inbox) for p, (move, inbox) in begun]
            if self.model.crashes:
                values.append(crashes)
            if self.model.world.observers:
                values.append(reduce(self.model.observers.after, [m.stated for m in moves], 0))
            row = tuple(c.number(v) for c, v in zip(self.columns, values, strict=True))
            yield row, [(process, move.happenings) for process, move in enumerate(moves)]

    def moves(self, process: int, view: int) -> Iterator[Step[int]]:
        """What a process can do, to be told from each other by what they change."""
        if self._reduction is None:
            yield from self._steps(process, view)
            return
        found: dict[tuple[Any, ...], Step[int]] = {}
        for step in self.merged(process, view).steps():
            found.setdefault(step[:3], step)
        yield from found.values()

    def merged(self, process: int, view: int) -> Merged[int]:
        """What silent steps of a process lead to."""
        return Merged(view, partial(self.steps, process))

    def steps(self, process: int, view: int) -> Steps[int]:
        """What a process can do in one step."""
        known = self._known.get((process, view))
        if known is None:
            known = self._known[process, view] = Steps(self._steps(process, view))
        return known

    def after(self, row: Row, process: int, step: Step[int]) -> Row | None:
        """A state after a step; None where it may not happen."""
        new = list(row)
        new[process] = step.to
        for column, action in step.does:
            new[column] = self.columns[column].act(action, row[column])
        return None if -1 in new else tuple(new)

    def ends(self, process: int, view: int) -> list[int]:
        """The views, this one and those that silent steps lead to, that nothing due leads out of:
        what is left may still do something to others."""
        views = [view] if self._reduction is None else self.merged(process, view).places
        return [
            each
            for each in views
            if all(step.stays for step in self.steps(process, each).all if step.due)
        ]

    def rests(self, row: Row) -> bool:
        """Whether nothing that is due changes anything."""
        return all(
            self.after(row, process, step) in (row, None)
            for process in range(self.processes)
            for step in self.steps(process, row[process]).all
            if step.due
        )

    def local(self, process: int, view: int) -> int:
        """The local state in a view, by the model's number."""
        local: int = self.columns[process].values[view][0]
        return local

    def locals(self, row: Row) -> Locals:
        """The local states of a row."""
        return tuple([self.local(process, row[process]) for process in range(self.processes)])

    def observers(self, row: Row) -> int:
        """The state of the observers, by the model's number."""
        at = self.observers_at
        return 0 if at is None else int(self.columns[at].values[row[at]])

    def _steps(self, process: int, view: int) -> Iterator[Step[int]]:
        """Deliveries, timers, choices, lies and crashes, always in this order."""
        model = self.model
        local, inbox = self.columns[process].values[view]
        step = partial(self._step, process, view)
        for envelope in self.inbox.waiting(inbox):
            move = model.take(envelope, local)
            if move is not None:
                yield step(self.inbox.take(inbox, envelope), move)
        for move in model.own(process, local):
            if not (move.tick and inbox):
                yield step(inbox, move)
        for move in model.hear(process, local):
            yield step(inbox, move)._replace(due=False)
        if not (model.crashes and model.crashable[process]):
            return
        for move in model.crash(process, local):
            if not (move.tick and inbox):
                yield step(inbox, move)
        for envelope in self.inbox.waiting(inbox):
            for move in model.crash_taking(envelope, local):
                yield step(self.inbox.take(inbox, envelope), move)

    def _step(self, process: int, view: int, inbox: Any, move: Move) -> Step[int]:
        local = self.local(process, view)
        sent: dict[int, tuple[int, ...]] = {}
        for envelope in move.sent:
            target = self.model.target[envelope]
            sent[target] = (*sent.get(target, ()), envelope)
        sent = {target: self.inbox.sorted(envelopes) for target, envelopes in sent.items()}
        own = self.inbox.put(inbox, sent.pop(process, ()))
        rounds = self.model.locals[process][local].rounds if move.tick else -1
        others = set(range(self.processes)) - {process} if move.tick else set(sent)
        acts = [
            (other, self.columns[other].action((sent.get(other, ()), rounds)))
            for other in sorted(others)
        ]
        if move.crashes and self._budget is not None:
            acts.append((self._budget, self.columns[self._budget].action(move.crashes)))
        if move.stated and self.observers_at is not None:
            shown = self.columns[self.observers_at].action((move.stated, move.idle))
            acts.append((self.observers_at, shown))
        silent = False
        if self._reduction is not None:
            self._reduction.saw(process, local, move.local)
            silent = not (acts or self.model.lockstep) and self._reduction.is_silent(
                process, local, move
            )
        to = self.columns[process].number(self._view(process, move.local, own))
        # On a reliable link every copy is one more, also of what is dead.
        stays = to == view and not (self.model.reliable and move.sent)
        return Step(to, tuple(acts), not move.crashes, stays, silent, move.happenings)

    def _view(self, process: int, local: int, inbox: Any) -> View:
        if self._reduction is not None:
            dead = self._reduction.dead(process, local, self.inbox.bits(inbox))
            if dead:
                inbox = self.inbox.drop(inbox, dead)
        return local, inbox

    def _arrive(self, process: int, view: View, arrival: Arrival) -> View | None:
        (local, inbox), (sent, rounds) = view, arrival
        if rounds >= 0:  # has the round ended, here?
            waiting = inbox and self.model.locals[process][local].up
            if waiting or self.model.is_behind(process, local, rounds):
                return None
        return self._view(process, local, self.inbox.put(inbox, sent))

    def _spend(self, used: int, crashes: int) -> int | None:
        return used + crashes if used + crashes <= self.model.crashes else None

    def _observe(self, state: int, shown: tuple[int, bool]) -> int | None:
        stated, idle = shown
        after = self.model.observers.after(state, stated)
        return None if idle and after == state else after
