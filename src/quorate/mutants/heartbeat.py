"""Heartbeats without one of their guards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from quorate.kernel import Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.properties.detection import (
    Suspected,
    completeness,
    eventual_accuracy,
    noticed,
    notification,
    strong_accuracy,
)
from quorate.protocols import heartbeat
from quorate.protocols.heartbeat import BEAT, Beat, Node


class TakesSilence(Node):
    def expect(self, ctx: Context, node: NodeId) -> None:
        ctx.set_timer(node, (self.wait_ms, self.wait_ms))


class TakesOldForNew(Node):
    def on_beat(self, ctx: Context, src: NodeId, m: Beat) -> None:
        known = self.watches[src].life
        if m.life < known:
            ctx.output(Suspected(src, known))
        Node.on_beat(self, ctx, src, m)


class ForgetsLife(Node):
    life: int = 0


class NeverGrows(Node):
    def note(self, node: NodeId, **news: int) -> None:
        Node.note(self, node, **{**news, "mistakes": 0})


class ExpectsOnce(Node):
    def on_beat(self, ctx: Context, src: NodeId, m: Beat) -> None:
        Node.on_beat(self, ctx, src, m)
        ctx.cancel_timer(src)


class CountsOn(Node):
    def hear(self, ctx: Context, node: NodeId, life: int) -> None:
        number = self.watches[node].number
        Node.hear(self, ctx, node, life)
        self.note(node, number=number)


class FallsSilent(Node):
    def suspect(self, ctx: Context, node: NodeId) -> None:
        Node.suspect(self, ctx, node)
        ctx.cancel_timer(BEAT)


class SaysItOnce(Node):
    def on_beat(self, ctx: Context, src: NodeId, m: Beat) -> None:
        Node.on_beat(self, ctx, src, Beat(m.number, self.watches[src].life or m.life))


def _swap(node: type[Node], world: Callable[..., World], **fixed: object) -> Callable[..., World]:
    def mutated() -> World:
        return swapped(world(**fixed), node)

    return mutated


def _mutant(
    name: str,
    breaks: str,
    kills: str,
    world: Callable[..., World],
    found_by: Literal["check", "seeds"] = "seeds",
) -> Mutant:
    return Mutant(
        name=name, protocol="heartbeat", breaks=breaks, kills=kills, world=world, found_by=found_by
    )


ACCURATE = {"nodes": 2, "beats": 1, "crashes": 1}

MUTANTS = (
    _mutant(
        "takes_silence",
        "a detector that is to be accurate takes a silent node for a failed one",
        strong_accuracy.name,
        _swap(TakesSilence, heartbeat.accurate, **ACCURATE),
        "check",
    ),
    _mutant(
        "takes_old_for_new",
        "a heartbeat of an earlier life is taken for the news that the later one is over",
        strong_accuracy.name,
        _swap(TakesOldForNew, heartbeat.accurate, **ACCURATE),
        "check",
    ),
    _mutant(
        "forgets_life",
        "a node does not know after a crash that it was gone",
        noticed.name,
        _swap(ForgetsLife, heartbeat.accurate, **ACCURATE),
        "check",
    ),
    _mutant(
        "never_grows",
        "the time-out stays what it was after a mistake",
        eventual_accuracy.name,
        _swap(NeverGrows, heartbeat.world, nodes=2, wait_ms=50),
    ),
    _mutant(
        "expects_once",
        "a node that has been heard of may be silent from then on",
        completeness.name,
        _swap(ExpectsOnce, heartbeat.world, nodes=2),
    ),
    _mutant(
        "counts_on",
        "heartbeats of a later life are taken for earlier ones, if their number is lower",
        completeness.name,
        _swap(CountsOn, heartbeat.world, nodes=2),
    ),
    _mutant(
        "falls_silent",
        "a node that suspects another has no more heartbeats",
        eventual_accuracy.name,
        _swap(FallsSilent, heartbeat.world, nodes=2),
    ),
    _mutant(
        "says_it_once",
        "a node that was gone says so once, and not with its heartbeats",
        notification.name,
        _swap(SaysItOnce, heartbeat.world, nodes=2),
    ),
)
