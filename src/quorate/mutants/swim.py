"""SWIM without one of its guards."""

from __future__ import annotations

from collections.abc import Callable

from quorate.kernel import Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.properties.detection import completeness, eventual_accuracy, honesty
from quorate.protocols import swim
from quorate.protocols.swim import News, Node, Status


class NeverRefutes(Node):
    def refute(self, news: News) -> None:
        pass


class CountsRefutationsAsLives(Node):
    def refute(self, news: News) -> None:
        before = self.refuted
        Node.refute(self, news)
        self.life += self.refuted - before


class SuspectsForEver(Node):
    def take(self, ctx: Context, node: NodeId, status: Status) -> None:
        if status is not Status.FAULTY:
            Node.take(self, ctx, node, status)


class KeepsItToItself(Node):
    def news(self, to: NodeId) -> tuple[News, ...]:
        return tuple(each for each in Node.news(self, to) if each.node != to)


def _swap(node: type[Node], maker: Callable[..., World], **fixed: int) -> Callable[..., World]:
    def world() -> World:
        return swapped(maker(**fixed), node)

    return world


def _mutant(name: str, breaks: str, kills: str, world: Callable[..., World]) -> Mutant:
    return Mutant(
        name=name, protocol="swim", breaks=breaks, kills=kills, world=world, found_by="seeds"
    )


MUTANTS = (
    _mutant(
        "never_refutes",
        "a node that hears that it is suspected says nothing to it",
        eventual_accuracy.name,
        _swap(NeverRefutes, swim.world, nodes=3),
    ),
    _mutant(
        "counts_refutations_as_lives",
        "a node that refutes a suspicion does so in another life",
        honesty.name,
        _swap(CountsRefutationsAsLives, swim.small, periods=20),
    ),
    _mutant(
        "suspects_for_ever",
        "a suspicion that nobody refutes comes to nothing",
        completeness.name,
        _swap(SuspectsForEver, swim.world, nodes=3),
    ),
    _mutant(
        "keeps_it_to_itself",
        "a node is not told, when it is asked, what it is taken to be",
        eventual_accuracy.name,
        _swap(KeepsItToItself, swim.world, nodes=3),
    ),
)
