"""A small durable actor, addresses, and disks that fail on demand."""

from __future__ import annotations

import errno
import os
import socket

from quorate.kernel import Actor, Context, Fact, Lazy, Map, Message, NodeId, Receive, Stable
from quorate.runtime import Address, Cluster, Disk

CLUSTER = Cluster("test", b"a secret that only the tests have")


class Put(Message, frozen=True):
    key: int
    value: bytes


class Drop(Message, frozen=True):
    key: int


class Glance(Message, frozen=True):
    """Changes what need not be forced."""


class Ask(Message, frozen=True):
    """A Put for another node."""

    to: NodeId
    key: int


class Stored(Message, frozen=True):
    key: int


class Saved(Fact, frozen=True):
    key: int
    count: int


class Confirmed(Fact, frozen=True):
    by: NodeId
    key: int


class Box(Actor):
    """Keeps entries durably and says so; counts glances without forcing."""

    entries: Stable[Map[int, bytes]] = Map()
    count: Stable[int] = 0
    glances: Lazy[int] = 0

    def on_put(self, ctx: Context, src: NodeId, m: Put) -> None:
        self.entries = self.entries.put(m.key, m.value)
        self.count += 1
        ctx.output(Saved(m.key, self.count))
        if src != "user":
            ctx.send(src, Stored(m.key))

    def on_drop(self, ctx: Context, src: NodeId, m: Drop) -> None:
        self.entries = self.entries.drop((m.key,))
        self.count += 1

    def on_glance(self, ctx: Context, src: NodeId, m: Glance) -> None:
        self.glances += 1

    def on_ask(self, ctx: Context, src: NodeId, m: Ask) -> None:
        ctx.send(m.to, Put(m.key, b"asked"))

    def on_stored(self, ctx: Context, src: NodeId, m: Stored) -> None:
        ctx.output(Confirmed(src, m.key))


def after(box: Box, *messages: Message) -> Box:
    """The box when it has taken `messages` from its user."""
    for message in messages:
        box, _ = box.step(Receive("user", message))
    return box


def free_addresses(*names: NodeId) -> dict[NodeId, Address]:
    """A free loopback port for each name."""
    opened = {name: socket.create_server(("127.0.0.1", 0)) for name in names}
    addresses = {name: server.getsockname()[:2] for name, server in opened.items()}
    for server in opened.values():
        server.close()
    return addresses


class FakeDisk(Disk):
    """Counts forces, does without them, and fails where it is told to."""

    def __init__(self) -> None:
        self.syncs = 0
        self.fail_sync = self.fail_write = self.fail_allocate = False
        self.short = 0  # how many bytes a write takes at most; 0 is all

    def allocate(self, fd: int, offset: int, length: int) -> None:
        if self.fail_allocate:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().allocate(fd, offset, length)

    def write(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        if self.fail_write:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(fd, data[: self.short] if self.short else data, offset)

    def sync(self, fd: int) -> None:
        if self.fail_sync:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.syncs += 1

    def sync_directory(self, path: object) -> None:
        self.syncs += 1
