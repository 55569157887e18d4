"""Replicated logs: what it means to agree on a sequence of values.

Source: the lecture, "Paxos vs. ABCAST"; Schneider, Implementing Fault-Tolerant Services, 1990.
"""

from __future__ import annotations

from collections.abc import Hashable

from quorate.kernel import Fact, Request, View, always, eventually, sometimes


class Offered(Request, frozen=True):
    """A client wants `value` in the log."""

    value: bytes


class Decided(Fact, frozen=True):
    """This replica knows that `slot` holds `value`, for good; b"" fills a slot without meaning."""

    slot: int
    value: bytes


class Appended(Fact, frozen=True):
    """This client was told that `slot` holds the `value` that it offered."""

    slot: int
    value: bytes


class Installed(Fact, frozen=True):
    """This replica stands, from here on, where slots 1 to `slot` have led: at `state`."""

    slot: int
    state: bytes


def _slot(fact: Fact) -> Hashable:
    return fact.slot if type(fact) is Decided else None


def _value(fact: Fact) -> Hashable:
    return fact.value if type(fact) is Decided or type(fact) is Offered else None


def _one_value(view: View) -> bool:
    decided: dict[int, bytes] = {}
    for _, fact in view.facts:
        if type(fact) is Decided and decided.setdefault(fact.slot, fact.value) != fact.value:
            return False
    return True


def _offered(view: View) -> bool:
    offered, decided = {b""}, []
    for _, fact in view.facts:
        if type(fact) is Decided:
            decided.append(fact.value)
        elif type(fact) is Offered:
            offered.add(fact.value)
    return offered.issuperset(decided)


def _all_decided(view: View) -> bool:
    offered = {fact.value for _, fact in view.stated(Offered)}
    return bool(offered) and offered <= {fact.value for _, fact in view.stated(Decided)}


log_agreement = always("log agreement", _one_value, per=_slot, nodes=False)
"""No two replicas ever decide different values for one slot."""

log_validity = always("log validity", _offered, per=_value, nodes=False)
"""Every decided value was offered by a client, or is the empty filler."""

log_growth = sometimes(
    "a value is decided", lambda view: any(fact.value for _, fact in view.stated(Decided))
)
"""The check that a world is not empty."""

log_progress = eventually("every offered value is decided", _all_decided)
"""Once faults have ceased, what clients offer gets decided."""
