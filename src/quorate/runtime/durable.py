"""Durable fields as bytes: what a step changed, or everything that an actor must not forget.

A body is a msgpack array of steps; a step is an array of changes; a change is [role, field, value],
or [role, field, updated entries, removed keys] for a Map that was already on record.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any

import msgspec

from quorate.kernel import (
    Actor,
    By,
    Delta,
    Effect,
    Map,
    NodeId,
    Persist,
    Process,
    StorageError,
    UsageError,
    decode_hook,
    encode_hook,
    plan_of,
    roles_of,
    unwrapped,
)

_ENCODER = msgspec.msgpack.Encoder(enc_hook=encode_hook, order="deterministic")
_Written = tuple[NodeId, str, Any] | tuple[NodeId, str, Any, Any]


class _Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    role: NodeId
    field: str
    value: msgspec.Raw
    removed: msgspec.Raw = msgspec.Raw(b"")


_BODY = msgspec.msgpack.Decoder(list[list[_Entry]])


def encode_step(me: NodeId, effects: tuple[Effect, ...], buffer: bytearray) -> bool:
    """Append to `buffer` what a step of node `me` made durable; False when that is nothing."""
    if not effects or type(unwrapped(effects[0])) is not Persist:
        return False  # the kernel puts them first
    written: list[_Written] = []
    for effect in effects:
        role, inner = (effect.role, effect.effect) if type(effect) is By else (me, effect)
        if type(inner) is not Persist:
            break
        for change in inner.changes:
            value = change.value
            if type(value) is Delta:
                written.append((role, change.field, value.updated, value.removed))
            else:
                written.append((role, change.field, value))
    _ENCODER.encode_into(written, buffer, -1)
    return True


def encode_image(actor: Actor) -> bytes:
    """A body that restores every durable field of `actor` by itself."""
    changes = [
        (role.me, field, getattr(role, field))
        for role in roles_of(actor)
        for field in (*plan_of(type(role)).stable, *plan_of(type(role)).lazy)
    ]
    return _ENCODER.encode([changes])


class _Codec(msgspec.Struct, frozen=True):
    """How one field is read. Maps are kept as dicts until all is read: replaying is then linear."""

    value: msgspec.msgpack.Decoder[Any]
    removed: msgspec.msgpack.Decoder[Any] | None


def _codec(owner: type, field: str, hint: Any) -> _Codec:
    bare = typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint
    try:
        if typing.get_origin(bare) is Map:
            key, value = typing.get_args(bare)
            pair = tuple.__class_getitem__((key, value))
            return _Codec(_decoder(_list_of(pair)), _decoder(_list_of(key)))
        return _Codec(_decoder(bare), None)
    except TypeError as error:
        raise UsageError(
            f"{owner.__name__}.{field} is durable, but its type cannot be read back: {error}"
        ) from error


@cache
def _codecs(kind: type[Actor]) -> dict[str, _Codec]:
    """Of each durable field. Kept, since a simulated node recovers thousands of times."""
    hints = typing.get_type_hints(kind, include_extras=True)
    plan = plan_of(kind)
    return {field: _codec(kind, field, hints[field]) for field in (*plan.stable, *plan.lazy)}


def _list_of(kind: Any) -> Any:
    return list.__class_getitem__(kind)


def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind, dec_hook=decode_hook)


class Image:
    """The durable fields of a node, gathered from bodies in the order they were written."""

    def __init__(self, boot: Actor) -> None:
        self._boot = boot
        self._codecs: dict[tuple[NodeId, str], _Codec] = {}
        self._values: dict[tuple[NodeId, str], Any] = {}
        for role in roles_of(boot):
            for field, codec in _codecs(type(role)).items():
                self._codecs[role.me, field] = codec
                if codec.removed is not None:  # the first change says what differs from this
                    self._values[role.me, field] = dict(getattr(role, field).items())

    def apply(self, body: bytes | memoryview) -> None:
        """Take in one body. Raises StorageError when it does not fit these actors."""
        try:
            for step in _BODY.decode(body):
                self._apply_step(step)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise StorageError(f"not a record of this protocol: {error}") from error

    def _apply_step(self, step: Iterable[_Entry]) -> None:
        for entry in step:
            name = (entry.role, entry.field)
            codec = self._codecs.get(name)
            if codec is None:
                raise StorageError(
                    f"it holds {entry.field!r} of {entry.role!r}, which {self._boot.me!r} lacks"
                )
            value = codec.value.decode(entry.value)
            if codec.removed is None:
                self._values[name] = value
            elif not entry.removed:
                self._values[name] = dict(value)
            else:
                entries = self._values[name]
                entries.update(value)
                for key in codec.removed.decode(entry.removed):
                    entries.pop(key, None)

    def restore(self) -> Actor:
        """The boot image with the gathered fields in it."""
        roles = [self._restore_role(role) for role in roles_of(self._boot)]
        if isinstance(self._boot, Process):
            return msgspec.structs.replace(self._boot, actors=tuple(roles))
        return roles[0]

    def _restore_role(self, role: Actor) -> Actor:
        changes: dict[str, Any] = {}
        for (name, field), value in self._values.items():
            if name != role.me:
                continue
            if self._codecs[name, field].removed is not None:
                value = Map(value)
                value.track()  # it is on record, so the next step may write a delta
            changes[field] = value
        return msgspec.structs.replace(role, **changes)
