"""Judging a run as it goes: which property broke, which were seen to hold."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from quorate.kernel import Actor, Fact, Kind, NodeId, Observer, Property, View, World

WHOLE = ""
NO_DEADLOCK = "links never wait for each other"
NOBODY: Mapping[NodeId, Actor | Observer] = {}
Stated = tuple[NodeId, Fact]
_Grouped = tuple[
    Property,
    Callable[[Fact], Hashable],
    Callable[[View], bool],
    dict[Hashable, tuple[Stated, ...]],
]


def _grouped(prop: Property) -> _Grouped:
    return prop, prop.per or (lambda fact: WHOLE), prop.holds, {}


class Judge:
    """Holds the facts of one run, and evaluates what a new fact or state can have changed."""

    def __init__(self, world: World, actors: Callable[[], Mapping[NodeId, Actor]]) -> None:
        of: dict[Kind, list[Property]] = {kind: [] for kind in Kind}
        for prop in world.properties:
            of[prop.kind].append(prop)
        self._actors = actors
        self._observers: dict[NodeId, Observer] = {one.me: one for one in world.observers}
        self._facts: list[Stated] = []
        self._said: dict[Fact, list[NodeId]] = {}  # by whom
        by_facts = [prop for prop in of[Kind.ALWAYS] if not prop.states]
        self._by_node = [_grouped(prop) for prop in by_facts if prop.nodes]
        self._by_fact = [_grouped(prop) for prop in by_facts if not prop.nodes]
        self._always = [p for p in of[Kind.ALWAYS] if p.states]
        self._unreached = of[Kind.SOMETIMES]
        self._at_rest = of[Kind.AT_REST]
        self._eventually = of[Kind.EVENTUALLY]
        self._look_at = 0
        self.reached: set[str] = set()
        self.violated: str | None = None  # the first to break
        self.broken: set[str] = set()
        self.due = False  # an observer saw something that has not been judged: call states()

    def fact(self, node: NodeId, fact: Fact) -> None:
        """A node stated a fact. Saying it again changes nothing, except to observers."""
        if self._observers:
            for name, observer in self._observers.items():
                self._observers[name] = observer.see(node, fact)
            self.due = True
        nodes, stated = self._said.get(fact), (node, fact)
        if nodes is None:
            self._said[fact] = [node]
            self._judge(self._by_fact, stated)
        elif node in nodes:
            return
        else:
            nodes.append(node)
        self._facts.append(stated)
        if self._by_node:
            self._judge(self._by_node, stated)
        if self._unreached and len(self._facts) >= self._look_at:
            self.look()

    def _judge(self, properties: list[_Grouped], stated: Stated) -> None:
        for prop, per, holds, groups in properties:
            about = per(stated[1])
            if about is not None:
                group = groups.get(about)
                groups[about] = group = (stated,) if group is None else (*group, stated)
                if not holds(View(NOBODY, group)):
                    self._violate(prop.name)

    def fail(self, node: NodeId, error: Exception) -> None:
        """A step of a node raised an error, which no step may."""
        self._violate(f"no step fails ({node}: {type(error).__name__}: {error})")

    def stuck(self, circle: str) -> None:
        """Links and nodes wait for each other in a circle."""
        self._violate(f"{NO_DEADLOCK} ({circle})")

    def states(self) -> None:
        """States may have changed: evaluate what depends on them."""
        self.due = False
        if self._always:
            view = self.view()
            for prop in self._always:
                if not prop.holds(view):
                    self._violate(prop.name)
        if any(prop.states for prop in self._unreached):
            self.look()

    def look(self) -> None:
        """See which Sometimes properties hold now."""
        # Facts only add up: looking again when there are some more keeps a long run linear.
        self._look_at = len(self._facts) + len(self._facts) // 8 + 1
        view = self.view()
        self.reached.update(prop.name for prop in self._unreached if prop.holds(view))
        self._unreached = [prop for prop in self._unreached if prop.name not in self.reached]

    def settled(self) -> str | None:
        """The first Eventually property that does not hold now, if any."""
        view = self.view()
        return next((p.name for p in self._eventually if not p.holds(view)), None)

    def rest(self) -> None:
        """Nothing further can happen: AtRest properties must hold."""
        view = self.view()
        for prop in self._at_rest:
            if not prop.holds(view):
                self._violate(prop.name)

    def ended(self, name: str | None) -> None:
        """It is said that the property of that name did not hold when the run ended: judge it."""
        view = self.view()
        for prop in (*self._at_rest, *self._eventually):
            if prop.name == name and not prop.holds(view):
                self._violate(prop.name)

    def view(self) -> View:
        """What properties see of the run so far."""
        return View({**self._actors(), **self._observers}, tuple(self._facts))

    def _violate(self, name: str) -> None:
        self.violated = self.violated or name
        self.broken.add(name)
