"""Recordings of live nodes, put together: one trace of a cluster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from quorate.kernel import (
    Actor,
    By,
    NodeId,
    Receive,
    Record,
    Send,
    Trace,
    UsageError,
    core,
    roles_of,
    unwrapped,
)
from quorate.traces.life import Life
from quorate.traces.spacetime import Link
from quorate.traces.words import role_of


class _Part:
    """One node's recording, and how far it has been taken."""

    def __init__(self, boot: Actor, trace: Trace, first_us: int) -> None:
        self.life = Life(boot)
        self.records = trace.records
        self.offset_us = _began_us(trace) - first_us
        self.next = 0

    @property
    def at_us(self) -> int:
        return self.offset_us + self.records[self.next].at_us

    def awaits(self) -> Link | None:
        """The message that the next step receives, if it receives one."""
        record = self.records[self.next]
        event = core(record.event)
        if not isinstance(event, Receive):
            return None
        return event.src, role_of(record.event, record.node), event.msg

    def take(self) -> list[Link]:
        """Take the next step; what it sent."""
        record = self.records[self.next]
        self.next += 1
        role = role_of(record.event, record.node)
        sent = []
        for effect in self.life.step(record.event):  # type: ignore[arg-type]
            inner = unwrapped(effect)
            if isinstance(inner, Send):
                sent.append((effect.role if isinstance(effect, By) else role, inner.to, inner.msg))
        return sent


def merge(recordings: Sequence[tuple[Actor, Trace]]) -> Trace:
    """One trace of several nodes, each given as it was when its recording began.

    Steps are ordered by the nodes' clocks, except that none comes before the sending of what it
    received, since clocks of different nodes disagree. Times count from when the first node began.
    Raises UsageError when two recordings are of one node.
    """
    if not recordings:
        raise UsageError("there is no recording to merge")
    names = [boot.me for boot, _ in recordings]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"two recordings are of node {twice}; one trace holds one life of each")
    roles = {role.me for boot, _ in recordings for role in roles_of(boot)}
    first_us = min(_began_us(trace) for _, trace in recordings)
    parts = [_Part(boot, trace, first_us) for boot, trace in recordings]
    sent: defaultdict[Link, int] = defaultdict(int)
    merged: list[Record] = []
    while waiting := [part for part in parts if part.next < len(part.records)]:
        ready = [part for part in waiting if _may_go(part.awaits(), roles, sent)]
        # Nobody is ready where a message was sent in a life that was not recorded.
        part = min(ready or waiting, key=lambda each: each.at_us)
        link, at_us = part.awaits(), part.at_us
        if link is not None and sent[link]:
            sent[link] -= 1
        record = part.records[part.next]
        for each in part.take():
            sent[each] += 1
        at_us = max(at_us, merged[-1].at_us if merged else 0)
        merged.append(msgspec.structs.replace(record, at_us=at_us))
    header = msgspec.structs.replace(recordings[0][1].header, settings={"nodes": len(parts)})
    return Trace(header, tuple(merged))


def _may_go(link: Link | None, roles: set[NodeId], sent: defaultdict[Link, int]) -> bool:
    return link is None or link[0] not in roles or sent[link] > 0


def _began_us(trace: Trace) -> int:
    began: int = trace.header.settings.get("began_us", 0)
    return began
