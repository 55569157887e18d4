"""Registers after Stateright's examples single-copy-register.rs and linearizable-register.rs.

Source: https://github.com/stateright/stateright, which publishes 93 and 544 distinct states for two
clients, each of which writes once and then reads once, on a network that neither loses nor repeats
messages. What a history is, and so which states differ, is that of its LinearizabilityTester.
"""

from __future__ import annotations

import pytest

from pins import pin
from quorate.check import check
from quorate.check.linearizability import Called, History, Register, Returned, linearizable
from quorate.kernel import (
    Actor,
    Context,
    Map,
    Message,
    Network,
    NodeId,
    Property,
    World,
    sometimes,
)
from quorate.sim import replay

UNWRITTEN = ""


class Put(Message, frozen=True):
    request: int
    value: str


class PutOk(Message, frozen=True):
    request: int


class Get(Message, frozen=True):
    request: int


class GetOk(Message, frozen=True):
    request: int
    value: str


LINEARIZABLE = linearizable(Register())
VALUE_READ = sometimes(
    "a written value is read",
    lambda v: any(fact.result for _, fact in v.stated(Returned)),
)


class Client(Actor):
    """Writes to one server and then reads from the next."""

    index: int
    servers: tuple[NodeId, ...]
    awaiting: int | None = None

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.awaiting = self.index
        ctx.output(Called("write", self.me))
        ctx.send(self.servers[self.index % len(self.servers)], Put(self.index, self.me))

    def on_put_ok(self, ctx: Context, src: NodeId, m: PutOk) -> None:
        if m.request != self.awaiting:
            return ctx.ignore("not what was asked")
        self.awaiting = 2 * self.index
        ctx.output(Returned())
        ctx.output(Called("read"))
        ctx.send(self.servers[(self.index + 1) % len(self.servers)], Get(self.awaiting))

    def on_get_ok(self, ctx: Context, src: NodeId, m: GetOk) -> None:
        if m.request != self.awaiting:
            return ctx.ignore("not what was asked")
        self.awaiting = None
        ctx.output(Returned(m.value or None))


class SingleCopy(Actor):
    value: str = UNWRITTEN

    def on_put(self, ctx: Context, src: NodeId, m: Put) -> None:
        self.value = m.value
        ctx.send(src, PutOk(m.request))

    def on_get(self, ctx: Context, src: NodeId, m: Get) -> None:
        ctx.send(src, GetOk(m.request, self.value))


# The register of Attiya, Bar-Noy and Dolev, with several writers.

Version = tuple[int, NodeId]


class Query(Message, frozen=True):
    request: int


class AckQuery(Message, frozen=True):
    request: int
    version: Version
    value: str


class Record(Message, frozen=True):
    request: int
    version: Version
    value: str


class AckRecord(Message, frozen=True):
    request: int


class Phase1(Message, frozen=True):
    request: int
    client: NodeId
    written: str | None
    responses: Map[NodeId, tuple[Version, str]]


class Phase2(Message, frozen=True):
    request: int
    client: NodeId
    read: str | None
    acks: frozenset[NodeId]


class Replica(Actor):
    others: tuple[NodeId, ...]
    version: Version
    value: str = UNWRITTEN
    phase: Phase1 | Phase2 | None = None
    increment: int = 1  # 0 in a mutant: its writes carry no later version

    def on_put(self, ctx: Context, src: NodeId, m: Put) -> None:
        self.begin(ctx, m.request, src, m.value)

    def on_get(self, ctx: Context, src: NodeId, m: Get) -> None:
        self.begin(ctx, m.request, src, None)

    def begin(self, ctx: Context, request: int, client: NodeId, written: str | None) -> None:
        if self.phase is not None:
            return ctx.ignore("busy")
        mine = Map({self.me: (self.version, self.value)})
        self.phase = Phase1(request, client, written, mine)
        ctx.broadcast(self.others, Query(request))

    def on_query(self, ctx: Context, src: NodeId, m: Query) -> None:
        ctx.send(src, AckQuery(m.request, self.version, self.value))

    def on_ack_query(self, ctx: Context, src: NodeId, m: AckQuery) -> None:
        phase = self.phase
        if not isinstance(phase, Phase1) or phase.request != m.request:
            return ctx.ignore("not what was asked")
        responses = phase.responses.put(src, (m.version, m.value))
        self.phase = Phase1(phase.request, phase.client, phase.written, responses)
        if not self.is_majority(len(responses)):
            return
        version, value = max(found for _, found in responses.items())
        read = value
        if phase.written is not None:
            version, value = (version[0] + self.increment, self.me), phase.written
        self.adopt(version, value)
        ctx.broadcast(self.others, Record(phase.request, version, value))
        self.phase = Phase2(
            phase.request,
            phase.client,
            read if phase.written is None else None,
            frozenset({self.me}),
        )

    def on_record(self, ctx: Context, src: NodeId, m: Record) -> None:
        ctx.send(src, AckRecord(m.request))
        self.adopt(m.version, m.value)

    def on_ack_record(self, ctx: Context, src: NodeId, m: AckRecord) -> None:
        phase = self.phase
        if not isinstance(phase, Phase2) or phase.request != m.request or src in phase.acks:
            return ctx.ignore("not what was asked")
        acks = phase.acks | {src}
        self.phase = Phase2(phase.request, phase.client, phase.read, acks)
        if self.is_majority(len(acks)):
            done = PutOk(phase.request) if phase.read is None else GetOk(phase.request, phase.read)
            ctx.send(phase.client, done)
            self.phase = None

    def adopt(self, version: Version, value: str) -> None:
        if version > self.version:
            self.version, self.value = version, value

    def is_majority(self, count: int) -> bool:
        return count == (len(self.others) + 1) // 2 + 1


def world(*servers: Actor, properties: tuple[Property, ...] = (LINEARIZABLE, VALUE_READ)) -> World:
    """Two clients of these servers. Requests are told apart by the numbers of the clients."""
    names = tuple(server.me for server in servers)
    clients = tuple(Client(f"c{index}", len(names) + index, names) for index in range(2))
    return World(
        processes=(*servers, *clients),
        observers=(History("history"),),
        properties=properties,
        network=Network.MULTISET,
    )


def replicas(increment: int = 1) -> tuple[Replica, ...]:
    names = ("s0", "s1")
    return tuple(
        Replica(me, tuple(o for o in names if o != me), (0, me), increment=increment)
        for me in names
    )


@pytest.mark.parametrize(
    ("servers", "distinct"), [((SingleCopy("s0"),), 93), (replicas(), 544)], ids=["single", "abd"]
)
def test_a_linearizable_register_has_the_states_that_are_published(
    servers: tuple[Actor, ...], distinct: int
) -> None:
    result = check(world(*servers))
    assert [v.verdict for v in result.verdicts] == ["holds", "holds"]
    pin("Stateright, published", result, distinct=distinct)


@pytest.mark.parametrize(
    "servers",
    [(SingleCopy("s0"), SingleCopy("s1")), replicas(increment=0)],
    ids=["two copies", "writes without a later version"],
)
def test_a_register_that_is_not_linearizable_is_caught(servers: tuple[Actor, ...]) -> None:
    result = check(world(*servers))
    violation = result.violation
    assert violation is not None
    assert violation.trace is not None
    again = replay(world(*servers), violation.trace)
    assert (again.violated, again.difference) == ("linearizable", None)
