"""One replica of the service: a protocol's node below, clients above, the state machine between."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec

from quorate.kernel import Actor, BadMessage, UsageError
from quorate.runtime.node import Cluster, Node
from quorate.service import wire
from quorate.service.by_paxos import ByPaxos
from quorate.service.config import Config, address
from quorate.service.ordering import Ordering
from quorate.service.state import Machine

log = logging.getLogger(__name__)

ORDERINGS: dict[str, type[Ordering]] = {"multi_paxos": ByPaxos}
_request = msgspec.msgpack.Decoder(wire.FromClient)


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


def boot_image(config: Config) -> Actor:
    """The replica before its first step, with nothing on disk."""
    return ORDERINGS[config.protocol].boot_image(config)


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
        self.connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self.ordering = ORDERINGS[config.protocol](config, self.machine)
        self.node = self.ordering.node = Node(
            boot_image(config),
            directory=Path(config.directory),
            cluster=Cluster(config.cluster, config.secret.encode()),
            peers={n: address(r.peer) for n, r in config.replicas.items() if n != config.node},
            listen=address(config.replicas[config.node].peer),
            on_fact=self.ordering.on_fact,
            on_stop=on_stop,
            record=record,
        )

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
        if kind is wire.Write or kind is wire.Query:
            self.ordering.take(connection, message, body)  # type: ignore[arg-type]
        elif kind is wire.Status:
            connection.send(self._report())
        elif message.version != wire.VERSION:  # type: ignore[union-attr]
            connection.send(wire.Refused("f", 0, f"this replica speaks version {wire.VERSION}"))
            connection.close()

    def _report(self) -> wire.Report:
        standing = self.ordering.standing()
        return wire.Report(
            self.config.node,
            self.config.cluster,
            standing.standing,
            standing.leader,
            standing.ballot,
            standing.decided,
            self.ordering.applied,
            self.machine.revision,
            len(self.machine),
            standing.snapshot,
            self.config.clients(),
        )
