"""Failure detector: tell by pings, time-outs and retries who has failed.

Problem      each node is to know which of the others have failed
Source       Chandra and Toueg, Unreliable Failure Detectors for Reliable Distributed Systems,
             JACM 43(2) 1996, figure 10, with pings in place of heartbeats
Model        crash-recovery; links lose, duplicate and reorder; any number of nodes may stop; for
             accuracy, delays are bounded from some time on, by a bound that no node knows
Quorum       none: each node judges for itself
Roles
  Node       pings the others, and answers their pings
Messages
  Ping       node → node — are you there? (one probe is several pings, each a retry)
  Pong       node → node — yes, in this life of mine
  Back       node → nodes — I was gone, I am back, in this life
Stable
  Node.life  or a node that was gone could not be told from one that was slow
Guarantees   completeness, eventual_accuracy, notification, honesty, noticed
Cost         until each has heard from all others: 2·nodes·(nodes - 1) messages, 2 message
             delays, nodes forced writes, 1 write delay
Deviations   nodes come back, and say so; a time-out doubles after a mistake, so that whatever the
             bound is, few mistakes are made
"""

from __future__ import annotations

import enum

import msgspec

from quorate.kernel import Context, Map, Message, NodeId, Stable, Threshold, UsageError, World
from quorate.properties.cost import Cost
from quorate.properties.detection import (
    ACCURATE,
    LIVE,
    PROMISES,
    Began,
    Detector,
    Suspected,
    Trusted,
)

TRIES = 3
REST_MS = (80, 120)


class Ping(Message, frozen=True):
    probe: int


class Pong(Message, frozen=True):
    probe: int
    life: int


class Back(Message, frozen=True):
    life: int


Msg = Ping | Pong | Back


class Patience(enum.StrEnum):
    """How long a node waits for an answer before it suspects."""

    GROWS = "grows"  # after each mistake: wrong at times, but not for ever (class ◇P)
    FIXED = "fixed"  # live but not accurate: right only if it was tuned to what delays will be
    ENDLESS = "endless"  # accurate but not live: a node has failed when it comes back and says so


