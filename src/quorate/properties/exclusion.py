"""Mutual exclusion: one node at a time in the critical section, and all in their turn.

Source: Lamport, Time, Clocks, and the Ordering of Events in a Distributed System, CACM 21(7) 1978,
section "Ordering the Events": conditions I to III.
"""

from __future__ import annotations

import msgspec

from quorate.kernel import Fact, NodeId, Observer, View, always, eventually, sometimes

Stamp = tuple[int, NodeId]
"""A time of a logical clock, and whose: no two are equal."""


class Asked(Fact, frozen=True):
    """This node wants to enter, and its request has this stamp."""

    stamp: Stamp


class Entered(Fact, frozen=True):
    """This node is in the critical section, by the request with this stamp."""

    stamp: Stamp


class Left(Fact, frozen=True):
    """This node has left the critical section, which it had entered by that request."""

    stamp: Stamp


class Door(Observer, frozen=True):
    """Who is inside, and whether someone entered while another was, or before an earlier stamp."""

    inside: frozenset[Stamp] = frozenset()
    latest: Stamp = (0, "")
    crowded: bool = False
    overtaken: bool = False

    def see(self, node: NodeId, fact: Fact) -> Door:
        if isinstance(fact, Left):
            return msgspec.structs.replace(self, inside=self.inside - {fact.stamp})
        if not isinstance(fact, Entered):
            return self
        return msgspec.structs.replace(
            self,
            inside=self.inside | {fact.stamp},
            latest=max(self.latest, fact.stamp),
            crowded=self.crowded or bool(self.inside - {fact.stamp}),
            overtaken=self.overtaken or fact.stamp < self.latest,
        )


def _served(view: View) -> bool:
    asked = {fact.stamp for _, fact in view.stated(Asked)}
    return bool(asked) and asked <= {fact.stamp for _, fact in view.stated(Left)}


exclusion = always(
    "no two inside",
    lambda view: not any(door.crowded for door in view.roles(Door)),
    states=True,
)
"""No node enters before the one that entered last has left."""

order = always(
    "in the order of stamps",
    lambda view: not any(door.overtaken for door in view.roles(Door)),
    states=True,
)
"""Requests are granted in the order of their stamps, so that none waits for ever."""

entered = sometimes("one is inside", lambda view: any(view.stated(Entered)))
"""The check that a world is not empty."""

turns = eventually("whoever asks enters and leaves", _served)
"""Once faults have ceased, every request is granted."""
