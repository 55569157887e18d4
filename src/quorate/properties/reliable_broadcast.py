"""Reliable broadcast: all correct nodes deliver the same, or none of them anything.

Facts are those of correct nodes: what a traitor states does not count.
Source: Bracha, Asynchronous Byzantine Agreement Protocols, Information and Computation 75(2) 1987,
section 2; Cachin, Guerraoui and Rodrigues, Reliable and Secure Distributed Programming, 2011,
section 3.11.
"""

from __future__ import annotations

from quorate.kernel import Fact, Request, View, always, eventually, sometimes


class Broadcast(Request, frozen=True):
    """This node is correct, and wants `value` to be delivered to all."""

    value: str


class Delivered(Fact, frozen=True):
    """This node delivers `value`, and nothing else."""

    value: str


def _broadcast(view: View) -> set[str]:
    return {fact.value for _, fact in view.stated(Broadcast)}


def _delivered(view: View) -> set[str]:
    return {fact.value for _, fact in view.stated(Delivered)}


def _total(view: View) -> bool:
    done = {node for node, _ in view.stated(Delivered)}
    return not (done or _broadcast(view)) or set(view.actors) <= done


consistency = always("consistency", lambda view: len(_delivered(view)) <= 1)
"""No two correct nodes deliver differently, nor does one deliver twice."""

integrity = always(
    "integrity", lambda view: not _broadcast(view) or _delivered(view) <= _broadcast(view)
)
"""If the sender is correct, nothing is delivered but what it broadcast."""

delivery = sometimes("delivery is reachable", lambda view: bool(_delivered(view)))
"""The check that a world is not empty: in some run, something is delivered."""

totality = eventually("totality", _total, states=True)
"""If one correct node delivers, or the sender is correct, all correct nodes deliver."""
