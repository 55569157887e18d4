"""Copies that are written to anywhere and agree in the end: what each holds, and in which order.

Source: Terry et al., Managing Update Conflicts in Bayou, a Weakly Connected Replicated Storage
System, SOSP 1995; Petersen et al., Flexible Update Propagation for Weakly Consistent Replication,
SOSP 1997, whose prefix property is `no_gaps`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Self

import msgspec

from quorate.kernel import Fact, NodeId, Observer, Property, View, always, eventually, sometimes
from quorate.properties.linearizable import Called
from quorate.properties.objects import Value

Dot = tuple[int, NodeId]
"""A write: when it was accepted, by a logical clock, and by which replica. No two share one."""

Items = tuple[tuple[str, str], ...]
"""A database: keys with values, sorted."""


class Held(Fact, frozen=True):
    """All that this replica holds: `omitted` committed writes that its log goes without, and then
    these, in order; of all, the first `committed` are committed. Together they come to `items`."""

    omitted: int
    writes: tuple[Dot, ...]
    committed: int
    items: Items


class State(msgspec.Struct, frozen=True, cache_hash=True):
    """The same, with what was omitted: `order` has every write, and `writes` the set of them."""

    replica: NodeId
    order: tuple[Dot, ...]
    writes: frozenset[Dot]
    committed: int
    items: Items


class Replicas(Observer, frozen=True):
    """What replicas stated that they held: by replica, and in order for each; the order of
    commitment, as first stated; and the names of the promises that were broken."""

    states: tuple[State, ...] = ()
    order: tuple[Dot, ...] = ()
    broken: frozenset[str] = frozenset()

    def see(self, node: NodeId, fact: Fact) -> Self:
        """See Observer. Facts of other kinds change nothing."""
        if not isinstance(fact, Held):
            return self
        order = (*self.order[: fact.omitted], *fact.writes)
        state = State(node, order, frozenset(order), fact.committed, fact.items)
        committed = order[: fact.committed]
        both = min(len(committed), len(self.order))
        before = [each for each in self.states if each.replica == node][-1:]
        alike = (each for each in self.states if _known(each) == _known(state))
        found = {
            ONE_ORDER: committed[:both] != self.order[:both] or len(order) != len(state.writes),
            FOR_GOOD: any(
                not each.writes <= state.writes or each.committed > state.committed
                for each in before
            ),
            NO_GAPS: any(self._skips(state, other) for other in self.states),
            SAME: any((each.order, each.items) != (order, fact.items) for each in alike),
        }
        return msgspec.structs.replace(
            self,
            states=tuple(sorted((*self.states, state), key=lambda each: each.replica)),
            order=max(self.order, committed, key=len),
            broken=self.broken | {name for name, is_broken in found.items() if is_broken},
        )

    def _skips(self, state: State, other: State) -> bool:
        """Whether `state` lacks a write of the other replica, and has a later one of them."""
        latest = max((dot for dot in state.order if dot[1] == other.replica), default=(0, ""))
        lacks = other.writes - state.writes
        return any(dot[1] == other.replica and dot < latest for dot in lacks)

    def latest(self) -> list[State]:
        """The last that each replica stated."""
        return list({each.replica: each for each in self.states}.values())


def _known(state: State) -> tuple[frozenset[Dot], int]:
    return state.writes, state.committed


def unbroken(name: str) -> Property:
    """No observer has seen the promise of that name broken."""
    return always(
        name,
        lambda view: not any(name in seen.broken for seen in view.roles(Replicas)),
        states=True,
    )


def _reordered(view: View) -> bool:
    pairs = (pair for seen in view.roles(Replicas) for pair in pairwise(seen.states))
    return any(
        before.replica == after.replica and after.order[: len(before.order)] != before.order
        for before, after in pairs
    )


def _converged(view: View) -> bool:
    for seen in view.roles(Replicas):
        everything = frozenset[Dot]().union(*(state.writes for state in seen.states))
        first, *others = seen.latest()
        if first.writes != everything or first.committed != len(first.order):
            return False
        if any(each != msgspec.structs.replace(first, replica=each.replica) for each in others):
            return False
    return True


ONE_ORDER = "one order of commitment"
FOR_GOOD = "what is held is held for good"
NO_GAPS = "no gap in what one accepted"
SAME = "who knows the same sees the same"

one_order = unbroken(ONE_ORDER)
"""What two replicas have committed is the same, in the same order, as far as both have; and no
write stands twice."""

for_good = unbroken(FOR_GOOD)
"""No replica loses a write, or takes back that it is committed, also by a crash."""

no_gaps = unbroken(NO_GAPS)
"""Of what one replica accepted, another holds all that came before any that it holds."""

same = unbroken(SAME)
"""Replicas that hold the same writes, as many of them committed, have one order and database."""

reordered = sometimes("a write takes its place before others", _reordered, states=True)
"""What a replica had applied already is undone, and done again after something else: the check that
a world is not empty."""

converged = eventually("all hold the same, committed", _converged, states=True)
"""Once faults have ceased, every write that was accepted is committed everywhere, in one order,
and all databases are equal."""


def _bookings(view: View) -> dict[Value, Value]:
    return {fact.argument: fact.key for _, fact in view.stated(Called) if fact.argument is not None}


def _moved(view: View) -> bool:
    wanted = _bookings(view)
    states = (state for seen in view.roles(Replicas) for state in seen.states)
    return any(wanted.get(who) not in (None, key) for state in states for key, who in state.items)


def _placed(view: View) -> bool:
    wanted = sorted(map(str, _bookings(view)))
    ends = (state for seen in view.roles(Replicas) for state in seen.latest())
    return all(sorted(who for _, who in state.items) == wanted for state in ends)


moved = sometimes("a booking is moved", _moved, states=True)
"""Somebody is given another place than the one that was asked for."""

placed = eventually("every booking has one place", _placed, states=True)
"""Once faults have ceased, everybody who was to have a place has one, and only one, everywhere."""
