"""ABCAST by consensus: agree, again and again, on which messages come next.

Problem      all nodes deliver the same messages in the same order, even one that then crashes
Source       Chandra and Toueg, Unreliable Failure Detectors for Reliable Distributed Systems,
             JACM 43(2) 1996, section 7; the lecture, "Keith Marzullo on Paxos"
Model        that of the consensus which is run; here, that of Chandra-Toueg
Quorum       that of the consensus which is run; here, a majority of nodes
Roles
  Orderer    tells the others of its messages; has what it was told decided, and delivers that
  Instance   a node of Chandra-Toueg, which begins when it has something to propose
Messages
  Tell       orderer → orderers — here is a message to be delivered
  Wish       orderer → instance — propose this batch of messages (within a process: no message is
             sent); an empty one: find out whether something was decided
  Estimate   as in Chandra-Toueg; of round 0: what did you decide?
  Propose    as in Chandra-Toueg
  Ack        as in Chandra-Toueg
  Nack       as in Chandra-Toueg
  Decide     as in Chandra-Toueg
Stable
  Instance.round     as in Chandra-Toueg
  Instance.estimate  as in Chandra-Toueg
  Instance.stamp     as in Chandra-Toueg
  Instance.decided   as in Chandra-Toueg; what an orderer has delivered follows from all of them
Guarantees   no_duplication, no_creation, uniform_total_order, uniform_delivery, delivery, delivered
Cost         for a message, until all have delivered it: 5·(nodes - 1) messages, 5 message delays,
             2·nodes + 1 forced writes, 5 write delays
Deviations   a message is told again by its sender until that has delivered it, in place of being
             relayed; who was told of nothing asks what was decided; nodes come back from crashes
"""

from __future__ import annotations

from quorate.kernel import (
    Actor,
    Context,
    Fact,
    Majority,
    Map,
    Message,
    NodeId,
    Process,
    World,
    instance,
)
from quorate.properties.consensus import Decided
from quorate.properties.cost import Cost
from quorate.properties.delivery import (
    Delivered,
    Multicast,
    delivered,
    delivery,
    no_creation,
    no_duplication,
    uniform_delivery,
    uniform_total_order,
)
from quorate.protocols import chandra_toueg
from quorate.protocols.chandra_toueg import Ack, Decide, Estimate, Nack, Propose

TELL_MS = (80, 120)
ASK_MS = (200, 400)
VIEW = 1
"""There is one group, which never changes."""


class Tell(Message, frozen=True):
    message: str


class Wish(Message, frozen=True):
    batch: str


Msg = Tell | Wish | Estimate | Propose | Ack | Nack | Decide


class Instance(chandra_toueg.Node):
    """A node of Chandra-Toueg, which begins when it has something to propose."""

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if self.wish or self.estimate or self.decided is not None:
            super().on_start(ctx, recovered)

    def on_wish(self, ctx: Context, src: NodeId, m: Wish) -> None:
        if self.estimate or self.decided is not None:
            return ctx.ignore("has begun")
        if not m.batch:
            return ctx.set_timer("ask", ASK_MS)
        self.wish = m.batch
        ctx.cancel_timer("ask")
        self.on_start(ctx, False)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "ask":
            ctx.broadcast(self.others, Estimate(0, "", 0))
            ctx.set_timer("ask", ASK_MS)
        else:
            super().on_timer(ctx, timer)

    def on_estimate(self, ctx: Context, src: NodeId, m: Estimate) -> None:
        if not self.estimate and self.decided is None:
            return ctx.ignore("nothing to propose yet")
        super().on_estimate(ctx, src, m)

    def on_propose(self, ctx: Context, src: NodeId, m: Propose) -> None:
        if not self.estimate and self.decided is None:
            return ctx.ignore("nothing to propose yet")
        super().on_propose(ctx, src, m)

    def on_decide(self, ctx: Context, src: NodeId, m: Decide) -> None:
        ctx.cancel_timer("ask")
        super().on_decide(ctx, src, m)


