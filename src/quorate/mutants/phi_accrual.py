"""Accrual detectors without one of their guards."""

from __future__ import annotations

from collections.abc import Callable

from quorate.kernel import Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.properties.detection import completeness, eventual_accuracy
from quorate.protocols import phi_accrual
from quorate.protocols.heartbeat import Beat
from quorate.protocols.phi_accrual import Node


class LearnsNothing(Node):
    def window(self, node: NodeId) -> tuple[int, ...]:
        return Node("", self.group, self.patience, self.wait_ms).window(node)


class WithoutLeastDeviation(Node):
    def estimate(self, node: NodeId) -> tuple[float, float]:
        self.deviation_min_ms = 0.1
        return Node.estimate(self, node)


class ExpectsOnce(Node):
    def on_beat(self, ctx: Context, src: NodeId, m: Beat) -> None:
        Node.on_beat(self, ctx, src, m)
        ctx.cancel_timer(src)


def _swap(node: type[Node], **fixed: int) -> Callable[..., World]:
    def world() -> World:
        return swapped(phi_accrual.world(2, **fixed), node)

    return world


def _mutant(name: str, breaks: str, kills: str, world: Callable[..., World]) -> Mutant:
    return Mutant(
        name=name, protocol="phi_accrual", breaks=breaks, kills=kills, world=world, found_by="seeds"
    )


MUTANTS = (
    _mutant(
        "learns_nothing",
        "intervals are taken to be as they were guessed",
        eventual_accuracy.name,
        _swap(LearnsNothing, first_ms=20),
    ),
    _mutant(
        "without_least_deviation",
        "the deviation has no least value, and one interval is all there is to go by",
        eventual_accuracy.name,
        _swap(WithoutLeastDeviation, window=1),
    ),
    _mutant(
        "expects_once",
        "a node that has been heard of may be silent from then on",
        completeness.name,
        _swap(ExpectsOnce),
    ),
)
