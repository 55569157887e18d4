"""Two generals: what coordinated attack asks for, and what cannot be had.

Source: Gray, Notes on Data Base Operating Systems, 1978, section 3.4.2; Halpern and Moses,
Knowledge and Common Knowledge in a Distributed Environment, JACM 37(3) 1990, section 4.
"""

from __future__ import annotations

from quorate.kernel import Fact, NodeId, View, always, eventually, sometimes


class Ordered(Fact, frozen=True):
    """This general is ordered to attack, together with the other."""


class Attacks(Fact, frozen=True):
    """It dawns, and this general attacks."""


class Waits(Fact, frozen=True):
    """It dawns, and this general does not attack."""


def _attacking(view: View) -> set[NodeId]:
    return {node for node, _ in view.stated(Attacks)}


def _waiting(view: View) -> set[NodeId]:
    return {node for node, _ in view.stated(Waits)}


obedience = always(
    "nobody attacks unless ordered", lambda view: not _attacking(view) or any(view.stated(Ordered))
)
"""Without an order nobody attacks."""

both_attack = sometimes("both attack", lambda view: len(_attacking(view)) == 2)
"""The check that the protocol is good for anything."""

one_alone = sometimes(
    "one attacks alone", lambda view: bool(_attacking(view)) and bool(_waiting(view))
)
"""What the generals must never let happen, and cannot prevent: some loss makes it happen."""

punctuality = eventually("both decide", lambda view: len(_attacking(view) | _waiting(view)) == 2)
"""Whatever is lost, each general attacks or waits in the end: it dawns."""