class Watch(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """What a node knows of another. `tries`: the pings of this probe so far; 0: it has ended."""

    life: int = 0
    suspected: bool = False
    mistakes: int = 0
    number: int = 0  # of the latest probe, or heartbeat
    tries: int = 0
    answered: int = 0  # probes, or heartbeats that came in time, in a row


class Monitor(Detector):
    """What every detector has: it counts its lives, and takes note of those of the others."""

    group: Threshold  # whoever is left goes on: one node is enough
    patience: Patience
    wait_ms: int
    life: Stable[int] = 0
    watches: Map[NodeId, Watch] = Map()

    def __post_init__(self) -> None:
        if self.wait_ms < 1:
            raise UsageError(f"a time-out of {self.wait_ms} ms is none: it must be 1 or more")

    def monitored(self) -> tuple[NodeId, ...]:
        return tuple(node for node in self.group.nodes if node != self.me)

    def suspects(self, node: NodeId) -> bool:
        return self.watches[node].suspected

    def knows(self, node: NodeId) -> int:
        return self.watches[node].life

    def steady(self, node: NodeId) -> int:
        return self.watches[node].answered

    def note(self, node: NodeId, **news: int) -> None:
        self.watches = self.watches.put(node, msgspec.structs.replace(self.watches[node], **news))

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.life += 1
        ctx.output(Began(self.life))
        self.watches = Map((node, Watch()) for node in self.monitored())
        if self.life > 1:
            ctx.broadcast(self.monitored(), Back(self.life))
        self.begin(ctx)

    def begin(self, ctx: Context) -> None:
        raise NotImplementedError

    def on_back(self, ctx: Context, src: NodeId, m: Back) -> None:
        if m.life <= self.watches[src].life:
            return ctx.ignore("heard before")
        self.hear(ctx, src, m.life)

    def hear(self, ctx: Context, node: NodeId, life: int) -> None:
        """Whoever says something is there; whoever does so in another life was gone."""
        watch = self.watches[node]
        gone = 0 < watch.life < life
        if gone and not watch.suspected:
            ctx.output(Suspected(node, watch.life))
        if watch.suspected or life > watch.life:
            ctx.output(Trusted(node, life))
        mistaken = watch.suspected and not gone
        self.note(node, life=life, suspected=False, mistakes=watch.mistakes + mistaken)

    def suspect(self, ctx: Context, node: NodeId) -> None:
        """Nothing came: it has failed, or else it is a mistake."""
        ctx.output(Suspected(node, self.watches[node].life))
        self.note(node, suspected=True, answered=0)

    def waits_ms(self, node: NodeId) -> int:
        grown = self.watches[node].mistakes if self.patience is Patience.GROWS else 0
        return self.wait_ms << grown


class Node(Monitor):
    """Pings the others, and answers their pings."""

    probes_max: int = 0

    def begin(self, ctx: Context) -> None:
        for node in self.monitored():
            self.probe(ctx, node)

    # Asking.

    def probe(self, ctx: Context, node: NodeId) -> None:
        probe = self.watches[node].number + 1
        if self.probes_max and probe > self.probes_max:
            return ctx.ignore("no probes left")
        self.note(node, number=probe, tries=0)
        self.ping(ctx, node)

    def ping(self, ctx: Context, node: NodeId) -> None:
        watch = self.watches[node]
        ctx.send(node, Ping(watch.number))
        self.note(node, tries=min(watch.tries + 1, TRIES))
        ctx.set_timer(node, (self.waits_ms(node), self.waits_ms(node)))

    def on_timer(self, ctx: Context, timer: str) -> None:
        watch = self.watches[timer]
        if not watch.tries:
            self.probe(ctx, timer)
        elif watch.tries < TRIES or self.patience is Patience.ENDLESS:
            self.ping(ctx, timer)
        else:
            self.suspect(ctx, timer)

    def suspect(self, ctx: Context, node: NodeId) -> None:
        super().suspect(ctx, node)
        self.rest(ctx, node)

    def rest(self, ctx: Context, node: NodeId) -> None:
        self.note(node, tries=0)
        ctx.set_timer(node, REST_MS)

    # Answering.

    def on_ping(self, ctx: Context, src: NodeId, m: Ping) -> None:
        ctx.send(src, Pong(m.probe, self.life))

    def on_pong(self, ctx: Context, src: NodeId, m: Pong) -> None:
        if m.life < self.watches[src].life:
            return ctx.ignore("a life that is over")
        self.hear(ctx, src, m.life)
        watch = self.watches[src]
        if m.probe != watch.number or not watch.tries:
            return ctx.ignore("not the open probe")
        self.note(src, answered=watch.answered + 1)
        self.rest(ctx, src)


PROPERTIES = PROMISES


def world(
    nodes: int = 3, patience: Patience = Patience.GROWS, wait_ms: int = 20, probes: int = 0
) -> World:
    """Nodes n1…, all watching each other; a time-out of `wait_ms` at first; 0 probes: no end."""
    names = tuple(f"n{i}" for i in range(1, nodes + 1))
    group = Threshold(names, 1)
    return World(
        processes=tuple(Node(name, group, patience, wait_ms, probes_max=probes) for name in names),
        properties=PROPERTIES,
        bounds=(f"each node probes each other {probes} times",) if probes else (),
    )


def small(nodes: int = 2, probes: int = 1, crashes: int = 1) -> World:
    """With few probes, so that it can be explored to its end."""
    return msgspec.structs.replace(world(nodes, probes=probes), crashes=crashes)


def accurate(nodes: int = 3, probes: int = 0, crashes: int = 0) -> World:
    """Accurate but not live: whoever stops for good is never suspected."""
    base = world(nodes, Patience.ENDLESS, probes=probes)
    return msgspec.structs.replace(base, properties=ACCURATE, crashes=crashes)


def live(nodes: int = 3, wait_ms: int = 1, probes: int = 0, crashes: int = 0) -> World:
    """Live but not accurate: a time-out below what messages take, and it stays so."""
    base = world(nodes, Patience.FIXED, wait_ms, probes)
    return msgspec.structs.replace(base, properties=LIVE, crashes=crashes)


def cost(nodes: int) -> Cost:
    """until each has heard from all others"""
    return Cost(
        messages=2 * nodes * (nodes - 1),
        delays=2,
        forced_writes=nodes,
        write_delays=1,
    )


WORLDS = {"main": world, "small": small, "accurate": accurate, "live": live}
QUIET: dict[str, object] = {}
