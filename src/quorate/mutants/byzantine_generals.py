"""The Byzantine generals without one of their guards, against one traitor."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from quorate.kernel import Actor, Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.properties.consensus import Decided
from quorate.protocols import byzantine_generals
from quorate.protocols.byzantine_generals import RETREAT, Lieutenant, Path, Says


class LieutenantKeepsItToItself(Lieutenant):
    def on_says(self, ctx: Context, src: NodeId, m: Says) -> None:
        if self.is_path(m.path, src) and m.path not in self.told:
            self.told = self.told.put(m.path, m.order)


class LieutenantTrustsTheCommander(Lieutenant):
    def verdict(self) -> str:
        return self.told.get((self.commander,)) or RETREAT


class LieutenantListensTooLong(Lieutenant):
    def on_says(self, ctx: Context, src: NodeId, m: Says) -> None:
        now, self.round = self.round, 1
        Lieutenant.on_says(self, ctx, src, m)
        self.round = now


class LieutenantBelievesThePath(Lieutenant):
    def is_path(self, path: Path, src: NodeId) -> bool:
        return Lieutenant.is_path(self, path, path[-1])


class LieutenantWaitsForAll(Lieutenant):
    def on_timer(self, ctx: Context, timer: str) -> None:
        self.round += 1
        if (self.commander,) in self.told:
            ctx.output(Decided(self.verdict()))


def _swap(new: type[Actor], traitors: str) -> Callable[..., World]:
    def world(generals: int = 4, faults: int = 1, traitors: str = traitors) -> World:
        return swapped(byzantine_generals.world(generals, faults, traitors=traitors), new)

    return world


def slandered(generals: int = 4) -> World:
    """p3 tells p4 to retreat, and that p2 said so, too."""
    base = byzantine_generals.world(generals, traitors="p3")
    slander = tuple(("p4", Says(RETREAT, ("p1", name))) for name in ("p2", "p3"))
    world = msgspec.structs.replace(base, byzantine={"p3": slander}, symmetry=())
    return swapped(world, LieutenantBelievesThePath)


def silent(generals: int = 4) -> World:
    """The commander says nothing at all."""
    base = byzantine_generals.world(generals, traitors="p1")
    return swapped(msgspec.structs.replace(base, byzantine={"p1": ()}), LieutenantWaitsForAll)


def _mutant(
    name: str, breaks: str, world: Callable[..., World], kills: str = "agreement"
) -> Mutant:
    return Mutant(name=name, protocol="byzantine_generals", breaks=breaks, kills=kills, world=world)


MUTANTS = (
    _mutant(
        "keeps_it_to_itself",
        "a lieutenant does not tell the others what it was told",
        _swap(LieutenantKeepsItToItself, "p3"),
        "obedience",
    ),
    _mutant(
        "trusts_the_commander",
        "a lieutenant obeys what the commander told it, whatever the others say",
        _swap(LieutenantTrustsTheCommander, "p1"),
    ),
    _mutant(
        "listens_too_long",
        "a lieutenant believes what comes too late to be told to the others",
        _swap(LieutenantListensTooLong, "p1"),
    ),
    _mutant(
        "believes_the_path",
        "a lieutenant does not ask whether the sender is the last on the path",
        slandered,
        "obedience",
    ),
    _mutant(
        "waits_for_all",
        "a lieutenant who was told nothing does nothing",
        silent,
        "termination of all",
    ),
)
