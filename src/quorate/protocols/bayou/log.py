"""The log of a replica: writes in their order, what they have come to, and what others lack of it.

Order     the committed writes first, as the primary numbered them; then the tentative ones, by the
          time at which they were accepted, and then by who did. What comes late takes its place:
          the database is what the whole log comes to, so that no replay is ever forgotten.
Prefix    of what a replica accepted, another holds the first so many: one time for each replica, a
          vector, says what is held. So does, of commitment, one number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

import msgspec

from quorate.kernel import Message, NodeId
from quorate.properties.convergence import Dot, Items

Vector = tuple[tuple[NodeId, int], ...]
"""By replica: the time of the last write that is held of those that it accepted. Sorted."""

Request = tuple[NodeId, int]
"""A session's operation: a write that comes twice is done once."""


class Change(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """Bind `key` to `value`; but only if `query`, a key too, is bound to `expected`.

    Without a query it is unconditional; `expected` None: bound to nothing.
    """

    key: str
    value: str
    query: str | None = None
    expected: str | None = None


class Write(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """An update with its dependency check, the first of `changes`, and its merge procedure: the
    others, of which the first one that its check admits is made where there is a conflict."""

    dot: Dot
    request: Request
    changes: tuple[Change, ...]


class Base(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """What the first `count` of all committed writes have come to, and those no log need hold."""

    count: int = 0
    vector: Vector = ()
    items: Items = ()
    done: tuple[tuple[Request, Dot], ...] = ()


class Have(Message, frozen=True):
    vector: Vector
    committed: int


class Update(Message, frozen=True):
    base: Base | None
    after: int
    committed: tuple[Write | Dot, ...]
    tentative: tuple[Write, ...]


def joined(*vectors: Iterable[tuple[NodeId, int]]) -> Vector:
    """What is held by whoever holds all that each vector says."""
    latest: dict[NodeId, int] = {}
    for vector in vectors:
        for node, time in vector:
            latest[node] = max(time, latest.get(node, 0))
    return tuple(sorted(latest.items()))


def covers(vector: Vector, needs: Vector) -> bool:
    """Whether what `needs` says is held by whoever holds what `vector` says."""
    return joined(vector, needs) == vector


def holds(vector: Vector, dot: Dot) -> bool:
    """Whether that write is held."""
    time, node = dot
    return dict(vector).get(node, 0) >= time


class Log(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """After `base`: writes, of which the first `committed` are committed."""

    base: Base = Base()
    writes: tuple[Write, ...] = ()
    committed: int = 0

    @staticmethod
    def replay(base: Base, writes: Sequence[Write]) -> Base:
        """What `writes` come to, in this order, after what `base` says."""
        items, done = dict(base.items), dict(base.done)
        for write in writes:
            if write.request in done:
                continue  # the same, accepted by another replica as well
            done[write.request] = write.dot
            for change in write.changes:
                if change.query is None or items.get(change.query) == change.expected:
                    items[change.key] = change.value
                    break
        return Base(
            count=base.count + len(writes),
            vector=joined(base.vector, ((node, time) for time, node in (w.dot for w in writes))),
            items=tuple(sorted(items.items())),
            done=tuple(sorted(done.items())),
        )

    @property
    def csn(self) -> int:
        """How many writes are committed, with those that are omitted: the last one's number."""
        return self.base.count + self.committed

    @property
    def outcome(self) -> Base:
        """What everything, the tentative writes too, has come to."""
        return self.replay(self.base, self.writes)

    @property
    def vector(self) -> Vector:
        """What is held."""
        return joined(self.base.vector, ((write.dot[1], write.dot[0]) for write in self.writes))

    def accept(self, me: NodeId, request: Request, changes: tuple[Change, ...]) -> Self:
        """With a new write, later than all that is held."""
        clock = max((time for _, time in self.vector), default=0)
        write = Write((clock + 1, me), request, changes)
        return msgspec.structs.replace(self, writes=(*self.writes, write))

    def commit(self) -> Self:
        """With all that is tentative committed, in its order: the primary's part."""
        return msgspec.structs.replace(self, committed=len(self.writes))

    def omit(self, keep: int) -> Self:
        """With the last `keep` of the committed writes, and without those before."""
        gone = max(self.committed - keep, 0)
        base = self.replay(self.base, self.writes[:gone])
        return self._with(base, self.writes[gone:], self.committed - gone)

    def missing(self, have: Have, most: int) -> Update | None:
        """The first `most` writes and commitments that whoever says `have` lacks, in order: cut
        off anywhere, they leave no gap. Where the log begins too late, its base goes ahead."""
        base = self.base if self.base.count > have.committed else None
        after = base.count if base else have.committed
        vector = joined(have.vector, base.vector) if base else have.vector
        committed = self.writes[after - self.base.count : self.committed][:most]
        tentative = [w for w in self.writes[self.committed :] if not holds(vector, w.dot)]
        tentative = tentative[: most - len(committed)]
        if not (base or committed or tentative):
            return None
        short = tuple(w.dot if holds(vector, w.dot) else w for w in committed)
        return Update(base, after, short, tuple(tentative))

    def learn(self, update: Update) -> Self:
        """With what an update says that is news here."""
        log = self
        if update.base is not None and update.base.count > log.csn:
            vector = update.base.vector
            left = (w for w in log.writes[log.committed :] if not holds(vector, w.dot))
            log = self._with(update.base, tuple(left), 0)
        vector = log.vector
        committed = list(log.writes[: log.committed])
        tentative = {write.dot: write for write in log.writes[log.committed :]}
        tentative |= {w.dot: w for w in update.tentative if not holds(vector, w.dot)}
        for item in update.committed[log.csn - update.after :]:
            if isinstance(item, Write):
                tentative.setdefault(item.dot, item)
            committed.append(tentative.pop(item.dot if isinstance(item, Write) else item))
        inorder = sorted(tentative.values(), key=lambda write: write.dot)
        return self._with(log.base, (*committed, *inorder), len(committed))

    def _with(self, base: Base, writes: tuple[Write, ...], committed: int) -> Self:
        return msgspec.structs.replace(self, base=base, writes=writes, committed=committed)
