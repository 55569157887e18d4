"""Command consensus: decide what one node, the commander, says, though it may fail.

Problem      BG: all decide the same, and that is the commander's order if it does not fail
Source       the lecture, "Equivalence of Consensus Variants" (BG from C); Coulouris, Dollimore and
             Kindberg, Distributed Systems, 5th edition 2012, section 15.5.1
Model        that of the consensus which the lieutenants run: here, flooding consensus
Quorum       that of the consensus which the lieutenants run; here, all who have not failed
Roles
  Commander   sends its order to all lieutenants, and decides it
  Lieutenant  proposes what it is ordered, or the default, and decides what all of them decide
  Node        a lieutenant's part in consensus: an instance that the lieutenant runs
Messages
  Order       commander → lieutenants — decide this
  Wish        lieutenant → node — propose this (within a process: no message is sent)
  Values      node → nodes — as in flooding consensus
  Back        node → nodes, commander → lieutenants — I was gone and am back: count me out
Stable       none: whoever comes back drops out
Guarantees   agreement, plain_agreement, obedience, decision, full_termination
Cost         until all have decided: (generals - 1)·(1 + (generals - 1)·(generals - 2)) messages,
             generals message delays, 0 forced writes, 0 write delays
Deviations   none
"""

from __future__ import annotations

from quorate.kernel import (
    Actor,
    Context,
    Fact,
    Message,
    Network,
    NodeId,
    Process,
    Threshold,
    World,
    instance,
)
from quorate.properties.consensus import (
    Commanded,
    Decided,
    Failed,
    agreement,
    decision,
    full_termination,
    obedience,
    plain_agreement,
)
from quorate.properties.cost import Cost
from quorate.protocols.flooding_consensus import SUSPECT_MS, Back, Node, Values, Wish

DEFAULT = "none"
"""What a lieutenant proposes if the commander has failed without a word to it."""
C = "c"
"""The name of the instance of consensus."""


class Order(Message, frozen=True):
    value: str


Msg = Order | Wish | Values | Back


class Commander(Actor):
    """Sends its order to all lieutenants, and decides it."""

    lieutenants: tuple[NodeId, ...]
    order: str

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if recovered:
            ctx.output(Failed())
            return ctx.broadcast(self.lieutenants, Back(0))
        ctx.output(Commanded(self.order))
        ctx.broadcast(self.lieutenants, Order(self.order))
        ctx.output(Decided(self.order))


class Lieutenant(Actor):
    """Proposes what it is ordered, or the default, and decides what all of them decide.

    `suspect_ms`: how long it waits for the order; 0: until it hears that the commander has failed.
    """

    commander: NodeId
    suspect_ms: int = 0
    is_waiting: bool = True

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if recovered:
            self.is_waiting = False
            ctx.output(Failed())
        elif self.suspect_ms:
            ctx.set_timer("suspect", (self.suspect_ms, self.suspect_ms))

    def on_order(self, ctx: Context, src: NodeId, m: Order) -> None:
        self.propose(ctx, m.value)

    def on_back(self, ctx: Context, src: NodeId, m: Back) -> None:
        self.propose(ctx, DEFAULT)

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.propose(ctx, DEFAULT)

    def propose(self, ctx: Context, value: str) -> None:
        if not self.is_waiting:
            return ctx.ignore("already proposed, or failed")
        self.is_waiting = False
        ctx.cancel_timer("suspect")
        ctx.send(instance(self.me, C), Wish(value))

    def on_stated(self, ctx: Context, role: NodeId, fact: Fact) -> None:
        if isinstance(fact, Decided):
            ctx.output(fact)


def roles(
    me: NodeId, generals: tuple[NodeId, ...], order: str, faults: int, suspect_ms: int
) -> tuple[Actor, ...]:
    """The part of one general, of whom the first commands; so many may fail."""
    commander, *rest = generals
    if me == commander:
        return (Commander(me, tuple(rest), order),)
    group = Threshold(tuple(instance(name, C) for name in rest), 1)
    # One may begin later than another by the time that it waits for the order.
    node = Node(instance(me, C), group, faults + 1, None, 2 * suspect_ms)
    return Lieutenant(me, commander, suspect_ms), node


PROPERTIES = (agreement, plain_agreement, obedience, decision, full_termination)


def world(
    generals: int = 4, faults: int = 0, order: str = "attack", suspect_ms: int = SUSPECT_MS
) -> World:
    """Commander p1, lieutenants p2…, of whom so many may fail; 0: all but one."""
    base = _generals(generals, faults or generals - 2, order, suspect_ms)
    return World(processes=base, properties=PROPERTIES, synchronous=True)


def small(generals: int = 3, faults: int = 1, order: str = "attack", crashes: int = 1) -> World:
    """Whoever fails comes back and says so; nobody is suspected of it before."""
    return World(
        processes=_generals(generals, faults, order, 0),
        properties=PROPERTIES,
        network=Network.FIFO,
        crashes=crashes,
    )


def _generals(generals: int, faults: int, order: str, suspect_ms: int) -> tuple[Process, ...]:
    names = tuple(f"p{i}" for i in range(1, generals + 1))
    return tuple(Process(me, roles(me, names, order, faults, suspect_ms)) for me in names)


def cost(generals: int) -> Cost:
    """until all have decided"""
    return Cost(
        messages=(generals - 1) * (1 + (generals - 1) * (generals - 2)),
        delays=generals,
        forced_writes=0,
        write_delays=0,
    )


WORLDS = {"main": world, "small": small}
QUIET: dict[str, object] = {}
