"""Protocols broken on purpose: each lacks one guard, and a named property catches it.

A property that no mutant violates checks nothing; a guard that none lacks may not be needed.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from quorate.kernel import Actor, Process, World, WorldMaker


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """`breaks` says which guard is gone, `kills` names the property that must be violated, and
    `found_by` says by whom: the checker ("check"), or only by seeds of the simulator ("seeds").
    `at_large`: settings of its world with which seeds look for it, where the checker's is so small
    that it is soon over."""

    name: str
    protocol: str
    breaks: str
    kills: str
    world: WorldMaker
    found_by: Literal["check", "seeds"] = "check"
    at_large: Mapping[str, Any] = {}

    def trial(self) -> World:
        """Its world with the one property that must be violated: what else breaks as soon does not
        matter, and which of two an engine meets first is up to it."""
        world = self.world()
        named = tuple(prop for prop in world.properties if prop.name == self.kills)
        return msgspec.structs.replace(world, properties=named)


def swapped(world: World, *new: type[Actor]) -> World:
    """A world with the roles replaced that `new` are mutants, and so subclasses, of."""

    def swap(role: Actor) -> Actor:
        if isinstance(role, Process):
            return msgspec.structs.replace(role, actors=tuple(map(swap, role.actors)))
        for kind in new:
            if issubclass(kind, type(role)):
                role = kind(**msgspec.structs.asdict(role))
        return role

    return msgspec.structs.replace(world, processes=tuple(map(swap, world.processes)))


def find_mutants(protocol: str) -> tuple[Mutant, ...]:
    """The mutants of a protocol, in the order in which its file has the guards."""
    name = f"{__name__}.{protocol}"
    if not protocol.isidentifier() or importlib.util.find_spec(name) is None:
        return ()
    mutants: tuple[Mutant, ...] = importlib.import_module(name).MUTANTS
    return mutants
