"""Links: what it means to carry messages reliably and in order from one node to another.

Source: Cachin, Guerraoui and Rodrigues, Introduction to Reliable and Secure Distributed
Programming, 2011, section 2.4 (perfect links) and 3.9 (FIFO order).
"""

from __future__ import annotations

from itertools import pairwise

from quorate.kernel import Fact, NodeId, View, always, eventually, sometimes


class Sent(Fact, frozen=True):
    """This node hands its link to `to` an item, the one with this number of those for it."""

    to: NodeId
    number: int
    item: str


class Delivered(Fact, frozen=True):
    """This node's link from `src` hands it an item, as the one with this number of all from there.

    Items of one link are distinct, so that it can be told which of them this is.
    """

    src: NodeId
    number: int
    item: str


Way = tuple[NodeId, NodeId]


def _sent(view: View) -> dict[Way, list[str]]:
    ways: dict[Way, list[str]] = {}
    for node, fact in sorted(view.stated(Sent), key=lambda stated: stated[1].number):
        ways.setdefault((node, fact.to), []).append(fact.item)
    return ways


def _delivered(view: View) -> dict[Way, list[str]]:
    ways: dict[Way, list[str]] = {}
    for node, fact in sorted(view.stated(Delivered), key=lambda stated: stated[1].number):
        ways.setdefault((fact.src, node), []).append(fact.item)
    return ways


def _created(view: View) -> bool:
    sent = _sent(view)
    return any(set(items) - set(sent.get(way, ())) for way, items in _delivered(view).items())


def _ordered(view: View) -> bool:
    sent = _sent(view)
    for way, items in _delivered(view).items():
        places = [sent[way].index(item) for item in items if item in sent.get(way, ())]
        if any(later < earlier for earlier, later in pairwise(places)):
            return False
    return True


def _all_delivered(view: View) -> bool:
    sent, delivered = _sent(view), _delivered(view)
    return bool(sent) and all(set(items) <= set(delivered.get(w, ())) for w, items in sent.items())


no_creation = always("no creation", lambda view: not _created(view))
"""Whatever is delivered was sent, by the node that it is said to be from."""

no_duplication = always(
    "no duplication",
    lambda view: all(len(items) == len(set(items)) for items in _delivered(view).values()),
)
"""Nothing is delivered twice."""

fifo_order = always("fifo order", _ordered)
"""What is sent first on a link is delivered first."""

delivery = eventually("delivery", _all_delivered)
"""Once faults have ceased, whatever was sent is delivered."""

link_use = sometimes("all is delivered", _all_delivered)
"""The check that a world is not empty."""
