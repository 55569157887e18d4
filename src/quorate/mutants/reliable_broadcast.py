"""Reliable broadcast without one of its guards, against one traitor."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from quorate.kernel import Context, Message, NodeId, QuorumSystem, Threshold, World
from quorate.mutants import Mutant
from quorate.protocols import reliable_broadcast
from quorate.protocols.reliable_broadcast import Echo, Initial, Node, Ready


class DeliversOnOneReady(Node):
    @property
    def most_correct(self) -> QuorumSystem:
        return Threshold(self.quorum.nodes, 1)


class BelievesOneReady(Node):
    @property
    def some_correct(self) -> QuorumSystem:
        return Threshold(self.quorum.nodes, self.quorum.faults)


class EchoesAnyone(Node):
    def on_initial(self, ctx: Context, src: NodeId, m: Initial) -> None:
        sender, self.sender = self.sender, src
        Node.on_initial(self, ctx, src, m)
        self.sender = sender


class WaitsForEchoes(Node):
    @property
    def some_correct(self) -> QuorumSystem:
        return Threshold(self.quorum.nodes, len(self.quorum.nodes))


class DeliversEarly(Node):
    @property
    def most_correct(self) -> QuorumSystem:
        return Threshold(self.quorum.nodes, self.quorum.faults + 1)


Lies = tuple[tuple[NodeId, Message], ...]


def _swap(new: type[Node], traitor: NodeId, lies: Lies) -> Callable[..., World]:
    """Of four nodes, the traitor says these, in any order, or some of them."""

    def world() -> World:
        base = reliable_broadcast.world(traitors=traitor)
        roles = tuple(
            new(**msgspec.structs.asdict(role)) if role.me != "p1" else role
            for role in base.processes
        )
        return msgspec.structs.replace(base, processes=roles, byzantine={traitor: lies})

    return world


def _mutant(
    name: str, breaks: str, kills: str, new: type[Node], traitor: NodeId, lies: Lies
) -> Mutant:
    return Mutant(
        name=name,
        protocol="reliable_broadcast",
        breaks=breaks,
        kills=kills,
        world=_swap(new, traitor, lies),
    )


MUTANTS = (
    _mutant(
        "delivers_on_one_ready",
        "a node delivers as soon as one other is ready",
        "consistency",
        DeliversOnOneReady,
        "p4",
        (("p2", Ready("b")),),
    ),
    _mutant(
        "believes_one_ready",
        "a node gets ready because f others are, who may all be traitors",
        "integrity",
        BelievesOneReady,
        "p4",
        (("p2", Ready("b")), ("p3", Ready("b"))),
    ),
    _mutant(
        "echoes_anyone",
        "a node does not ask who broadcasts",
        "integrity",
        EchoesAnyone,
        "p4",
        tuple((to, kind("b")) for to in ("p2", "p3") for kind in (Initial, Echo, Ready)),
    ),
    _mutant(
        "waits_for_echoes",
        "a node is not ready because others are, but only for echoes",
        "totality",
        WaitsForEchoes,
        "p1",
        tuple((to, kind("a")) for to in ("p2", "p3") for kind in (Initial, Echo, Ready)),
    ),
    _mutant(
        "delivers_early",
        "a node delivers when f + 1 are ready, of whom others may not hear",
        "totality",
        DeliversEarly,
        "p1",
        (
            ("p2", Initial("a")),
            ("p3", Initial("a")),
            ("p2", Echo("a")),
            ("p2", Ready("a")),
        ),
    ),
)
