"""Everything that can differ between two runs enters an actor as one of these."""

from __future__ import annotations

from typing import Any

import msgspec

from quorate.kernel.values import Fact, Message, NodeId


class Start(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """The first event of a life; `recovered` when stable state was carried over."""

    recovered: bool = False


class Receive(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """`msg` arrived; the executor vouches for `src`."""

    src: NodeId
    msg: Message


class Timeout(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """The named timer ran out; it is no longer armed."""

    timer: str


class Choice(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """The answer to `Choose`: one of the options that were offered under `key`."""

    key: str
    value: int | str


class Stated(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """`role`, an instance that this one runs within its process, stated `fact`."""

    role: NodeId
    fact: Fact


class At(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """`event` as a Timed actor sees it: with the reading of the node's own drifting clock."""

    at_ms: int
    event: Event


class For(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """`event` for one of the roles that share a process."""

    role: NodeId
    event: Event


class Crash(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """The node lost its volatile state. Seen by executors and traces, never by an actor.

    With `during`, the node crashed within that step: its writes reached the disk, but only the
    first `sent` of its sends left, and what it output ahead of the next one. `forgets` counts the
    unforced writes that were lost, and `undone` the forced ones that were still on their way, so
    that nobody had been told of them: no send and no output of the latest `unheard` steps had
    left the node.
    """

    during: Event | None = None
    sent: int = 0
    forgets: int = 0
    undone: int = 0
    unheard: int = 0


Event = Start | Receive | Timeout | Choice | Stated | At | For
Happening = Event | Crash


def core(event: Any) -> Any:
    """The event inside its For and At wrappings."""
    while type(event) is For or type(event) is At:
        event = event.event
    return event
