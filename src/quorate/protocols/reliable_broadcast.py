"""Reliable broadcast: deliver the same to all, although the sender may lie.

Problem      all correct nodes deliver the same value, or none of them anything
Source       Bracha, Asynchronous Byzantine Agreement Protocols, Information and Computation 75(2)
             1987, section 2, figure 1
Model        asynchronous; of more than 3·faults nodes, at most faults are traitors, and others may
             crash and recover; links may lose, duplicate and reorder; the receiver knows the sender
Quorum       ⌈(n + f + 1)/2⌉ echoes, or f + 1 that are ready, to be ready; 2f + 1 to deliver
Roles
  Node     may broadcast; says what it heard, then that it is ready, and delivers when enough are
Messages
  Initial  sender → nodes — deliver this
  Echo     node → nodes — this is what the sender told me
  Ready    node → nodes — nobody correct will deliver anything else
Stable
  Node.echoed     it may not say later that it was told otherwise
  Node.ready      nor that it is ready for something else
  Node.delivered  what was delivered stays delivered
Guarantees   consistency, integrity, delivery, totality
Cost         until all have delivered: nodes - 1 + 2·nodes·(nodes - 1) messages, 3 message delays,
             2·nodes forced writes, 2 write delays
Deviations   what was said is on disk, and said again now and then
"""

from __future__ import annotations

from quorate.kernel import (
    Actor,
    Byzantine,
    Context,
    Map,
    Message,
    NodeId,
    QuorumSystem,
    Stable,
    Threshold,
    World,
)
from quorate.properties.cost import Cost
from quorate.properties.reliable_broadcast import (
    Broadcast,
    Delivered,
    consistency,
    delivery,
    integrity,
    totality,
)

AGAIN_MS = (500, 1_000)


class Initial(Message, frozen=True):
    value: str


class Echo(Message, frozen=True):
    value: str


class Ready(Message, frozen=True):
    value: str


Msg = Initial | Echo | Ready


class Node(Actor):
    """May broadcast; says what it heard, then that it is ready, and delivers when enough are.

    `quorum`: of nodes that have to echo a value; `value`: what the sender, if this is the one, has
    to broadcast; `echoes`, `readies`: what each node said first.
    """

    quorum: Byzantine
    sender: NodeId
    value: str | None = None
    echoed: Stable[str | None] = None
    ready: Stable[str | None] = None
    delivered: Stable[str | None] = None
    echoes: Map[NodeId, str] = Map()
    readies: Map[NodeId, str] = Map()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if self.value is not None:
            ctx.output(Broadcast(self.value))
        if self.delivered is not None:
            ctx.output(Delivered(self.delivered))  # it may have crashed before it could say so
        self.say_again(ctx)

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.say_again(ctx)

    def say_again(self, ctx: Context) -> None:
        ctx.set_timer("again", AGAIN_MS)
        if self.value is not None:
            ctx.broadcast(self.quorum.nodes, Initial(self.value))
        if self.echoed is not None:
            self.say(ctx, Echo(self.echoed))
        if self.ready is not None:
            self.say(ctx, Ready(self.ready))

    def say(self, ctx: Context, m: Echo | Ready) -> None:
        """To the others; it counts itself at once."""
        ctx.broadcast(tuple(node for node in self.quorum.nodes if node != self.me), m)
        if isinstance(m, Echo):
            self.echoes = self.echoes.put(self.me, m.value)
        else:
            self.readies = self.readies.put(self.me, m.value)

    def on_initial(self, ctx: Context, src: NodeId, m: Initial) -> None:
        if src != self.sender or self.echoed is not None:
            return ctx.ignore("not the sender, or not the first that it sent")
        self.echoed = m.value
        self.say(ctx, Echo(m.value))
        self.weigh(ctx, m.value)

    def on_echo(self, ctx: Context, src: NodeId, m: Echo) -> None:
        if src in self.echoes:
            return ctx.ignore("it has echoed before")
        self.echoes = self.echoes.put(src, m.value)
        self.weigh(ctx, m.value)

    def on_ready(self, ctx: Context, src: NodeId, m: Ready) -> None:
        if src in self.readies:
            return ctx.ignore("it was ready before")
        self.readies = self.readies.put(src, m.value)
        self.weigh(ctx, m.value)

    def weigh(self, ctx: Context, value: str) -> None:
        """Has enough been said for this value to be ready for it, or to deliver it?"""
        if self.ready is None and (
            self.quorum.won(said(self.echoes, value))
            or self.some_correct.won(said(self.readies, value))
        ):
            self.ready = value
            self.say(ctx, Ready(value))
        if self.delivered is None and self.most_correct.won(said(self.readies, value)):
            self.delivered = value
            ctx.output(Delivered(value))

    @property
    def some_correct(self) -> QuorumSystem:
        return Threshold(self.quorum.nodes, self.quorum.faults + 1)

    @property
    def most_correct(self) -> QuorumSystem:
        return Threshold(self.quorum.nodes, 2 * self.quorum.faults + 1)


def said(votes: Map[NodeId, str], value: str) -> frozenset[NodeId]:
    """Who said a value."""
    return frozenset(node for node, vote in votes.items() if vote == value)


PROPERTIES = (consistency, integrity, delivery, totality)


def lies(
    nodes: tuple[NodeId, ...], sender: NodeId, traitor: NodeId
) -> tuple[tuple[NodeId, Initial | Echo | Ready], ...]:
    """All that a traitor may say to anyone: one of two values in each kind of message."""
    kinds = (Initial, Echo, Ready) if traitor == sender else (Echo, Ready)
    others = (node for node in nodes if node != traitor)
    return tuple((to, kind(v)) for to in others for kind in kinds for v in ("a", "b"))


def world(nodes: int = 4, faults: int = 1, traitors: str = "p1") -> World:
    """Nodes p1…, of which p1 broadcasts "a", and `traitors` say anything to anyone: names, with
    commas between them. `faults`: how many the protocol is to withstand."""
    names = tuple(f"p{i}" for i in range(1, nodes + 1))
    sender, *rest = names
    quorum = Byzantine(names, faults)
    liars = tuple(filter(None, traitors.split(",")))
    return World(
        processes=(
            Node(sender, quorum, sender, "a"),
            *(Node(name, quorum, sender) for name in rest),
        ),
        properties=PROPERTIES,
        byzantine={liar: lies(names, sender, liar) for liar in liars},
    )


def cost(nodes: int) -> Cost:
    """until all have delivered"""
    return Cost(
        messages=nodes - 1 + 2 * nodes * (nodes - 1),
        delays=3,
        forced_writes=2 * nodes,
        write_delays=2,
    )


WORLDS = {"main": world}
QUIET = {"traitors": ""}
