"""Judging states: each predicate is evaluated once for each different thing that it can see."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from itertools import chain
from typing import Any, TypeVar, cast

import msgspec

from quorate.check.model import Model
from quorate.check.observers import Stated
from quorate.kernel import (
    Actor,
    Fact,
    Kind,
    NodeId,
    Observer,
    Property,
    Trace,
    View,
    Withheld,
    roles_of,
)

Locals = tuple[int, ...]
"""A global state without its network: a local state, by number, for each process."""


A = TypeVar("A")


class Verdict(msgspec.Struct, frozen=True):
    """How a property fared: "holds", "violated", or "unknown" with the reason."""

    name: str
    kind: str
    verdict: str
    reason: str = ""
    trace: Trace | None = None


class _Asked:
    """The View of a predicate on facts, noting which kinds of them it asks for: to that predicate
    the others do not matter. It gets no actors, since what was seen is known by its facts alone."""

    def __init__(self, facts: Stated, reader: str) -> None:
        self._facts = facts
        self.actors = Withheld(reader)
        self.kinds: set[type] = set()

    @property
    def facts(self) -> Stated:
        self.kinds.add(object)
        return self._facts

    def stated(self, kind: type[A]) -> Iterator[tuple[NodeId, A]]:
        self.kinds.add(kind)
        return ((node, fact) for node, fact in self._facts if isinstance(fact, kind))

    def roles(self, kind: type[A]) -> Iterator[A]:
        return (actor for actor in self.actors.values() if isinstance(actor, kind))


class _Predicate:
    """A property on facts, and what it said of everything that it can tell apart."""

    def __init__(self, prop: Property, model: Model) -> None:
        self.prop, self._model = prop, model
        self._kinds: set[type] = {object} if prop.per else set()
        self._forget()
        self._groups: dict[Stated, bool] = {}

    def _forget(self) -> None:
        self._numbers: dict[Stated, int] = {}
        self._relevant: list[dict[int, int]] = [{} for _ in self._model.boots]
        self._answers: dict[tuple[int, ...], bool] = {}

    def holds(self, facts: Locals, locals: Locals) -> bool:
        """Whether it holds of what was stated: by the model's numbers, in these local states."""
        key = self._key(facts, locals)
        known = self._answers.get(key)
        if known is None:
            stated = (self._model.locals[p][local].facts for p, local in enumerate(locals))
            known = self._ask(tuple(chain.from_iterable(stated)))
            self._answers[self._key(facts, locals)] = known
        return known

    def _key(self, facts: Locals, locals: Locals) -> tuple[int, ...]:
        try:
            return tuple([seen[each] for seen, each in zip(self._relevant, facts, strict=True)])
        except KeyError:
            kinds = tuple(self._kinds)
            for process, (number, local) in enumerate(zip(facts, locals, strict=True)):
                stated = self._model.locals[process][local].facts
                some = tuple(each for each in stated if isinstance(each[1], kinds))
                relevant = self._numbers.setdefault(some, len(self._numbers))
                self._relevant[process][number] = relevant
            return self._key(facts, locals)

    def _ask(self, stated: Stated) -> bool:
        if self.prop.per is not None:
            groups = _groups(self.prop.per, stated)
            return all(self._group(group) for group in groups)
        asked = _Asked(stated, self.prop.name)
        holds = self.prop.holds(cast("View", asked))
        if not asked.kinds <= self._kinds:
            self._kinds |= asked.kinds
            self._forget()
        return holds

    def _group(self, group: Stated) -> bool:
        known = self._groups.get(group)
        if known is None:
            known = self._groups[group] = self.prop.holds(View(Withheld(self.prop.name), group))
        return known


class _Watch:
    """Properties that are judged at the same moments, and what they have been shown so far."""

    def __init__(self, model: Model, *kinds: Kind) -> None:
        properties = [prop for prop in model.world.properties if prop.kind in kinds]
        self.on_facts = [_Predicate(prop, model) for prop in properties if not prop.states]
        self.on_states = [prop for prop in properties if prop.states]
        self.reads_states = bool(self.on_states)
        self.facts: set[Locals] = set()
        self.states: set[tuple[int, Locals]] = set()


class Judge:
    """Evaluates a world's properties on states that a search shows it.

    What it finds is kept by property name, with the search's own name for the state. A property is
    done with once it was violated, or in the case of Sometimes seen to hold.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._everywhere = _Watch(model, Kind.ALWAYS, Kind.SOMETIMES)
        self._resting = _Watch(model, Kind.AT_REST)
        self.broken: dict[str, Any] = {}
        self.reached: dict[str, Any] = {}
        self.reads_states = self._everywhere.reads_states
        self.rest_reads_states = self._resting.reads_states
        self.judges_rest = bool(self._resting.on_facts or self._resting.on_states)

    def see(self, state: Any, locals: Locals, observers: int = 0) -> None:
        """A state was reached: Always and Sometimes. `observers`: their number in the model."""
        self._look(self._everywhere, state, locals, observers)

    def rest(self, state: Any, locals: Locals, observers: int = 0) -> None:
        """A state was reached in which nothing further can happen: AtRest."""
        self._look(self._resting, state, locals, observers)

    def _look(self, watch: _Watch, state: Any, locals: Locals, observers: int) -> None:
        facts = tuple([self._model.facts[p][local] for p, local in enumerate(locals)])
        if facts not in watch.facts:
            watch.facts.add(facts)
            self._notice_failures(locals, state)
            for predicate in tuple(watch.on_facts):
                if self._settles(predicate.prop, predicate.holds(facts, locals), state):
                    watch.on_facts.remove(predicate)
        if watch.on_states and (observers, locals) not in watch.states:
            watch.states.add((observers, locals))
            view = self._view(locals, observers)
            for prop in tuple(watch.on_states):
                groups = [view]
                if prop.per is not None:
                    groups = [View(view.actors, g) for g in _groups(prop.per, view.facts)]
                if self._settles(prop, all(map(prop.holds, groups)), state):
                    watch.on_states.remove(prop)

    def _view(self, locals: Locals, observers: int) -> View:
        here = [self._model.locals[process][local] for process, local in enumerate(locals)]
        actors: dict[NodeId, Actor | Observer] = {
            role.me: role for local in here if local.up for role in roles_of(local.actor)
        }
        actors |= {observer.me: observer for observer in self._model.observers.states[observers]}
        return View(actors, tuple(fact for local in here for fact in local.facts))

    def _settles(self, prop: Property, holds: bool, state: Any) -> bool:
        """Note what a predicate said; tells whether it need not be asked again."""
        if holds != (prop.kind is Kind.SOMETIMES):
            return False
        (self.reached if holds else self.broken)[prop.name] = state
        return True

    def _notice_failures(self, locals: Locals, state: Any) -> None:
        for process, local in enumerate(locals):
            failure = self._model.locals[process][local].failure
            if failure:
                me = self._model.boots[process].me
                self.broken.setdefault(f"no step fails ({me}: {failure})", state)


def _groups(per: Callable[[Fact], Hashable], stated: Stated) -> list[Stated]:
    """What was stated, in groups that can be judged apart."""
    groups: dict[Hashable, list[tuple[NodeId, Fact]]] = {}
    for node, fact in stated:
        about = per(fact)
        if about is not None:
            groups.setdefault(about, []).append((node, fact))
    return [tuple(group) for group in groups.values()]
