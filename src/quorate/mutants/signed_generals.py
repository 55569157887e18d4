"""The signed generals without one of their guards, against one traitor."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from quorate.kernel import Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.protocols import signed_generals
from quorate.protocols.signed_generals import Endorsed, Lieutenant, Path, signed_by


class LieutenantListensTooLong(Lieutenant):
    def on_endorsed(self, ctx: Context, src: NodeId, m: Endorsed) -> None:
        now, self.round = self.round, 1
        Lieutenant.on_endorsed(self, ctx, src, m)
        self.round = now


class LieutenantKeepsItToItself(Lieutenant):
    def on_endorsed(self, ctx: Context, src: NodeId, m: Endorsed) -> None:
        faults, self.faults = self.faults, 0
        Lieutenant.on_endorsed(self, ctx, src, m)
        self.faults = faults


class LieutenantCountsSignatures(Lieutenant):
    def is_path(self, path: Path, src: NodeId) -> bool:
        return path[:1] == (self.commander,) and path[-1] == src


class LieutenantHeedsAnySignature(Lieutenant):
    def is_path(self, path: Path, src: NodeId) -> bool:
        return len(path) == len(set(path)) and path[-1:] == (src,)


def revealed(generals: int = 4) -> World:
    """Commander p1 may hold his order back until the last round."""
    return swapped(signed_generals.world(generals, traitors="p1"), LieutenantListensTooLong)


def untold(generals: int = 4) -> World:
    """Commander p1 may tell each lieutenant something else."""
    return swapped(signed_generals.world(generals, traitors="p1"), LieutenantKeepsItToItself)


def repeated(generals: int = 4) -> World:
    """Commander p1 may also sign twice, so that an order looks as if another had passed it on."""
    return swapped(_saying(generals, "p1", ("p1", "p1")), LieutenantCountsSignatures)


def usurped(generals: int = 4) -> World:
    """Lieutenant p3 may also sign an order of his own."""
    return swapped(_saying(generals, "p3", ("p3",)), LieutenantHeedsAnySignature)


def _saying(generals: int, traitor: NodeId, path: Path) -> World:
    """The traitor may also send orders that were signed by these."""
    base = signed_generals.world(generals, traitors=traitor)
    more = tuple(
        (to, signed_by(path, order))
        for to in ("p2", "p4")
        for order in (signed_generals.ATTACK, signed_generals.RETREAT)
    )
    lies = {traitor: base.byzantine[traitor] + more}
    return msgspec.structs.replace(base, byzantine=lies, symmetry=())


def _mutant(
    name: str, breaks: str, world: Callable[..., World], kills: str = "agreement"
) -> Mutant:
    return Mutant(name=name, protocol="signed_generals", breaks=breaks, kills=kills, world=world)


MUTANTS = (
    _mutant(
        "listens_too_long",
        "a lieutenant accepts fewer signatures than rounds have begun",
        revealed,
    ),
    _mutant("keeps_it_to_itself", "a lieutenant does not pass on what it was told", untold),
    _mutant("counts_signatures", "a lieutenant counts one signer twice", repeated),
    _mutant(
        "heeds_any_signature",
        "a lieutenant does not ask whether the commander signed first",
        usurped,
        "obedience",
    ),
)
