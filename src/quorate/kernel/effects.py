"""Everything an actor does leaves its step as one of these."""

from __future__ import annotations

from typing import Any

import msgspec

from quorate.kernel.values import Fact, Message, NodeId


class Change(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """A durable field's new value; of a Map, the Delta."""

    field: str
    value: Any


class Persist(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """Derived by the kernel, ahead of the step's other effects; forced if Stable fields changed."""

    changes: tuple[Change, ...]
    forced: bool = True


class Send(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """Send `msg` to one node; the executor stamps the sender."""

    to: NodeId
    msg: Message


class SetTimer(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """Arm, or re-arm, the named timer; `after_ms` is an inclusive range to draw from."""

    timer: str
    after_ms: tuple[int, int]


class CancelTimer(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """Disarm the named timer; no timer is fine too."""

    timer: str


class Choose(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """Ask for one of `options`; the checker tries each, the other executors draw."""

    key: str
    options: tuple[int | str, ...]


class Output(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """Tell the outside world; this cannot be taken back."""

    fact: Fact


class Ignore(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """An event was dropped aloud. For the trace only."""

    reason: str


class By(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """`effect` of one of the roles that share a process."""

    role: NodeId
    effect: Effect


Effect = Persist | Send | SetTimer | CancelTimer | Choose | Output | Ignore | By
