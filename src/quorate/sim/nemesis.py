"""Who suffers what, and when: crashes, pauses and partitions, until the world is healed."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from quorate.kernel import NodeId, Note
from quorate.sim.partitions import Cut, Shape, draw_cut, told

if TYPE_CHECKING:
    from quorate.sim.engine import Simulation
    from quorate.sim.node import Node

FLAP_MS = (10, 200)


class Nemesis:
    """Draws faults from a stream of its own. Only processes that may fail crash and pause."""

    def __init__(self, simulation: Simulation, draw: random.Random) -> None:
        self._simulation = simulation
        self._faults = simulation.faults
        self._draw = draw
        self._healed = False
        self.notes: list[Note] = []
        for node in simulation.nodes:
            self._set_clock(node)
        self._set_slow()

    def _set_clock(self, node: Node) -> None:
        """A clock's error is fixed for the run: an offset, and a pace."""
        ppm, skew_ms = self._faults.drift_ppm, self._faults.skew_ms
        if ppm:
            node.pace = 1 + self._draw.uniform(-ppm, ppm) / 1_000_000
        if skew_ms:
            node.skew_us = self._draw.randint(0, skew_ms * 1000)

    def _set_slow(self) -> None:
        """Some nodes handle everything late, each by as much for the whole run."""
        fit = [node for node in self._simulation.nodes if node.may_fail]
        for node in self._draw.sample(fit, min(self._faults.slow_nodes, len(fit))):
            node.lag_us = self._draw.randint(*self._faults.lag_us)

    def arm(self) -> None:
        """Say who stops within which of its steps: that may be its first one."""
        nodes = self._simulation.nodes
        for node in self._draw.sample(nodes, min(self._faults.stop_points, len(nodes))):
            node.fuse = self._draw.randint(1, self._faults.stop_within)
            node.last_life = True

    def start(self) -> None:
        """Put the first fault of each kind on the calendar."""
        nodes = self._simulation.nodes
        fit = [node for node in nodes if node.may_fail and not node.fuse]
        for node in self._draw.sample(fit, min(self._faults.crash_points, len(fit))):
            node.fuse = self._draw.randint(0, self._faults.crash_within)
            if not node.fuse:  # it has started already
                self._blow(node)
        self._again(self._faults.crash_rate, self._crash)
        self._again(self._faults.stop_rate, self._stop)
        self._again(self._faults.disk_full_rate, self._full)
        self._again(self._faults.disk_error_rate, self._error)
        self._again(self._faults.pause_rate, self._pause)
        self._again(self._faults.partition_rate, self._partition)

    def heal(self) -> None:
        """Faults cease: partitions end, and whoever is down or paused comes back."""
        simulation, self._healed = self._simulation, True
        self.set_cut(frozenset())
        for node in simulation.nodes:
            node.doomed = node.full = node.failing = False
            node.lag_us = node.fuse = 0
            if node.gone:
                if node.up:
                    simulation.crash(node)
                continue
            if node.up and not node.awake and not node.blocked:
                simulation.resume(node)
            elif not node.up and not node.dying:
                simulation.restart(node)

    def crashed(self, node: Node) -> None:
        """A node went down: it comes back after a while, if at all."""
        if node.gone:
            return
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
        if node is not None:
            self._strike(node)

    def _strike(self, node: Node) -> None:
        if self._draw.random() < self._faults.mid_step:
            node.doomed = True
        else:
            self._simulation.crash(node)

    def _stop(self) -> None:
        fit = [n for n in self._simulation.nodes if n.awake and self._simulation.atlas.may_lose(n)]
        if fit:
            node = self._draw.choice(fit)
            self._simulation.atlas.lose(node)
            self._strike(node)

    def burn(self, node: Node) -> None:
        """One more of the steps that are left to a node has been taken."""
        node.fuse -= 1
        if node.fuse:
            return
        if not node.last_life:
            self._blow(node)
        elif self._simulation.atlas.may_lose(node):
            self._simulation.atlas.lose(node)
            node.doomed = True

    def _blow(self, node: Node) -> None:
        """A node goes down within this step or right after it; its next life may be short, too."""
        node.fuse = self._draw.randint(0, 1) * self._draw.randint(1, self._faults.crash_within)
        if self._draw.random() < self._faults.mid_step:
            node.doomed = True
        else:
            self._simulation.next(partial(self.crash_if, node, node.incarnation))

    def crash_if(self, node: Node, incarnation: int) -> None:
        """Crash a node if it is awake, and still in the same life."""
        if node.awake and node.incarnation == incarnation:
            self._simulation.crash(node)

    def _full(self) -> None:
        node = self._victim()
        if node is not None:
            node.full = True
            full_us = self._draw.randint(*self._faults.full_ms) * 1000
            self._simulation.after(full_us, lambda: setattr(node, "full", False), fault=True)

    def _error(self) -> None:
        node = self._victim()
        if node is not None:
            node.failing = True

    def _pause(self) -> None:
        node = self._victim()
        if node is None:
            return
        node.awake = False
        pause_us = self._draw.randint(*self._faults.pause_ms) * 1000
        text = f"{node.me} pauses for {pause_us // 1000} ms, or until all is healed"
        self._note(text, "pause", node.me)
        self._simulation.after(pause_us, lambda: self._simulation.resume(node), fault=True)

    def _partition(self) -> None:
        shape = self._draw.choice(self._faults.partition_shapes)
        cut = draw_cut(shape, len(self._simulation.nodes), self._draw)
        long_us = self._draw.randint(*self._faults.partition_ms) * 1000
        if shape is Shape.FLAPPING:
            self._flap(cut, self._simulation.now_us + long_us)
        else:
            self._cut(cut, long_us)

    def _cut(self, cut: Cut, long_us: int) -> None:
        self.set_cut(cut)
        self._simulation.after(long_us, lambda: self._mend(cut), fault=True)

    def set_cut(self, cut: Cut) -> None:
        """From now on these links carry nothing, and all others do."""
        if cut != self._simulation.cut:
            names = [node.me for node in self._simulation.nodes]
            ends = sorted({end for link in cut for end in link})
            self._note(told(names, cut), "cut off" if cut else "", *(names[end] for end in ends))
        self._simulation.cut = cut

    def _note(self, text: str, fault: str = "", *nodes: NodeId) -> None:
        self.notes.append(Note(self._simulation.now_us, text, fault, nodes))

    def _mend(self, cut: Cut) -> None:
        if self._simulation.cut is cut:  # and not that of a later partition
            self.set_cut(frozenset())

    def _flap(self, cut: Cut, until_us: int) -> None:
        """Cut and mend, over and over; whatever partition comes meanwhile gives way."""
        if self._simulation.now_us < until_us:
            self._cut(cut, self._draw.randint(*FLAP_MS) * 1000)
            again_us = self._draw.randint(*FLAP_MS) * 2000
            self._simulation.after(again_us, lambda: self._flap(cut, until_us), fault=True)
