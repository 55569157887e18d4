"""ABCAST by consensus without one of its guards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from quorate.kernel import Context, Fact, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.properties.consensus import Decided
from quorate.protocols import abcast_by_consensus
from quorate.protocols.abcast_by_consensus import Estimate, Instance, Orderer, Propose
from quorate.protocols.chandra_toueg import Node


class DeliversOnce(Orderer):
    def deliver(self, ctx: Context, message: str) -> None:
        if message not in self.log:
            Orderer.deliver(self, ctx, message)


class DeliversAsDecided(DeliversOnce):
    def on_stated(self, ctx: Context, role: NodeId, fact: Fact) -> None:
        if isinstance(fact, Decided):
            for message in sorted(fact.value.split()):
                self.deliver(ctx, message)
        Orderer.on_stated(self, ctx, role, fact)


class DeliversItsOwnFirst(DeliversOnce):
    def on_stated(self, ctx: Context, role: NodeId, fact: Fact) -> None:
        if isinstance(fact, Decided) and role == self.slots[self.slot]:
            for message in fact.value.split():
                if message in self.messages:
                    self.deliver(ctx, message)
        Orderer.on_stated(self, ctx, role, fact)


class ProposesAgain(Orderer):
    def deliver(self, ctx: Context, message: str) -> None:
        told = self.told
        Orderer.deliver(self, ctx, message)
        self.told = told


class BeginsWithNothing(Instance):
    def on_estimate(self, ctx: Context, src: NodeId, m: Estimate) -> None:
        Node.on_estimate(self, ctx, src, m)

    def on_propose(self, ctx: Context, src: NodeId, m: Propose) -> None:
        Node.on_propose(self, ctx, src, m)


class DropsTheBatch(Orderer):
    def deliver(self, ctx: Context, message: str) -> None:
        if message in self.told:
            Orderer.deliver(self, ctx, message)


def _swap(*roles: type[Orderer | Instance], **sizes: int) -> Callable[..., World]:
    def world(
        nodes: int = sizes.get("nodes", 2),
        messages: int = sizes.get("messages", 1),
        senders: int = sizes.get("senders", 2),
        rounds: int = sizes.get("rounds", 1),
    ) -> World:
        return swapped(abcast_by_consensus.world(nodes, messages, senders, rounds), *roles)

    return world


def _mutant(
    name: str,
    breaks: str,
    kills: str,
    world: Callable[..., World],
    found_by: Literal["check", "seeds"] = "check",
) -> Mutant:
    return Mutant(
        name=name,
        protocol="abcast_by_consensus",
        breaks=breaks,
        kills=kills,
        world=world,
        found_by=found_by,
        at_large={"nodes": 3, "messages": 3, "rounds": 0},
    )


MUTANTS = (
    _mutant(
        "delivers_as_decided",
        "an instance that is decided before an earlier one is not waited with",
        "uniform total order",
        _swap(DeliversAsDecided, nodes=3, messages=2, senders=1),
    ),
    _mutant(
        "delivers_its_own_first",
        "messages of one batch are not delivered in the same order by all",
        "uniform total order",
        _swap(DeliversItsOwnFirst, messages=2),
    ),
    _mutant(
        "proposes_again",
        "what was delivered is proposed once more",
        "no duplication",
        _swap(ProposesAgain),
    ),
    _mutant(
        "begins_with_nothing",
        "an instance takes part before it has something to propose",
        "delivery",
        _swap(BeginsWithNothing, nodes=3, senders=1, rounds=0),
        found_by="seeds",
    ),
    _mutant(
        "drops_the_batch",
        "what a node was never told of is not delivered, although it is decided",
        "uniform total order",
        _swap(DropsTheBatch),
    ),
)
