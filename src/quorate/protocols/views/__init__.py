"""Views: agree on who is in the group, and on what was multicast in it before that changes.

Problem      the members of a group agree on its successive views, and those that go on from one to
             the next have been handed the same multicasts in it
Source       Birman and Joseph, Exploiting Virtual Synchrony in Distributed Systems, SOSP 1987;
             Birman, Schiper and Stephenson, TOCS 9(3) 1991
Model        asynchronous; crash-stop; links may lose, duplicate and reorder
Quorum       all members of a view, for a multicast that is uniform
Roles
  Talker   a member that multicasts texts of its own, and notes all that it is handed
Messages
  Data     member → members — my multicast with this number in this view
  Ack      member → sender, or members — I have the multicasts of that one up to this number
  Settled  sender → members — all of you have mine up to this number
  Alive    member → members — I am here, and have so many multicasts of each
Stable       none: a member that crashes does not come back
Guarantees   view_agreement, self_inclusion, rising, no_duplication, no_creation, fifo_order,
             agreement, uniform_agreement, delivered, delivery
Cost         for a multicast, until all members know that all have it, if it is uniform:
             (3 if uniform else 1)·(nodes - 1) messages, 3 if uniform else 1 message delays,
             0 forced writes, 0 write delays
Deviations   none
"""

from __future__ import annotations

from quorate.kernel import Context, Message, NodeId, Property, Weighted, World
from quorate.properties.cost import Cost
from quorate.properties.delivery import (
    Delivered,
    Entered,
    Multicast,
    agreement,
    delivered,
    delivery,
    fifo_order,
    no_creation,
    no_duplication,
    uniform_agreement,
)
from quorate.properties.views import View, rising, self_inclusion, view_agreement
from quorate.protocols.views.casting import Caster
from quorate.protocols.views.messages import Ack, Alive, Data, Group, Msg, Settled

__all__ = ["Ack", "Alive", "Data", "Group", "Member", "Msg", "Settled", "Talker", "View"]

SAY_MS = (0, 200)
Member = Caster


class Text(Message, frozen=True):
    """What a talker multicasts."""

    text: str


class Log(Message, frozen=True):
    """What a talker has been handed: the state that one which joins begins with."""

    texts: tuple[str, ...]


class Talker(Member[Text, Log]):
    """A member that multicasts texts of its own, and notes all that it is handed."""

    texts: tuple[str, ...] = ()  # still to be said
    log: tuple[str, ...] = ()
    joins: bool = False

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if self.texts:
            ctx.set_timer("say", SAY_MS)
        if self.me in self.group.first().members:
            self.enter(ctx, self.group.first())
        if self.group.beats:
            self.beat(ctx)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer != "say":
            return self.beat(ctx)
        text, *rest = self.texts
        self.texts = tuple(rest)
        ctx.output(Multicast(text))
        self.multicast(ctx, Text(text))
        if rest:
            ctx.set_timer("say", SAY_MS)

    def handed(self, ctx: Context, src: NodeId, payload: Text) -> None:
        assert self.view is not None
        self.log += (payload.text,)
        ctx.output(Delivered(self.view.number, len(self.log), payload.text))

    def installed(self, ctx: Context, view: View) -> None:
        ctx.output(Entered(view.number, self.log, self.joins))
        self.joins = False

    def state(self) -> Log:
        return Log(self.log)

    def adopt(self, ctx: Context, state: Log) -> None:
        self.log, self.joins = state.texts, True


PROPERTIES: tuple[Property, ...] = (
    view_agreement,
    self_inclusion,
    rising,
    no_duplication,
    no_creation,
    fifo_order,
    agreement,
    uniform_agreement,
    delivered,
    delivery,
)


def world(
    nodes: int = 3,
    texts: int = 2,
    speakers: int = 0,
    uniform: bool = True,
    direct: bool = False,
    beats: bool = True,
) -> World:
    """Members n1…, of which the first `speakers`, or all if that is 0, multicast so many texts."""
    names = tuple(f"n{i}" for i in range(1, nodes + 1))
    quorum = Weighted(names, (1,) * nodes, nodes // 2 + 1)
    group = Group(quorum, nodes, uniform, direct, beats)
    talkers = [Talker(name, group) for name in names]
    for talker in talkers[: speakers or nodes]:
        talker.texts = tuple(f"{talker.me}.{i}" for i in range(1, texts + 1))
    return World(
        processes=tuple(talkers),
        properties=tuple(p for p in PROPERTIES if uniform or p is not uniform_agreement),
        crashable=frozenset(),
    )


def small(nodes: int = 3, texts: int = 1, uniform: bool = True) -> World:
    """Without heartbeats, so that it can be explored to its end."""
    return world(nodes, texts, uniform=uniform, beats=False)


def cost(nodes: int, uniform: bool) -> Cost:
    """for a multicast, until all members know that all have it, if it is uniform"""
    return Cost(
        messages=(3 if uniform else 1) * (nodes - 1),
        delays=3 if uniform else 1,
        forced_writes=0,
        write_delays=0,
        counted=(Data, Ack, Settled),
        exceptions={"delays": -1} if uniform and nodes == 2 else {},
    )


WORLDS = {"main": world, "small": small}
QUIET = {"texts": 1, "speakers": 1, "beats": False}
