"""Judging states: each predicate is evaluated once for each different thing that it can see."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import msgspec

from quorate.check.model import Local, Model
from quorate.check.observers import Stated
from quorate.kernel import Actor, Fact, Kind, NodeId, Observer, Property, Trace, View, roles_of

Locals = tuple[int, ...]
"""A global state without its network: a local state, by number, for each process."""


class Verdict(msgspec.Struct, frozen=True):
    """How a property fared: "holds", "violated", or "unknown" with the reason."""

    name: str
    kind: str
    verdict: str
    reason: str = ""
    trace: Trace | None = None


class _Watch:
    """Properties that are judged at the same moments, and what they have been shown so far."""

    def __init__(self, model: Model, *kinds: Kind) -> None:
        self.open = [prop for prop in model.world.properties if prop.kind in kinds]
        self.reads_states = any(prop.states for prop in self.open)
        self.facts: set[tuple[int, ...]] = set()
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
        self._groups: dict[tuple[str, Stated], bool] = {}
        self.broken: dict[str, Any] = {}
        self.reached: dict[str, Any] = {}
        self.reads_states = self._everywhere.reads_states
        self.rest_reads_states = self._resting.reads_states
        self.judges_rest = bool(self._resting.open)

    def see(self, state: Any, locals: Locals, observers: int = 0) -> None:
        """A state was reached: Always and Sometimes. `observers`: their number in the model."""
        self._look(self._everywhere, state, locals, observers)

    def rest(self, state: Any, locals: Locals, observers: int = 0) -> None:
        """A state was reached in which nothing further can happen: AtRest."""
        self._look(self._resting, state, locals, observers)

    def _look(self, watch: _Watch, state: Any, locals: Locals, observers: int) -> None:
        facts = tuple(self._model.facts[p][local] for p, local in enumerate(locals))
        new_facts = facts not in watch.facts
        new_states = watch.reads_states and (observers, locals) not in watch.states
        if not (new_facts or new_states):
            return
        watch.facts.add(facts)
        if watch.reads_states:
            watch.states.add((observers, locals))
        here = [self._model.locals[p][local] for p, local in enumerate(locals)]
        self._notice_failures(here, state)
        stated = tuple(fact for local in here for fact in local.facts)
        actors: dict[NodeId, Actor | Observer] = {
            role.me: role for local in here if local.up for role in roles_of(local.actor)
        }
        actors |= {observer.me: observer for observer in self._model.observers.states[observers]}
        for prop in tuple(watch.open):
            if not (new_states if prop.states else new_facts):
                continue
            # What was seen is known by its facts alone, so a predicate on facts gets no actors.
            holds = self._holds(prop, actors if prop.states else {}, stated)
            if holds == (prop.kind is Kind.SOMETIMES):
                (self.reached if holds else self.broken)[prop.name] = state
                watch.open.remove(prop)

    def _notice_failures(self, here: list[Local], state: Any) -> None:
        for process, local in enumerate(here):
            if local.failure:
                me = self._model.boots[process].me
                self.broken.setdefault(f"no step fails ({me}: {local.failure})", state)

    def _holds(
        self, prop: Property, actors: Mapping[NodeId, Actor | Observer], stated: Stated
    ) -> bool:
        if prop.per is None:
            return prop.holds(View(actors, stated))
        groups: dict[Hashable, list[tuple[NodeId, Fact]]] = {}
        for node, fact in stated:
            about = prop.per(fact)
            if about is not None:
                groups.setdefault(about, []).append((node, fact))
        if prop.states:
            return all(prop.holds(View(actors, tuple(group))) for group in groups.values())
        return all(self._group(prop, tuple(group)) for group in groups.values())

    def _group(self, prop: Property, group: Stated) -> bool:
        key = (prop.name, group)
        known = self._groups.get(key)
        if known is None:
            known = self._groups[key] = prop.holds(View({}, group))
        return known
