"""Who suffers what, and when: crashes, pauses and partitions, until the world is healed."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quorate.sim.engine import Simulation
    from quorate.sim.node import Node

Links = frozenset[tuple[int, int]]


class Nemesis:
    """Draws faults from a stream of its own. Only processes that may fail crash and pause."""

    def __init__(self, simulation: Simulation, draw: random.Random) -> None:
        self._simulation = simulation
        self._faults = simulation.faults
        self._draw = draw
        self._healed = False
        for node in simulation.nodes:
            self._set_clock(node)

    def _set_clock(self, node: Node) -> None:
        """A clock's error is fixed for the run: an offset, and a pace."""
        ppm, skew_ms = self._faults.drift_ppm, self._faults.skew_ms
        if ppm:
            node.pace = 1 + self._draw.uniform(-ppm, ppm) / 1_000_000
        if skew_ms:
            node.skew_us = self._draw.randint(0, skew_ms * 1000)

    def start(self) -> None:
        """Put the first fault of each kind on the calendar."""
        self._again(self._faults.crash_rate, self._crash)
        self._again(self._faults.pause_rate, self._pause)
        self._again(self._faults.partition_rate, self._partition)

    def heal(self) -> None:
        """Faults cease: partitions end, and whoever is down or paused comes back."""
        simulation, self._healed = self._simulation, True
        simulation.cut = frozenset()
        for node in simulation.nodes:
            node.doomed = False
            if node.up and not node.awake:
                simulation.resume(node)
            elif not node.up and not node.dying:
                simulation.restart(node)

    def crashed(self, node: Node) -> None:
        """A node went down: it comes back after a while."""
        down_us = 0 if self._healed else self._draw.randint(*self._faults.down_ms) * 1000
        self._simulation.after(down_us, lambda: self._simulation.restart(node), not self._healed)

    def _again(self, per_second: float, fault: Callable[[], None]) -> None:
        def strike() -> None:
            self._again(per_second, fault)
            fault()

        if per_second > 0:
            wait_us = int(self._draw.expovariate(per_second) * 1_000_000)
            self._simulation.after(wait_us, strike, fault=True)

    def _victim(self) -> Node | None:
        fit = [n for n in self._simulation.nodes if n.may_fail and n.awake]
        return self._draw.choice(fit) if fit else None

    def _crash(self) -> None:
        node = self._victim()
        if node is None:
            return
        if self._draw.random() < self._faults.mid_step:
            node.doomed = True
        else:
            self._simulation.crash(node)

    def _pause(self) -> None:
        node = self._victim()
        if node is None:
            return
        node.awake = False
        pause_us = self._draw.randint(*self._faults.pause_ms) * 1000
        self._simulation.after(pause_us, lambda: self._simulation.resume(node), fault=True)

    def _partition(self) -> None:
        cut = self._split() if self._draw.random() >= self._faults.partial else self._holes()
        self._simulation.cut = cut
        long_us = self._draw.randint(*self._faults.partition_ms) * 1000
        self._simulation.after(long_us, lambda: self._mend(cut), fault=True)

    def _split(self) -> Links:
        """Two sides, and no link between them; or none in one of the two directions."""
        draw, count = self._draw, len(self._simulation.nodes)
        side = [draw.random() < 0.5 for _ in range(count)]
        there = [(a, b) for a in range(count) for b in range(count) if side[a] and not side[b]]
        if draw.random() < self._faults.one_way:
            return frozenset(there)
        return frozenset(there) | {(b, a) for a, b in there}

    def _holes(self) -> Links:
        """Some links are cut, so that nodes do not agree on who can be reached."""
        pairs = combinations(range(len(self._simulation.nodes)), 2)
        holes = [pair for pair in pairs if self._draw.random() < 0.5]
        return frozenset(holes) | {(b, a) for a, b in holes}

    def _mend(self, cut: Links) -> None:
        if self._simulation.cut is cut:  # and not that of a later partition
            self._simulation.cut = frozenset()
