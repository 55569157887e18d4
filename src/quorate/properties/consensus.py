"""Consensus: what it means to agree on one value.

Source: the lecture, "Properties for Correct Consensus"; Chandra and Toueg, JACM 43(2) 1996.
"""

from __future__ import annotations

from quorate.kernel import Fact, Request, View, always, eventually, sometimes


class Proposed(Request, frozen=True):
    """This node wants `value` to be decided."""

    value: str


class Decided(Fact, frozen=True):
    """This node decided `value`, for good."""

    value: str


def _decided(view: View) -> set[str]:
    return {fact.value for _, fact in view.stated(Decided)}


def _proposed(view: View) -> set[str]:
    return {fact.value for _, fact in view.stated(Proposed)}


agreement = always("agreement", lambda view: len(_decided(view)) <= 1)
"""No two nodes decide differently, whatever happens to them afterwards (uniform agreement)."""

validity = always("validity", lambda view: _decided(view) <= _proposed(view))
"""What is decided was proposed by some node."""

decision = sometimes("decision is reachable", lambda view: bool(_decided(view)))
"""The check that a world is not empty: some run decides."""

termination = eventually("termination", lambda view: bool(_decided(view)))
"""Once faults have ceased, some node decides."""
