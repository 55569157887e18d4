"""Logical clocks without one of their rules."""

from __future__ import annotations

from collections.abc import Callable

from quorate.kernel import Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.properties.causality import Step
from quorate.protocols import logical_clocks
from quorate.protocols.logical_clocks import Node, Word


class StandsStill(Node):
    def happen(self, ctx: Context, cause: Step | None) -> None:
        self.time -= cause is None
        Node.happen(self, ctx, cause)


class IgnoresTimes(Node):
    def on_word(self, ctx: Context, src: NodeId, m: Word) -> None:
        Node.on_word(self, ctx, src, Word(m.number, 0, m.vector))


class FollowsTimes(Node):
    def on_word(self, ctx: Context, src: NodeId, m: Word) -> None:
        self.time = m.time
        Node.on_word(self, ctx, src, m)


class IgnoresVectors(Node):
    def on_word(self, ctx: Context, src: NodeId, m: Word) -> None:
        Node.on_word(self, ctx, src, Word(m.number, m.time, self.vector))


class HeedsTheSenderOnly(Node):
    def on_word(self, ctx: Context, src: NodeId, m: Word) -> None:
        entries = zip(self.nodes, m.vector, self.vector, strict=True)
        vector = tuple(theirs if node == src else mine for node, theirs, mine in entries)
        Node.on_word(self, ctx, src, Word(m.number, m.time, vector))


class DoesNotCountArrivals(Node):
    def happen(self, ctx: Context, cause: Step | None) -> None:
        if cause is not None:
            entries = zip(self.nodes, self.vector, strict=True)
            self.vector = tuple(count - (node == self.me) for node, count in entries)
        Node.happen(self, ctx, cause)


class CountsForAll(Node):
    def happen(self, ctx: Context, cause: Step | None) -> None:
        entries = zip(self.nodes, self.vector, strict=True)
        self.vector = tuple(count + (node != self.me) for node, count in entries)
        Node.happen(self, ctx, cause)


class TellsNobody(Node):
    def rest(self, ctx: Context) -> None:
        self.acts, self.sends = self.acts + self.sends, 0
        Node.rest(self, ctx)


def _swap(node: type[Node], nodes: int = 2) -> Callable[..., World]:
    def world(nodes: int = nodes, sends: int = 1, acts: int = 1) -> World:
        return swapped(logical_clocks.world(nodes, sends, acts), node)

    return world


def _mutant(name: str, breaks: str, kills: str, node: type[Node], nodes: int = 2) -> Mutant:
    return Mutant(
        name=name,
        protocol="logical_clocks",
        breaks=breaks,
        kills=kills,
        world=_swap(node, nodes),
        at_large={"nodes": 3, "sends": -1, "acts": -1},
    )


MUTANTS = (
    _mutant(
        "stands_still",
        "times move on when something comes, and not between other steps",
        "clock condition",
        StandsStill,
    ),
    _mutant(
        "ignores_times",
        "what comes may be stamped earlier than what was sent",
        "clock condition",
        IgnoresTimes,
    ),
    _mutant(
        "follows_times",
        "a clock is put back when an earlier time comes",
        "clock condition",
        FollowsTimes,
    ),
    _mutant(
        "ignores_vectors",
        "a vector counts the steps of its own node only",
        "exact vectors",
        IgnoresVectors,
    ),
    _mutant(
        "heeds_the_sender_only",
        "what the sender had heard from others does not count",
        "exact vectors",
        HeedsTheSenderOnly,
        nodes=3,
    ),
    _mutant(
        "does_not_count_arrivals",
        "that something comes is no step of its own",
        "exact vectors",
        DoesNotCountArrivals,
    ),
    _mutant(
        "counts_for_all",
        "a step moves on the entries of all nodes",
        "exact vectors",
        CountsForAll,
    ),
    _mutant(
        "tells_nobody",
        "no message is sent",
        "all have heard of one step",
        TellsNobody,
    ),
)
