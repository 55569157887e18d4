"""Judging a run as it goes: which property broke, which were seen to hold."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from quorate.kernel import Actor, Fact, Kind, NodeId, Property, View


WHOLE = ""


class Judge:
    """Holds the facts of one run, and evaluates what a new fact or state can have changed."""

    def __init__(
        self, properties: tuple[Property, ...], actors: Callable[[], Mapping[NodeId, Actor]]
    ) -> None:
        self._actors = actors
        self._facts: list[tuple[NodeId, Fact]] = []
        self._known: set[tuple[NodeId, Fact]] = set()
        self._always = [p for p in properties if p.kind is Kind.ALWAYS]
        self._groups: list[dict[Hashable, list[tuple[NodeId, Fact]]]] = [{} for _ in self._always]
        self._sometimes = [p for p in properties if p.kind is Kind.SOMETIMES]
        self._eventually = [p for p in properties if p.kind is Kind.EVENTUALLY]
        self._at_rest = [p for p in properties if p.kind is Kind.AT_REST]
        self.reached: set[str] = set()
        self.violated: str | None = None

    def fact(self, node: NodeId, fact: Fact) -> None:
        """A node stated a fact. Saying it again changes nothing."""
        stated = (node, fact)
        if stated in self._known:
            return
        self._known.add(stated)
        self._facts.append(stated)
        for prop, groups in zip(self._always, self._groups, strict=True):
            if prop.states:
                continue
            about = prop.per(fact) if prop.per else WHOLE
            if about is None:
                continue
            group = groups.setdefault(about, [])
            group.append(stated)
            if not prop.holds(View({}, tuple(group))):
                self.violated = self.violated or prop.name
        if len(self.reached) < len(self._sometimes):
            self._look(self._sometimes)

    def states(self) -> None:
        """States may have changed: evaluate what depends on them."""
        for prop in self._always:
            if prop.states and not prop.holds(self.view()):
                self.violated = self.violated or prop.name

    def rest(self, name: str | None) -> None:
        """The run ended at rest, it is said: evaluate the AtRest property of that name."""
        for prop in self._at_rest:
            if prop.name == name and not prop.holds(self.view()):
                self.violated = prop.name

    def settled(self) -> str | None:
        """The first Eventually property that does not hold now, if any."""
        view = self.view()
        return next((p.name for p in self._eventually if not p.holds(view)), None)

    def view(self) -> View:
        """What properties see of the run so far."""
        return View(self._actors(), tuple(self._facts))

    def _look(self, properties: list[Property]) -> None:
        view = self.view()
        self.reached.update(p.name for p in properties if p.holds(view))
