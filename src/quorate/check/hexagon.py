"""Why three cannot agree if one may lie: the hexagon, which refutes any protocol for three.

Two copies of each of the three sit in a ring: A0 B0 C0 A1 B1 C1, the first three as they begin with
one input, the others with the other. Everyone has neighbours of the right names, and cannot tell
that there are six. What two that sit side by side see, they could see among three, if the third
says to each what the ring says: so they must keep the protocol's promises. But not all six pairs
can: the first copies must do as the one input says, the second as the other, and neighbours alike.
Source: Fischer, Lynch and Merritt, Easy Impossibility Proofs for Distributed Consensus Problems,
Distributed Computing 1(1) 1986, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from quorate.check.lockstep import Lockstep, Seat, Staged, staged
from quorate.check.model import Model
from quorate.kernel import Header, Network, NodeId, UsageError, World

SIZE = 3


class Scene(msgspec.Struct, frozen=True):
    """Two neighbours in the ring, as nodes of a world of three whose third is the traitor.

    `input`: which of the two inputs it begins with. If it would take more than one has in his
    power to play the traitor, `staged` is None, and `obstacle` says what.
    """

    traitor: NodeId
    loyal: tuple[NodeId, NodeId]
    input: int
    staged: Staged | None
    obstacle: str = ""


def hexagon(worlds: tuple[World, World], headers: tuple[Header, Header]) -> tuple[Scene, ...]:
    """Every pair of neighbours that one of two worlds can be about, in the order of the ring.

    The worlds differ in the input only; `headers`: of their traces. Raises UsageError unless they
    have the same three processes, or if these flip coins.
    """
    for world in worlds:
        if len(world.processes) != SIZE:
            raise UsageError(
                f"the hexagon is for {SIZE} processes, and this world has {len(world.processes)}"
            )
    models = [Model(msgspec.structs.replace(w, byzantine={}), Network.FIFO, 0) for w in worlds]
    if worlds[0].hosts() != worlds[1].hosts():
        raise UsageError("the two inputs must leave the names of nodes as they are")
    hosts = worlds[0].hosts()
    seats = [Seat(model, process) for model in models for process in range(SIZE)]

    def route(seat: int, to: NodeId) -> int | None:
        process = hosts[to]
        near = (seat, (seat - 1) % len(seats), (seat + 1) % len(seats))
        return next(each for each in near if each % SIZE == process)

    return tuple(_scenes(worlds, headers, Lockstep(seats, route)))


def _scenes(
    worlds: tuple[World, World], headers: tuple[Header, Header], run: Lockstep
) -> Iterator[Scene]:
    for left in range(2 * SIZE):
        right = (left + 1) % (2 * SIZE)
        nodes = {left: left % SIZE, right: right % SIZE}
        which = _world_of(worlds, left, right)
        if which is None:
            continue
        world = worlds[which]
        (third,) = set(range(SIZE)) - set(nodes.values())
        traitors = frozenset(name for name, process in world.hosts().items() if process == third)
        loyal = (world.processes[left % SIZE].me, world.processes[right % SIZE].me)
        name = world.processes[third].me
        try:
            found = staged(world, run, nodes, traitors, headers[which])
        except UsageError as obstacle:
            yield Scene(name, loyal, which, None, str(obstacle))
        else:
            yield Scene(name, loyal, which, found)


def _world_of(worlds: tuple[World, World], left: int, right: int) -> int | None:
    """The one of the two worlds in which both of two neighbours begin as they do in the ring."""
    for which, world in enumerate(worlds):
        if all(
            worlds[seat // SIZE].processes[seat % SIZE] == world.processes[seat % SIZE]
            for seat in (left, right)
        ):
            return which
    return None