class Orderer(Actor):
    """Tells the others of its messages; has what it was told decided, and delivers that.

    `slots`: its part in each instance of consensus, in the order in which they are used; `told`:
    messages that it has not delivered.
    """

    others: tuple[NodeId, ...]
    slots: tuple[NodeId, ...]
    messages: tuple[str, ...]
    told: frozenset[str] = frozenset()
    log: tuple[str, ...] = ()
    slot: int = 0
    decided: Map[NodeId, str] = Map()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.tell(ctx)
        self.propose(ctx)

    def tell(self, ctx: Context) -> None:
        """Multicast this node's next message; until it has delivered it, again and again."""
        mine = next((message for message in self.messages if message not in self.log), None)
        if mine is None:
            return ctx.cancel_timer("tell")
        ctx.output(Multicast(mine))
        self.told |= {mine}
        ctx.broadcast(self.others, Tell(mine))
        ctx.set_timer("tell", TELL_MS)

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.tell(ctx)

    def on_tell(self, ctx: Context, src: NodeId, m: Tell) -> None:
        if m.message in self.told or m.message in self.log:
            return ctx.ignore("known")
        self.told |= {m.message}
        self.propose(ctx)

    def propose(self, ctx: Context) -> None:
        """Have all that is to be delivered decided, by the next instance that is not."""
        if self.slot < len(self.slots):
            ctx.send(self.slots[self.slot], Wish(" ".join(sorted(self.told))))

    def on_stated(self, ctx: Context, role: NodeId, fact: Fact) -> None:
        if not isinstance(fact, Decided):
            return
        self.decided = self.decided.put(role, fact.value)
        before = self.slot
        while self.slot < len(self.slots) and self.slots[self.slot] in self.decided:
            for message in sorted(self.decided[self.slots[self.slot]].split()):
                self.deliver(ctx, message)
            self.slot += 1
        if self.slot > before:
            self.tell(ctx)
            self.propose(ctx)

    def deliver(self, ctx: Context, message: str) -> None:
        self.told -= {message}
        self.log = (*self.log, message)
        ctx.output(Delivered(VIEW, len(self.log), message))


PROPERTIES = (
    no_duplication,
    no_creation,
    uniform_total_order,
    uniform_delivery,
    delivery,
    delivered,
)


def world(
    nodes: int = 3, messages: int = 3, senders: int = 0, rounds: int = 0, crashes: int = 0
) -> World:
    """Nodes n1…, of which the first `senders`, or all if that is 0, multicast so many messages,
    one after the other. 0 rounds: no end."""
    names = tuple(f"n{i}" for i in range(1, nodes + 1))
    senders = senders or nodes
    slots = range(1, senders * messages + 1)
    processes = []
    for index, name in enumerate(names):
        mine = tuple(f"{name}.{i}" for i in range(1, messages + 1)) if index < senders else ()
        parts = tuple(instance(name, str(slot)) for slot in slots)
        orderer = Orderer(name, tuple(n for n in names if n != name), parts, mine)
        instances = (
            Instance(part, Majority(tuple(instance(n, str(slot)) for n in names)), "", rounds)
            for slot, part in zip(slots, parts, strict=True)
        )
        processes.append(Process(name, (orderer, *instances)))
    return World(
        processes=tuple(processes),
        properties=PROPERTIES,
        crashes=crashes,
        bounds=(f"each node takes part in rounds 1 to {rounds}",) if rounds else (),
    )


def small(
    nodes: int = 2, messages: int = 1, senders: int = 2, rounds: int = 1, crashes: int = 0
) -> World:
    """Few messages and rounds, so that it can be explored to its end."""
    return world(nodes, messages, senders, rounds, crashes)


def cost(nodes: int) -> Cost:
    """for a message, until all have delivered it"""
    return Cost(
        messages=5 * (nodes - 1),
        delays=5,
        forced_writes=2 * nodes + 1,
        write_delays=5,
    )


WORLDS = {"main": world, "small": small}
QUIET = {"messages": 1, "senders": 1}
