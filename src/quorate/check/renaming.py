"""Renaming nodes in values: what a state is when interchangeable nodes have changed places.

A tuple of nodes is either a list that a world was configured with, or an order that came about. A
tuple is such a list if it occurs in the same field of a boot image, or, where it is in no field
that boot images have (in a message, say), anywhere in a boot image. Renamed, it is the list of the
renamed nodes that occurs there, in the order declared there. Every other tuple is renamed item by
item.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from quorate.check.local import Local
from quorate.kernel import Actor, Map, NodeId, Process, UsageError, World, plan_of, roles_of


class Declared:
    """Some lists, of which no two have the same items in another order."""

    def __init__(self, found: set[tuple[Any, ...]]) -> None:
        # The same items in two orders, as in a ring: there the order matters.
        orders = Counter(map(_items, found))
        self._lists = {_items(one): one for one in found if orders[_items(one)] == 1}
        self._all = frozenset(self._lists.values())

    def __contains__(self, value: tuple[Any, ...]) -> bool:
        return value in self._all

    def in_order(self, value: tuple[Any, ...]) -> tuple[Any, ...]:
        """A renamed list in the order in which it is declared."""
        return self._lists.get(_items(value), value)


class Lists:
    """The tuples in a world's boot images that mention interchangeable nodes."""

    def __init__(self, world: World, names: frozenset[NodeId]) -> None:
        self.order = {
            role.me: index
            for index, role in enumerate(
                role for process in world.processes for role in roles_of(process)
            )
        }
        found: dict[tuple[type, str], set[tuple[Any, ...]]] = {}
        for image in (*world.processes, *world.observers):
            _collect(image, found, set())
        for lists in found.values():
            lists -= {one for one in lists if not any(name in names for name in _texts(one))}
        self._fields = {field: Declared(lists) for field, lists in found.items()}
        self._kinds = {kind for kind, _ in found}
        self.anywhere = Declared(set().union(*found.values()))

    def within(self, kind: type, field: str) -> Declared:
        """The lists that a field may hold."""
        return self._fields[kind, field] if kind in self._kinds else self.anywhere


class Renaming:
    """A renaming of nodes, applied to any value that actors, messages and facts are made of."""

    def __init__(self, names: Mapping[NodeId, NodeId], lists: Lists) -> None:
        self.names = {old: new for old, new in names.items() if old != new}
        self._lists = lists
        self._pattern = re.compile(rf"\b({'|'.join(map(re.escape, self.names)) or '(?!)'})\b")

    def __call__(self, value: Any, declared: Declared | None = None) -> Any:
        """`value`, renamed. `declared`: the lists that there may be."""
        kind = type(value)
        if kind is str:
            return self.names.get(value, value)
        if isinstance(value, Process):
            roles = sorted(map(self, value.actors), key=self._place)
            return msgspec.structs.replace(value, me=self(value.me), actors=tuple(roles))
        if isinstance(value, msgspec.Struct):
            return self._struct(value)
        declared = declared or self._lists.anywhere
        if kind is tuple:
            return self._tuple(value, declared)
        if kind is frozenset:
            return frozenset(self(item, declared) for item in value)
        if kind is Map:
            return Map((self(k, declared), self(item, declared)) for k, item in value.items())
        return value

    def local(self, local: Local) -> Local:
        """A process between two steps, renamed."""
        offers = ((self(role), self(key), map(self, some)) for role, key, some in local.offers)
        return Local(
            actor=self(local.actor),
            timers=frozenset((self(role), self(timer)) for role, timer in local.timers),
            offers=_settled(offers),
            facts=self.stated(local.facts),
            unforced=tuple(self._lazy(local.actor, image) for image in local.unforced),
            up=local.up,
            failure=self.text(local.failure),
            rounds=local.rounds,
        )

    def stated(self, facts: Iterable[tuple[NodeId, Any]]) -> tuple[tuple[NodeId, Any], ...]:
        """Facts, renamed, and said to come from the renamed nodes; in the same order."""
        return tuple((self(node), self(fact)) for node, fact in facts)

    def text(self, text: str) -> str:
        """Words for people, with the names in it renamed."""
        return self._pattern.sub(lambda match: self.names[match[0]], text)

    def _place(self, role: Actor) -> int:
        return self._lists.order.get(role.me, 0)

    def _tuple(self, value: tuple[Any, ...], declared: Declared) -> tuple[Any, ...]:
        renamed = tuple(self(item, declared) for item in value)
        if value in declared:
            return declared.in_order(renamed)
        if renamed == value:
            return value
        if renamed in declared:
            raise UsageError(
                f"{value!r} is an order that came about, but renamed it is {renamed!r}, a list of "
                "nodes that a boot image has: make one of them a frozenset to use symmetry"
            )
        return renamed

    def _struct(self, value: msgspec.Struct) -> msgspec.Struct:
        changed = {}
        for field in value.__struct_fields__:
            old = getattr(value, field)
            new = self._field(type(value), field, old)
            if new is not old and new != old:
                changed[field] = new
        return msgspec.structs.replace(value, **changed) if changed else value

    def _field(self, kind: type, field: str, value: Any) -> Any:
        return self(value, self._lists.within(kind, field))

    def _lazy(self, actor: Actor, image: tuple[Any, ...]) -> tuple[Any, ...]:
        if isinstance(actor, Process):
            roles = zip(actor.actors, image, strict=True)
            parts = sorted(
                (self._place(self(role)), self._lazy(role, part)) for role, part in roles
            )
            return tuple(part for _, part in parts)
        kind = type(actor)
        fields = zip(plan_of(kind).lazy, image, strict=True)
        return tuple(self._field(kind, field, value) for field, value in fields)


def settled(local: Local) -> Local:
    """A local state in which options are in an order that does not depend on names."""
    return local._replace(offers=_settled(local.offers))


def _settled(offers: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(
        sorted(
            (role, key, tuple(sorted(options, key=lambda option: (str(type(option)), option))))
            for role, key, options in offers
        )
    )


def _items(value: tuple[Any, ...]) -> frozenset[tuple[Any, int]]:
    return frozenset(Counter(value).items())


def _collect(
    value: Any, found: dict[tuple[type, str], set[tuple[Any, ...]]], here: set[tuple[Any, ...]]
) -> None:
    """Put every tuple within a value with the others of its field; `here`: of the field it is in.
    That of a process's roles is none."""
    if isinstance(value, Process):
        for role in value.actors:
            _collect(role, found, here)
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            _collect(getattr(value, field), found, found.setdefault((type(value), field), set()))
    else:
        if type(value) is tuple:
            here.add(value)
        for part in _parts(value):
            _collect(part, found, here)


def _texts(value: Any) -> Iterator[str]:
    if type(value) is str:
        yield value
    for part in _parts(value):
        yield from _texts(part)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, tuple | frozenset):
        return value
    if isinstance(value, Map):
        return [part for entry in value.items() for part in entry]
    if isinstance(value, msgspec.Struct):
        return [getattr(value, field) for field in value.__struct_fields__]
    return ()
