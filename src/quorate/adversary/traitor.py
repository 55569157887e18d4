"""Traitors of a world: nodes that may at any time send anything from a stated universe.

No strategy is left out that such messages could make up, so that what holds against a traitor in
the checker holds against every one that says no more. It can sign in no names but those of the
traitors, who share their keys.
Source: Lamport, Shostak and Pease, The Byzantine Generals Problem, TOPLAS 4(3) 1982, section 1.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from quorate.adversary.strategy import proofs_in
from quorate.kernel import Actor, Context, Message, NodeId, Process, UsageError, World, roles_of

SPEAKS_MS, REPEATS_MS = (0, 500), (0, 5_000)


class Traitor(Actor):
    """Sends each message of its universe again and again; a timer of its own for each."""

    faithful: ClassVar[bool] = False
    universe: tuple[tuple[NodeId, Message], ...] = ()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        for number in range(len(self.universe)):
            ctx.set_timer(str(number), SPEAKS_MS)

    def on_timer(self, ctx: Context, timer: str) -> None:
        ctx.send(*self.universe[int(timer)])
        ctx.set_timer(timer, REPEATS_MS)


def embodied(world: World) -> World:
    """The world with a Traitor in the place of each Byzantine role; whoever shares a process with
    one is one, too.

    Raises UsageError for names that the world does not have, and for keys of other nodes.
    """
    if not world.byzantine:
        return world
    hosts = world.hosts()
    shared = {
        role.me
        for name in world.byzantine.keys() & hosts.keys()
        for role in roles_of(world.processes[hosts[name]])
    }
    for name, universe in world.byzantine.items():
        for role in (name, *(to for to, _ in universe)):
            if role not in hosts:
                raise UsageError(f"byzantine: there is no node {role!r}")
        for whose in sorted(proof.author for _, msg in universe for proof in proofs_in(msg)):
            if whose not in shared:
                raise UsageError(f"byzantine: {name} cannot use the key of {whose}")
    traitors = {hosts[name] for name in world.byzantine}
    processes = (
        _traitor(process, world.byzantine) if index in traitors else process
        for index, process in enumerate(world.processes)
    )
    return msgspec.structs.replace(world, processes=tuple(processes))


def _traitor(process: Actor, universes: dict[NodeId, tuple[tuple[NodeId, Message], ...]]) -> Actor:
    roles = tuple(Traitor(role.me, universes.get(role.me, ())) for role in roles_of(process))
    return Process(process.me, roles) if isinstance(process, Process) else roles[0]
