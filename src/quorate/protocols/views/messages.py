"""View-synchronous multicast: what members tell each other, and what a group is like."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from quorate.kernel import Message, NodeId, Weighted
from quorate.properties.views import View

P = TypeVar("P", bound=Message)
"""What is multicast: a message, or a union of several, of the protocol on top."""
S = TypeVar("S", bound=Message)
"""What a member that joins is given: the state of the protocol on top."""


class Group(msgspec.Struct, frozen=True):
    """What all nodes know from the beginning. The members of the first view are the first `members`
    of the quorum's nodes, whose weights count in votes; the others may join.

    `uniform`: nothing is handed up before all members have it. `direct`: they then tell each other
    that they have it, instead of the sender. `beats`: heartbeats tell who is there and who has
    what, so that all that is lost is said again.
    """

    quorum: Weighted
    members: int
    uniform: bool = False
    direct: bool = False
    beats: bool = True

    @property
    def nodes(self) -> tuple[NodeId, ...]:
        return self.quorum.nodes

    def first(self) -> View:
        count = self.members
        return View(1, self.nodes[:count], (0,) * count, self.quorum.weights[:count])


class Held(msgspec.Struct, Generic[P], frozen=True, cache_hash=True, gc=False):
    """What a member has of one sender in a view: `base` multicasts that all members have and that
    it needs no longer, and those that follow."""

    base: int = 0
    messages: tuple[P, ...] = ()

    @property
    def count(self) -> int:
        return self.base + len(self.messages)

    def without(self, count: int) -> Held[P]:
        """All but the first so many."""
        return Held(count, self.messages[count - self.base :]) if count > self.base else self


class Data(Message, Generic[P], frozen=True):
    view: int
    number: int
    payload: P


class Ack(Message, frozen=True):
    view: int
    sender: NodeId
    number: int


class Settled(Message, frozen=True):
    view: int
    number: int


class Alive(Message, frozen=True):
    view: int
    counts: tuple[int, ...]


Msg = Data[Message] | Ack | Settled | Alive
