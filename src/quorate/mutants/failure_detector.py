"""Failure detectors without one of their guards."""

from __future__ import annotations

from collections.abc import Callable

from quorate.kernel import Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.properties.detection import (
    Suspected,
    completeness,
    eventual_accuracy,
    honesty,
    noticed,
    notification,
    strong_accuracy,
)
from quorate.protocols import failure_detector
from quorate.protocols.failure_detector import TRIES, Node, Pong


class TakesSilence(Node):
    def on_timer(self, ctx: Context, timer: str) -> None:
        if self.watches[timer].tries == TRIES:
            return self.suspect(ctx, timer)
        Node.on_timer(self, ctx, timer)


class SuspectsWhoIsBack(Node):
    def hear(self, ctx: Context, node: NodeId, life: int) -> None:
        if 0 < self.watches[node].life < life:
            ctx.output(Suspected(node, life))
        Node.hear(self, ctx, node, life)


class TakesOldForNew(Node):
    def on_pong(self, ctx: Context, src: NodeId, m: Pong) -> None:
        known = self.watches[src].life
        if m.life < known:
            ctx.output(Suspected(src, known))
        Node.on_pong(self, ctx, src, m)


class TakesSlowForGone(Node):
    def hear(self, ctx: Context, node: NodeId, life: int) -> None:
        Node.hear(self, ctx, node, life + self.watches[node].suspected)


class ForgetsLife(Node):
    life: int = 0


class NeverGrows(Node):
    def note(self, node: NodeId, **news: int) -> None:
        Node.note(self, node, **{**news, "mistakes": 0})


class GivesUp(Node):
    def suspect(self, ctx: Context, node: NodeId) -> None:
        Node.suspect(self, ctx, node)
        ctx.cancel_timer(node)


class AsksOnce(Node):
    def on_pong(self, ctx: Context, src: NodeId, m: Pong) -> None:
        Node.on_pong(self, ctx, src, m)
        if not self.watches[src].tries:
            ctx.cancel_timer(src)


class SaysItOnce(Node):
    def on_pong(self, ctx: Context, src: NodeId, m: Pong) -> None:
        Node.on_pong(self, ctx, src, Pong(m.probe, self.watches[src].life or m.life))


def _swap(node: type[Node], world: Callable[..., World], **fixed: int) -> Callable[..., World]:
    def mutated() -> World:
        return swapped(world(**fixed), node)

    return mutated


def _mutant(name: str, breaks: str, kills: str, world: Callable[..., World]) -> Mutant:
    found_by = "seeds" if kills in LIVENESS else "check"
    return Mutant(
        name=name,
        protocol="failure_detector",
        breaks=breaks,
        kills=kills,
        world=world,
        found_by=found_by,  # type: ignore[arg-type]
    )


LIVENESS = {completeness.name, eventual_accuracy.name, notification.name}
ACCURATE = {"nodes": 2, "probes": 1, "crashes": 1}

MUTANTS = (
    _mutant(
        "takes_silence",
        "a detector that is to be accurate takes a silent node for a failed one",
        strong_accuracy.name,
        _swap(TakesSilence, failure_detector.accurate, **ACCURATE),
    ),
    _mutant(
        "suspects_who_is_back",
        "a node that says it is back is suspected in the life that it is in now",
        strong_accuracy.name,
        _swap(SuspectsWhoIsBack, failure_detector.accurate, **ACCURATE),
    ),
    _mutant(
        "takes_old_for_new",
        "an answer of an earlier life is taken for the news that the later one is over",
        strong_accuracy.name,
        _swap(TakesOldForNew, failure_detector.accurate, **ACCURATE),
    ),
    _mutant(
        "takes_slow_for_gone",
        "a node that was suspected wrongly is taken to have been gone",
        honesty.name,
        _swap(TakesSlowForGone, failure_detector.small),
    ),
    _mutant(
        "forgets_life",
        "a node does not know after a crash that it was gone",
        noticed.name,
        _swap(ForgetsLife, failure_detector.accurate, **ACCURATE),
    ),
    _mutant(
        "never_grows",
        "the time-out stays what it was after a mistake",
        eventual_accuracy.name,
        _swap(NeverGrows, failure_detector.world, wait_ms=1),
    ),
    _mutant(
        "gives_up",
        "a node that is suspected is not asked again",
        eventual_accuracy.name,
        _swap(GivesUp, failure_detector.world, nodes=2),
    ),
    _mutant(
        "asks_once",
        "a node that has answered is not asked again",
        completeness.name,
        _swap(AsksOnce, failure_detector.world),
    ),
    _mutant(
        "says_it_once",
        "a node that was gone says so once, and not in its answers",
        notification.name,
        _swap(SaysItOnce, failure_detector.world, nodes=2),
    ),
)
