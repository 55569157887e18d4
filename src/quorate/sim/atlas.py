"""The fault atlas: which nodes may be lost for good, so that what is promised can still be kept.

Whatever lasts (a node that never returns, a disk that cannot be read any more) strikes only where a
quorum stays; else every run would fail, and none would show anything. The quorum systems that the
actors hold say where that is; traitors count as lost, since nobody can count on them.
Source: TigerBeetle, ClusterFaultAtlas of its simulator (src/testing/storage.zig).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from quorate.adversary import Traitor, is_faithful
from quorate.kernel import NodeId, QuorumSystem, World, roles_of
from quorate.sim.faults import Faults
from quorate.sim.topology import FULL

if TYPE_CHECKING:
    from quorate.sim.node import Node


class Atlas:
    """Keeps the account of the processes of one world that are lost."""

    def __init__(self, world: World, faults: Faults) -> None:
        self._roles = {process.me: roles_of(process) for process in world.processes}
        roles = [role for each in self._roles.values() for role in each]
        self._quorums = {system for role in roles for system in _systems(role)}
        self._traitors = {role.me for role in roles if isinstance(role, Traitor)}
        # Those that follow a strategy of their own; that too many do is no reason not to judge.
        self._unfaithful = frozenset(
            role.me
            for process in world.processes
            if not is_faithful(process)
            for role in roles_of(process)
        )
        self._lost: frozenset[NodeId] = frozenset()
        self._bounded = faults.survivable
        # In a graph, a node may be the only way between others.
        self._sparing = self._bounded and faults.topology != FULL

    @property
    def recoverable(self) -> bool:
        """Whether all that is lost so far may be."""
        return self._survives(self._lost)

    def may_lose(self, node: Node) -> bool:
        """Whether this node may be lost: a quorum of every system, and another role of each of its
        kinds, is left without it, or the run may go beyond that."""
        if not node.may_fail or node.gone or self._sparing:
            return False
        return not self._bounded or self._survives(self._lost | {node.me}, self._unfaithful)

    def lose(self, node: Node) -> None:
        """Once this node goes down, it will not return."""
        node.gone = True
        self._lost |= {node.me}

    def _survives(self, lost: frozenset[NodeId], besides: frozenset[NodeId] = frozenset()) -> bool:
        gone = {role.me: type(role) for process in lost for role in self._roles[process]}
        members = {node for system in self._quorums for node in system.nodes}
        if any(not members & {role.me for role in self._roles[process]} for process in lost):
            return False  # it is in no quorum: nothing says that others could stand in for it
        left = {
            type(role) for name, roles in self._roles.items() if name not in lost for role in roles
        }
        return left.issuperset(gone.values()) and all(
            system.holds(frozenset(system.nodes) - gone.keys() - self._traitors - besides)
            for system in self._quorums
        )


def _systems(value: object) -> Iterator[QuorumSystem]:
    """Every quorum system within an actor, at any depth."""
    if isinstance(value, QuorumSystem):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _systems(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _systems(item)
