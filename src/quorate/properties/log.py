"""Replicated logs: what it means to agree on a sequence of values.

Source: the lecture, "Paxos vs. ABCAST"; Schneider, Implementing Fault-Tolerant Services, 1990.
"""

from __future__ import annotations

from collections.abc import Hashable

from quorate.kernel import Fact, View, always, eventually, sometimes


class Offered(Fact, frozen=True):
    """A client wants `value` in the log."""

    value: bytes


class Decided(Fact, frozen=True):
    """This replica knows that `slot` holds `value`, for good; b"" fills a slot without meaning."""

    slot: int
    value: bytes


class Installed(Fact, frozen=True):
    """This replica stands, from here on, where slots 1 to `slot` have led: at `state`."""

    slot: int
    state: bytes


def _slot(fact: Fact) -> Hashable:
    return fact.slot if isinstance(fact, Decided) else None


def _value(fact: Fact) -> Hashable:
    return fact.value if isinstance(fact, Decided | Offered) else None


def _one_value(view: View) -> bool:
    decided = {(fact.slot, fact.value) for _, fact in view.stated(Decided)}
    return len(decided) == len({slot for slot, _ in decided})


def _offered(view: View) -> bool:
    offered = {fact.value for _, fact in view.stated(Offered)}
    return all(fact.value in offered or not fact.value for _, fact in view.stated(Decided))


def _all_decided(view: View) -> bool:
    offered = {fact.value for _, fact in view.stated(Offered)}
    return bool(offered) and offered <= {fact.value for _, fact in view.stated(Decided)}


log_agreement = always("log agreement", _one_value, per=_slot)
"""No two replicas ever decide different values for one slot."""

log_validity = always("log validity", _offered, per=_value)
"""Every decided value was offered by a client, or is the empty filler."""

log_growth = sometimes(
    "a value is decided", lambda view: any(fact.value for _, fact in view.stated(Decided))
)
"""The check that a world is not empty."""

log_progress = eventually("every offered value is decided", _all_decided)
"""Once faults have ceased, what clients offer gets decided."""
