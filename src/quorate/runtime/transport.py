"""Messages between nodes over TCP: one connection per pair, one frame per peer and tick.

Of a pair, the node whose name comes first dials, and goes on dialling; one that does not listen, as
a client, dials everybody. Links may lose messages
(those queued for a peer that is gone, oldest first) but never invent, change or repeat one.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import struct
from collections import Counter, deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Union, cast

import msgspec

from quorate.kernel import (
    BadMessage,
    Message,
    NodeId,
    UsageError,
    decode_hook,
    encode_hook,
)
from quorate.runtime.link import MAC_BYTES, Cluster, Link
from quorate.runtime.seals import Seals, carries_proofs

_log = logging.getLogger(__name__)

_ENCODER = msgspec.msgpack.Encoder(enc_hook=encode_hook, order="deterministic")
_COUNT = struct.Struct(">BI")
_ARRAY_32 = 0xDD
_ARRAY_OF_3 = b"\x93"

Address = tuple[str, int]
Item = tuple[NodeId, NodeId, Message]
"""Sending role, receiving role, message."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a node spends on its links. A frame holds the largest message there may be."""

    frame_bytes: int = 64 << 20
    queue_bytes: int = 4 << 20  # for each peer; one message more than this is still taken
    handshakes: int = 64
    handshake_s: float = 5.0
    dial_s: float = 2.0
    redial_s: tuple[float, float] = (0.02, 0.5)
    silence_ms: int = 10_000  # unacknowledged data, before a connection counts as dead


class _Queue:
    """What waits for one peer, encoded, oldest first."""

    def __init__(self) -> None:
        self.items: deque[bytes] = deque()
        self.size_bytes = 0
        self.wire: _Wire | None = None

    def put(self, item: bytes, limit: int) -> int:
        """Add `item`; how many older ones had to go."""
        self.items.append(item)
        self.size_bytes += len(item)
        lost = 0
        while self.size_bytes > limit and len(self.items) > 1:
            self.size_bytes -= len(self.items.popleft())
            lost += 1
        return lost

    def take(self, limit: int) -> list[bytes]:
        """The items of one frame."""
        if self.size_bytes <= limit:
            taken = list(self.items)
            self.items.clear()
            self.size_bytes = 0
            return taken
        taken, size = [], 0
        while self.items and size + len(self.items[0]) <= limit:
            size += len(self.items[0])
            taken.append(self.items.popleft())
        self.size_bytes -= size
        return taken


