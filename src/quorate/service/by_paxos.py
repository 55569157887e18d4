"""The order of commands by Multi-Paxos: the leader proposes what its clients ask for.

Writes that arrive within a tick become one value of the log; a few values are in flight at a time,
so that under load the values grow instead of their number.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from typing import Any

import msgspec

from quorate.kernel import Actor, Fact, Flexible, Majority, NodeId, StorageError
from quorate.properties.log import Decided, Installed
from quorate.protocols import multi_paxos
from quorate.service import wire
from quorate.service.config import Config
from quorate.service.ordering import Asker, Ordering, Standing
from quorate.service.state import STORE_BYTES_MAX, Machine

IN_FLIGHT_MAX = 4
BATCH_BYTES_MAX = 1 << 20
PENDING_BYTES_MAX = 64 << 20
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


_entry = msgspec.msgpack.Decoder(Entry)
_raw_entry = msgspec.msgpack.Encoder()


class ByPaxos(Ordering):
    """Takes writes and reads while it leads, and names the leader while it does not."""

    def __init__(self, config: Config, machine: Machine) -> None:
        super().__init__(config, machine)
        self._origin = secrets.randbits(62)
        self._number = 0
        self._writes: deque[tuple[Asker, wire.Write, bytes]] = deque()
        self._pending_bytes = 0
        self._in_flight: dict[int, list[tuple[Asker, wire.Write]]] = {}
        self._flushing = False
        self._reads: list[tuple[Asker, wire.Query]] = []
        self._tag = 0
        self._asked: dict[int, list[tuple[Asker, wire.Query]]] = {}
        self._ready: list[tuple[int, int]] = []
        self._logged_bytes = 0
        self._stored_bytes = 0

    @staticmethod
    def boot_image(config: Config) -> Actor:
        quorum = Majority(tuple(sorted(config.replicas)))
        return multi_paxos.Replica(config.node, Flexible(quorum, quorum))

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

    def standing(self) -> Standing:
        replica = self.replica
        return Standing(
            replica.standing.value,
            replica.leader,
            repr(replica.promised),
            replica.decided,
            replica.snapshot.slot,
        )

    def take(self, asker: Asker, message: wire.Write | wire.Query, body: bytes) -> None:
        if isinstance(message, wire.Write):
            self._take_write(asker, message, body)
        else:
            self._take_query(asker, message)

    def _take_write(self, asker: Asker, write: wire.Write, body: bytes) -> None:
        problem = next(filter(None, map(wire.problem_of, write.commands)), "")
        if not self.leads:
            problem = "not leader"
        elif self._pending_bytes > PENDING_BYTES_MAX:
            problem = "busy"
        elif self.machine.bytes > STORE_BYTES_MAX and any(map(wire.grows, write.commands)):
            problem = f"the store is full: it takes {STORE_BYTES_MAX >> 20} MiB; delete something"
        if problem:
            return asker.send(self._refused("w", write.first, problem))
        self._writes.append((asker, write, body))
        self._pending_bytes += len(body)
        self._flush_soon()

    def _take_query(self, asker: Asker, query: wire.Query) -> None:
        if not self.leads:
            return asker.send(self._refused("q", query.id, "not leader"))
        self._reads.append((asker, query))
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
            self.submit(multi_paxos.Read(self._tag))
        while self._writes and len(self._in_flight) < IN_FLIGHT_MAX and self.leads:
            batches, asked, size = [], [], 0
            while self._writes and size < BATCH_BYTES_MAX:
                asker, write, body = self._writes.popleft()
                batches.append(msgspec.Raw(body))
                asked.append((asker, write))
                size += len(body)
            self._pending_bytes -= size
            self._number += 1
            self._in_flight[self._number] = asked
            value = _raw_entry.encode(RawEntry(self._origin, self._number, batches))
            self.submit(multi_paxos.Propose(value))

    def on_fact(self, role: NodeId, fact: Fact) -> None:
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
        for (asker, write), result in zip(asked, results, strict=False):
            if isinstance(result, str):
                asker.send(self._refused("w", write.first, result))
            else:
                asker.send(wire.Written(write.session, write.first, result))

    def _answer_ready(self) -> None:
        waiting = []
        for slot, tag in self._ready:
            if slot > self.applied:
                waiting.append((slot, tag))
                continue
            revision, read = self.machine.revision, self.machine.read
            for asker, query in self._asked.pop(tag, ()):
                results = [read(item) for item in query.reads]
                asker.send(wire.Answer(query.id, revision, results))
        self._ready = waiting

    def _give_up(self) -> None:
        """No longer leading: what was proposed may or may not be decided, elsewhere."""
        in_flight, self._in_flight = self._in_flight, {}
        for asked in in_flight.values():
            for asker, write in asked:
                asker.send(self._refused("w", write.first, "unknown"))
        while self._writes:
            asker, write, _ = self._writes.popleft()
            asker.send(self._refused("w", write.first, "not leader"))
        self._pending_bytes = 0
        for asker, query in [*self._reads, *(q for a in self._asked.values() for q in a)]:
            asker.send(self._refused("q", query.id, "not leader"))
        self._reads, self._asked, self._ready = [], {}, []

    def _compact(self) -> None:
        state = self.machine.snapshot()
        self._stored_bytes, self._logged_bytes = len(state), 0
        self.submit(multi_paxos.Truncate(self.applied, state))
        self.node.compact()
