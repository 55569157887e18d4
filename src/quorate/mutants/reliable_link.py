"""Reliable link without one of its guards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from quorate.kernel import Actor, Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.properties.link import Delivered
from quorate.protocols import reliable_link
from quorate.protocols.reliable_link import Ack, Data, Receiver, Sender


class ReceiverDeliversAgain(Receiver):
    def on_data(self, ctx: Context, src: NodeId, m: Data) -> None:
        count = self.delivered.get(src) or 0
        if m.number <= count < 5:
            m = Data(count + 1, m.item)
        Receiver.on_data(self, ctx, src, m)


class ReceiverSkips(Receiver):
    def on_data(self, ctx: Context, src: NodeId, m: Data) -> None:
        count = self.delivered.get(src) or 0
        if m.number > count:
            self.delivered = self.delivered.put(src, m.number - 1)
        Receiver.on_data(self, ctx, src, m)


class ReceiverDeliversInAnyOrder(Receiver):
    seen: frozenset[Data] = frozenset()

    def on_data(self, ctx: Context, src: NodeId, m: Data) -> None:
        if m not in self.seen:
            self.seen |= {m}
            ctx.output(Delivered(src, len(self.seen), m.item))
            ctx.send(src, Ack(len(self.seen)))


class ReceiverMixesLinks(Receiver):
    def on_data(self, ctx: Context, src: NodeId, m: Data) -> None:
        Receiver.on_data(self, ctx, "s1", m)


class ReceiverAcknowledgesGaps(Receiver):
    def on_data(self, ctx: Context, src: NodeId, m: Data) -> None:
        if m.number > (self.delivered.get(src) or 0) + 1:
            return ctx.send(src, Ack(m.number))
        Receiver.on_data(self, ctx, src, m)


class ReceiverAcknowledgesOnce(Receiver):
    def on_data(self, ctx: Context, src: NodeId, m: Data) -> None:
        if m.number > (self.delivered.get(src) or 0):
            Receiver.on_data(self, ctx, src, m)


class SenderCountsAnyAck(Sender):
    def on_ack(self, ctx: Context, src: NodeId, m: Ack) -> None:
        if self.acknowledged < self.sent:
            Sender.on_ack(self, ctx, src, Ack(self.acknowledged + 1))


class SenderWrapsAround(Sender):
    def send(self, ctx: Context, number: int) -> None:
        ctx.send(self.to, Data(number % (self.window + 1), self.items[number - 1]))


class ReceiverWrapsAround(Receiver):
    def on_data(self, ctx: Context, src: NodeId, m: Data) -> None:
        due = (self.delivered.get(src) or 0) + 1
        number = due if m.number == due % 2 else due - 1
        Receiver.on_data(self, ctx, src, Data(number, m.item))


class SenderSendsOnce(Sender):
    def on_timer(self, ctx: Context, timer: str) -> None:
        ctx.ignore("it has been sent")


def _swap(*new: type[Actor], **fixed: int) -> Callable[..., World]:
    """The small world with the roles replaced that `new` are mutants of."""

    def world(
        senders: int = fixed.get("senders", 1),
        items: int = fixed.get("items", 3),
        window: int = fixed.get("window", 2),
    ) -> World:
        return swapped(reliable_link.small(senders, items, window), *new)

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
        protocol="reliable_link",
        breaks=breaks,
        kills=kills,
        world=world,
        found_by=found_by,
    )


MUTANTS = (
    _mutant(
        "delivers_again",
        "the receiver delivers an item that it has delivered",
        "no duplication",
        _swap(ReceiverDeliversAgain),
    ),
    _mutant(
        "delivers_in_any_order",
        "the receiver delivers each item as it comes",
        "fifo order",
        _swap(ReceiverDeliversInAnyOrder),
    ),
    _mutant(
        "skips",
        "the receiver delivers an item although an earlier one is missing",
        "delivery",
        _swap(ReceiverSkips),
    ),
    _mutant(
        "mixes_links",
        "the receiver takes all items to be of one link",
        "no creation",
        _swap(ReceiverMixesLinks, senders=2, items=1),
    ),
    _mutant(
        "acknowledges_gaps",
        "the receiver acknowledges an item that it does not deliver",
        "delivery",
        _swap(ReceiverAcknowledgesGaps),
        found_by="seeds",
    ),
    _mutant(
        "counts_any_ack",
        "the sender takes any acknowledgement for one of its next item",
        "delivery",
        _swap(SenderCountsAnyAck),
        found_by="seeds",
    ),
    _mutant(
        "wraps_around",
        "numbers are reused while messages may still be under way (the alternating bit)",
        "no duplication",
        _swap(SenderWrapsAround, ReceiverWrapsAround, window=1),
    ),
    _mutant(
        "acknowledges_once",
        "the receiver does not acknowledge again what it has delivered",
        "delivery",
        _swap(ReceiverAcknowledgesOnce),
        found_by="seeds",
    ),
    _mutant(
        "sends_once",
        "the sender does not send again what may be lost",
        "delivery",
        _swap(SenderSendsOnce),
        found_by="seeds",
    ),
)
