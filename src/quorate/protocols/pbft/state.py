"""What requests lead to: operations, the state after them, and digests of both."""

from __future__ import annotations

import hashlib

import msgspec

from quorate.kernel import Authenticated, Message, NodeId, Signed
from quorate.properties.replication import Performed

NULL = b""
"""The digest of the null request, which fills a sequence number and does nothing."""


def digest(value: object) -> bytes:
    """A collision-resistant digest of a message or a batch, the same in every process."""
    return hashlib.blake2b(msgspec.msgpack.encode(value), digest_size=32).digest()


class Vote(msgspec.Struct, frozen=True, order=True, cache_hash=True, gc=False):
    """For a digest, in a view; at which sequence number, the context says."""

    view: int
    digest: bytes


class Operation(Message, frozen=True, order=True):
    """What a client wants done, once: its timestamps only rise."""

    client: NodeId
    timestamp: int
    op: bytes


Sealed = Signed[Operation] | Authenticated[Operation]
Batch = tuple[Sealed, ...]


class Snapshot(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """Where requests 1 to `seq` lead: the service, which counts operations and remembers them by
    a digest, or `service`, the digest of what the host's service stands at; and the latest of each
    client, so that no operation is ever performed again."""

    seq: int = 0
    count: int = 0
    history: bytes = b""
    latest: tuple[Performed, ...] = ()
    service: bytes = b""

    def answer(self, client: NodeId) -> Performed:
        """The latest that was performed for a client."""
        known = (done for done in self.latest if done.client == client)
        return next(known, Performed(client, 0, b"", b""))

    def fresh(self, batch: Batch) -> tuple[Operation, ...]:
        """What of a batch was never performed, in order."""
        latest, new = {done.client: done.timestamp for done in self.latest}, []
        for it in (sealed.content for sealed in batch):
            if it.client not in latest or it.timestamp > latest[it.client]:
                latest[it.client] = it.timestamp
                new.append(it)
        return tuple(new)

    def after(
        self, operations: tuple[Operation, ...], results: tuple[bytes, ...], service: bytes
    ) -> tuple[Snapshot, tuple[Performed, ...]]:
        """The next snapshot, and what was performed to get there: with the results of the host's
        service, or, where there are none, of the one built in."""
        count, history, new = self.count, self.history, []
        latest = {done.client: done for done in self.latest}
        for number, it in enumerate(operations):
            count, history = count + 1, digest((history, it))
            if results:  # the host has its operations; here they would be copied at each step
                done = Performed(it.client, it.timestamp, b"", results[number])
            else:
                done = Performed(it.client, it.timestamp, it.op, str(count).encode())
            latest[it.client] = done
            new.append(done)
        by_client = tuple(latest[client] for client in sorted(latest))
        return Snapshot(self.seq + 1, count, history, by_client, service), tuple(new)
