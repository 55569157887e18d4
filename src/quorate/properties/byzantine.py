"""The Byzantine generals: what loyal lieutenants promise, whatever traitors do.

Facts are those of loyal nodes: what a traitor states does not count. A commander who is one states
no order, so that nothing binds the others to it.
Source: Lamport, Shostak and Pease, The Byzantine Generals Problem, TOPLAS 4(3) 1982, section 1.
"""

from __future__ import annotations

from quorate.kernel import Fact, Request, View, always, eventually, sometimes


class Ordered(Request, frozen=True):
    """This commander is loyal, and gives this order."""

    order: str


class Awaits(Fact, frozen=True):
    """This lieutenant is to obey an order."""


class Obeys(Fact, frozen=True):
    """This lieutenant obeys this order, for good."""

    order: str


def _obeyed(view: View) -> set[str]:
    return {fact.order for _, fact in view.stated(Obeys)}


def _ordered(view: View) -> set[str]:
    return {fact.order for _, fact in view.stated(Ordered)}


def _all_obey(view: View) -> bool:
    return {node for node, _ in view.stated(Awaits)} == {node for node, _ in view.stated(Obeys)}


agreement = always("IC1 agreement", lambda view: len(_obeyed(view)) <= 1)
"""All loyal lieutenants obey the same order."""

obedience = always(
    "IC2 obedience", lambda view: not _ordered(view) or _obeyed(view) <= _ordered(view)
)
"""If the commander is loyal, every loyal lieutenant obeys the order that he gives."""

attack = sometimes("an attack is possible", lambda view: "attack" in _obeyed(view))
"""The check that a world is not empty: in some run, lieutenants attack."""

termination = eventually("all obey in the end", _all_obey)
"""Every loyal lieutenant obeys some order."""
