"""Nodes that do not follow their protocol: strategies that a run may put on any node by name."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from quorate.adversary.equivocator import Equivocator
from quorate.adversary.links import Delayer, Replayer, Selective
from quorate.adversary.mutator import Corruptor, Mutator
from quorate.adversary.selfish import Selfish
from quorate.adversary.silent import Silent
from quorate.adversary.strategy import Anonymous, Strategy, armed, is_faithful
from quorate.adversary.traitor import Traitor, embodied
from quorate.adversary.twins import Twins
from quorate.kernel import NodeId, UsageError, World

STRATEGIES: dict[str, type[Strategy]] = {
    "silent": Silent,
    "equivocator": Equivocator,
    "selfish": Selfish,
    "anonymous": Anonymous,
    "selective": Selective,
    "delayer": Delayer,
    "replayer": Replayer,
    "corruptor": Corruptor,
    "mutator": Mutator,
    "twins": Twins,
}


def arm(world: World, strategies: Iterable[tuple[NodeId, str]]) -> World:
    """The world with strategies, by name, on some of its nodes.

    Raises UsageError for a node or a strategy that does not exist.
    """
    processes = {process.me: process for process in world.processes}
    names = tuple(sorted(world.hosts()))
    for node, name in strategies:
        if name not in STRATEGIES:
            known = ", ".join(STRATEGIES)
            raise UsageError(f"there is no adversary {name!r}. There is: {known}")
        if node not in processes:
            known = ", ".join(processes)
            raise UsageError(f"there is no node {node!r} for {name}. There is: {known}")
        processes[node] = armed(processes[node], STRATEGIES[name], names)
    return msgspec.structs.replace(world, processes=tuple(processes.values()))
