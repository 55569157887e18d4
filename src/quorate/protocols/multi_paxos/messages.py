"""What the roles of Multi-Paxos tell each other, keep, and state."""

from __future__ import annotations

import msgspec

from quorate.kernel import Ballot, Fact, Message, NodeId


class Vote(msgspec.Struct, frozen=True, order=True, cache_hash=True, gc=False):
    """A value accepted at a ballot."""

    ballot: Ballot
    value: bytes


class Snapshot(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """`state` is where slots 1 to `slot` have led."""

    slot: int = 0
    state: bytes = b""


class Propose(Message, frozen=True):
    value: bytes


class Chosen(Message, frozen=True):
    slot: int
    value: bytes


class Prepare(Message, frozen=True):
    ballot: Ballot
    after: int


class Promise(Message, frozen=True):
    ballot: Ballot
    votes: tuple[tuple[int, Vote], ...]


class Accept(Message, frozen=True):
    ballot: Ballot
    slot: int
    value: bytes
    decided: int


class Accepted(Message, frozen=True):
    ballot: Ballot
    slot: int


class Nack(Message, frozen=True):
    ballot: Ballot
    promised: Ballot


class Heartbeat(Message, frozen=True):
    ballot: Ballot
    decided: int
    probe: int


class Alive(Message, frozen=True):
    ballot: Ballot
    probe: int


class CatchUp(Message, frozen=True):
    after: int


class Learn(Message, frozen=True):
    ballot: Ballot
    values: tuple[tuple[int, bytes], ...]
    decided: int


class Install(Message, frozen=True):
    slot: int
    state: bytes


class Read(Message, frozen=True):
    tag: int


class Truncate(Message, frozen=True):
    slot: int
    state: bytes


Msg = (
    Propose | Chosen | Prepare | Promise | Accept | Accepted | Nack
    | Heartbeat | Alive | CatchUp | Learn | Install | Read | Truncate
)  # fmt: skip


class Leading(Fact, frozen=True):
    """This replica leads at `ballot`."""

    ballot: Ballot


class Deposed(Fact, frozen=True):
    """This replica, which led, no longer does; `leader` is who does, if known."""

    leader: NodeId


class Readable(Fact, frozen=True):
    """Whoever has applied `slot` may answer the reads under `tag`: they are linearizable."""

    tag: int
    slot: int
