"""What a protocol promises: named predicates over facts and states, the same in every executor;
and observers, for promises about the order in which different nodes state their facts.

Source: Alpern and Schneider, Defining Liveness, Information Processing Letters 21(4) 1985.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import NoReturn, Self, TypeVar

import msgspec

from quorate.kernel.actor import Actor
from quorate.kernel.errors import UsageError
from quorate.kernel.values import Fact, NodeId

A = TypeVar("A")


class Kind(enum.Enum):
    """When a property must hold."""

    ALWAYS = "always"
    SOMETIMES = "sometimes"
    AT_REST = "at rest"
    EVENTUALLY = "eventually"


class Observer(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """Watches all nodes at once: an automaton over facts, in the order in which they are stated.

    Facts alone are ordered for each node only; an observer is how a property can depend on the
    order between nodes, as linearizability does. Nodes do not know of it. Immutable like a message.
    """

    me: NodeId

    def see(self, node: NodeId, fact: Fact) -> Self:
        """The observer after `node` stated `fact`, also if it had done so before. Pure."""
        raise NotImplementedError


class View(msgspec.Struct, frozen=True, gc=False):
    """What a property sees: the live roles and the observers, by name, and the facts stated so far,
    in order for each node."""

    actors: Mapping[NodeId, Actor | Observer]
    facts: tuple[tuple[NodeId, Fact], ...]

    def stated(self, kind: type[A]) -> list[tuple[NodeId, A]]:
        """Facts of one kind with the nodes that stated them."""
        return [stated for stated in self.facts if isinstance(stated[1], kind)]  # type: ignore[misc]

    def roles(self, kind: type[A]) -> Iterator[A]:
        """Live roles, or observers, of one kind."""
        return (actor for actor in self.actors.values() if isinstance(actor, kind))


class Withheld(Mapping[NodeId, Actor | Observer]):
    """What a predicate on facts sees instead of actors: to read them, it must say that it does, or
    else it would hold of no actors at all."""

    def __init__(self, reader: str) -> None:
        self._reader = reader

    def __getitem__(self, name: NodeId) -> NoReturn:
        raise UsageError(f"property {self._reader!r} reads actors: make it with states=True")

    def __iter__(self) -> Iterator[NodeId]:
        return self[""]

    def __len__(self) -> int:
        return self[""]


class Property(msgspec.Struct, frozen=True):
    """A promise. `per` splits facts into groups that can be judged apart: the predicate then sees
    one group at a time, so that an agreement per slot costs no more as the log grows; facts for
    which it gives None do not matter to the property. `states` says that
    the predicate reads actors or observers, so that facts alone do not settle it; without `nodes`
    it does not care who stated a fact, so that a second node which states it changes nothing."""

    name: str
    kind: Kind
    holds: Callable[[View], bool]
    per: Callable[[Fact], Hashable] | None = None
    states: bool = False
    nodes: bool = True


def always(
    name: str,
    holds: Callable[[View], bool],
    per: Callable[[Fact], Hashable] | None = None,
    states: bool = False,
    nodes: bool = True,
) -> Property:
    """Holds in every state of every run."""
    return Property(name, Kind.ALWAYS, holds, per, states, nodes)


def sometimes(name: str, holds: Callable[[View], bool], states: bool = False) -> Property:
    """Holds in some state of some run: the check that a world is not empty."""
    return Property(name, Kind.SOMETIMES, holds, None, states)


def at_rest(name: str, holds: Callable[[View], bool], states: bool = False) -> Property:
    """Holds in every state in which nothing further can happen."""
    return Property(name, Kind.AT_REST, holds, None, states)


def eventually(name: str, holds: Callable[[View], bool], states: bool = False) -> Property:
    """Holds from some point on in every fair run; in the simulator, once faults have ceased."""
    return Property(name, Kind.EVENTUALLY, holds, None, states)
