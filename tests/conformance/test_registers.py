"""Registers after Stateright's examples single-copy-register.rs and linearizable-register.rs.

Source: https://github.com/stateright/stateright, which publishes 93 and 544 distinct states for two
clients, each of which writes once and then reads once, on a network that neither loses nor repeats
messages. What a history is, and so which states differ, is that of its LinearizabilityTester.
"""

from __future__ import annotations

from typing import Self

import pytest

from quorate.check import check
from quorate.kernel import (
    Actor,
    Context,
    Fact,
    Map,
    Message,
    Network,
    NodeId,
    Observer,
    Property,
    World,
    always,
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


# What clients state, and what an observer makes of it.


class Invoked(Fact, frozen=True):
    """The client writes `value`, or reads if that is None."""

    value: str | None


class Returned(Fact, frozen=True):
    """The client's operation ended; a read gave `value`."""

    value: str | None


class Operation(Fact, frozen=True):
    """One operation of a history; `before` counts the operations of each other client that had
    returned when it was invoked. A `written` of None is a read."""

    written: str | None
    before: tuple[tuple[NodeId, int], ...]
    read: str | None = None


class History(Observer, frozen=True):
    """Who did what, and what of it was over when something else began."""

    returned: Map[NodeId, tuple[Operation, ...]] = Map()
    under_way: Map[NodeId, Operation] = Map()

    def see(self, node: NodeId, fact: Fact) -> Self:
        if isinstance(fact, Invoked):
            others = ((name, len(ops)) for name, ops in self.returned.sorted() if name != node)
            begun = Operation(fact.value, tuple(others))
            return type(self)(self.me, self.returned, self.under_way.put(node, begun))
        assert isinstance(fact, Returned)
        ended = self.under_way[node]
        ended = Operation(ended.written, ended.before, fact.value)
        ops = (*(self.returned.get(node) or ()), ended)
        return type(self)(self.me, self.returned.put(node, ops), self.under_way.drop((node,)))

    def is_linearizable(self) -> bool:
        """Whether some order of the operations explains what was read."""
        clients = {name: list(ops) for name, ops in self.returned.sorted()}
        for name, op in self.under_way.sorted():
            clients.setdefault(name, []).append(op)
        return self._explains(clients, dict.fromkeys(clients, 0), UNWRITTEN)

    def _explains(
        self, clients: dict[NodeId, list[Operation]], done: dict[NodeId, int], value: str
    ) -> bool:
        if all(done[name] >= len(self.returned.get(name) or ()) for name in clients):
            return True  # what is under way may never take effect
        for name, ops in clients.items():
            if done[name] == len(ops):
                continue
            op = ops[done[name]]
            if any(done[other] < count for other, count in op.before):
                continue
            returned = done[name] < len(self.returned.get(name) or ())
            if op.written is None and returned and op.read != value:
                continue
            after = value if op.written is None else op.written
            if self._explains(clients, {**done, name: done[name] + 1}, after):
                return True
        return False


LINEARIZABLE = always(
    "linearizable", lambda v: next(v.roles(History)).is_linearizable(), states=True
)
VALUE_READ = sometimes(
    "a written value is read",
    lambda v: any(fact.value for _, fact in v.stated(Returned)),
)


class Client(Actor):
    """Writes to one server and then reads from the next."""

    index: int
    servers: tuple[NodeId, ...]
    awaiting: int | None = None

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.awaiting = self.index
        ctx.output(Invoked(self.me))
        ctx.send(self.servers[self.index % len(self.servers)], Put(self.index, self.me))

    def on_put_ok(self, ctx: Context, src: NodeId, m: PutOk) -> None:
        if m.request != self.awaiting:
            return ctx.ignore("not what was asked")
        self.awaiting = 2 * self.index
        ctx.output(Returned(None))
        ctx.output(Invoked(None))
        ctx.send(self.servers[(self.index + 1) % len(self.servers)], Get(self.awaiting))

    def on_get_ok(self, ctx: Context, src: NodeId, m: GetOk) -> None:
        if m.request != self.awaiting:
            return ctx.ignore("not what was asked")
        self.awaiting = None
        ctx.output(Returned(m.value))


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
    assert result.distinct == distinct


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


def test_a_history_that_is_sequential_in_another_order_is_told_from_one_that_is_not() -> None:
    first: History = History("h")
    # a writes, that ends, then b reads: it must see it. If b began earlier, it need not.
    late = (("a", Invoked("x")), ("a", Returned(None)), ("b", Invoked(None)), ("b", Returned("")))
    early = (late[2], *late[:2], late[3])
    verdicts = []
    for run in (late, early):
        history = first
        for node, fact in run:
            history = history.see(node, fact)
        verdicts.append(history.is_linearizable())
    assert verdicts == [False, True]
