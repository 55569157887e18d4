"""Interactive consistency, and consensus by it, without one of its guards."""

from __future__ import annotations

from collections.abc import Callable

from quorate.kernel import Actor, Context, Fact, Map, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.mutants.command_consensus import LieutenantObeysAtOnce
from quorate.properties.consensus import Collected, Decided
from quorate.protocols import interactive_consistency
from quorate.protocols.interactive_consistency import Collector, Selector


class CollectorDoesNotWait(Collector):
    def on_stated(self, ctx: Context, role: NodeId, fact: Fact) -> None:
        Collector.on_stated(self, ctx, role, fact)
        if isinstance(fact, Decided) and len(self.decided) == len(self.entries) - 1:
            ctx.output(Collected(tuple(self.decided.sorted())))


class CollectorMixesUp(Collector):
    def on_start(self, ctx: Context, recovered: bool) -> None:
        roles = sorted(self.entries)
        self.entries = Map(
            (role, self.entries[other])
            for role, other in zip(roles, roles[1:] + roles[:1], strict=True)
        )
        Collector.on_start(self, ctx, recovered)


class CollectorForgetsItself(Collector):
    def on_stated(self, ctx: Context, role: NodeId, fact: Fact) -> None:
        if isinstance(fact, Decided) and fact.value == self.wish:
            fact = Decided(interactive_consistency.DEFAULT)
        Collector.on_stated(self, ctx, role, fact)


class CollectorsNeverEnd(Collector):
    def on_stated(self, ctx: Context, role: NodeId, fact: Fact) -> None:
        pass


class SelectorTakesTheLeast(Selector):
    def select(self, values: list[str]) -> str:
        return min(values)


class SelectorCompromises(Selector):
    def select(self, values: list[str]) -> str:
        return "".join(values)


def _collecting(*new: type[Actor]) -> Callable[..., World]:
    def world(crashes: int = 1, large: bool = False) -> World:
        if large:
            return swapped(interactive_consistency.world(3, 1), *new)
        return swapped(interactive_consistency.small(crashes=crashes), *new)

    return world


def _selecting(*new: type[Actor]) -> Callable[..., World]:
    def world(crashes: int = 1, large: bool = False) -> World:
        suspect_ms = interactive_consistency.SUSPECT_MS if large else 0
        base = interactive_consistency.consensus(crashes=crashes, suspect_ms=suspect_ms)
        return swapped(base, *new)

    return world


def _mutant(name: str, breaks: str, kills: str, world: Callable[..., World]) -> Mutant:
    return Mutant(
        name=name,
        protocol="interactive_consistency",
        breaks=breaks,
        kills=kills,
        world=world,
        at_large={"large": True},
    )


MUTANTS = (
    _mutant(
        "lieutenant_obeys_at_once",
        "a node takes the word of another, whatever it said to others",
        "agreement of the correct",
        _collecting(LieutenantObeysAtOnce),
    ),
    _mutant(
        "does_not_wait",
        "a vector is decided before its last entry",
        "agreement",
        _collecting(CollectorDoesNotWait),
    ),
    _mutant(
        "mixes_up",
        "a value is entered for another node",
        "truth",
        _collecting(CollectorMixesUp),
    ),
    _mutant(
        "forgets_itself",
        "a node leaves its own value out",
        "completeness",
        _collecting(CollectorForgetsItself),
    ),
    _mutant(
        "never_ends",
        "instances decide, and nobody collects",
        "decision is reachable",
        _collecting(CollectorsNeverEnd),
    ),
    _mutant(
        "takes_the_least",
        "of the vector, the least value is decided, and not what most hold",
        "unanimity",
        _selecting(SelectorTakesTheLeast),
    ),
    _mutant(
        "compromises",
        "what is decided is made of all values",
        "validity",
        _selecting(SelectorCompromises),
    ),
)
