"""Ordered group communication: who delivers what its group is told, and in which order.

Facts alone say what caused what: a message depends on all that its sender delivered or multicast
before it. Clocks that a protocol keeps of its own are not asked.

Source: Hadzilacos and Toueg, A Modular Approach to Fault-Tolerant Broadcasts and Related Problems,
TR 94-1425, Cornell 1994 (orders, uniformity); Birman, Schiper and Stephenson, Lightweight Causal
and Atomic Group Multicast, TOCS 9(3) 1991 (virtual synchrony); the lecture, "Paxos vs. ABCAST".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import msgspec

from quorate.kernel import Fact, NodeId, Request, View, always, eventually, runner_of, sometimes


class Multicast(Request, frozen=True):
    """This node wants its group, itself included, to deliver `message`. No two are the same."""

    message: str


class Delivered(Fact, frozen=True):
    """This member delivers `message`, in that view, as the one with this number of all that it has
    delivered, itself or in the state that it was given when it joined."""

    view: int
    number: int
    message: str


class Entered(Fact, frozen=True):
    """This member is in that view from here on; `history` is what it has delivered up to there, or,
    if it has `joined`, what the state that it was given had delivered: its own past does not count
    any more. Later views have greater numbers. Members of the first view need not say so."""

    view: int
    history: tuple[str, ...]
    joined: bool = False


class Life(msgspec.Struct):
    """A member from the first view, or from when it joined, to a crash or the end: what it has
    delivered so far, by the numbers that it gave, and what it knew when it multicast a message."""

    node: NodeId
    log: list[str]
    numbers: list[int]
    causes: dict[str, frozenset[str]]


def _lives(view: View) -> list[Life]:
    """The lives of all nodes; the last one of each is that which it lives now."""
    lives: list[Life] = []
    now: dict[NodeId, Life] = {}
    for node, fact in view.facts:
        if isinstance(fact, Entered) and fact.joined:
            now[node] = Life(node, [*fact.history], [*range(len(fact.history))], {})
            lives.append(now[node])
        elif isinstance(fact, Multicast | Delivered | Entered) and node not in now:
            now[node] = Life(node, [], [], {})
            lives.append(now[node])
        if isinstance(fact, Multicast):
            life = now[node]
            life.causes[fact.message] = frozenset(life.log) | life.causes.keys()
        elif isinstance(fact, Delivered):
            now[node].log.append(fact.message)
            now[node].numbers.append(fact.number - 1)
    return lives


def _present(view: View) -> list[Life]:
    """What each node that is there now lives; not the instances that it runs."""
    nodes = [node for node in view.actors if runner_of(node) not in view.actors]
    lives = {life.node: life for life in _lives(view)}
    return [lives.get(node) or Life(node, [], [], {}) for node in nodes]


def _once(view: View) -> bool:
    return all(
        len(set(life.log)) == len(life.log) and life.numbers == [*range(len(life.log))]
        for life in _lives(view)
    )


def _known(view: View) -> bool:
    asked = {fact.message for _, fact in view.stated(Multicast)}
    told = {fact.message for _, fact in view.stated(Delivered)}
    told.update(*(fact.history for _, fact in view.stated(Entered)))
    return told <= asked


def _after(causes: Callable[[Life, str], frozenset[str]]) -> Callable[[View], bool]:
    """Whether whoever delivers a message has delivered its causes before."""

    def holds(view: View) -> bool:
        lives = _lives(view)
        needed = {message: causes(life, message) for life in lives for message in life.causes}
        for life in lives:
            had: set[str] = set()
            for message in life.log:
                if not needed.get(message, frozenset()) <= had:
                    return False
                had.add(message)
        return True

    return holds


def _histories(view: View) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Histories with which a view was entered, in pairs, so that all are compared."""
    entered: dict[int, list[tuple[str, ...]]] = {}
    for _, fact in view.stated(Entered):
        entered.setdefault(fact.view, []).append(fact.history)
    for each in entered.values():
        yield from pairwise(each)


def _remembered(view: View) -> bool:
    """Whether what anyone delivered in a view is in all histories with which later ones begin."""
    told = [(fact.view, fact.message) for _, fact in view.stated(Delivered)]
    return all(
        message in fact.history
        for _, fact in view.stated(Entered)
        for number, message in told
        if number < fact.view
    )


def _compatible(view: View) -> bool:
    """Whether of any two logs, one begins with the other."""
    logs = sorted({tuple(life.log) for life in _lives(view)}, key=len)
    return all(longer[: len(shorter)] == shorter for shorter, longer in pairwise(logs))


def _all_delivered(view: View) -> bool:
    lives = _present(view)
    asked = {message for life in lives for message in life.causes}
    return bool(asked) and all(asked <= set(life.log) for life in lives)


def _same_in_the_end(view: View) -> bool:
    return len({frozenset(life.log) for life in _present(view)}) <= 1


def _everything_anyone_delivered(view: View) -> bool:
    told = {fact.message for _, fact in view.stated(Delivered)}
    return all(told <= set(life.log) for life in _present(view))


no_duplication = always("no duplication", _once)
"""No member delivers a message twice, and each knows how many it has delivered."""

no_creation = always("no creation", _known)
"""Whatever is delivered was multicast by some node."""

fifo_order = always(
    "fifo order",
    _after(lambda life, message: life.causes[message] & life.causes.keys()),
)
"""Whoever delivers a message has delivered all that its sender multicast before."""

causal_order = always("causal order", _after(lambda life, message: life.causes[message]))
"""Whoever delivers a message has delivered all that its sender multicast or delivered before."""

agreement = always(
    "agreement of survivors",
    lambda view: all(set(one) == set(other) for one, other in _histories(view)),
)
"""Members that enter a view together have delivered the same messages before (virtual synchrony);
what one delivers that does not get there, others may never hear of."""

total_order = always(
    "total order of survivors", lambda view: all(one == other for one, other in _histories(view))
)
"""Members that enter a view together have delivered the same messages before, in the same order."""

uniform_agreement = always("uniform agreement", _remembered)
"""What any node delivers, even one that then crashes, every member of the next views has delivered:
dynamic uniformity."""

uniform_total_order = always("uniform total order", _compatible)
"""Of what any two nodes deliver, even if they then crash, one is the beginning of the other."""

same_delivery = eventually("all deliver the same", _same_in_the_end, states=True)
"""Once faults have ceased, all nodes have delivered the same messages."""

uniform_delivery = eventually(
    "all deliver what any delivered", _everything_anyone_delivered, states=True
)
"""Once faults have ceased, all nodes have delivered whatever any node, in any life, delivered."""

delivery = eventually("delivery", _all_delivered, states=True)
"""Once faults have ceased, all nodes that are there have delivered what any of them multicast since
it last joined."""

delivered = sometimes("all is delivered", _all_delivered, states=True)
"""The check that a world is not empty."""
