"""Chandy-Lamport: record a state that the system could have been in, while it goes on.

Problem      how much money is there, when some of it is always on its way between nodes?
Source       Chandy and Lamport, Distributed Snapshots: Determining Global States of Distributed
             Systems, TOCS 3(1) 1985, section 3
Model        asynchronous; no crashes; channels deliver all, in order: here, reliable links, over a
             network that loses, duplicates and reorders
Quorum       none: all nodes take part
Roles
  Node       sends money to others; records its state once, and that of each channel to it
  Sender     as in reliable link: a node's end of its channel to one other
  Receiver   as in reliable link: a node's end of its channels from all others
Messages
  Give       node → sender — carry this amount, or a marker (within a process: no message is sent)
  Data       sender → receiver — as in reliable link
  Ack        receiver → sender — as in reliable link
Stable       none: nodes do not crash
Guarantees   consistent_cut, exact_channels, conservation, money_under_way, snapshot_ends
Cost         until all is recorded: nodes·(nodes - 1) messages, 2 message delays, 0 forced writes, 0
             write delays
Deviations   the graph of channels is complete; what is recorded stays at the nodes, where the paper
             leaves it open how it is collected; acknowledgements of the links do not count
"""

from __future__ import annotations

from quorate.kernel import (
    Actor,
    Context,
    Fact,
    Map,
    NodeId,
    Process,
    UsageError,
    World,
    instance,
    runner_of,
)
from quorate.properties.cost import Cost
from quorate.properties.link import Delivered
from quorate.properties.snapshot import (
    Arrived,
    Channel,
    Moved,
    Opened,
    Recorded,
    conservation,
    consistent_cut,
    exact_channels,
    money_under_way,
    snapshot_ends,
)
from quorate.protocols.reliable_link import Ack, Data, Give, Receiver, Sender

Msg = Give | Data | Ack

PAUSE_MS = (0, 200)
MARKER = "marker"
END = "end"
"""The name of the instance that is a node's end of its channels from others."""


class Node(Actor):
    """Sends money to others; records its state once, and that of each channel to it.

    Its n-th transfer moves n dollars. `open`: what has come over the channels that are being
    recorded.
    """

    others: tuple[NodeId, ...]
    balance: int
    transfers: int
    initiates: bool
    moved: int = 0
    recorded: bool = False
    open: Map[NodeId, tuple[int, ...]] = Map()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.output(Opened(self.balance))
        if self.initiates:
            ctx.set_timer("record", PAUSE_MS)
        self.rest(ctx)

    def rest(self, ctx: Context) -> None:
        if self.moved < self.transfers:
            ctx.set_timer("move", PAUSE_MS)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "move":
            self.move(ctx)
        elif self.recorded:
            ctx.ignore("a marker came first")
        else:
            self.record(ctx)

    def move(self, ctx: Context) -> None:
        to = self.others[self.moved % len(self.others)]
        self.moved += 1
        self.balance -= self.moved
        ctx.output(Moved(to, self.moved))
        self.give(ctx, to, str(self.moved))
        self.rest(ctx)

    def give(self, ctx: Context, to: NodeId, item: str) -> None:
        ctx.send(instance(self.me, to), Give(item))

    def record(self, ctx: Context) -> None:
        """The marker goes out on every channel ahead of anything sent after this."""
        self.recorded = True
        ctx.output(Recorded(self.balance))
        self.open = Map((node, ()) for node in self.others)
        for node in self.others:
            self.give(ctx, node, MARKER)

    def on_stated(self, ctx: Context, role: NodeId, fact: Fact) -> None:
        if not isinstance(fact, Delivered):
            return
        src = runner_of(fact.src)
        if fact.item == MARKER:
            self.close(ctx, src)
        else:
            self.arrive(ctx, src, int(fact.item))

    def arrive(self, ctx: Context, src: NodeId, amount: int) -> None:
        self.balance += amount
        ctx.output(Arrived(src, amount))
        if src in self.open:
            self.open = self.open.put(src, (*self.open[src], amount))

    def close(self, ctx: Context, src: NodeId) -> None:
        """A marker: what came over this channel after this node recorded its own state, and before
        now, was under way; nothing, if it is the first marker of all."""
        if not self.recorded:
            self.record(ctx)
        ctx.output(Channel(src, self.open[src]))
        self.open = self.open.drop([src])


PROPERTIES = (consistent_cut, exact_channels, conservation, money_under_way, snapshot_ends)


def world(
    nodes: int = 3, transfers: int = 8, initiators: int = 1, balance: int = 100, window: int = 4
) -> World:
    """Nodes n1…, each with a balance that is enough for so many transfers; the first `initiators`
    record their states without being told. `window`: of the links."""
    if nodes < 2:
        raise UsageError(f"nodes={nodes}: for money to be under way takes two or more")
    if transfers * (transfers + 1) > 2 * balance:
        raise UsageError(f"balance={balance} is not enough for transfers of 1 to {transfers}")
    names = tuple(f"n{i}" for i in range(1, nodes + 1))
    processes = []
    for index, me in enumerate(names):
        others = tuple(name for name in names if name != me)
        node = Node(me, others, balance, transfers, index < initiators)
        ends = [Sender(instance(me, to), instance(to, END), (), window) for to in others]
        processes.append(Process(me, (node, *ends, Receiver(instance(me, END)))))
    return World(processes=tuple(processes), properties=PROPERTIES, crashable=frozenset())


def small(
    nodes: int = 2, transfers: int = 1, initiators: int = 1, balance: int = 10, window: int = 2
) -> World:
    """Few transfers, so that it can be explored to its end."""
    return world(nodes, transfers, initiators, balance, window)


def cost(nodes: int) -> Cost:
    """until all is recorded"""
    return Cost(
        messages=nodes * (nodes - 1),
        delays=2,
        forced_writes=0,
        write_delays=0,
        counted=(Data,),
    )


WORLDS = {"main": world, "small": small}
QUIET = {"transfers": 0}
