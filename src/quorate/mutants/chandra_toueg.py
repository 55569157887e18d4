"""Chandra and Toueg's consensus without one of its guards."""

from __future__ import annotations

from collections.abc import Callable

from quorate.kernel import Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.protocols import chandra_toueg
from quorate.protocols.chandra_toueg import Ack, Nack, Node, Propose


class TakesOldestEstimate(Node):
    def hear(self, ctx: Context, node: NodeId, stamp: int, value: str) -> None:
        Node.hear(self, ctx, node, -stamp, value)


class KeepsStamp(Node):
    def on_propose(self, ctx: Context, src: NodeId, m: Propose) -> None:
        stamp = self.stamp
        Node.on_propose(self, ctx, src, m)
        self.stamp = stamp


class AdoptsLate(Node):
    def on_propose(self, ctx: Context, src: NodeId, m: Propose) -> None:
        if self.decided is None and m.round < self.round:
            return ctx.send(src, Ack(m.round))
        Node.on_propose(self, ctx, src, m)


class CountsSuspicions(Node):
    def on_nack(self, ctx: Context, src: NodeId, m: Nack) -> None:
        Node.on_ack(self, ctx, src, Ack(m.round))


class ProposesTwice(Node):
    round: int = 0


class ForgetsEstimate(Node):
    estimate: str = ""
    stamp: int = 0


class HearsFewer(Node):
    def hear(self, ctx: Context, node: NodeId, stamp: int, value: str) -> None:
        for other in self.others:
            self.heard |= {(other, -1, "")}
        Node.hear(self, ctx, node, stamp, value)


def _swap(node: type[Node], rounds: int = 2, crashes: int = 0) -> Callable[..., World]:
    settings = (rounds, crashes)

    def world(nodes: int = 3, rounds: int = settings[0], crashes: int = settings[1]) -> World:
        return swapped(chandra_toueg.small(nodes, rounds, crashes), node)

    return world


def _mutant(name: str, breaks: str, world: Callable[..., World]) -> Mutant:
    return Mutant(
        name=name,
        protocol="chandra_toueg",
        breaks=breaks,
        kills="agreement",
        world=world,
        at_large={"rounds": 0},
    )


MUTANTS = (
    _mutant(
        "takes_oldest_estimate",
        "a coordinator proposes the oldest estimate it heard",
        _swap(TakesOldestEstimate),
    ),
    _mutant("hears_fewer", "a coordinator proposes without a majority", _swap(HearsFewer)),
    _mutant("keeps_stamp", "a node that adopts does not raise its stamp", _swap(KeepsStamp, 3)),
    _mutant("adopts_late", "a node acknowledges a round it has left", _swap(AdoptsLate)),
    _mutant("counts_suspicions", "suspicions count as adoptions", _swap(CountsSuspicions)),
    _mutant(
        "proposes_twice", "a node's round does not survive a crash", _swap(ProposesTwice, 2, 1)
    ),
    _mutant(
        "forgets_estimate",
        "what a node adopted does not survive a crash",
        _swap(ForgetsEstimate, 2, 1),
    ),
)
