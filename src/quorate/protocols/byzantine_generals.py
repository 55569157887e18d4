"""Byzantine generals: obey one order, though some may lie.

Problem      loyal lieutenants obey the same order, and that of the commander if he is loyal
Source       Lamport, Shostak and Pease, The Byzantine Generals Problem, TOPLAS 4(3) 1982, section 3
Model        synchronous: messages are not lost and take a bounded time, so that silence is noticed;
             oral messages: the receiver knows the sender, and that is all; of more than
             3·faults generals, at most faults are traitors
Quorum       none: each lieutenant takes the majority of what all others say that they were told
Roles
  Commander   gives the order
  Lieutenant  tells the others what it was told, and in the end obeys what most say
Messages
  Says        commander, lieutenant → lieutenants — the last on the path says that the one before
              him says … that the commander's order is this
Stable       none: who crashes is silent from then on, which traitors may be, too
Guarantees   agreement, obedience, decision, full_termination
Cost         until all obey, where a message goes along each path of generals:
             paths(generals, faults + 1) messages, min(faults + 1, generals - 1) message delays,
             0 forced writes, 0 write delays
Deviations   the recursion is written out: the order told along each path of generals is kept, and
             reduced to one when all rounds are over
"""

from __future__ import annotations

from itertools import permutations
from math import perm

from quorate.kernel import Actor, Context, Map, Message, Network, NodeId, UsageError, World
from quorate.properties.consensus import (
    Commanded,
    Decided,
    agreement,
    decision,
    full_termination,
    obedience,
)
from quorate.properties.cost import Cost

ROUND_MS = (200, 200)
"""Twice as long as a message may take."""
MESSAGES_MAX = 5_000
ATTACK, RETREAT = "attack", "retreat"

Path = tuple[NodeId, ...]
"""Who told whom: the commander first, all different."""


class Says(Message, frozen=True):
    order: str
    path: Path

    def __repr__(self) -> str:
        """As in the lecture: "3:1:u" is "3 says 1 says u"."""
        who = (name.removeprefix("p") for name in reversed(self.path))
        return ":".join((*who, self.order))


Msg = Says


class Commander(Actor):
    """Gives the order."""

    lieutenants: frozenset[NodeId]
    order: str

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.output(Commanded(self.order))
        ctx.output(Decided(self.order))
        ctx.broadcast(self.lieutenants, Says(self.order, (self.me,)))


class Subordinate(Actor):
    """Waits for as many rounds as it takes, and then obeys.

    `faults`: the number of traitors to withstand, which takes one round more.
    """

    commander: NodeId
    lieutenants: frozenset[NodeId]
    faults: int
    round: int = 1

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("round", ROUND_MS)

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.round += 1
        if self.round <= self.faults + 1:
            ctx.set_timer("round", ROUND_MS)
        else:
            ctx.output(Decided(self.verdict()))

    def verdict(self) -> str:
        raise NotImplementedError

    def is_path(self, path: Path, src: NodeId) -> bool:
        """Whether what the last on a path sends can have come along it."""
        return (
            1 <= len(path) <= self.faults + 1
            and path[0] == self.commander
            and path[-1] == src
            and len(set(path)) == len(path)
            and self.lieutenants.issuperset(path[1:])
            and self.me not in path
        )

    def beyond(self, path: Path) -> frozenset[NodeId]:
        """Those who are not on a path."""
        return self.lieutenants.difference(path, (self.me,))


class Lieutenant(Subordinate):
    """Tells the others what it was told, and in the end obeys what most say."""

    told: Map[Path, str] = Map()

    def on_says(self, ctx: Context, src: NodeId, m: Says) -> None:
        if not self.is_path(m.path, src):
            return ctx.ignore("no path from the commander to its sender")
        if len(m.path) < self.round:
            return ctx.ignore("too late for its round")
        if m.path in self.told:
            return ctx.ignore("told otherwise, or twice")
        self.told = self.told.put(m.path, m.order)
        if len(m.path) <= self.faults:
            ctx.broadcast(self.beyond(m.path), Says(m.order, (*m.path, self.me)))

    def verdict(self) -> str:
        return self.obtained((self.commander,))

    def obtained(self, path: Path) -> str:
        """What the last on a path has said, as far as this one can make out: OM(m), steps 2, 3."""
        own = self.told.get(path) or RETREAT
        if len(path) > self.faults:
            return own
        return majority([own, *(self.obtained((*path, other)) for other in self.beyond(path))])


