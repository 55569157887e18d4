"""Interactive generals without one of their guards: two or three nodes are enough to show it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from quorate.kernel import Actor, World
from quorate.mutants import Mutant, swapped
from quorate.mutants.byzantine_generals import (
    LieutenantKeepsItToItself,
    LieutenantTrustsTheCommander,
)
from quorate.mutants.interactive_consistency import CollectorDoesNotWait, CollectorMixesUp
from quorate.protocols import interactive_generals
from quorate.protocols.byzantine_generals import ATTACK, Says


def _swap(new: type[Actor], nodes: int, faults: int, traitors: str) -> Callable[..., World]:
    def world() -> World:
        return swapped(interactive_generals.world(nodes, faults, traitors), new)

    return world


def divided() -> World:
    """n3 tells n1 to attack, and says nothing else."""
    world = _swap(LieutenantTrustsTheCommander, 3, 1, "n3")()
    lies = {"n3.3": (("n1.3", Says(ATTACK, ("n3.3",))),)}
    return msgspec.structs.replace(world, byzantine=lies)


def _mutant(name: str, breaks: str, kills: str, world: Callable[..., World]) -> Mutant:
    return Mutant(
        name=name,
        protocol="interactive_generals",
        breaks=breaks,
        kills=kills,
        world=world,
    )


MUTANTS = (
    _mutant(
        "trusts_the_commander",
        "a lieutenant obeys what the commander told it, whatever the others say",
        "agreement",
        divided,
    ),
    _mutant(
        "keeps_it_to_itself",
        "a lieutenant does not tell the others what it was told",
        "completeness",
        _swap(LieutenantKeepsItToItself, 3, 1, ""),
    ),
    _mutant(
        "does_not_wait",
        "a node decides before all instances have",
        "completeness",
        _swap(CollectorDoesNotWait, 2, 0, ""),
    ),
    _mutant(
        "mixes_up",
        "a node takes what one node said for what another did",
        "completeness",
        _swap(CollectorMixesUp, 2, 0, ""),
    ),
)
