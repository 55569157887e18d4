"""One replica of the service: a protocol's node below, clients above, the state machine between.

Writes that arrive within a tick become one value of the log; a few values are in flight at a time,
so that under load the values grow instead of their number.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec

from quorate.kernel import (
    Actor,
    BadMessage,
    Fact,
    Flexible,
    Majority,
    NodeId,
    StorageError,
    UsageError,
)
from quorate.properties.log import Decided, Installed
from quorate.protocols import multi_paxos
from quorate.runtime.node import Cluster, Node
from quorate.service import wire
from quorate.service.config import Config, address
from quorate.service.state import Machine

log = logging.getLogger(__name__)

IN_FLIGHT_MAX = 4
BATCH_BYTES_MAX = 1 << 20
PENDING_BYTES_MAX = 64 << 20
STORE_BYTES_MAX = 48 << 20  # a snapshot must fit a frame between replicas
COMPACT_BYTES_MIN = 16 << 20


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A value of the log: batches of writes as clients sent them, and who asked for it."""

    origin: int
    number: int
    batches: list[wire.Write]


class RawEntry(msgspec.Struct, frozen=True, array_like=True):
    """An Entry whose batches need no encoding."""

    origin: int
    number: int
    batches: list[msgspec.Raw]


_request = msgspec.msgpack.Decoder(wire.FromClient)
_entry = msgspec.msgpack.Decoder(Entry)
_raw_entry = msgspec.msgpack.Encoder()


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._frames = wire.Frames()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)
        config = self._server.config
        self.send(wire.Hello(wire.VERSION, config.cluster, config.node))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._server.connections.discard(self)

    def pause_writing(self) -> None:
        """The client does not read its answers: take no more of its requests."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._frames.feed(data):
                self._server.request(self, _request.decode(body), body)
        except (BadMessage, msgspec.DecodeError) as error:
            log.warning("a client sent what is no request (%s); its connection is closed", error)
            self.send(wire.Refused("f", 0, f"bad frame: {error}"))
            self.close()

    def send(self, message: Any) -> None:
        """Send a message, unless the client has gone."""
        if self._transport is not None:
            self._transport.write(wire.encode(message))

    def close(self) -> None:
        """End the connection, after what was sent."""
        if self._transport is not None:
            self._transport.close()


def boot_image(config: Config) -> multi_paxos.Replica:
    """The replica before its first step, with nothing on disk."""
    quorum = Majority(tuple(sorted(config.replicas)))
    return multi_paxos.Replica(config.node, Flexible(quorum, quorum))


class Server:
    """A replica that serves clients."""

    def __init__(
        self,
        config: Config,
        on_stop: Callable[[BaseException | None], None],
        record: Path | None = None,
    ) -> None:
        self.config = config
        self.machine = Machine()
        self.applied = 0
        self.connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._origin = secrets.randbits(62)
        self._number = 0
        self._writes: deque[tuple[Connection, wire.Write, bytes]] = deque()
        self._pending_bytes = 0
        self._in_flight: dict[int, list[tuple[Connection, wire.Write]]] = {}
        self._flushing = False
        self._reads: list[tuple[Connection, wire.Query]] = []
        self._tag = 0
        self._asked: dict[int, list[tuple[Connection, wire.Query]]] = {}
        self._ready: list[tuple[int, int]] = []
        self._logged_bytes = 0
        self._stored_bytes = 0
        self.node = Node(
            boot_image(config),
            directory=Path(config.directory),
            cluster=Cluster(config.cluster, config.secret.encode()),
            peers={n: address(r.peer) for n, r in config.replicas.items() if n != config.node},
            listen=address(config.replicas[config.node].peer),
            on_fact=self._on_fact,
            on_stop=on_stop,
            record=record,
        )

    @property
    def replica(self) -> multi_paxos.Replica:
        """The protocol's state at present."""
        actor: Actor = self.node.actor
        assert isinstance(actor, multi_paxos.Replica)
        return actor

    @property
    def leads(self) -> bool:
        """Whether this replica may take writes and reads."""
        return self.replica.standing is multi_paxos.Standing.LEADER

    async def start(self) -> None:
        """Recover, join the cluster, and listen for clients."""
        await self.node.start()
        host, port = address(self.config.replicas[self.config.node].client)
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(lambda: Connection(self), host, port)
        except OSError as error:
            await self.node.stop()
            raise UsageError(f"cannot listen for clients on {host}:{port}: {error}") from error

    async def stop(self) -> None:
        """Leave the cluster; what was acknowledged is on disk."""
        if self._listener is not None:
            self._listener.close()
        for connection in list(self.connections):
            connection.close()
        await self.node.stop()

    def request(self, connection: Connection, message: wire.FromClient, body: bytes) -> None:
        """Take one request of a client."""
        kind = type(message)
        if kind is wire.Write:
            self._take_write(connection, message, body)  # type: ignore[arg-type]
        elif kind is wire.Query:
            self._take_query(connection, message)  # type: ignore[arg-type]
        elif kind is wire.Status:
            connection.send(self._report())
        elif message.version != wire.VERSION:  # type: ignore[union-attr]
            connection.send(wire.Refused("f", 0, f"this replica speaks version {wire.VERSION}"))
            connection.close()

    def _take_write(self, connection: Connection, write: wire.Write, body: bytes) -> None:
        problem = next(filter(None, map(wire.problem_of, write.commands)), "")
        if not self.leads:
            problem = "not leader"
        elif self._pending_bytes > PENDING_BYTES_MAX:
            problem = "busy"
        elif self.machine.bytes > STORE_BYTES_MAX and any(map(wire.grows, write.commands)):
            problem = f"the store is full: it takes {STORE_BYTES_MAX >> 20} MiB; delete something"
        if problem:
            return connection.send(self._refused("w", write.first, problem))
        self._writes.append((connection, write, body))
        self._pending_bytes += len(body)
        self._flush_soon()

    def _take_query(self, connection: Connection, query: wire.Query) -> None:
        if not self.leads:
            return connection.send(self._refused("q", query.id, "not leader"))
        self._reads.append((connection, query))
        self._flush_soon()

    def _refused(self, kind: str, id: int, reason: str) -> wire.Refused:
        leader = self.config.replicas.get(self.replica.leader)
        known = leader is not None and self.replica.leader != self.config.node
        return wire.Refused(kind, id, reason, leader.client if leader and known else "")

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Turn what has arrived into proposals and one question about reads."""
        self._flushing = False
        if self._reads and self.leads:
            self._tag += 1
            self._asked[self._tag], self._reads = self._reads, []
            self.node.submit(self.config.node, multi_paxos.Read(self._tag))
        while self._writes and len(self._in_flight) < IN_FLIGHT_MAX and self.leads:
            batches, asked, size = [], [], 0
            while self._writes and size < BATCH_BYTES_MAX:
                connection, write, body = self._writes.popleft()
                batches.append(msgspec.Raw(body))
                asked.append((connection, write))
                size += len(body)
            self._pending_bytes -= size
            self._number += 1
            self._in_flight[self._number] = asked
            value = _raw_entry.encode(RawEntry(self._origin, self._number, batches))
            self.node.submit(self.config.node, multi_paxos.Propose(value))

    def _on_fact(self, role: NodeId, fact: Fact) -> None:
        kind = type(fact)
        if kind is Decided:
            self._apply(fact)  # type: ignore[arg-type]
        elif kind is multi_paxos.Readable:
            self._ready.append((fact.slot, fact.tag))  # type: ignore[attr-defined]
            self._answer_ready()
        elif kind is multi_paxos.Deposed:
            self._give_up()
        elif kind is Installed:
            assert isinstance(fact, Installed)
            self.machine.restore(fact.state)
            self.applied, self._stored_bytes = fact.slot, len(fact.state)

    def _apply(self, fact: Decided) -> None:
        if fact.slot != self.applied + 1:
            raise StorageError(f"slot {fact.slot} was decided after slot {self.applied}")
        self.applied = fact.slot
        if fact.value:
            entry = _entry.decode(fact.value)
            results = [self.machine.write(batch) for batch in entry.batches]
            if entry.origin == self._origin:
                self._reply(self._in_flight.pop(entry.number, ()), results)
                if self._writes:
                    self._flush_soon()
            self._logged_bytes += len(fact.value)
            if self._logged_bytes > max(COMPACT_BYTES_MIN, 2 * self._stored_bytes):
                self._compact()
        if self._ready:
            self._answer_ready()

    def _reply(self, asked: Any, results: list[list[int] | str]) -> None:
        for (connection, write), result in zip(asked, results, strict=False):
            if isinstance(result, str):
                connection.send(self._refused("w", write.first, result))
            else:
                connection.send(wire.Written(write.session, write.first, result))

    def _answer_ready(self) -> None:
        waiting = []
        for slot, tag in self._ready:
            if slot > self.applied:
                waiting.append((slot, tag))
                continue
            revision, read = self.machine.revision, self.machine.read
            for connection, query in self._asked.pop(tag, ()):
                results = [read(item) for item in query.reads]
                connection.send(wire.Answer(query.id, revision, results))
        self._ready = waiting

    def _give_up(self) -> None:
        """No longer leading: what was proposed may or may not be decided, elsewhere."""
        in_flight, self._in_flight = self._in_flight, {}
        for asked in in_flight.values():
            for connection, write in asked:
                connection.send(self._refused("w", write.first, "unknown"))
        while self._writes:
            connection, write, _ = self._writes.popleft()
            connection.send(self._refused("w", write.first, "not leader"))
        self._pending_bytes = 0
        for connection, query in [*self._reads, *(q for a in self._asked.values() for q in a)]:
            connection.send(self._refused("q", query.id, "not leader"))
        self._reads, self._asked, self._ready = [], {}, []

    def _compact(self) -> None:
        state = self.machine.snapshot()
        self._stored_bytes, self._logged_bytes = len(state), 0
        self.node.submit(self.config.node, multi_paxos.Truncate(self.applied, state))
        self.node.compact()

    def _report(self) -> wire.Report:
        replica = self.replica
        return wire.Report(
            self.config.node,
            self.config.cluster,
            replica.standing.value,
            replica.leader,
            repr(replica.promised),
            replica.decided,
            self.applied,
            self.machine.revision,
            len(self.machine),
            replica.snapshot.slot,
            self.config.clients(),
        )