def majority(orders: list[str]) -> str:
    """What more than half say, or else to retreat."""
    return next((each for each in set(orders) if 2 * orders.count(each) > len(orders)), RETREAT)


PROPERTIES = (agreement, obedience, decision, full_termination)
"""The first two are the paper's conditions IC1 and IC2."""


def names(generals: int, faults: int) -> tuple[NodeId, ...]:
    """p1, who commands, and p2… Raises UsageError for numbers that make no sense."""
    if generals < 2 or faults < 0:
        raise UsageError(f"{generals} generals and {faults} faults: take 2 or more, and 0 or more")
    return tuple(f"p{i}" for i in range(1, generals + 1))


def roles(me: NodeId, generals: tuple[NodeId, ...], order: str, faults: int) -> tuple[Actor, ...]:
    """The part of one general, of whom the first commands, and so many may be traitors."""
    commander, *rest = generals
    if me == commander:
        return (Commander(me, frozenset(rest), order),)
    return (Lieutenant(me, commander, frozenset(rest), faults),)


def lies(
    generals: tuple[NodeId, ...], faults: int, traitor: NodeId
) -> tuple[tuple[NodeId, Says], ...]:
    """All that one may say, true or not: along every path to it, either order, to anyone."""
    commander, *lieutenants = generals
    others = [name for name in lieutenants if name != traitor]
    if traitor == commander:
        paths: list[Path] = [(commander,)]
    else:
        between = (p for length in range(faults) for p in permutations(others, length))
        paths = [(commander, *each, traitor) for each in between]
    return tuple(
        (to, Says(order, path))
        for path in paths
        for to in others
        if to not in path
        for order in (ATTACK, RETREAT)
    )


def paths(generals: int, longest: int) -> int:
    """How many there are: (n-1) + (n-1)(n-2) + …, with one factor more for each round."""
    return sum(perm(generals - 1, length) for length in range(1, longest + 1))


def world(generals: int = 4, faults: int = 1, order: str = ATTACK, traitors: str = "p3") -> World:
    """Commander p1 and lieutenants p2…, of whom `traitors` say anything to anyone: names, with
    commas between them. `faults`: how many the protocol is to withstand."""
    everyone = names(generals, faults)
    if paths(generals, faults + 1) > MESSAGES_MAX:
        raise UsageError(
            f"{generals} generals and {faults} faults take {paths(generals, faults + 1):,} "
            f"messages: take no more than {MESSAGES_MAX:,}"
        )
    liars = tuple(filter(None, traitors.split(",")))
    return World(
        processes=tuple(role for name in everyone for role in roles(name, everyone, order, faults)),
        properties=PROPERTIES,
        network=Network.ROUNDS,
        crashable=frozenset(),
        synchronous=True,
        byzantine={liar: lies(everyone, faults, liar) for liar in liars},
        symmetry=(tuple((name,) for name in everyone[1:] if name not in liars),),
    )


def small(generals: int = 4, faults: int = 1, order: str = ATTACK, traitors: str = "p1") -> World:
    """The same, with a commander who may say anything to anyone."""
    return world(generals, faults, order, traitors)


def three(order: str = ATTACK, faults: int = 1) -> World:
    """Three generals, and nobody says yet who is the traitor: for `quorate impossible`."""
    return world(3, faults, order, "")


def cost(generals: int, faults: int) -> Cost:
    """until all obey, where a message goes along each path of generals"""
    return Cost(
        messages=paths(generals, faults + 1),
        delays=min(faults + 1, generals - 1),
        forced_writes=0,
        write_delays=0,
    )


WORLDS = {"main": world, "small": small, "three": three}
QUIET = {"traitors": ""}
