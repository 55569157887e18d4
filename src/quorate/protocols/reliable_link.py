"""Reliable link: carry items in order over a network that loses, duplicates and reorders.

Problem      one node hands another what a third gave it, each item once and in order
Source       Stenning, A Data Transfer Protocol, Computer Networks 1(2) 1976; Lynch, Distributed
             Algorithms, 1996, section 22.2
Model        asynchronous; no crashes; links lose, duplicate and reorder
Quorum       none: there are two ends
Roles
  Sender     numbers the items, and sends the first ones again until they are acknowledged
  Receiver   delivers the next item, and says how many it has
Messages
  Give       user → sender — carry this as well (within a process: no message is sent)
  Data       sender → receiver — this is the item with this number
  Ack        receiver → sender — I have delivered all items up to this number
Stable       none: an end that restarts begins a new link, as in TCP
Guarantees   no_creation, no_duplication, fifo_order, delivery, link_use
Cost         with a window of one, until all is delivered: 2·senders·items messages, 2·items - 1
             message delays, 0 forced writes, 0 write delays
Deviations   numbers are unbounded, since links reorder (Stenning's wrap around, which is safe only
             where messages do not outlive a window); no item is kept that comes before its turn
"""

from __future__ import annotations

from quorate.kernel import Actor, Context, Map, Message, NodeId, World
from quorate.properties.cost import Cost
from quorate.properties.link import (
    Delivered,
    Sent,
    delivery,
    fifo_order,
    link_use,
    no_creation,
    no_duplication,
)

RESEND_MS = (40, 60)


class Give(Message, frozen=True):
    item: str


class Data(Message, frozen=True):
    number: int
    item: str


class Ack(Message, frozen=True):
    number: int


Msg = Give | Data | Ack


class Sender(Actor):
    """Numbers the items, and sends the first ones again until they are acknowledged."""

    to: NodeId
    items: tuple[str, ...]
    window: int
    sent: int = 0
    acknowledged: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        for number, item in enumerate(self.items, start=1):
            ctx.output(Sent(self.to, number, item))
        self.fill(ctx)

    def on_give(self, ctx: Context, src: NodeId, m: Give) -> None:
        self.items += (m.item,)
        ctx.output(Sent(self.to, len(self.items), m.item))
        self.fill(ctx)

    def fill(self, ctx: Context) -> None:
        """Send items for the first time, as far as the window allows."""
        while self.sent < min(len(self.items), self.acknowledged + self.window):
            self.sent += 1
            self.send(ctx, self.sent)
        if self.acknowledged < self.sent:
            ctx.set_timer("resend", RESEND_MS)
        else:
            ctx.cancel_timer("resend")

    def send(self, ctx: Context, number: int) -> None:
        ctx.send(self.to, Data(number, self.items[number - 1]))

    def on_ack(self, ctx: Context, src: NodeId, m: Ack) -> None:
        if m.number <= self.acknowledged:
            return ctx.ignore("nothing new")
        self.acknowledged = m.number
        self.fill(ctx)

    def on_timer(self, ctx: Context, timer: str) -> None:
        for number in range(self.acknowledged + 1, self.sent + 1):
            self.send(ctx, number)
        ctx.set_timer("resend", RESEND_MS)


class Receiver(Actor):
    """Delivers the next item, and says how many it has."""

    delivered: Map[NodeId, int] = Map()

    def on_data(self, ctx: Context, src: NodeId, m: Data) -> None:
        count = self.delivered.get(src) or 0
        if m.number > count + 1:
            return ctx.ignore("not its turn")
        if m.number == count + 1:
            count += 1
            self.delivered = self.delivered.put(src, count)
            ctx.output(Delivered(src, count, m.item))
        ctx.send(src, Ack(count))  # again, if it had been delivered: that Ack may be lost


PROPERTIES = (no_creation, no_duplication, fifo_order, delivery, link_use)


def world(senders: int = 2, items: int = 10, window: int = 4) -> World:
    """Senders s1…, each with some items for receiver r, and a window of so many under way."""
    names = [f"s{i}" for i in range(1, senders + 1)]
    ends = [
        Sender(name, "r", tuple(f"{name}.{n}" for n in range(1, items + 1)), window)
        for name in names
    ]
    return World(processes=(*ends, Receiver("r")), properties=PROPERTIES, crashable=frozenset())


def small(senders: int = 1, items: int = 3, window: int = 2) -> World:
    """Few items, so that it can be explored to its end."""
    return world(senders, items, window)


def cost(senders: int, items: int) -> Cost:
    """with a window of one, until all is delivered"""
    return Cost(
        messages=2 * senders * items,
        delays=2 * items - 1,
        forced_writes=0,
        write_delays=0,
    )


WORLDS = {"main": world, "small": small}
QUIET = {"senders": 1, "items": 3, "window": 1}