class Transport:
    """The links of one node. `receive(peer, items)` gets whatever came in one frame.

    `listen` is None for a node that only dials, an address of `peers` None for one that only dials
    this one. `seals` mints and verifies proofs, and is needed where `messages` hold any. `counts`
    says what happened: messages (`sent` has them by kind) and frames in and out, messages lost, and
    rejections.
    """

    def __init__(
        self,
        me: NodeId,
        cluster: Cluster,
        peers: Mapping[NodeId, Address | None],
        listen: Address | None,
        *,
        messages: tuple[type, ...],
        receive: Callable[[NodeId, list[Item]], None],
        limits: Limits | None = None,
        seals: Seals | None = None,
    ) -> None:
        proving = ", ".join(kind.__name__ for kind in carries_proofs(messages))
        if proving and seals is None:
            raise UsageError(f"node {me} needs keys: signatures or MACs are in its {proving}")
        self.me = me
        self.cluster = cluster
        self.limits = limits or Limits()
        self.peers = frozenset(peers) - {me}
        self.counts: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self._seals = seals
        self._addresses = peers
        self._listen = listen
        self._receive = receive
        self._queues = {peer: _Queue() for peer in sorted(self.peers)}
        self._dirty: set[NodeId] = set()
        self._prefixes: dict[tuple[NodeId, NodeId], bytes] = {}
        self._last: tuple[Message | None, bytes] = (None, b"")
        self._logged: set[str] = set()
        self._wires: set[_Wire] = set()
        self._dialling: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None
        self._decoder = _decoder(messages)

    async def start(self) -> None:
        """Listen, and start to dial. Raises UsageError when the address cannot be had."""
        loop = asyncio.get_running_loop()
        if self._listen is not None:
            try:
                self._server = await loop.create_server(lambda: _Wire(self), *self._listen)
            except OSError as error:
                host, port = self._listen
                raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        for peer in self._queues:
            address = self._addresses[peer]
            if address is not None and (self._listen is None or self.me < peer):
                self._dialling.append(loop.create_task(self._keep_dialling(peer, address)))

    @property
    def address(self) -> Address:
        """Where it listens; the port is the real one even if 0 was asked for."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    def send(self, peer: NodeId, src: NodeId, to: NodeId, msg: Message) -> None:
        """Queue `msg` from role `src` to role `to` at `peer`; it leaves with the next `flush`."""
        queue = self._queues.get(peer)
        if queue is None:
            self.reject(f"no peer is called {peer!r}")
            return
        last, encoded = self._last
        if last is not msg:  # a broadcast is encoded once
            encoded = _ENCODER.encode(msg if self._seals is None else self._seals.mint(msg))
            self._last = (msg, encoded)
        prefix = self._prefixes.get((src, to))
        if prefix is None:
            prefix = _ARRAY_OF_3 + _ENCODER.encode(src) + _ENCODER.encode(to)
            self._prefixes[src, to] = prefix
        if len(prefix) + len(encoded) + MAC_BYTES + _COUNT.size > self.limits.frame_bytes:
            self.reject(f"a {type(msg).__name__} larger than a frame may be")
            return
        lost = queue.put(prefix + encoded, self.limits.queue_bytes)
        if lost:
            self.counts["messages lost"] += lost
        self._dirty.add(peer)
        self.sent[type(msg).__name__] += 1

    @property
    def pending(self) -> bool:
        """Whether there is anything for `flush` to do."""
        return bool(self._dirty)

    def flush(self) -> None:
        """Give everything queued to the connections that are there and not congested."""
        self._last = (None, b"")
        dirty, self._dirty = self._dirty, set()
        for peer in sorted(dirty):
            self.flush_to(peer)

    def flush_to(self, peer: NodeId) -> None:
        """As `flush`, for one peer."""
        queue = self._queues[peer]
        wire = queue.wire
        while queue.items and wire is not None and wire.writable:
            items = queue.take(self.limits.frame_bytes - MAC_BYTES - _COUNT.size)
            self.counts["frames sent"] += 1
            self.counts["messages sent"] += len(items)
            wire.send([_COUNT.pack(_ARRAY_32, len(items)), *items])

    async def stop(self) -> None:
        """Close every connection; what is queued is lost."""
        self.abort()
        await asyncio.gather(*self._dialling, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    def abort(self) -> None:
        """As `stop`, at once: nothing further leaves or arrives."""
        for task in self._dialling:
            task.cancel()
        if self._server is not None:
            self._server.close()
        for wire in list(self._wires):
            wire.abort()

    def reject(self, reason: str) -> None:
        """Count what was dropped, and say so the first time."""
        self.counts[reason] += 1
        if reason not in self._logged:
            self._logged.add(reason)
            _log.warning("%s: dropped %s (said once; see the counters)", self.me, reason)

    def opened(self, wire: _Wire) -> None:
        """A connection is authenticated: it takes the place of any other to that peer."""
        queue = self._queues[wire.peer]
        if queue.wire is not None:
            queue.wire.abort()
        queue.wire = wire
        self.counts["links opened"] += 1
        self.flush_to(wire.peer)

    def received(self, peer: NodeId, body: memoryview) -> None:
        """Hand on the messages of a frame. Raises BadMessage unless it is messages of ours."""
        try:
            items = self._decoder.decode(body)
        except Exception as error:  # whatever it is, it is the fault of these bytes
            raise BadMessage("a frame that is no list of our messages") from error
        self.counts["frames received"] += 1
        self.counts["messages received"] += len(items)
        self._receive(peer, items if self._seals is None else self._checked(items, self._seals))

    def _checked(self, items: list[Item], seals: Seals) -> list[Item]:
        checked = []
        for src, to, msg in items:
            try:
                checked.append((src, to, seals.check(msg)))
            except BadMessage as error:
                self.reject(str(error))
        for reason in seals.counts:
            self.reject(reason)
        seals.counts.clear()
        return checked

    def joined(self, wire: _Wire) -> bool:
        """Keep count of a new connection; False when there are too many unproven ones."""
        self._wires.add(wire)
        return sum(not wire.open for wire in self._wires) <= self.limits.handshakes

    def left(self, wire: _Wire) -> None:
        """A connection is gone."""
        self._wires.discard(wire)
        queue = self._queues.get(wire.peer)
        if queue is not None and queue.wire is wire:
            queue.wire = None

    async def _keep_dialling(self, peer: NodeId, address: Address) -> None:
        loop = asyncio.get_running_loop()
        shortest, longest = self.limits.redial_s
        pause = shortest
        while True:
            wire = _Wire(self, dial=peer)
            try:
                async with asyncio.timeout(self.limits.dial_s):
                    await loop.create_connection(partial(_same, wire), *address)
            except (OSError, TimeoutError):
                self.counts["dials failed"] += 1
            else:
                await wire.gone
            pause = shortest if wire.open else min(2 * pause, longest)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))


class _Wire(asyncio.Protocol):
    """A connection: moves bytes between the socket and a Link."""

    def __init__(self, owner: Transport, dial: NodeId | None = None) -> None:
        self._owner = owner
        self._link = Link(
            owner.me,
            owner.cluster,
            owner.peers,
            dial=dial,
            frame_bytes_max=owner.limits.frame_bytes,
        )
        self._congested = False
        self._announced = False
        loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = loop.create_future()

    @property
    def peer(self) -> NodeId:
        return self._link.peer

    @property
    def open(self) -> bool:
        return self._link.open

    @property
    def writable(self) -> bool:
        return self._link.open and not self._congested and not self._socket.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._patience = asyncio.get_running_loop().call_later(
            self._owner.limits.handshake_s, self._expire
        )
        if not self._owner.joined(self):
            self._refuse("a connection beyond the limit of unproven ones")
            return
        option = self._socket.get_extra_info("socket").setsockopt
        option(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._owner.limits.silence_ms)
        self._socket.write(self._link.take_reply())

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._link.receive(data):
                self._announce()
                self._owner.received(self.peer, body)
            self._announce()
        except BadMessage as error:
            self._refuse(str(error))

    def send(self, body: list[bytes]) -> None:
        """Send one frame."""
        self._socket.write(self._link.seal(body))

    def abort(self) -> None:
        """Hang up."""
        self._socket.abort()

    def pause_writing(self) -> None:
        self._congested = True

    def resume_writing(self) -> None:
        self._congested = False
        if self._link.open:
            self._owner.flush_to(self.peer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        self._owner.left(self)
        if not self.gone.done():
            self.gone.set_result(None)

    def _announce(self) -> None:
        """Go on with the handshake, and be of use once it is over."""
        if self._announced:
            return
        reply = self._link.take_reply()
        if reply:
            self._socket.write(reply)
        if self._link.open:
            self._announced = True
            self._patience.cancel()
            self._owner.opened(self)

    def _expire(self) -> None:
        self._refuse("a connection that proved nothing in time")

    def _refuse(self, reason: str) -> None:
        self._owner.reject(reason)
        self._socket.abort()


def _same(wire: _Wire) -> _Wire:
    return wire


def _decoder(messages: tuple[type, ...]) -> msgspec.msgpack.Decoder[list[Item]]:
    kinds: Any = Union.__getitem__(messages) if messages else Message
    try:
        item: Any = tuple.__class_getitem__((NodeId, NodeId, kinds))
        return msgspec.msgpack.Decoder(list.__class_getitem__(item), dec_hook=decode_hook)
    except TypeError as error:
        raise UsageError(f"these messages cannot share a link: {error}") from error
