"""Chandy and Lamport's snapshots without one of their rules, or over channels without order."""

from __future__ import annotations

from collections.abc import Callable

from quorate.kernel import Actor, Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.mutants.reliable_link import ReceiverDeliversInAnyOrder
from quorate.protocols import chandy_lamport
from quorate.protocols.chandy_lamport import MARKER, PAUSE_MS, Node


class MarksLater(Node):
    marking: bool = False

    def give(self, ctx: Context, to: NodeId, item: str) -> None:
        if item == MARKER and not self.marking:
            return ctx.set_timer("mark", PAUSE_MS)
        Node.give(self, ctx, to, item)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer != "mark":
            return Node.on_timer(self, ctx, timer)
        self.marking = True
        for node in self.others:
            self.give(ctx, node, MARKER)
        self.marking = False


class RecordsLater(Node):
    marked: frozenset[NodeId] = frozenset()

    def close(self, ctx: Context, src: NodeId) -> None:
        if self.recorded:
            return Node.close(self, ctx, src)
        self.marked |= {src}
        ctx.set_timer("record", PAUSE_MS)

    def record(self, ctx: Context) -> None:
        Node.record(self, ctx)
        for node in sorted(self.marked):
            self.close(ctx, node)


class RecordsAnOlderBalance(Node):
    def record(self, ctx: Context) -> None:
        self.balance += self.moved
        Node.record(self, ctx)
        self.balance -= self.moved


class RecordsTwice(Node):
    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "record":
            self.record(ctx)
        else:
            self.move(ctx)

    def close(self, ctx: Context, src: NodeId) -> None:
        if not self.recorded or src in self.open:
            Node.close(self, ctx, src)


class RecordsNoChannel(Node):
    def arrive(self, ctx: Context, src: NodeId, amount: int) -> None:
        before = self.open
        Node.arrive(self, ctx, src, amount)
        self.open = before


class RecordsAllThatCame(Node):
    came: tuple[tuple[NodeId, int], ...] = ()

    def arrive(self, ctx: Context, src: NodeId, amount: int) -> None:
        self.came += ((src, amount),)
        Node.arrive(self, ctx, src, amount)

    def record(self, ctx: Context) -> None:
        Node.record(self, ctx)
        for src, amount in self.came:
            self.open = self.open.put(src, (*self.open[src], amount))


class MarksOneOnly(Node):
    def give(self, ctx: Context, to: NodeId, item: str) -> None:
        if item != MARKER or to == self.others[0]:
            Node.give(self, ctx, to, item)


class MovesNothing(Node):
    def rest(self, ctx: Context) -> None:
        ctx.cancel_timer("move")


def _swap(new: type[Actor], nodes: int = 2, initiators: int = 1) -> Callable[..., World]:
    def world(nodes: int = nodes, transfers: int = 1, initiators: int = initiators) -> World:
        return swapped(chandy_lamport.world(nodes, transfers, initiators, window=2), new)

    return world


def _mutant(
    name: str,
    breaks: str,
    kills: str,
    new: type[Actor],
    nodes: int = 2,
    initiators: int = 1,
) -> Mutant:
    return Mutant(
        name=name,
        protocol="chandy_lamport",
        breaks=breaks,
        kills=kills,
        world=_swap(new, nodes, initiators),
        at_large={"nodes": 3, "transfers": 8, "initiators": initiators},
    )


MUTANTS = (
    _mutant(
        "channels_reorder",
        "what is sent after a marker may arrive before it",
        "consistent cut",
        ReceiverDeliversInAnyOrder,
    ),
    _mutant(
        "marks_later",
        "money may be sent after a node records its state and before its markers",
        "consistent cut",
        MarksLater,
    ),
    _mutant(
        "records_later",
        "a node may go on for a while after a marker before it records its state",
        "consistent cut",
        RecordsLater,
    ),
    _mutant(
        "records_an_older_balance",
        "a node records what it had before its latest transfer",
        "no money is lost or made",
        RecordsAnOlderBalance,
    ),
    _mutant(
        "records_twice",
        "a node that a marker has made record its state does so again by itself",
        "no money is lost or made",
        RecordsTwice,
        initiators=2,
    ),
    _mutant(
        "records_no_channel",
        "what comes between recording and the marker is not recorded",
        "no money is lost or made",
        RecordsNoChannel,
    ),
    _mutant(
        "records_all_that_came",
        "what came before its node recorded its state is recorded as under way, too",
        "exact channels",
        RecordsAllThatCame,
    ),
    _mutant(
        "marks_one_only",
        "a marker goes out on one channel only",
        "the snapshot ends",
        MarksOneOnly,
        nodes=3,
    ),
    _mutant("moves_nothing", "no money moves", "money is recorded under way", MovesNothing),
)
