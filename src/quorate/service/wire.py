"""What clients and replicas say to each other: frames of msgpack, four bytes of length ahead.

Writes are numbered within a session and travel in batches. A batch goes into the log as the bytes
that the client sent, so that only applying it decodes it. Version 1.
"""

from __future__ import annotations

from typing import Any

import msgspec

from quorate.kernel import BadMessage

VERSION = 1
FRAME_BYTES_MAX = 4 << 20
KEY_BYTES_MAX = 4 << 10
VALUE_BYTES_MAX = 512 << 10
RANGE_MAX = 10_000
LENGTH = 4


class Put(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """Bind `key` to `value`. Result: the new revision."""

    key: bytes
    value: bytes


class Delete(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """Remove `key`. Result: the new revision, or 0 if there was no such key."""

    key: bytes


class CompareAndSet(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """Bind `key` to `value` if it holds `expected` (None: if it is absent).

    Result: the new revision, or 0 if the key held something else.
    """

    key: bytes
    expected: bytes | None
    value: bytes


class OpenSession(msgspec.Struct, frozen=True, array_like=True, tag=4, gc=False):
    """Begin a session. Result: its number, never used before."""


Command = Put | Delete | CompareAndSet | OpenSession


def problem_of(command: Command) -> str:
    """What is wrong with a command, or nothing."""
    if isinstance(command, OpenSession):
        return ""
    if not 0 < len(command.key) <= KEY_BYTES_MAX:
        return f"a key has 1 to {KEY_BYTES_MAX} bytes, not {len(command.key)}"
    if not isinstance(command, Delete) and len(command.value) > VALUE_BYTES_MAX:
        return f"a value has at most {VALUE_BYTES_MAX} bytes, not {len(command.value)}"
    return ""


def grows(command: Command) -> bool:
    """Whether a command may make the store larger."""
    return type(command) is Put or type(command) is CompareAndSet


class Write(msgspec.Struct, frozen=True, array_like=True, tag="w", gc=False):
    """Commands `first`, `first` + 1, … of a session; every one below `acked` has been answered.

    Session 0 is no session: it can only open one.
    """

    session: int
    first: int
    acked: int
    commands: list[Command]


class Get(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """The item at `key`: (value, created, modified, version), or None."""

    key: bytes


class Range(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """Items from `start` up to, not including, `end` (b"": no end), at most `limit`, in order."""

    start: bytes
    end: bytes
    limit: int


class Query(msgspec.Struct, frozen=True, array_like=True, tag="q", gc=False):
    """Linearizable reads; `id` comes back with the answers."""

    id: int
    reads: list[Get | Range]


class Status(msgspec.Struct, frozen=True, array_like=True, tag="s", gc=False):
    """How is this replica? Answered by any replica, leader or not."""


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="h", gc=False):
    """The first frame each way."""

    version: int = VERSION
    cluster: str = ""
    node: str = ""


class Written(msgspec.Struct, frozen=True, array_like=True, tag="W", gc=False):
    """The results of commands `first`, `first` + 1, …"""

    session: int
    first: int
    results: list[int]


class Answer(msgspec.Struct, frozen=True, array_like=True, tag="A", gc=False):
    """One result per read of a Query, at `revision`."""

    id: int
    revision: int
    results: list[Any]


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="R", gc=False):
    """Not answered. `id` is the Query's id or the Write's `first`; `leader` is where to go instead.

    `reason`: "not leader" (nothing done), "unknown" (a write may yet take effect: send it again
    under the same numbers), "busy" (nothing was done), "session" (the session is gone), "gap" (an
    earlier command of the session has not arrived), or what was wrong with the request.
    """

    kind: str
    id: int
    reason: str
    leader: str = ""


class Report(msgspec.Struct, frozen=True, array_like=True, tag="S", gc=False):
    """The answer to Status."""

    node: str
    cluster: str
    standing: str
    leader: str
    ballot: str
    decided: int
    applied: int
    revision: int
    keys: int
    snapshot: int
    endpoints: dict[str, str]


FromClient = Hello | Write | Query | Status
FromServer = Hello | Written | Answer | Refused | Report

_encoder = msgspec.msgpack.Encoder()


def encode(message: Any) -> bytes:
    """A whole frame."""
    body = _encoder.encode(message)
    return len(body).to_bytes(LENGTH, "big") + body


class Frames:
    """Cuts a byte stream into frame bodies. Raises BadMessage before it would hold too much."""

    def __init__(self, bytes_max: int = FRAME_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that are complete once `data` has arrived."""
        data = self._rest + data if self._rest else data
        at, bodies = 0, []
        while len(data) - at >= LENGTH:
            length = int.from_bytes(data[at : at + LENGTH], "big")
            if length > self._bytes_max:
                raise BadMessage(f"a frame of {length} bytes; at most {self._bytes_max} are taken")
            if len(data) - at - LENGTH < length:
                break
            bodies.append(data[at + LENGTH : at + LENGTH + length])
            at += LENGTH + length
        self._rest = data[at:]
        return bodies
