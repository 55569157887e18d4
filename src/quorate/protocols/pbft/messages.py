"""What the replicas of PBFT and their clients say to each other, and what they are told to be."""

from __future__ import annotations

import msgspec

from quorate.kernel import (
    Authenticated,
    Byzantine,
    Context,
    Fact,
    Message,
    NodeId,
    Signed,
    Threshold,
    UsageError,
)
from quorate.kernel.authentic import C
from quorate.protocols.pbft.state import NULL, Batch, Operation, Sealed, Snapshot, Vote, digest


class Group(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """The replicas, and what all of them were configured with: `signed`, or MACs; a checkpoint
    every `interval` requests, and at most `window` above a stable one. For the checker: nobody
    goes beyond view `views_max`, if that is not 0, or says anything again unless it `resends`.
    `served`: the service is the host's, in place of the one that is built in, which counts."""

    strong: Byzantine
    weak: Threshold
    signed: bool
    interval: int
    window: int
    views_max: int
    resends: bool
    served: bool = False

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
    """Replicas r1…, which execute nothing but counting."""
    names = tuple(f"r{i}" for i in range(1, nodes + 1))
    return Group(*quorums(names), signed, *spaced(interval, window), views, resends)


def quorums(names: tuple[NodeId, ...]) -> tuple[Byzantine, Threshold]:
    """Strong and weak ones of replicas, f = ⌊(n - 1) / 3⌋ of which may be faulty in any way."""
    faults = (len(names) - 1) // 3
    if faults < 1:
        raise UsageError(f"{len(names)} replicas tolerate no traitor: take 4 or more")
    return Byzantine(names, faults), Threshold(names, faults + 1)


def spaced(interval: int, window: int) -> tuple[int, int]:
    """The two, if they go together."""
    if not 0 < interval <= window:
        raise UsageError(f"a window of {window} has no room for a checkpoint every {interval}")
    return interval, window


def named(batch: Batch) -> bytes:
    """The digest of a batch: of what is asked for, however that is sealed."""
    return digest(tuple(sealed.content for sealed in batch)) if batch else NULL


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


class Ordered(Fact, frozen=True):
    """These operations are the next that this replica's host is to execute; `due`: and then to
    tell its whole state. The answer repeats `turn`."""

    turn: int
    seq: int
    operations: tuple[Operation, ...]
    due: bool


class Wish(Message, frozen=True):
    timestamp: int
    op: bytes


class Executed(Message, frozen=True):
    turn: int
    results: tuple[bytes, ...]
    body: bytes


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
    body: bytes = b""

    @property
    def claim(self) -> tuple[int, bytes]:
        """What must be vouched for; that the body is the snapshot's, anyone can see."""
        whole = self.snapshot.service == (digest(self.body) if self.body else NULL)
        return self.snapshot.seq, digest(self.snapshot) if whole else NULL


Msg = (
    Request | PrePrepare | Prepare | Commit | Reply | Checkpoint | ViewChange
    | ViewChangeAck | NewView | Status | Bodies | Fetch | State | Wish | Executed
)  # fmt: skip
