"""Phi accrual: say how suspicious a silence is, by what silences there have been.

Problem      each node is to know which of the others have failed, and how sure that is
Source       Hayashibara, Défago, Yared and Katayama, The φ Accrual Failure Detector, SRDS 2004,
             section 4
Model        clocks whose rates change slowly; crash-recovery; links lose, duplicate and reorder;
             any number of nodes may stop; for accuracy, heartbeats come at intervals that are, from
             some time on, like those before
Quorum       none: each node judges for itself
Roles
  Node       tells the others that it is there, and learns how long it takes to hear of them
Messages
  Beat       node → nodes — I am there, in this life of mine
  Back       node → nodes — I was gone, I am back, in this life
Stable
  Node.life  or a node that was gone could not be told from one that was slow
Guarantees   completeness, eventual_accuracy, notification, honesty, noticed
Cost         until each has heard from all others: nodes·(nodes - 1) messages, 1 message
             delay, nodes forced writes, 1 write delay
Deviations   φ is that of the exact normal tail, and not of the logistic curve near it that Akka
             and others compute; the deviation has a least value, as there; a timer is set to when φ
             will reach the threshold, in place of a look at φ every now and then
"""

from __future__ import annotations

import math
from functools import cache

import msgspec

from quorate.kernel import Context, Map, NodeId, Threshold, Timed, UsageError, World
from quorate.properties.cost import Cost
from quorate.properties.detection import LIVE, PROMISES
from quorate.protocols import heartbeat
from quorate.protocols.failure_detector import Back, Patience
from quorate.protocols.heartbeat import Beat

Msg = Beat | Back

FAR = 40.0  # so many deviations from the mean, the tail is less than a float can hold


def phi(silence_ms: float, mean_ms: float, deviation_ms: float) -> float:
    """How suspicious a silence is: -log10 of how likely it is for the next heartbeat to come later
    yet, if intervals are normally distributed. At φ = k, one suspicion in 10^k is a mistake."""
    later = math.erfc((silence_ms - mean_ms) / (deviation_ms * math.sqrt(2))) / 2
    return -math.log10(later) if later else math.inf


@cache
def reach(threshold: float) -> float:
    """How many deviations beyond the mean φ reaches the threshold."""
    least, most = -FAR, FAR
    while (middle := (least + most) / 2) not in (least, most):
        least, most = (middle, most) if phi(middle, 0, 1) < threshold else (least, middle)
    return most


class Node(heartbeat.Node, Timed):
    """Tells the others that it is there, and learns how long it takes to hear of them."""

    threshold: float = 8.0
    window_max: int = 100
    deviation_min_ms: float = 10.0
    arrived_ms: Map[NodeId, int] = Map()  # on its own clock
    intervals_ms: Map[NodeId, tuple[int, ...]] = Map()  # the latest `window_max`

    def expect(self, ctx: Context, node: NodeId) -> None:
        if self.watches[node].number:  # this is a heartbeat
            self.learn(node, ctx.at_ms)
        heartbeat.Node.expect(self, ctx, node)

    def learn(self, node: NodeId, at_ms: int) -> None:
        if node in self.arrived_ms:
            interval_ms = at_ms - self.arrived_ms[node]
            window = (*self.window(node), interval_ms)[-self.window_max :]
            self.intervals_ms = self.intervals_ms.put(node, window)
        self.arrived_ms = self.arrived_ms.put(node, at_ms)

    def hear(self, ctx: Context, node: NodeId, life: int) -> None:
        if life > self.watches[node].life:  # between two lives there is no interval
            self.arrived_ms = self.arrived_ms.drop((node,))
            self.intervals_ms = self.intervals_ms.drop((node,))
        heartbeat.Node.hear(self, ctx, node, life)

    def window(self, node: NodeId) -> tuple[int, ...]:
        """At first it holds a guess: two intervals whose deviation is a quarter of their mean."""
        guess = (self.wait_ms - self.wait_ms // 4, self.wait_ms + self.wait_ms // 4)
        return self.intervals_ms.get(node) or guess

    def estimate(self, node: NodeId) -> tuple[float, float]:
        """Mean and deviation of the intervals between the heartbeats of a node, in ms."""
        window = self.window(node)
        mean_ms = sum(window) / len(window)
        variance = sum([(each - mean_ms) ** 2 for each in window]) / len(window)
        return mean_ms, max(math.sqrt(variance), self.deviation_min_ms)

    def phi(self, node: NodeId, at_ms: int) -> float:
        """How suspicious the silence of a node is, at a time of this node's clock; 0 as long as it
        has not been heard of in this life."""
        if node not in self.arrived_ms:
            return 0.0
        return phi(at_ms - self.arrived_ms[node], *self.estimate(node))

    def waits_ms(self, node: NodeId) -> int:
        """The first ms of silence at which φ reaches the threshold."""
        mean_ms, deviation_ms = self.estimate(node)
        return math.ceil(mean_ms + reach(self.threshold) * deviation_ms)


PROPERTIES = PROMISES


def world(
    nodes: int = 3,
    threshold: float = 8.0,
    window: int = 100,
    deviation_ms: float = 10.0,
    first_ms: int = 100,
    beats: int = 0,
) -> World:
    """Nodes n1…, all watching each other. They suspect at a φ of `threshold`, from `window`
    intervals whose deviation counts for `deviation_ms` at the least; `first_ms` is a guess at them.

    0 beats: no end.
    """
    if threshold <= 0 or window < 1 or deviation_ms <= 0 or first_ms < 1:
        raise UsageError("threshold, window, deviation_ms and first_ms must be above 0")
    names = tuple(f"n{i}" for i in range(1, nodes + 1))
    boot = Node(
        names[0],
        Threshold(names, 1),
        Patience.FIXED,
        first_ms,
        beats_max=beats,
        threshold=threshold,
        window_max=window,
        deviation_min_ms=deviation_ms,
    )
    processes = tuple(msgspec.structs.replace(boot, me=name) for name in names)
    return World(processes=processes, properties=PROPERTIES)


def live(nodes: int = 3, threshold: float = 0.5) -> World:
    """Live but not accurate: a threshold that one heartbeat in three, or so, reaches."""
    return msgspec.structs.replace(world(nodes, threshold), properties=LIVE)


def cost(nodes: int) -> Cost:
    """until each has heard from all others"""
    return Cost(
        messages=nodes * (nodes - 1),
        delays=1,
        forced_writes=nodes,
        write_delays=1,
    )


WORLDS = {"main": world, "live": live}
QUIET: dict[str, object] = {}
