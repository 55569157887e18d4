"""Which links a run has; among them, links whose delays follow priorities: probabilistic
concurrency testing (PCT) for messages.

Source   Burckhardt et al., A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs,
         ASPLOS 2010; for messages, Ozkan et al., Randomized Testing of Distributed Systems with
         Probabilistic Guarantees, OOPSLA 2018 (PCTCP)
Chains   the first message that a step sends goes on with the chain of the message that the step
         handled; every other begins a chain. Each chain has a priority; at d - 1 points, drawn
         among the messages, the chain that sends falls behind all others
Deviation  a priority is a delay: timers never end, so that a strict order would starve whoever is
         last. The bound of the paper on the chance to find a bug therefore does not carry over.
         Where links are synchronous, no priority takes longer than their bound allows
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from quorate.kernel import Event
from quorate.sim.faults import Faults, Scheduler, Timing
from quorate.sim.forwarding import Graph
from quorate.sim.network import Links
from quorate.sim.topology import FULL

if TYPE_CHECKING:
    from quorate.sim.engine import Simulation
    from quorate.sim.node import Node

MESSAGES = 1_000  # among so many the points lie, the early ones more closely
LAST = 3  # how many times longer than any other the last of all takes


def links_for(faults: Faults) -> type[Links]:
    """The links that a run is to have."""
    if faults.topology != FULL:
        return Graph
    return Prioritised if faults.scheduler is Scheduler.PCT else Links


class Prioritised(Links):
    """A link from every node to every other, on which a message takes as long as its chain."""

    def __init__(self, simulation: Simulation, draw: Callable[[], float]) -> None:
        self._messages = 0
        self._chain: int | None = None  # the delay, in µs, of the chain that is being handled
        depth = simulation.faults.depth
        self._points = {int(MESSAGES ** draw()) for _ in range(depth - 1)}
        super().__init__(simulation, draw)

    def set(self, faults: Faults) -> None:
        self._prioritises = faults.scheduler is Scheduler.PCT
        super().set(faults)
        self.open = self.open and not self._prioritises
        self._most = self._last = faults.delay_us[1]
        if faults.timing is not Timing.SYNCHRONOUS:
            self._most = faults.slow_us + self._least
            self._last = LAST * self._most

    def send(self, source: Node, target: Node, event: Event) -> None:
        if not self._prioritises:
            return super().send(source, target, event)
        self._messages += 1
        chain, self._chain = self._chain, None
        most = self._most
        if self._messages in self._points:
            chain = self._last
        elif chain is None:
            chain = int(self._least * (most / self._least) ** self._draw()) if self._least else most
        self._taken = chain
        for delay_us in self._fate(source.index, target.index):
            arrive = partial(self._arrive, chain, target, event)
            self._simulation.after(delay_us + target.lag_us, arrive)

    def _fate(self, source: int, target: int) -> tuple[int, ...]:
        if not self._prioritises:
            return super()._fate(source, target)
        draw, faults = self._draw, self._faults
        if (source, target) in self._simulation.cut or draw() < faults.loss:
            self._simulation.lost += 1
            return ()
        if draw() < faults.duplicate:
            return self._taken, self._taken + int(draw() * 10 * self._span)
        return (self._taken,)

    def _arrive(self, chain: int, target: Node, event: Event) -> None:
        """A message arrives; the first one that it gives rise to goes on with its chain."""
        simulation, self._chain = self._simulation, chain
        simulation.happen((simulation.now_us, 0, 0, target, event))
        self._chain = None
