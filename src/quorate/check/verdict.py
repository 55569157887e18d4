"""Judging states: each predicate is evaluated once for each different thing that it can see."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import msgspec

from quorate.check.model import Model
from quorate.kernel import Fact, Kind, NodeId, Property, Trace, View, roles_of


class Verdict(msgspec.Struct, frozen=True):
    """How a property fared: "holds", "violated", or "unknown" with the reason."""

    name: str
    kind: str
    verdict: str
    reason: str = ""
    trace: Trace | None = None


class Judge:
    """Evaluates a world's properties on states given by number."""

    def __init__(self, model: Model) -> None:
        self._model = model
        kinds: dict[Kind, list[Property]] = {kind: [] for kind in Kind}
        for prop in model.world.properties:
            kinds[prop.kind].append(prop)
        self.always = [p for p in kinds[Kind.ALWAYS] if not p.states]
        self.always_states = [p for p in kinds[Kind.ALWAYS] if p.states]
        self.sometimes = kinds[Kind.SOMETIMES]
        self.at_rest = kinds[Kind.AT_REST]
        self.eventually = kinds[Kind.EVENTUALLY]
        self._known: dict[tuple[str, Any], bool] = {}

    def holds(self, prop: Property, locals: tuple[int, ...]) -> bool:
        """Whether a property's predicate is true of a global state."""
        model = self._model
        facts = tuple(model.facts[p][local] for p, local in enumerate(locals))
        key = (prop.name, locals if prop.states else facts)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._evaluate(prop, locals)
        return known

    def _evaluate(self, prop: Property, locals: tuple[int, ...]) -> bool:
        here = [self._model.locals[p][local] for p, local in enumerate(locals)]
        stated = tuple(fact for local in here for fact in local.facts)
        actors = {role.me: role for local in here if local.up for role in roles_of(local.actor)}
        if prop.per is None:
            return prop.holds(View(actors, stated))
        groups: dict[Hashable, list[tuple[NodeId, Fact]]] = {}
        for node, fact in stated:
            about = prop.per(fact)
            if about is not None:
                groups.setdefault(about, []).append((node, fact))
        return all(prop.holds(View(actors, tuple(group))) for group in groups.values())
