"""Global states: what it means to record one of a system that does not stop for it.

Sources: Chandy and Lamport, Distributed Snapshots, TOCS 3(1) 1985; Mattern, Virtual Time and Global
States of Distributed Systems, 1989, on consistent cuts. The system is one that moves money.
"""

from __future__ import annotations

from quorate.kernel import Fact, NodeId, View, always, eventually, sometimes


class Opened(Fact, frozen=True):
    """This node begins with so much money."""

    balance: int


class Moved(Fact, frozen=True):
    """This node sends money to another: the only time that it is this amount."""

    to: NodeId
    amount: int


class Arrived(Fact, frozen=True):
    """The money that `src` sent has arrived at this node."""

    src: NodeId
    amount: int


class Recorded(Fact, frozen=True):
    """This node records its own state: what it has done before is in the cut, the rest is not."""

    balance: int


class Channel(Fact, frozen=True):
    """This node records the state of the channel from `src`: what was on its way, in order."""

    src: NodeId
    amounts: tuple[int, ...]


Facts = dict[NodeId, list[Fact]]


def _by_node(view: View) -> Facts:
    """What each node has stated, in order."""
    nodes: Facts = {}
    for node, fact in view.facts:
        nodes.setdefault(node, []).append(fact)
    return nodes


def _within(facts: list[Fact]) -> list[Fact]:
    """Those in the cut: before the node recorded its state, or all if it has not yet."""
    ends = (index for index, fact in enumerate(facts) if isinstance(fact, Recorded))
    return facts[: next(ends, len(facts))]


def _is_consistent(view: View) -> bool:
    cut = {node: _within(facts) for node, facts in _by_node(view).items()}
    return all(
        Moved(node, fact.amount) in cut[fact.src]
        for node, facts in cut.items()
        for fact in facts
        if isinstance(fact, Arrived)
    )


def _channels_are_exact(view: View) -> bool:
    cut = {node: _within(facts) for node, facts in _by_node(view).items()}
    for node, fact in view.stated(Channel):
        sent = [f.amount for f in cut[fact.src] if isinstance(f, Moved) and f.to == node]
        here = {f.amount for f in cut[node] if isinstance(f, Arrived) and f.src == fact.src}
        if fact.amounts != tuple(amount for amount in sent if amount not in here):
            return False
    return True


def _is_complete(view: View) -> bool:
    nodes = {node for node, _ in view.stated(Opened)}
    channels = {(fact.src, node) for node, fact in view.stated(Channel)}
    return {node for node, _ in view.stated(Recorded)} == nodes and channels == {
        (src, node) for src in nodes for node in nodes if src != node
    }


def _is_conserved(view: View) -> bool:
    if not _is_complete(view):
        return True
    held = sum(fact.balance for _, fact in view.stated(Recorded))
    moving = sum(sum(fact.amounts) for _, fact in view.stated(Channel))
    return held + moving == sum(fact.balance for _, fact in view.stated(Opened))


consistent_cut = always("consistent cut", _is_consistent)
"""What has arrived within the cut was sent within the cut."""

exact_channels = always("exact channels", _channels_are_exact)
"""What is recorded as under way is what was sent within the cut, and had not arrived within it."""

conservation = always("no money is lost or made", _is_conserved)
"""In the recorded state there is as much money, at nodes and under way, as there was to begin."""

money_under_way = sometimes(
    "money is recorded under way",
    lambda view: any(fact.amounts for _, fact in view.stated(Channel)),
)
"""The check that a world is not empty."""

snapshot_ends = eventually("the snapshot ends", _is_complete)
"""All nodes record their states, and those of all channels to them."""
