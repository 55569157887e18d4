"""Happened before: which steps can have caused which, and what clocks make of it. A step is what
Lamport calls an event.

Sources: Lamport, Time, Clocks, and the Ordering of Events in a Distributed System, CACM 21(7) 1978;
Mattern, Virtual Time and Global States of Distributed Systems, 1989; Fidge 1988.
"""

from __future__ import annotations

import msgspec

from quorate.kernel import Fact, Map, NodeId, Observer, always, eventually, sometimes

Vector = tuple[int, ...]
"""An entry for each node, in their order."""


class Step(msgspec.Struct, frozen=True, cache_hash=True):
    """The step with this number of those of this node, which counts them from 1."""

    node: NodeId
    number: int


class Happened(Fact, frozen=True):
    """A step of this node, and what its clocks say of it. `cause`: by which step the message was
    sent whose arrival it is, if it is one."""

    number: int
    time: int
    vector: Vector
    cause: Step | None = None


class Known(msgspec.Struct, frozen=True, cache_hash=True):
    """All steps before one, by Lamport's definition, and what clocks say of that one."""

    past: frozenset[Step]
    time: int
    vector: Vector


class Past(Observer, frozen=True):
    """What happened before what, from nothing but the order at each node and which message it was
    that came; and whether clocks say otherwise. Clocks themselves are not asked."""

    nodes: tuple[NodeId, ...]
    steps: Map[Step, Known] = Map()
    disordered: bool = False
    inexact: bool = False
    arbitrary: bool = False

    def see(self, node: NodeId, fact: Fact) -> Past:
        if not isinstance(fact, Happened) or Step(node, fact.number) in self.steps:
            return self
        here, before = Step(node, fact.number), Step(node, fact.number - 1)
        direct = {step for step in (before, fact.cause) if step is not None} & {*self.steps}
        past = frozenset(direct).union(*(self.steps[step].past for step in direct))
        disordered, inexact, arbitrary = self.disordered, self.inexact, self.arbitrary
        for step, known in self.steps.items():  # nothing stated later happened before these
            caused, told = step in past, less(known.vector, fact.vector)
            disordered |= caused and known.time >= fact.time
            inexact |= told != caused or less(fact.vector, known.vector)
            arbitrary |= not caused and known.time != fact.time
        steps = self.steps.put(here, Known(past, fact.time, fact.vector))
        return Past(self.me, self.nodes, steps, disordered, inexact, arbitrary)

    def common(self) -> bool:
        """Whether there is a step that all nodes have taken, or heard of."""
        known = {node: set[Step]() for node in self.nodes}
        for step, facts in self.steps.items():
            known[step.node] |= facts.past | {step}
        return bool(set.intersection(*known.values()))


def less(one: Vector, other: Vector) -> bool:
    """Whether no entry of `one` is more than that of `other`, and some entry is less."""
    return one != other and all(map(int.__le__, one, other))


clock_condition = always(
    "clock condition",
    lambda view: not any(past.disordered for past in view.roles(Past)),
    states=True,
)
"""What happened before something else has an earlier time: a → b implies C(a) < C(b)."""

exact_vectors = always(
    "exact vectors",
    lambda view: not any(past.inexact for past in view.roles(Past)),
    states=True,
)
"""What happened before something else has a lesser vector, and nothing else has: a → b if and only
if V(a) < V(b)."""

heard_by_all = eventually(
    "all have heard of one step",
    lambda view: all(past.common() for past in view.roles(Past)),
    states=True,
)
"""Once faults have ceased, some step happened before one of each other node."""

needless_order = sometimes(
    "times order what is concurrent",
    lambda view: any(past.arbitrary for past in view.roles(Past)),
    states=True,
)
"""Lamport's condition has no converse: of two steps of which neither happened before the other, one
has the earlier time nevertheless."""
