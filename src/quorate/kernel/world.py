"""A world: processes, the network between them, what may fail, and what must hold."""

from __future__ import annotations

import enum
import typing
from collections.abc import Callable

import msgspec

from quorate.kernel.actor import Actor
from quorate.kernel.errors import UsageError
from quorate.kernel.process import roles_of
from quorate.kernel.property import Observer, Property, View
from quorate.kernel.values import Message, NodeId, refuse_mutable


class Network(enum.Enum):
    """What the checker's network may do. The simulator draws faults of its own instead."""

    SET = "set"  # messages stay for ever: loss, duplication and reordering
    MULTISET = "multiset"  # each copy is delivered once at most, in any order
    FIFO = "fifo"  # each link delivers in order; nothing is lost
    ROUNDS = "rounds"  # as fifo, and in lock-step: all arrives before a round's timers run out


class World(msgspec.Struct, frozen=True, kw_only=True):
    """`processes` and `observers` are as they begin. At most `crashes` crashes happen, among
    `crashable` (None: all); `bounds` names in words what the actors' own limits cut off, so that a
    verdict can say so, and `bounded` says of a state whether such a limit keeps a role in it from
    going on. `rounds`: the integer fields, beside those of ballots, that hold rounds, if nothing
    depends on how high rounds are, so that a run can repeat itself although its ballots grow.
    `symmetry`: groups of interchangeable blocks, each of as many names that travel together, nodes
    or values; ((("a1",), ("a2",)), (("p1", "v1"), ("p2", "v2"))).
    `byzantine`: the nodes that may at any time send whatever of their universe, in place of what
    their processes say; each message with the node that it may be sent to.
    `synchronous`: its promises rest on the synchronous model, in which no message is lost or takes
    more than 100 ms, forced writes included, and a node that crashes stays down, unless the world
    is `returning`, too; a swarm then draws no other faults."""

    processes: tuple[Actor, ...]
    properties: tuple[Property, ...]
    observers: tuple[Observer, ...] = ()
    network: Network = Network.SET
    crashes: int = 0
    crashable: frozenset[NodeId] | None = None
    bounds: tuple[str, ...] = ()
    synchronous: bool = False
    returning: bool = False
    symmetry: tuple[tuple[tuple[str, ...], ...], ...] = ()
    byzantine: dict[NodeId, tuple[tuple[NodeId, Message], ...]] = {}
    bounded: Callable[[View], bool] | None = None
    rounds: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        names = [role.me for process in self.processes for role in roles_of(process)]
        names += [observer.me for observer in self.observers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UsageError(f"two roles share the name {twice[0]!r}; every role needs its own")
        for kind in {type(observer) for observer in self.observers}:
            for field, hint in typing.get_type_hints(kind, include_extras=True).items():
                refuse_mutable(kind, field, hint)

    def hosts(self) -> dict[NodeId, int]:
        """Role name to the index of its process."""
        return {
            role.me: index
            for index, process in enumerate(self.processes)
            for role in roles_of(process)
        }

    def may_crash(self, process: Actor) -> bool:
        """Whether faults may befall this process."""
        return self.crashable is None or process.me in self.crashable


WorldMaker = Callable[..., World]
