"""Links between nodes: what they lose, and how long the rest takes.

Three models of time (Dwork, Lynch and Stockmeyer, Consensus in the Presence of Partial Synchrony,
JACM 35(2) 1988): synchronous, every delay within a bound that nodes may count on; partially
synchronous, so from some unknown time on; asynchronous, finite but without any bound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from quorate.kernel import Event
from quorate.sim.faults import Faults, Timing

if TYPE_CHECKING:
    from quorate.sim.engine import Simulation
    from quorate.sim.node import Node

TAIL = 1.2
"""Exponent of the heavy tail: delays have a mean, but no variance and no bound (Pareto, Lomax)."""


class Links:
    """A link from every node to every other. `open` while a message on any of them takes a delay
    drawn evenly from the range, and nothing else can befall it: the simulation then saves the call.
    """

    def __init__(self, simulation: Simulation, draw: Callable[[], float]) -> None:
        self._simulation = simulation
        self._draw = draw
        self.set(simulation.faults)

    def set(self, faults: Faults) -> None:
        """Be as `faults` says from now on."""
        self._faults = faults
        self._least, most = faults.delay_us
        self._span = most - self._least + 1
        self._gst_us = faults.gst_ms * 1000
        self._unbounded = faults.timing in (Timing.PARTIAL, Timing.ASYNCHRONOUS)
        self.open = not (
            faults.loss or faults.duplicate or faults.slow or faults.slow_nodes or self._unbounded
        )

    def send(self, source: Node, target: Node, event: Event) -> None:
        """Carry `event`, the arrival of a message, to `target`."""
        for delay_us in self._fate(source.index, target.index):
            self._simulation.deliver(target, event, delay_us + target.lag_us)

    def crashed(self, node: Node) -> None:
        """A node lost what it had yet to send."""

    def _fate(self, source: int, target: int) -> tuple[int, ...]:
        """What becomes of a message on a link: after how long each of its copies arrives, in µs."""
        draw, faults = self._draw, self._faults
        delay_us = self._least + int(draw() * self._span)
        if self._unbounded:
            delay_us = self._unbounded_delay(delay_us)
        if (source, target) in self._simulation.cut or draw() < faults.loss:
            self._simulation.lost += 1
            return ()
        if draw() < faults.slow:
            delay_us += int(draw() * faults.slow_us)
        if draw() < faults.duplicate:
            return delay_us, delay_us + int(draw() * 10 * self._span)
        return (delay_us,)

    def _unbounded_delay(self, bounded_us: int) -> int:
        now_us = self._simulation.now_us
        if self._faults.timing is Timing.ASYNCHRONOUS:
            return self._least + self._long()
        if now_us < self._gst_us:
            # Whatever was sent before that time arrives at most one bounded delay after it.
            return min(self._least + self._long(), self._gst_us - now_us + bounded_us)
        return bounded_us

    def _long(self) -> int:
        return int(self._span * ((1 - self._draw()) ** (-1 / TAIL) - 1))
