"""SWIM: tell who has failed by asking one node at a time, and pass on what others found.

Problem      each node is to know who has failed, at a load that does not depend on their number
Source       Das, Gupta and Motivala, SWIM, DSN 2002, sections 3 and 4
Model        crash-recovery; links lose, duplicate and reorder; any number of nodes may stop; for
             accuracy, delays are bounded from some time on, by a bound that no node knows
Quorum       none: one node that is reached will do, and one that suspects
Roles
  Node       asks another each period, itself and through others, and passes on what it knows
Messages
  Ping       node → node — are you there? (with news; so have the next two)
  Request    node → nodes — ask that node for me, I hear nothing of it (ping-req in the paper)
  Ack        node → node — I am there (whoever asked for another hands it on)
  Back       node → nodes — I was gone, I am back, in this life
Stable
  Node.life  or a node that was gone could not be told from one that was slow
Guarantees   completeness, eventual_accuracy, notification, honesty, noticed
Cost         a period, if nobody is slow: 2·nodes messages, 2 message delays, nodes forced
             writes, 1 write delay
Deviations   a node that is faulty is still asked, may come back in a later incarnation, and is told
             so; an incarnation is a life, and how many suspicions it has refuted in that one;
             suspicions last longer after a mistake; those asked through are taken in turn
"""

from __future__ import annotations

import enum

import msgspec

from quorate.kernel import Context, Map, Message, NodeId, Threshold, UsageError, World
from quorate.properties.cost import Cost
from quorate.properties.detection import PROMISES
from quorate.protocols.failure_detector import Back, Monitor, Patience

SPREAD = 3  # times ⌈log2(nodes + 1)⌉: how often a node passes on a piece of news
NEWS_MAX = 6  # in one message, the freshest; beside what sender and receiver are taken to be


class Status(enum.IntEnum):
    """What a node is taken to be. This detector suspects whoever is faulty."""

    ALIVE = 0
    SUSPECT = 1
    FAULTY = 2


class News(msgspec.Struct, frozen=True, order=True, cache_hash=True, gc=False):
    """What is known of a node. News of a later incarnation counts, and of one the worse."""

    node: NodeId
    life: int = 0
    refuted: int = 0
    status: Status = Status.ALIVE


class Ping(Message, frozen=True):
    number: int
    origin: NodeId  # who wants to know
    news: tuple[News, ...]


class Request(Message, frozen=True):
    number: int
    node: NodeId
    news: tuple[News, ...]


class Ack(Message, frozen=True):
    number: int
    origin: NodeId
    node: NodeId
    news: tuple[News, ...]


Msg = Ping | Request | Ack | Back


