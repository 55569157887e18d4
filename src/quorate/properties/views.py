"""Group membership: who is in the group, by views that all who are in them agree on.

Source: Ricciardi and Birman, Using Process Groups to Implement Failure Detection in Asynchronous
Environments, PODC 1991; Birman and Joseph, Exploiting Virtual Synchrony in Distributed Systems,
SOSP 1987. What members are handed in a view is judged in `quorate.properties.delivery`.
"""

from __future__ import annotations

import msgspec

from quorate import kernel
from quorate.kernel import Fact, NodeId, always, sometimes


class View(msgspec.Struct, frozen=True, order=True, cache_hash=True, gc=False):
    """The members of a group for a while, by rank: the longest-standing first. `lives` says which
    life of each is meant, since a node that crashed comes back as another member, and `weights` how
    much its vote counts; both are in the order of `members`."""

    number: int
    members: tuple[NodeId, ...]
    lives: tuple[int, ...]
    weights: tuple[int, ...]

    def life(self, node: NodeId) -> int:
        """Which life of a member this view means."""
        return self.lives[self.members.index(node)]


class Installed(Fact, frozen=True):
    """This node is a member of that view, and of no earlier one, from here on."""

    view: View


def _same(view: kernel.View) -> bool:
    return len({fact.view for _, fact in view.stated(Installed)}) <= 1


def _inside(view: kernel.View) -> bool:
    return all(node in fact.view.members for node, fact in view.stated(Installed))


def _rising(view: kernel.View) -> bool:
    latest: dict[NodeId, int] = {}
    for node, fact in view.stated(Installed):
        if fact.view.number <= latest.get(node, 0):
            return False
        latest[node] = fact.view.number
    return True


def _number(fact: Fact) -> int | None:
    return fact.view.number if isinstance(fact, Installed) else None


view_agreement = always("view agreement", _same, per=_number, nodes=False)
"""Views with the same number have the same members, of the same rank and in the same life."""

self_inclusion = always("self-inclusion", _inside)
"""Whoever installs a view is a member of it."""

rising = always("views rise", _rising)
"""Each node installs views in the order of their numbers, each once."""

succeeded = sometimes(
    "a view follows another",
    lambda view: any(fact.view.number > 1 for _, fact in view.stated(Installed)),
)
"""The check that a world is not empty."""
