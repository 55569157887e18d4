"""Inboxes: what is on the way to one process, as an immutable value, for each kind of network."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any, Protocol

from quorate.check.model import Model
from quorate.check.network import Full, MultisetLinks
from quorate.kernel import Network, NodeId


class Inbox(Protocol):
    """How inboxes are written, and what changes them."""

    empty: Any

    def __init__(self, model: Model) -> None: ...

    def waiting(self, inbox: Any) -> Iterator[int]:
        """Envelopes that can be delivered."""
        ...

    def take(self, inbox: Any, envelope: int) -> Any:
        """The inbox after a delivery."""
        ...

    def bits(self, inbox: Any) -> int:
        """The envelopes in it, a bit each."""
        ...

    def drop(self, inbox: Any, bits: int) -> Any:
        """The inbox without envelopes that would never be delivered."""
        ...

    def put(self, inbox: Any, sent: tuple[int, ...]) -> Any:
        """The inbox after these were sent to it, in order."""
        ...

    def flight(self, inbox: Any) -> Iterator[int]:
        """All envelopes in it, each copy, those of one link in the order of the link."""
        ...

    def sorted(self, sent: tuple[int, ...]) -> tuple[int, ...]:
        """One for all orders of sending that come to the same."""
        ...


class SetInbox:
    """One bit for each envelope, which stays set for ever."""

    empty = 0

    def __init__(self, model: Model) -> None:
        pass

    def waiting(self, inbox: int) -> Iterator[int]:
        """Envelopes that can be delivered."""
        return bits_of(inbox)

    def take(self, inbox: int, envelope: int) -> int:
        """What is taken stays, too."""
        return inbox

    def bits(self, inbox: int) -> int:
        """The envelopes in it, a bit each."""
        return inbox

    def drop(self, inbox: int, bits: int) -> int:
        """Without these bits."""
        return inbox & ~bits

    def put(self, inbox: int, sent: tuple[int, ...]) -> int:
        """Bits are only ever set."""
        for envelope in sent:
            inbox |= 1 << envelope
        return inbox

    def flight(self, inbox: int) -> Iterator[int]:
        """All envelopes that were ever sent to it."""
        return self.waiting(inbox)

    def sorted(self, sent: tuple[int, ...]) -> tuple[int, ...]:
        """Neither order nor number matters."""
        return tuple(sorted(set(sent)))


Copies = tuple[tuple[int, int], ...]
"""Envelopes, sorted, each with its number of copies."""


class MultisetInbox:
    """How many copies there are of each envelope."""

    empty: Copies = ()

    def __init__(self, model: Model) -> None:
        self._model = model

    def waiting(self, inbox: Copies) -> Iterator[int]:
        """Envelopes that can be delivered."""
        for envelope, copies in inbox:
            self._refuse_many(copies, envelope)
            yield envelope

    def take(self, inbox: Copies, envelope: int) -> Copies:
        """One copy less."""
        counts = dict(inbox)
        counts[envelope] -= 1
        return tuple((which, copies) for which, copies in counts.items() if copies)

    def bits(self, inbox: Copies) -> int:
        """The envelopes in it, a bit each."""
        return _bits(self.flight(inbox))

    def drop(self, inbox: Copies, bits: int) -> Copies:
        """Without any copies of these."""
        return tuple((envelope, copies) for envelope, copies in inbox if not bits >> envelope & 1)

    def put(self, inbox: Copies, sent: tuple[int, ...]) -> Copies:
        """One copy more of each."""
        counts = dict(inbox)
        for envelope in sent:
            counts[envelope] = counts.get(envelope, 0) + 1
            self._refuse_many(sent.count(envelope), envelope)
        return tuple(sorted(counts.items()))

    def flight(self, inbox: Copies) -> Iterator[int]:
        """All envelopes in it, each copy."""
        return (envelope for envelope, copies in inbox for _ in range(copies))

    def sorted(self, sent: tuple[int, ...]) -> tuple[int, ...]:
        """Order does not matter."""
        return tuple(sorted(sent))

    def _refuse_many(self, copies: int, envelope: int) -> None:
        if copies >= MultisetLinks.COPIES_MAX:
            src, to, _ = self._model.envelopes[envelope]
            raise Full(f"{copies} copies of one message from {src} to {to}")


Queues = tuple[tuple[tuple[NodeId, NodeId], tuple[int, ...]], ...]
"""Links, sorted, each with the envelopes on it; those of empty links are left out."""


class FifoInbox:
    """A queue for each link, from one role to another."""

    empty: Queues = ()

    def __init__(self, model: Model) -> None:
        self._model = model

    def waiting(self, inbox: Queues) -> Iterator[int]:
        """Envelopes that can be delivered: the oldest of each link."""
        for _, queue in inbox:
            yield queue[0]

    def take(self, inbox: Queues, envelope: int) -> Queues:
        """A queue loses its first."""
        link = self._model.envelopes[envelope][:2]
        queues = ((other, queue[1:] if other == link else queue) for other, queue in inbox)
        return tuple((other, queue) for other, queue in queues if queue)

    def bits(self, inbox: Queues) -> int:
        """The envelopes in it, a bit each."""
        return _bits(self.flight(inbox))

    def drop(self, inbox: Queues, bits: int) -> Queues:
        """Gone from their queues: what is never delivered to a node holds up nothing that is."""
        queues = ((link, tuple(e for e in queue if not bits >> e & 1)) for link, queue in inbox)
        return tuple((link, queue) for link, queue in queues if queue)

    def put(self, inbox: Queues, sent: tuple[int, ...]) -> Queues:
        """What is sent goes to the end of its queue."""
        queues = dict(inbox)
        for envelope in sent:
            link = self._model.envelopes[envelope][:2]
            queues[link] = (*queues.get(link, ()), envelope)
        return tuple(sorted(queues.items()))

    def flight(self, inbox: Queues) -> Iterator[int]:
        """All envelopes in it, queue by queue."""
        return (envelope for _, queue in inbox for envelope in queue)

    def sorted(self, sent: tuple[int, ...]) -> tuple[int, ...]:
        """Order matters within each link."""
        return tuple(sorted(sent, key=lambda envelope: self._model.envelopes[envelope][:2]))


def bits_of(number: int) -> Iterator[int]:
    """The places of the bits that are set."""
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest


def _bits(envelopes: Iterable[int]) -> int:
    return reduce(operator.or_, (1 << envelope for envelope in envelopes), 0)


INBOXES: dict[Network, type[Inbox]] = {
    Network.SET: SetInbox,
    Network.MULTISET: MultisetInbox,
    Network.FIFO: FifoInbox,
    Network.ROUNDS: FifoInbox,
}
