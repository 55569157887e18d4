"""Heartbeat: tell by their heartbeats, and by a time-out, who has failed.

Problem      each node is to know which of the others have failed
Source       Chandra and Toueg, Unreliable Failure Detectors for Reliable Distributed Systems,
             JACM 43(2) 1996, figure 10
Model        crash-recovery; links lose, duplicate and reorder; any number of nodes may stop; for
             accuracy, delays are bounded from some time on, by a bound that no node knows
Quorum       none: each node judges for itself
Roles
  Node       tells the others that it is there, again and again, and listens for them
Messages
  Beat       node → nodes — I am there, in this life of mine
  Back       node → nodes — I was gone, I am back, in this life
Stable
  Node.life  or a node that was gone could not be told from one that was slow
Guarantees   completeness, eventual_accuracy, notification, honesty, noticed
Cost         until each has heard from all others: nodes·(nodes - 1) messages, 1 message
             delay, nodes forced writes, 1 write delay
Deviations   nodes come back, and say so; a time-out doubles after a mistake, so that whatever the
             bound is, few mistakes are made
"""

from __future__ import annotations

import msgspec

from quorate.kernel import Context, Message, NodeId, Threshold, World
from quorate.properties.cost import Cost
from quorate.properties.detection import ACCURATE, LIVE, PROMISES
from quorate.protocols.failure_detector import Back, Monitor, Patience

BEAT_MS = (80, 120)
BEAT = "beat"  # the other timers bear the names of nodes


class Beat(Message, frozen=True):
    number: int
    life: int


Msg = Beat | Back


class Node(Monitor):
    """Tells the others that it is there, again and again, and listens for them."""

    beats_max: int = 0
    beats: int = 0

    def begin(self, ctx: Context) -> None:
        self.beat(ctx)
        for node in self.monitored():
            self.expect(ctx, node)

    def beat(self, ctx: Context) -> None:
        self.beats += 1
        ctx.broadcast(self.monitored(), Beat(self.beats, self.life))
        if not self.beats_max or self.beats < self.beats_max:
            ctx.set_timer(BEAT, BEAT_MS)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == BEAT:
            self.beat(ctx)
        else:
            self.suspect(ctx, timer)

    def on_beat(self, ctx: Context, src: NodeId, m: Beat) -> None:
        watch = self.watches[src]
        if m.life < watch.life:
            return ctx.ignore("a life that is over")
        if m.life == watch.life and m.number <= watch.number:
            return ctx.ignore("an earlier heartbeat")
        self.hear(ctx, src, m.life)
        self.note(src, number=m.number, answered=watch.answered + 1)
        self.expect(ctx, src)

    def on_back(self, ctx: Context, src: NodeId, m: Back) -> None:
        Monitor.on_back(self, ctx, src, m)
        if not self.watches[src].number:  # it may fail before its first heartbeat comes
            self.expect(ctx, src)

    def hear(self, ctx: Context, node: NodeId, life: int) -> None:
        if life > self.watches[node].life:
            self.note(node, number=0)
        Monitor.hear(self, ctx, node, life)

    def expect(self, ctx: Context, node: NodeId) -> None:
        """The next heartbeat of that node is to come before it is suspected."""
        if self.patience is not Patience.ENDLESS:
            wait_ms = self.waits_ms(node)
            ctx.set_timer(node, (wait_ms, wait_ms))


PROPERTIES = PROMISES


def world(
    nodes: int = 3, patience: Patience = Patience.GROWS, wait_ms: int = 250, beats: int = 0
) -> World:
    """Nodes n1…, all watching each other; a time-out of `wait_ms` at first; 0 beats: no end."""
    names = tuple(f"n{i}" for i in range(1, nodes + 1))
    group = Threshold(names, 1)
    return World(
        processes=tuple(Node(name, group, patience, wait_ms, beats_max=beats) for name in names),
        properties=PROPERTIES,
        bounds=(f"each node has {beats} heartbeats",) if beats else (),
    )


def small(nodes: int = 2, beats: int = 2, crashes: int = 1) -> World:
    """With few heartbeats, so that it can be explored to its end."""
    return msgspec.structs.replace(world(nodes, beats=beats), crashes=crashes)


def accurate(nodes: int = 3, beats: int = 0, crashes: int = 0) -> World:
    """Accurate but not live: a node has failed when it comes back and says so."""
    base = world(nodes, Patience.ENDLESS, beats=beats)
    return msgspec.structs.replace(base, properties=ACCURATE, crashes=crashes)


def live(nodes: int = 3, wait_ms: int = 79, beats: int = 0, crashes: int = 0) -> World:
    """Live but not accurate: a time-out shorter than the wait for a heartbeat, and it stays so."""
    base = world(nodes, Patience.FIXED, wait_ms, beats)
    return msgspec.structs.replace(base, properties=LIVE, crashes=crashes)


def cost(nodes: int) -> Cost:
    """until each has heard from all others"""
    return Cost(
        messages=nodes * (nodes - 1),
        delays=1,
        forced_writes=nodes,
        write_delays=1,
    )


WORLDS = {"main": world, "small": small, "accurate": accurate, "live": live}
QUIET: dict[str, object] = {}