class Node(Monitor):
    """Asks another each period, itself and through others, and passes on what it knows."""

    period_ms: int = 100
    ask_ms: int = 20
    proxies: int = 2
    in_turn: bool = True
    periods_max: int = 0
    periods: int = 0
    asked: NodeId = ""  # who has not answered in this period
    left: tuple[NodeId, ...] = ()  # to be asked in this round; none: all are
    refuted: int = 0
    known: Map[NodeId, News] = Map()
    fresh: Map[NodeId, int] = Map()  # of whom there is news to pass on: so many times more

    def begin(self, ctx: Context) -> None:
        self.known = Map((node, News(node)) for node in self.monitored())
        self.next(ctx)

    # Asking.

    def next(self, ctx: Context) -> None:
        self.asked = ""
        if self.periods_max and self.periods == self.periods_max:
            return ctx.ignore("no periods left")
        self.periods += 1
        ctx.set_timer("period", (self.period_ms, self.period_ms))
        ctx.choose("ask", self.left or self.monitored())

    def on_choice(self, ctx: Context, key: str, value: int | str) -> None:
        self.asked = str(value)
        rest = tuple(node for node in self.left or self.monitored() if node != value)
        self.left = rest if self.in_turn else ()
        ctx.send(self.asked, Ping(self.periods, self.me, self.news(self.asked)))
        ctx.set_timer("through others", (self.ask_ms, self.ask_ms))

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "through others":
            others = tuple(node for node in self.monitored() if node != self.asked)
            first = self.periods % len(others)
            for node in (*others[first:], *others[:first])[: self.proxies]:
                ctx.send(node, Request(self.periods, self.asked, self.news(node)))
        elif timer == "period":
            ctx.cancel_timer("through others")
            if self.asked and self.known[self.asked].status is Status.ALIVE:
                self.take(ctx, self.asked, Status.SUSPECT)
            self.next(ctx)
        else:
            self.take(ctx, timer, Status.FAULTY)

    def on_ack(self, ctx: Context, src: NodeId, m: Ack) -> None:
        self.learn(ctx, m.news)
        if m.origin != self.me:
            return ctx.send(m.origin, m)
        watch = self.watches[m.node]
        if m.number > watch.number and not watch.suspected:
            self.note(m.node, number=m.number, answered=watch.answered + 1)
        if (m.number, m.node) != (self.periods, self.asked):
            return ctx.ignore("not the open probe")
        self.asked = ""
        ctx.cancel_timer("through others")

    # Answering.

    def on_ping(self, ctx: Context, src: NodeId, m: Ping) -> None:
        self.learn(ctx, m.news)
        ctx.send(src, Ack(m.number, m.origin, self.me, self.news(src)))

    def on_request(self, ctx: Context, src: NodeId, m: Request) -> None:
        self.learn(ctx, m.news)
        ctx.send(m.node, Ping(m.number, src, self.news(m.node)))

    def on_back(self, ctx: Context, src: NodeId, m: Back) -> None:
        Monitor.on_back(self, ctx, src, m)
        self.learn(ctx, (News(src, m.life),))

    # News.

    def news(self, to: NodeId) -> tuple[News, ...]:
        """What to tell a node: who this is, what it is itself taken to be, and what is fresh."""
        nodes = sorted(self.fresh, key=lambda node: (-self.fresh[node], node))[:NEWS_MAX]
        for node in nodes:
            more = self.fresh[node] - 1
            self.fresh = self.fresh.put(node, more) if more else self.fresh.drop((node,))
        if self.known[to].status is not Status.ALIVE:
            nodes.append(to)
        own = News(self.me, self.life, self.refuted)
        return (own, *(self.known[node] for node in sorted(set(nodes))))

    def learn(self, ctx: Context, news: tuple[News, ...]) -> None:
        for each in news:
            if each.node == self.me:
                self.refute(each)
            elif each > self.known[each.node]:
                self.believe(ctx, each)

    def refute(self, news: News) -> None:
        """Whoever hears that it is suspected is alive: in a later incarnation."""
        suspected = news.status is not Status.ALIVE
        if suspected and (news.life, news.refuted) == (self.life, self.refuted):
            self.refuted += 1

    def take(self, ctx: Context, node: NodeId, status: Status) -> None:
        self.believe(ctx, msgspec.structs.replace(self.known[node], status=status))

    def believe(self, ctx: Context, news: News) -> None:
        node = news.node
        self.known = self.known.put(node, news)
        self.fresh = self.fresh.put(node, SPREAD * len(self.group.nodes).bit_length())
        if news.status is not Status.FAULTY or news.life > self.watches[node].life:
            self.hear(ctx, node, news.life)
        if news.status is Status.SUSPECT:
            wait_ms = self.waits_ms(node)
            return ctx.set_timer(node, (wait_ms, wait_ms))
        ctx.cancel_timer(node)
        if news.status is Status.FAULTY and not self.suspects(node):
            self.suspect(ctx, node)


PROPERTIES = PROMISES


def world(
    nodes: int = 4,
    proxies: int = 2,
    patience: Patience = Patience.GROWS,
    suspicion_ms: int = 300,
    period_ms: int = 100,
    ask_ms: int = 20,
    in_turn: bool = True,
    periods: int = 0,
) -> World:
    """Nodes n1…; each asks one of the others every `period_ms`, if need be through `proxies` more
    after `ask_ms`, and suspects it for `suspicion_ms` at first. `in_turn`: all before any again;
    0 periods: no end."""
    if nodes < 3:
        raise UsageError(f"nodes={nodes}: it takes 3, so that one can be asked through another")
    if not 0 < ask_ms < period_ms:
        raise UsageError(f"ask_ms={ask_ms} must be above 0 and below period_ms={period_ms}")
    names = tuple(f"n{i}" for i in range(1, nodes + 1))
    first = Node(
        names[0],
        Threshold(names, 1),
        patience,
        suspicion_ms,
        period_ms=period_ms,
        ask_ms=ask_ms,
        proxies=proxies,
        in_turn=in_turn,
        periods_max=periods,
    )
    return World(
        processes=tuple(msgspec.structs.replace(first, me=name) for name in names),
        properties=PROPERTIES,
        bounds=(f"each node asks in {periods} periods",) if periods else (),
    )


def small(periods: int = 1, crashes: int = 0) -> World:
    """One of three asks, and the others have no periods left: it can be explored to its end."""
    base = world(3, periods=periods)
    silent = (msgspec.structs.replace(other, periods=periods) for other in base.processes[1:])
    return msgspec.structs.replace(base, processes=(base.processes[0], *silent), crashes=crashes)


def cost(nodes: int) -> Cost:
    """a period, if nobody is slow"""
    return Cost(messages=2 * nodes, delays=2, forced_writes=nodes, write_delays=1)


WORLDS = {"main": world, "small": small}
QUIET = {"periods": 1}
