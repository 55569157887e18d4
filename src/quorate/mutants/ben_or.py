"""Ben-Or's consensus without one of its guards."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from quorate.kernel import Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.protocols import ben_or
from quorate.protocols.ben_or import COIN, Node, Phase, Proposal, Report


class DecidesOnOne(Node):
    def next_round(self, ctx: Context, value: str) -> None:
        if self.phase is Phase.PROPOSALS:
            return self.decide(ctx, value)
        Node.next_round(self, ctx, value)


class ProposesAnyValue(Node):
    def on_report(self, ctx: Context, src: NodeId, m: Report) -> None:
        if self.phase is Phase.REPORTS and m.round == self.round:
            return self.say(ctx, Proposal(m.round, m.value), Phase.PROPOSALS)
        Node.on_report(self, ctx, src, m)


class FlipsRegardless(Node):
    def next_round(self, ctx: Context, value: str) -> None:
        if self.phase is Phase.PROPOSALS:
            self.phase = Phase.COIN
            return ctx.choose("coin", COIN)
        Node.next_round(self, ctx, value)


class CountsAnyRound(Node):
    def on_report(self, ctx: Context, src: NodeId, m: Report) -> None:
        Node.on_report(self, ctx, src, Report(self.round, m.value))


class ForgetsWhatItSaid(Node):
    said: tuple[Report | Proposal, ...] = ()


def _swap(node: type[Node], **fixed: int) -> Callable[..., World]:
    def world(
        nodes: int = 3,
        ones: int = fixed.get("ones", 1),
        faults: int = 0,
        rounds: int = fixed.get("rounds", 2),
        crashes: int = fixed.get("crashes", 0),
    ) -> World:
        base = ben_or.small(nodes, ones, faults, rounds)
        return msgspec.structs.replace(swapped(base, node), crashes=crashes)

    return world


def _mutant(name: str, breaks: str, world: Callable[..., World]) -> Mutant:
    return Mutant(
        name=name,
        protocol="ben_or",
        breaks=breaks,
        kills="agreement",
        world=world,
        at_large={"rounds": 0},
    )


MUTANTS = (
    _mutant("decides_on_one", "one proposal is enough to decide", _swap(DecidesOnOne)),
    _mutant("proposes_any_value", "a node proposes without a majority", _swap(ProposesAnyValue)),
    _mutant("flips_regardless", "a node flips its coin despite a proposal", _swap(FlipsRegardless)),
    _mutant("counts_any_round", "reports of earlier rounds count", _swap(CountsAnyRound)),
    _mutant(
        "forgets_what_it_said",
        "what a node said does not survive a crash",
        _swap(ForgetsWhatItSaid, crashes=1),
    ),
)
