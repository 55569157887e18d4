"""Failure detection: what it means to tell rightly who has failed.

Sources: Chandra and Toueg, Unreliable Failure Detectors for Reliable Distributed Systems, JACM
43(2) 1996, section 2, for completeness and accuracy; the lecture, "Failure Detectors".
"""

from __future__ import annotations

from collections.abc import Iterator

from quorate.kernel import Actor, Fact, NodeId, View, always, eventually, sometimes

STEADY = 10


class Began(Fact, frozen=True):
    """Life number `life` of this node has begun: all earlier ones are over."""

    life: int


class Trusted(Fact, frozen=True):
    """This node has heard from that life of `node`, and takes it to go on."""

    node: NodeId
    life: int


class Suspected(Fact, frozen=True):
    """This node takes that life of `node` to be over; 0: whichever it is in."""

    node: NodeId
    life: int


class Detector(Actor):
    """A node that monitors others, as far as it matters to those who judge it."""

    def monitored(self) -> tuple[NodeId, ...]:
        """The nodes that this one watches."""
        raise NotImplementedError

    def suspects(self, node: NodeId) -> bool:
        """Whether it takes `node` to have failed."""
        raise NotImplementedError

    def knows(self, node: NodeId) -> int:
        """The latest life of `node` that it has heard of; 0: of none."""
        raise NotImplementedError

    def steady(self, node: NodeId) -> int:
        """For how many probes in a row it has had no reason to suspect `node`."""
        raise NotImplementedError


def _pairs(view: View, live: bool) -> Iterator[tuple[Detector, NodeId]]:
    """Each live detector with each node it watches that is live, or with each that is not."""
    for detector in view.roles(Detector):
        for node in detector.monitored():
            if (node in view.actors) is live:
                yield detector, node


def _lives(view: View) -> dict[NodeId, int]:
    lives: dict[NodeId, int] = {}
    for node, fact in view.stated(Began):
        lives[node] = max(fact.life, lives.get(node, 0))
    return lives


def _notified(view: View) -> bool:
    lives = _lives(view)
    return all(
        detector.knows(node) >= lives.get(node, 0) for detector, node in _pairs(view, live=True)
    )


def _wronged(view: View) -> set[NodeId]:
    """The live nodes that were suspected although they had not failed."""
    lives = _lives(view)
    return {
        fact.node
        for _, fact in view.stated(Suspected)
        if fact.node in view.actors and not 0 < fact.life < lives.get(fact.node, 0)
    }


def _by_some(view: View) -> bool:
    watched = list(_pairs(view, live=False))
    seen = {node for detector, node in watched if detector.suspects(node)}
    return seen == {node for _, node in watched}


def _some_trusted(view: View) -> bool:
    pairs = list(_pairs(view, live=True))
    doubted = {node for detector, node in pairs if not _trusts(detector, node)}
    return not pairs or doubted != {node for _, node in pairs}


def _trusts(detector: Detector, node: NodeId) -> bool:
    return not detector.suspects(node) and detector.steady(node) >= STEADY


def _honest(view: View) -> bool:
    begun = {(node, fact.life) for node, fact in view.stated(Began)}
    return all((fact.node, fact.life) in begun for _, fact in view.stated(Trusted))


completeness = eventually(
    "strong completeness",
    lambda view: all(d.suspects(node) for d, node in _pairs(view, live=False)),
    states=True,
)
"""In the end, every node that has stopped for good is suspected by every live one."""

eventual_accuracy = eventually(
    "eventual strong accuracy",
    lambda view: all(_trusts(detector, node) for detector, node in _pairs(view, live=True)),
    states=True,
)
"""In the end, no live node is suspected by a live one any more, nor has it been for a while: each
of its latest STEADY probes was answered before it had to be suspected."""

strong_accuracy = always("strong accuracy", lambda view: not _wronged(view), states=True)
"""No node is suspected before it has failed: whoever is, in some life, is down, or back in a later
one."""

weak_completeness = eventually("weak completeness", _by_some, states=True)
"""In the end, every node that has stopped for good is suspected by some live one."""

weak_accuracy = eventually(
    "weak accuracy",
    lambda view: not {detector.me for detector in view.roles(Detector)} <= _wronged(view),
    states=True,
)
"""Some live node has never been suspected by anybody without having failed."""

eventual_weak_accuracy = eventually("eventual weak accuracy", _some_trusted, states=True)
"""In the end, some live node is suspected by no live one any more, nor has it been for a while."""

notification = eventually("recovery notification", _notified, states=True)
"""In the end, every live node has heard of the latest life of every other: who was gone and is back
is known to have been gone."""

honesty = always("only lives that began are trusted", _honest)
"""A node is trusted only in a life that it has begun."""

noticed = sometimes("a failure is noticed", lambda view: any(view.stated(Suspected)))
"""Some run suspects a node."""

PROMISES = (completeness, eventual_accuracy, notification, honesty, noticed)
"""What a detector promises whose time-outs suffice from some time on."""

ACCURATE = (strong_accuracy, notification, honesty, noticed, completeness)
"""What is asked of one that is accurate but not live: it keeps all but the last."""

LIVE = (completeness, notification, honesty, noticed, eventual_accuracy, strong_accuracy)
"""What is asked of one that is live but not accurate: it keeps all but the last two."""
