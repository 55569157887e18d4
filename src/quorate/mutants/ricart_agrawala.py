"""Ricart and Agrawala's mutual exclusion without one of its guards."""

from __future__ import annotations

from collections.abc import Callable

from quorate.kernel import Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.protocols import ricart_agrawala
from quorate.protocols.ricart_agrawala import Ask, Leave, Node


class GivesLeaveAlways(Node):
    def on_ask(self, ctx: Context, src: NodeId, m: Ask) -> None:
        self.clock = max(self.clock, m.time)
        ctx.send(src, Leave(m.time))


class IgnoresClocks(Node):
    def on_ask(self, ctx: Context, src: NodeId, m: Ask) -> None:
        clock = self.clock
        Node.on_ask(self, ctx, src, m)
        self.clock = clock


class ComparesNamesOnly(Node):
    def on_ask(self, ctx: Context, src: NodeId, m: Ask) -> None:
        if self.asked is not None and self.me < src:
            self.waiting |= {(m.time, src)}
        else:
            self.clock = max(self.clock, m.time)
            ctx.send(src, Leave(m.time))


class IsContentWithMost(Node):
    def on_leave(self, ctx: Context, src: NodeId, m: Leave) -> None:
        others, self.others = self.others, (src,)
        Node.on_leave(self, ctx, src, m)
        self.others = others


class TakesAnyLeave(Node):
    def on_leave(self, ctx: Context, src: NodeId, m: Leave) -> None:
        if self.asked is not None:
            Node.on_leave(self, ctx, src, Leave(self.asked))


class ForgetsWhoWaits(Node):
    def leave(self, ctx: Context) -> None:
        self.waiting = frozenset()
        Node.leave(self, ctx)

    def on_ask(self, ctx: Context, src: NodeId, m: Ask) -> None:
        known = self.clock >= m.time
        if not known:
            Node.on_ask(self, ctx, src, m)


class NeverEnters(Node):
    def on_leave(self, ctx: Context, src: NodeId, m: Leave) -> None:
        ctx.ignore("not for the open request")


def _swap(node: type[Node], nodes: int = 2, turns: int = 1) -> Callable[..., World]:
    def world(nodes: int = nodes, turns: int = turns) -> World:
        return swapped(ricart_agrawala.world(nodes, turns), node)

    return world


def _mutant(
    name: str, breaks: str, kills: str, world: Callable[..., World], **at_large: int
) -> Mutant:
    return Mutant(
        name=name,
        protocol="ricart_agrawala",
        breaks=breaks,
        kills=kills,
        world=world,
        at_large={"nodes": 3, "turns": 4} | at_large,
    )


MUTANTS = (
    _mutant(
        "gives_leave_always",
        "a node that asked earlier does not put others off",
        "no two inside",
        _swap(GivesLeaveAlways),
    ),
    _mutant(
        "ignores_clocks",
        "a clock does not move on when a later time is heard of",
        "in the order of stamps",
        _swap(IgnoresClocks, turns=2),
    ),
    _mutant(
        "compares_names_only",
        "whose name is first goes first, whenever it asked",
        "no two inside",
        _swap(ComparesNamesOnly, turns=2),
    ),
    _mutant(
        "is_content_with_most",
        "the leave of one other node is enough",
        "no two inside",
        _swap(IsContentWithMost, nodes=3),
    ),
    _mutant(
        "takes_any_leave",
        "leave that was for an earlier request counts",
        "no two inside",
        _swap(TakesAnyLeave, turns=2),
    ),
    _mutant(
        "forgets_who_waits",
        "who was put off is never told, nor when it asks again",
        "whoever asks enters and leaves",
        _swap(ForgetsWhoWaits),
    ),
    _mutant("never_enters", "no leave counts", "one is inside", _swap(NeverEnters)),
)
