"""Values that actors are made of: immutable, comparable, the same in every process.

Rule 1  A field value never changes; a field is rebound.
Rule 2  Nothing here depends on hash order, so PYTHONHASHSEED never changes a result.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Hashable, ItemsView, Iterable, Iterator, KeysView, Mapping
from typing import Annotated, Any, Generic, TypeVar, cast

import immutables
import msgspec

from quorate.kernel.errors import UsageError

NodeId = str
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Stable = Annotated[T, msgspec.Meta(extra={"durable": "stable"})]
"""Survives a crash; forced to disk before the sends and outputs of the step that changed it."""
Lazy = Annotated[T, msgspec.Meta(extra={"durable": "lazy"})]
"""Written without forcing: a crash may keep it or lose it, but never out of log order."""


class Message(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """What nodes send: immutable, hashable, encodable. One class per kind of message."""


class Fact(msgspec.Struct, frozen=True, tag=True, cache_hash=True, gc=False):
    """What a node tells the outside world (decided, committed …); properties read facts."""


class Request(Fact, frozen=True):
    """What a client asks for; the next other fact that it states is the answer."""


class Ballot(msgspec.Struct, frozen=True, order=True, cache_hash=True, gc=False):
    """A number no two proposers share: rounds are compared first, then proposers."""

    round: int = 0
    proposer: NodeId = ""

    def __repr__(self) -> str:
        return f"{self.round}{self.proposer}"


class Delta(msgspec.Struct, frozen=True, gc=False):
    """What changed in a Map: new or replaced entries, and keys that went."""

    updated: tuple[tuple[Any, Any], ...] = ()
    removed: tuple[Any, ...] = ()


TOUCHED_MAX = 256


class Map(Generic[K, V]):
    """A persistent map: `put` and `drop` give a new map and leave this one as it was.

    A map that the kernel has persisted once remembers, through the next step, which keys were
    touched, so that a step writes what it changed and never compares whole maps (ADR 0003).
    """

    # Where this map came from: () when it is on record, (map on record, *keys touched since) when
    # made of one, None when that is not known, or when it would be more keys than is worth.
    __slots__ = ("_entries", "_hash", "_since")

    _since: tuple[Any, ...] | None

    def __init__(self, entries: Mapping[K, V] | Iterable[tuple[K, V]] = ()) -> None:
        self._entries: immutables.Map[K, V] = immutables.Map(entries)
        self._since = None

    def put(self, key: K, value: V) -> Map[K, V]:
        """The map with `key` bound to `value`."""
        new: Map[K, V] = _new(Map)
        new._entries = self._entries.set(key, value)
        if self._since is None:
            new._since = None
        else:
            new._since = self._touching((key,)) if self._since else (self, key)
        return new

    def _touching(self, keys: tuple[K, ...]) -> tuple[Any, ...] | None:
        if self._since is None or len(self._since) > TOUCHED_MAX:
            return None
        return (self._since or (self,)) + keys

    def _with(self, entries: immutables.Map[K, V], touched: Iterable[K]) -> Map[K, V]:
        new: Map[K, V] = _new(Map)
        new._entries, new._since = entries, self._touching(tuple(touched))
        return new

    def update(self, entries: Mapping[K, V]) -> Map[K, V]:
        """The map with all of `entries` bound."""
        return self._with(self._entries.update(entries), entries) if entries else self

    def drop(self, keys: Iterable[K]) -> Map[K, V]:
        """The map without `keys`; absent keys are passed over."""
        rest = self._entries.mutate()
        gone = [key for key in keys if rest.pop(key, _ABSENT) is not _ABSENT]
        return self._with(rest.finish(), gone) if gone else self

    def get(self, key: K) -> V | None:
        """The value at `key`, or None."""
        return self._entries.get(key)

    def __getitem__(self, key: K) -> V:
        return self._entries[key]

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[K]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def keys(self) -> KeysView[K]:
        """Keys in no particular order, as from iterating: sort them wherever it can be seen."""
        return cast("KeysView[K]", self._entries.keys())

    def items(self) -> ItemsView[K, V]:
        """Entries in no particular order; sort them wherever the order can be seen."""
        return cast("ItemsView[K, V]", self._entries.items())

    def sorted(self) -> Iterator[tuple[K, V]]:
        """Entries in the order of their keys."""
        entries = self._entries
        return iter([(key, entries[key]) for key in sorted(cast("Iterable[Any]", entries))])

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Map) and self._entries == other._entries)

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:  # not asked for before, which is the rule
            self._hash: int = hash(self._entries)
            return self._hash

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{key!r}: {value!r}" for key, value in self.sorted()) + "}"

    def delta_since(self, before: Map[K, V]) -> Delta:
        """What differs from `before`: by the keys touched if it is known which, else by all."""
        since, old, new = self._since, before._entries, self._entries
        if not since or since[0] is not before:
            touched = sorted(cast("Iterable[Any]", {*old, *new}))
        elif len(since) > 2:
            touched = sorted(set(since[1:]))
        else:  # one key, and as a rule it was bound: all that follows would take longer than a step
            key = since[1]
            now = new.get(key, _ABSENT)
            if now is not _ABSENT and old.get(key, _ABSENT) != now:
                return Delta(((key, now),))
            touched = [key]
        updated = [k for k in touched if k in new and (k not in old or old[k] != new[k])]
        removed = [k for k in touched if k in old and k not in new]
        return Delta(tuple([(key, new[key]) for key in updated]), tuple(removed))

    def track(self) -> None:
        """Kernel and recovery only: this value is on record, remember what changes from here."""
        self._since = ()

    def apply(self, delta: Delta) -> Map[K, V]:
        """The map with `delta` applied."""
        return self.update(dict(delta.updated)).drop(delta.removed)


_new: Any = object.__new__
_ABSENT: Any = object()


def encode_hook(value: object) -> object:
    """For msgspec encoders: a Map is written as its entries in key order."""
    if isinstance(value, Map):
        return [[key, item] for key, item in value.sorted()]
    raise NotImplementedError(f"cannot encode {type(value).__name__}")


def decode_hook(kind: type, value: object) -> object:
    """For msgspec decoders: the inverse of `encode_hook`, with keys and values converted."""
    if typing.get_origin(kind) is Map or kind is Map:
        key, item = typing.get_args(kind) or (Any, Any)
        return Map(msgspec.convert(value, list[tuple[key, item]], dec_hook=decode_hook))  # type: ignore[valid-type]
    raise NotImplementedError(f"cannot decode {kind}")


_ATOMS = (int, float, str, bytes, bool, type(None))


def refuse_mutable(owner: type, field: str, hint: Any, extra: tuple[type, ...] = ()) -> None:
    """Raise UsageError, naming class and field, unless `hint` admits only immutable values."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return refuse_mutable(owner, field, args[0], extra)
    if origin in (tuple, frozenset, Map) or origin in (typing.Union, types.UnionType):
        for arg in args:
            if arg is not Ellipsis:
                refuse_mutable(owner, field, arg, extra)
        return None
    kind = origin or hint
    if origin is typing.Literal or kind in _ATOMS:
        return None
    if isinstance(kind, type):
        if issubclass(kind, (enum.Enum, *extra)):
            return None
        if issubclass(kind, msgspec.Struct) and kind.__struct_config__.frozen:
            for name, inner in typing.get_type_hints(kind, include_extras=True).items():
                if name in kind.__struct_fields__ and inner is not hint:
                    refuse_mutable(kind, name, inner, (*extra, kind))
            for arg in args:
                refuse_mutable(owner, field, arg, (*extra, kind))
            return None
    if isinstance(kind, TypeVar):
        return None
    raise UsageError(
        f"{owner.__name__}.{field} has type {hint!r}, which may hold a mutable value; use numbers, "
        "text, bytes, enums, tuples, frozensets, frozen Structs or quorate.kernel.Map"
    )
