"""What the replicas of PBFT and their clients say to each other, and what they are told to be."""

from __future__ import annotations

import hashlib

import msgspec

from quorate.kernel import (
    Authenticated,
    Byzantine,
    Context,
    Message,
    NodeId,
    Signed,
    Threshold,
    UsageError,
)
from quorate.kernel.authentic import C
from quorate.properties.replication import Performed

NULL = b""
"""The digest of the null request, which fills a sequence number and does nothing."""


def digest(value: object) -> bytes:
    """A collision-resistant digest of a message or a batch, the same in every process."""
    return hashlib.blake2b(msgspec.msgpack.encode(value), digest_size=32).digest()


class Group(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """The replicas, and what all of them were configured with: `signed`, or MACs; a checkpoint
    every `interval` requests, and at most `window` above a stable one. For the checker: nobody
    goes beyond view `views_max`, if that is not 0, or says anything again unless it `resends`."""

    strong: Byzantine
    weak: Threshold
    signed: bool
    interval: int
    window: int
    views_max: int
    resends: bool

    @property
    def nodes(self) -> tuple[NodeId, ...]:
        return self.strong.nodes

    def primary(self, view: int) -> NodeId:
        """The replicas take turns."""
        return self.nodes[view % len(self.nodes)]

    def seal(self, ctx: Context, content: C) -> Signed[C] | Authenticated[C]:
        """Content that every replica can tell to be of this node, however it comes there."""
        return ctx.sign(content) if self.signed else ctx.authenticate(content, self.nodes)


def group_of(
    nodes: int, signed: bool, interval: int, window: int, views: int, resends: bool
) -> Group:
    """Replicas r1…, of which f = ⌊(nodes - 1) / 3⌋ may be faulty in any way."""
    faults = (nodes - 1) // 3
    if faults < 1:
        raise UsageError(f"{nodes} replicas tolerate no traitor: take 4 or more")
    if not 0 < interval <= window:
        raise UsageError(f"a window of {window} has no room for a checkpoint every {interval}")
    names = tuple(f"r{i}" for i in range(1, nodes + 1))
    strong, weak = Byzantine(names, faults), Threshold(names, faults + 1)
    return Group(strong, weak, signed, interval, window, views, resends)


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


def named(batch: Batch) -> bytes:
    """The digest of a batch: of what is asked for, however that is sealed."""
    return digest(tuple(sealed.content for sealed in batch)) if batch else NULL


class Snapshot(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """Where requests 1 to `seq` lead: the service, which counts operations and remembers them by
    a digest; and the latest of each client, so that no operation is ever performed again."""

    seq: int = 0
    count: int = 0
    history: bytes = b""
    latest: tuple[Performed, ...] = ()

    def answer(self, client: NodeId) -> Performed:
        """The latest that was performed for a client."""
        known = (done for done in self.latest if done.client == client)
        return next(known, Performed(client, 0, b"", b""))

    def after(self, batch: Batch) -> tuple[Snapshot, tuple[Performed, ...]]:
        """The next snapshot, and what was performed to get there."""
        count, history, new = self.count, self.history, []
        latest = {done.client: done for done in self.latest}
        for it in (sealed.content for sealed in batch):
            if it.client in latest and it.timestamp <= latest[it.client].timestamp:
                continue
            count, history = count + 1, digest((history, it))
            done = Performed(it.client, it.timestamp, it.op, str(count).encode())
            latest[it.client] = done
            new.append(done)
        by_client = tuple(latest[client] for client in sorted(latest))
        return Snapshot(self.seq + 1, count, history, by_client), tuple(new)


class Past(Message, frozen=True):
    """What a replica knows as it leaves for `view`: the stable checkpoint and all its checkpoints,
    the latest vote that prepared at a sequence number, and each that it pre-prepared (C, P, Q)."""

    view: int
    stable: int
    checkpoints: tuple[tuple[int, bytes], ...]
    prepared: tuple[tuple[int, Vote], ...]
    pre_prepared: tuple[tuple[int, Vote], ...]


class Beginning(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """What a new view begins with: the checkpoint at `seq`, and requests from the next one on."""

    seq: int = 0
    checkpoint: bytes = digest(Snapshot())
    digests: tuple[bytes, ...] = ()

    @property
    def last(self) -> int:
        """The sequence number of the last of these requests."""
        return self.seq + len(self.digests)


class Request(Message, frozen=True):
    sealed: Sealed


class PrePrepare(Message, frozen=True):
    view: int
    seq: int
    digest: bytes
    batch: Batch


class Prepare(Message, frozen=True):
    view: int
    seq: int
    digest: bytes


class Commit(Message, frozen=True):
    view: int
    seq: int
    digest: bytes


class Reply(Message, frozen=True):
    view: int
    timestamp: int
    result: bytes


class Checkpoint(Message, frozen=True):
    seq: int
    digest: bytes


class ViewChange(Message, frozen=True):
    sealed: Signed[Past] | Authenticated[Past]


class ViewChangeAck(Message, frozen=True):
    view: int
    origin: NodeId
    digest: bytes


class NewView(Message, frozen=True):
    view: int
    votes: tuple[ViewChange, ...]
    beginning: Beginning


class Status(Message, frozen=True):
    view: int
    waits: bool
    stable: int
    executed: int
    missing: tuple[bytes, ...]


class Bodies(Message, frozen=True):
    batch: Batch


class Fetch(Message, frozen=True):
    seq: int


class State(Message, frozen=True):
    snapshot: Snapshot


Msg = (
    Request | PrePrepare | Prepare | Commit | Reply | Checkpoint | ViewChange
    | ViewChangeAck | NewView | Status | Bodies | Fetch | State
)  # fmt: skip
