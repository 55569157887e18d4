"""Networks of the checker: what is in flight, as bits of the number that is a global state.

A state is one integer. Its low bits count crashes, then come the numbers of the local states, then
the network. What a process can do next depends on few of these bits, `reach` says which, and is
computed once for each of their values. A successor is then an addition and a bitwise or.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from quorate.check.model import Model
from quorate.check.verdict import Locals
from quorate.kernel import Network, NodeId


class Full(Exception):
    """A number has outgrown its bits; the text says of what there are too many."""


class Links(Protocol):
    """How a network is written in the bits above `base`."""

    reach: list[int]  # by process: the bits that decide what can reach it, and what sending does

    def __init__(self, model: Model, base: int) -> None: ...

    def waiting(self, process: int, state: int) -> Iterator[int]:
        """Envelopes that can be delivered to a process."""
        ...

    def change(self, state: int, taken: int | None, sent: tuple[int, ...]) -> tuple[int, int]:
        """What to add to a state, and what to set in it, when envelopes come and go."""
        ...

    def flight(self, state: int) -> Iterator[int]:
        """All envelopes in flight, each copy, those of one link in the order of the link."""
        ...


class SetLinks:
    """Messages stay for ever, one bit each: loss, duplication and reordering come free."""

    def __init__(self, model: Model, base: int) -> None:
        self.reach = [0] * len(model.boots)
        self._model, self._base = model, base

    def waiting(self, process: int, state: int) -> Iterator[int]:
        """Envelopes that can be delivered to a process."""
        return _ones((state & self.reach[process]) >> self._base)

    def flight(self, state: int) -> Iterator[int]:
        """All envelopes that were ever sent."""
        return _ones(state >> self._base)

    def change(self, state: int, taken: int | None, sent: tuple[int, ...]) -> tuple[int, int]:
        """Bits are only ever set: what is taken stays, too."""
        bits = 0
        for envelope in sent:
            bit = 1 << self._base + envelope
            self.reach[self._model.target[envelope]] |= bit
            bits |= bit
        return 0, bits


class MultisetLinks:
    """Each copy arrives once at most, in any order: a count of copies for each envelope."""

    COUNT_BITS = 8
    COPIES_MAX = 1 << COUNT_BITS - 1  # half, so that one step cannot overflow a count unseen

    def __init__(self, model: Model, base: int) -> None:
        self.reach = [0] * len(model.boots)
        self._model, self._base = model, base
        self._inbox: list[list[int]] = [[] for _ in model.boots]
        self._known: set[int] = set()

    def waiting(self, process: int, state: int) -> Iterator[int]:
        """Envelopes that can be delivered to a process."""
        for envelope in tuple(self._inbox[process]):
            copies = state >> self._at(envelope) & (1 << self.COUNT_BITS) - 1
            self._refuse_many(copies, envelope)
            if copies:
                yield envelope

    def change(self, state: int, taken: int | None, sent: tuple[int, ...]) -> tuple[int, int]:
        """Counts go down by what is taken, and up by what is sent."""
        added = -(1 << self._at(taken)) if taken is not None else 0
        for envelope, copies in Counter(sent).items():
            self._refuse_many(copies, envelope)
            if envelope not in self._known:
                self._meet(envelope)
            added += copies << self._at(envelope)
        return added, 0

    def flight(self, state: int) -> Iterator[int]:
        """All envelopes in flight, each copy."""
        for envelope in sorted(self._known):
            for _ in range(state >> self._at(envelope) & (1 << self.COUNT_BITS) - 1):
                yield envelope

    def _meet(self, envelope: int) -> None:
        process = self._model.target[envelope]
        self._known.add(envelope)
        self._inbox[process].append(envelope)
        self._inbox[process].sort()
        self.reach[process] |= (1 << self.COUNT_BITS) - 1 << self._at(envelope)

    def _at(self, envelope: int) -> int:
        return self._base + envelope * self.COUNT_BITS

    def _refuse_many(self, copies: int, envelope: int) -> None:
        if copies >= self.COPIES_MAX:
            src, to, _ = self._model.envelopes[envelope]
            raise Full(f"{copies} copies of one message from {src} to {to}")


class FifoLinks:
    """Each link, from one role to another, is a queue; queues are numbered as they are met."""

    QUEUE_BITS = 24

    def __init__(self, model: Model, base: int) -> None:
        self.reach = [0] * len(model.boots)
        self._model, self._base = model, base
        self._links: dict[tuple[NodeId, NodeId], int] = {}  # to the place of its field
        self._into: list[list[int]] = [[] for _ in model.boots]
        self._queues: list[tuple[int, ...]] = [()]
        self._numbers: dict[tuple[int, ...], int] = {(): 0}

    def waiting(self, process: int, state: int) -> Iterator[int]:
        """Envelopes that can be delivered to a process."""
        for at in self._into[process]:
            queue = self._queue(state, at)
            if queue:
                yield queue[0]

    def change(self, state: int, taken: int | None, sent: tuple[int, ...]) -> tuple[int, int]:
        """Queues lose their first, and gain what is sent at their end."""
        queues: dict[int, tuple[int, ...]] = {}
        if taken is not None:
            at = self._link(taken)
            queues[at] = self._queue(state, at)[1:]
        for envelope in sent:
            at = self._link(envelope)
            queues[at] = (*queues.get(at, self._queue(state, at)), envelope)
        added = 0
        for at, queue in queues.items():
            added += self._number(queue) - self._number(self._queue(state, at)) << at
        return added, 0

    def flight(self, state: int) -> Iterator[int]:
        """All envelopes in flight, queue by queue."""
        for at in self._links.values():
            yield from self._queue(state, at)

    def _queue(self, state: int, at: int) -> tuple[int, ...]:
        return self._queues[state >> at & (1 << self.QUEUE_BITS) - 1]

    def _number(self, queue: tuple[int, ...]) -> int:
        number = self._numbers.get(queue)
        if number is None:
            number = self._numbers[queue] = len(self._queues)
            self._queues.append(queue)
            if number >> self.QUEUE_BITS:
                raise Full(f"{number} different queues")
        return number

    def _link(self, envelope: int) -> int:
        src, to, _ = self._model.envelopes[envelope]
        at = self._links.get((src, to))
        if at is None:
            at = self._links[src, to] = self._base + len(self._links) * self.QUEUE_BITS
            field = (1 << self.QUEUE_BITS) - 1 << at
            sender, receiver = self._model.hosts[src], self._model.hosts[to]
            self.reach[sender] |= field
            self.reach[receiver] |= field
            self._into[receiver].append(at)
        return at


class RoundLinks(FifoLinks):
    """Queues; and whether a round ends for one process depends on all that there is."""

    def __init__(self, model: Model, base: int) -> None:
        super().__init__(model, base)
        self.reach = [-1] * len(model.boots)


def round_goes_on(links: Links, model: Model, state: int, locals: Locals, process: int) -> bool:
    """Whether the end of a lock-step round has to wait: for messages, or for other nodes."""
    rounds = model.locals[process][locals[process]].rounds
    return any(
        model.is_behind(other, local, rounds)
        or (model.locals[other][local].up and any(True for _ in links.waiting(other, state)))
        for other, local in enumerate(locals)
    )


def _ones(bits: int) -> Iterator[int]:
    """The places of the bits that are set, from the lowest on."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


LINKS: dict[Network, type[Links]] = {
    Network.SET: SetLinks,
    Network.MULTISET: MultisetLinks,
    Network.FIFO: FifoLinks,
    Network.ROUNDS: RoundLinks,
}
