"""Consensus: what it means to agree, in the lecture's three variants.

All of them ask for agreement and for termination; which value is the right one is what they differ
in. C, consensus: one that was proposed. BG, command consensus: the commander's. IC, interactive
consistency: a vector of what each node proposed.

Source: the lecture, "Properties for Correct Consensus" and "Variant I" to "Variant III"; Chandra
and Toueg, JACM 43(2) 1996; Coulouris, Dollimore and Kindberg, Distributed Systems, section 15.5.
"""

from __future__ import annotations

from typing import Any

from quorate.kernel import Fact, NodeId, Request, View, always, eventually, runner_of, sometimes

Vector = tuple[tuple[NodeId, str], ...]
"""Each node with the value that it is known to have proposed, in the order of the nodes."""


class Proposed(Request, frozen=True):
    """This node wants `value` to be decided."""

    value: str


class Commanded(Request, frozen=True):
    """This node is the commander: it wants everyone to decide `value`."""

    value: str


class Decided(Fact, frozen=True):
    """This node decided `value`, for good."""

    value: str


class Collected(Fact, frozen=True):
    """This node decided that these are the values of all, for good."""

    vector: Vector


class Failed(Fact, frozen=True):
    """This node was gone, so that it is not a correct one; it takes no further part."""


def _decisions(view: View) -> list[tuple[NodeId, Any]]:
    """Who decided what: a value, or a vector."""
    values: list[tuple[NodeId, Any]] = [(n, fact.value) for n, fact in view.stated(Decided)]
    return values + [(node, fact.vector) for node, fact in view.stated(Collected)]


def _correct(view: View) -> set[NodeId]:
    """Who is there, and was so all the time."""
    return set(view.actors) - {node for node, _ in view.stated(Failed)}


def _decided(view: View) -> set[str]:
    return {fact.value for _, fact in view.stated(Decided)}


def _proposed(view: View) -> set[str]:
    return {fact.value for _, fact in view.stated(Proposed)}


def _agree(view: View) -> bool:
    return len({value for _, value in _decisions(view)}) <= 1


def _correct_agree(view: View) -> bool:
    correct = _correct(view)
    return len({value for node, value in _decisions(view) if node in correct}) <= 1


def _unanimous(view: View) -> bool:
    correct = _correct(view)
    wishes = {fact.value for node, fact in view.stated(Proposed) if node in correct}
    chosen = {fact.value for node, fact in view.stated(Decided) if node in correct}
    return len(wishes) != 1 or chosen <= wishes


def _obedient(view: View) -> bool:
    correct = _correct(view)
    orders = {fact.value for node, fact in view.stated(Commanded) if node in correct}
    return not orders or _decided(view) <= orders


def _truthful(view: View) -> bool:
    said = {(node, fact.value) for node, fact in view.stated(Proposed)}
    return all(said.issuperset(fact.vector) for _, fact in view.stated(Collected))


def _complete(view: View) -> bool:
    correct = _correct(view)
    said = {(node, fact.value) for node, fact in view.stated(Proposed) if node in correct}
    return all(said.issubset(fact.vector) for _, fact in view.stated(Collected))


def _all_decided(view: View) -> bool:
    run = {name for name in view.actors if runner_of(name) in view.actors}
    return _correct(view) - run <= {node for node, _ in _decisions(view)}


agreement = always("agreement", _agree)
"""No two nodes decide differently, whatever happens to them afterwards (uniform agreement)."""

plain_agreement = always("agreement of the correct", _correct_agree, states=True)
"""No two nodes that do not fail decide differently."""

validity = always("validity", lambda view: _decided(view) <= _proposed(view))
"""C: what is decided was proposed by some node."""

unanimity = always("unanimity", _unanimous, states=True)
"""C: if all nodes that do not fail propose the same, they decide that."""

obedience = always("obedience", _obedient, states=True)
"""BG: if the commander does not fail, what it commands is decided."""

truth = always("truth", _truthful)
"""IC: what a vector says of a node is what that node proposed."""

completeness = always("completeness", _complete, states=True)
"""IC: of each node that does not fail, every vector says what it proposed."""

decision = sometimes("decision is reachable", lambda view: bool(_decisions(view)))
"""The check that a world is not empty: some run decides."""

termination = eventually("termination", lambda view: bool(_decisions(view)))
"""Once faults have ceased, some node decides."""

full_termination = eventually("termination of all", _all_decided, states=True)
"""In the end, every node that has not failed decides."""
