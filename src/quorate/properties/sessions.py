"""Session guarantees: what one client may count on, whichever replicas it turns to.

Source: Terry et al., Session Guarantees for Weakly Consistent Replicated Data, PDIS 1994, whose
definitions these are, every write that a database holds being relevant to what is read from it.
They are judged by what replicas and sessions state, and not by any vector that they keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

import msgspec

from quorate.kernel import Fact, NodeId, Property, sometimes
from quorate.properties.convergence import Dot, Held, Replicas, State, unbroken
from quorate.properties.linearizable import Returned


class Read(Returned, frozen=True):
    """This session's operation `number` read at a replica, which had so many writes, committed in
    part: together, at which of its states."""

    number: int = 0
    replica: NodeId = ""
    held: int = 0
    committed: int = 0


class Wrote(Returned, frozen=True):
    """This session's operation `number` is this write."""

    number: int = 0
    dot: Dot = (0, "")


class Past(msgspec.Struct, frozen=True, cache_hash=True):
    """What a session has read, and what it has written, so far."""

    session: NodeId
    read: frozenset[Dot] = frozenset()
    wrote: frozenset[Dot] = frozenset()


class Rule(msgspec.Struct, frozen=True, cache_hash=True):
    """Wherever `dot` is held, all of `before` are, and come before it; or the promise is broken."""

    promise: str
    dot: Dot
    before: frozenset[Dot]

    def holds(self, state: State) -> bool:
        """Whether a replica in this state keeps to it."""
        if self.dot not in state.writes:
            return True
        return self.before.issubset(state.order[: state.order.index(self.dot)])


class Sessions(Replicas, frozen=True):
    """What sessions did, beside what replicas hold, and what must hold from then on."""

    pasts: tuple[Past, ...] = ()
    rules: tuple[Rule, ...] = ()

    def see(self, node: NodeId, fact: Fact) -> Self:
        """See Observer. Facts of other kinds change nothing."""
        if isinstance(fact, Held):
            seen = super().see(node, fact)
            return seen._judged(seen.rules, [s for s in seen.states if s.replica == node][-1:])
        past = next((each for each in self.pasts if each.session == node), Past(node))
        if isinstance(fact, Read):
            return self._read(past, fact)
        return self._wrote(past, fact.dot) if isinstance(fact, Wrote) else self

    def _read(self, past: Past, fact: Read) -> Self:
        at = (fact.replica, fact.held, fact.committed)
        states = (s for s in self.states if (s.replica, len(s.order), s.committed) == at)
        *_, writes = (state.writes for state in states)
        found = {READ_YOUR_WRITES: past.wrote <= writes, MONOTONIC_READS: past.read <= writes}
        broken = self.broken | {name for name, holds in found.items() if not holds}
        after = msgspec.structs.replace(past, read=past.read | writes)
        return msgspec.structs.replace(self, broken=broken, pasts=self._with(after))

    def _wrote(self, past: Past, dot: Dot) -> Self:
        rules = (Rule(WRITES_FOLLOW_READS, dot, past.read), Rule(MONOTONIC_WRITES, dot, past.wrote))
        after = msgspec.structs.replace(past, wrote=past.wrote | {dot})
        inorder = sorted({*self.rules, *rules}, key=lambda rule: (rule.dot, rule.promise))
        new = msgspec.structs.replace(self, pasts=self._with(after), rules=tuple(inorder))
        return new._judged(rules, self.states)

    def _with(self, past: Past) -> tuple[Past, ...]:
        others = (each for each in self.pasts if each.session != past.session)
        return tuple(sorted((*others, past), key=lambda each: each.session))

    def _judged(self, rules: Iterable[Rule], states: Sequence[State]) -> Self:
        broken = {r.promise for r in rules if not all(r.holds(state) for state in states)}
        return msgspec.structs.replace(self, broken=self.broken | broken)


READ_YOUR_WRITES = "read your writes"
MONOTONIC_READS = "monotonic reads"
WRITES_FOLLOW_READS = "writes follow reads"
MONOTONIC_WRITES = "monotonic writes"

read_your_writes = unbroken(READ_YOUR_WRITES)
"""What a session reads from holds all that it wrote before."""

monotonic_reads = unbroken(MONOTONIC_READS)
"""What a session reads from holds all that it read from before."""

writes_follow_reads = unbroken(WRITES_FOLLOW_READS)
"""Wherever a session's write is held, all that it had read is held too, and comes before."""

monotonic_writes = unbroken(MONOTONIC_WRITES)
"""Wherever a session's write is held, those that it made before are held too, and come before."""


def anomaly(promise: Property) -> Property:
    """That a promise of sessions which was not asked for is broken in some run."""
    return sometimes(
        f"not {promise.name}",
        lambda view: any(promise.name in seen.broken for seen in view.roles(Replicas)),
        states=True,
    )
