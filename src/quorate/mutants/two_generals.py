"""Two generals without a guard."""

from __future__ import annotations

from quorate.kernel import Context, World
from quorate.mutants import Mutant, swapped
from quorate.properties.generals import Attacks
from quorate.protocols import two_generals
from quorate.protocols.two_generals import General


class GeneralIsRash(General):
    def on_timer(self, ctx: Context, timer: str) -> None:
        ctx.output(Attacks())


class GeneralHesitates(General):
    def on_timer(self, ctx: Context, timer: str) -> None:
        if self.had >= self.needs:
            General.on_timer(self, ctx, timer)


def hesitant(letters: int = 2) -> World:
    """Letters may be lost."""
    return swapped(two_generals.world(letters), GeneralHesitates)


def rash(letters: int = 2, ordered: bool = False) -> World:
    """Nobody is ordered to attack."""
    return swapped(two_generals.world(letters, ordered), GeneralIsRash)


MUTANTS = (
    Mutant(
        name="rash",
        protocol="two_generals",
        breaks="a general attacks whatever it knows",
        kills="nobody attacks unless ordered",
        world=rash,
    ),
    Mutant(
        name="hesitates",
        protocol="two_generals",
        breaks="a general that is not sure does nothing at all",
        kills="both decide",
        world=hesitant,
    ),
)
