"""The state machine: keys with revisions, and sessions that make each command count once.

It is a function of the log alone: no clock, no chance, no order of hashing. Sessions follow
Ongaro, Consensus (thesis) 2014, section 6.3.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import msgspec
from sortedcontainers import SortedDict

from quorate.service.wire import (
    RANGE_MAX,
    Command,
    CompareAndSet,
    Delete,
    Get,
    OpenSession,
    Put,
    Range,
    Write,
)

SESSIONS_MAX = 10_000
STORE_BYTES_MAX = 48 << 20  # a snapshot must fit a frame between replicas

Item = tuple[bytes, int, int, int]
"""Value, revision of creation, revision of the last change, changes since creation."""


class Session(msgspec.Struct, array_like=True):
    """Where a session stands: the last command applied, and the results not yet acknowledged."""

    last: int = 0
    results: dict[int, int] = msgspec.field(default_factory=dict)


class Image(msgspec.Struct, array_like=True):
    """A snapshot, as written."""

    revision: int
    sessions_opened: int
    sessions: list[tuple[int, Session]]
    items: list[tuple[bytes, Item]]


_image_encoder = msgspec.msgpack.Encoder()
_image_decoder = msgspec.msgpack.Decoder(Image)


class Machine:
    """Applies commands in log order."""

    def __init__(self) -> None:
        self.revision = 0
        self.bytes = 0  # of keys and values
        self._items: dict[bytes, Item] = SortedDict()
        self._sessions: dict[int, Session] = {}  # in order of last use, oldest first
        self._sessions_opened = 0
        self._apply: dict[type, Callable[[Any], int]] = {
            Put: self._put,
            Delete: self._delete,
            CompareAndSet: self._compare_and_set,
        }

    def __len__(self) -> int:
        return len(self._items)

    def write(self, batch: Write) -> list[int] | str:
        """The results of a batch, or why none of it was applied: "session" or "gap"."""
        if batch.session == 0:
            return [self._open() if type(c) is OpenSession else 0 for c in batch.commands]
        session = self._sessions.pop(batch.session, None)
        if session is None:
            return "session"
        self._sessions[batch.session] = session  # used last, so let go of last
        if batch.first > session.last + 1:
            return "gap"
        known = session.results
        for number in [n for n in known if n < batch.acked]:
            del known[number]
        results = []
        for number, command in enumerate(batch.commands, batch.first):
            if number > session.last:
                known[number] = self._one(command)
                session.last = number
            results.append(known.get(number, 0))  # 0: acknowledged already, so nobody waits
        return results

    def _one(self, command: Command) -> int:
        apply = self._apply.get(type(command))
        return apply(command) if apply else 0

    def _open(self) -> int:
        self._sessions_opened += 1
        self._sessions[self._sessions_opened] = Session()
        while len(self._sessions) > SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]
        return self._sessions_opened

    def _put(self, command: Put | CompareAndSet) -> int:
        self.revision += 1
        old = self._items.get(command.key)
        self.bytes += len(command.value)
        if old is None:
            self.bytes += len(command.key)
            self._items[command.key] = (command.value, self.revision, self.revision, 1)
        else:
            self.bytes -= len(old[0])
            self._items[command.key] = (command.value, old[1], self.revision, old[3] + 1)
        return self.revision

    def _delete(self, command: Delete) -> int:
        old = self._items.pop(command.key, None)
        if old is None:
            return 0
        self.bytes -= len(command.key) + len(old[0])
        self.revision += 1
        return self.revision

    def _compare_and_set(self, command: CompareAndSet) -> int:
        item = self._items.get(command.key)
        held = None if item is None else item[0]
        return self._put(command) if held == command.expected else 0

    def read(self, query: Get | Range) -> Item | list[tuple[bytes, Item]] | None:
        """The item at a key, or the items of a range with their keys."""
        if type(query) is Get:
            return self._items.get(query.key)
        assert type(query) is Range
        limit = min(query.limit or RANGE_MAX, RANGE_MAX)
        keys = self._items.irange(query.start, query.end or None, (True, False))  # type: ignore[attr-defined]
        return [(key, self._items[key]) for key in islice(keys, limit)]

    def snapshot(self) -> bytes:
        """Everything, as bytes: equal for equal histories."""
        items = list(self._items.items())
        sessions = list(self._sessions.items())
        image = Image(self.revision, self._sessions_opened, sessions, items)
        return _image_encoder.encode(image)

    def restore(self, image: bytes) -> None:
        """Stand where the machine stood that made `image`."""
        read = _image_decoder.decode(image)
        self.revision, self._sessions_opened = read.revision, read.sessions_opened
        self._sessions = dict(read.sessions)
        self._items = SortedDict(read.items)
        self.bytes = sum(len(key) + len(item[0]) for key, item in read.items)
