"""What objects do when nobody else is there: what concurrent histories of them are measured by.

A model of one's own is a dozen lines:

    class Counter(Model):
        '''A counter: `add` n → the new total; `get` → the total.'''

        name = "counter"
        operations = ("add", "get")
        initial = 0

        def step(self, state, name, argument, result):
            total = state + argument if name == "add" else state
            return total if result in (total, UNKNOWN) else None
"""

from __future__ import annotations

import enum
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import immutables
import msgspec

from quorate.kernel import brief

Atom = int | float | str | bytes | bool | None
Value = Atom | tuple[Atom | tuple[Atom, ...], ...]


class Unknown(enum.Enum):
    """The result of an operation that never said how it ended."""

    UNKNOWN = "?"


UNKNOWN = Unknown.UNKNOWN


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A call and what came of it. Any of two operations is before the other if it `returned`
    before the other was `called`; `returned` is None if nobody knows whether it happened, and
    the `result` is UNKNOWN then. `called` and `returned` need only compare: entries of a log by
    number, or times on one clock. `key` names the object, where there are several."""

    process: int | str
    name: str
    argument: Value = None
    result: Value | Unknown = None
    key: Value = None
    called: int
    returned: int | None


class Model:
    """An object: where it begins, and what each operation does to it.

    States are immutable and hashable, and never None. `operations` are the names it knows.
    """

    name: ClassVar[str]
    operations: ClassVar[tuple[str, ...]]
    initial: ClassVar[Any]

    def step(self, state: Any, name: str, argument: Any, result: Any) -> Any:
        """The state after the operation `name`, or None if it cannot end with `result` here.

        A result of UNKNOWN fits whatever the operation does. Must depend on its arguments only.
        """
        raise NotImplementedError

    def only_reads(self, name: str, argument: Any, result: Any) -> bool:
        """Whether the operation, ending with `result`, never changes any state. Saying so makes
        searches shorter; False is always safe."""
        return False

    def shown(self, state: Any) -> str:
        """A state, for people."""
        return brief(state)

    def parts(self, operations: Sequence[Operation]) -> Mapping[Hashable, Sequence[Operation]]:
        """Operations in groups that can be checked apart: those on different objects.

        A history is linearizable if its part on each object is (Herlihy and Wing 1990, theorem 1;
        Horn and Kroening, FORTE 2015). Override it where keys are not independent objects.
        """
        parts: dict[Any, list[Operation]] = {}
        for operation in operations:
            parts.setdefault(operation.key, []).append(operation)
        return parts


class Register(Model):
    """A register, at first None: `read` → the value; `write` value."""

    name = "register"
    operations: ClassVar[tuple[str, ...]] = ("read", "write")
    initial = (None,)

    def only_reads(self, name: str, argument: Any, result: Any) -> bool:
        """See Model."""
        return name == "read"

    def step(self, state: Any, name: str, argument: Any, result: Any) -> Any:
        """See Model."""
        if name == "write":
            return (argument,)
        return state if result is UNKNOWN or state == (result,) else None

    def shown(self, state: Any) -> str:
        """See Model."""
        return brief(state[0])


class CasRegister(Register):
    """A register with `cas` (old, new): sets new if the value is old; a result of False says that
    it was not, any other that it was."""

    name = "cas-register"
    operations = ("read", "write", "cas")

    def only_reads(self, name: str, argument: Any, result: Any) -> bool:
        """See Model."""
        return name == "read" or (name == "cas" and result is False)

    def step(self, state: Any, name: str, argument: Any, result: Any) -> Any:
        """See Model."""
        if name != "cas":
            return super().step(state, name, argument, result)
        old, new = argument
        done = state == (old,)
        if result is not UNKNOWN and done == (result is False):
            return None
        return (new,) if done else state


class Store:
    """The state of a KeyValue: the revision, and (value, created, modified, version) by key."""

    __slots__ = ("items", "revision")

    def __init__(self, revision: int, items: immutables.Map[Any, Any]) -> None:
        self.revision, self.items = revision, items

    def __hash__(self) -> int:
        return self.revision  # hashing every item would make each step as long as the map

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, Store) and self.revision == other.revision
        return same and self.items == other.items  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        items = ", ".join(f"{key}={self.items[key][0]}" for key in sorted(self.items))
        return f"revision {self.revision}: {{{items}}}"


class KeyValue(Model):
    """Keys with revisions, as the service has them: each change, of any key, takes the next one.

    `put` (key, value) → revision; `delete` key → revision, or 0; `cas` (key, old, new), where an
    old of None is no such key → revision, or 0; `get` key → None, or (value, created, modified,
    version), created and modified being revisions. All keys are one object, and the key belongs in
    the argument, since they share the revision: what is in order for each key may not be for all.
    """

    name = "key-value"
    operations = ("get", "put", "delete", "cas")
    initial = Store(0, immutables.Map())

    def only_reads(self, name: str, argument: Any, result: Any) -> bool:
        """See Model."""
        return name == "get" or result == 0

    def step(self, state: Any, name: str, argument: Any, result: Any) -> Any:
        """See Model."""
        key, *given = argument if isinstance(argument, tuple) else (argument,)
        held = state.items.get(key)
        if name == "get":
            return state if result is UNKNOWN or result == held else None
        if name == "delete":
            changes = held is not None
        else:
            changes = name == "put" or given[0] == (held and held[0])
        revision = state.revision + 1 if changes else 0
        if result is not UNKNOWN and result != revision:
            return None
        if not changes:
            return state
        if name == "delete":
            return Store(revision, state.items.delete(key))
        created, version = (revision, 1) if held is None else (held[1], held[3] + 1)
        return Store(revision, state.items.set(key, (given[-1], created, revision, version)))


class Lock(Model):
    """A lock with fencing tokens: `acquire` → a token higher than all before, or None if it is
    held; `release` token → True, or False if it is not held with that token."""

    name = "lock"
    operations = ("acquire", "release")
    initial = (0, 0)  # the token that holds it, 0 for free; the highest token given

    def only_reads(self, name: str, argument: Any, result: Any) -> bool:
        """See Model."""
        return result is None or result is False

    def step(self, state: Any, name: str, argument: Any, result: Any) -> Any:
        """See Model."""
        holder, highest = state
        if name == "release":
            releases = holder == argument
            if result is not UNKNOWN and bool(result) != releases:
                return None
            return (0, highest) if releases else state
        if result is UNKNOWN:
            # Nobody was told the token, so nobody can release it; the lowest that it can have been
            # leaves later ones the most room.
            return state if holder else (UNKNOWN, highest + 1)
        if result is None:
            return state if holder else None
        return (result, result) if not holder and result > highest else None


class FifoQueue(Model):
    """A queue: `enqueue` value; `dequeue` → the value that has waited longest, None if none has."""

    name = "fifo-queue"
    operations = ("enqueue", "dequeue")
    initial = ()

    def only_reads(self, name: str, argument: Any, result: Any) -> bool:
        """See Model."""
        return name == "dequeue" and result is None

    def step(self, state: Any, name: str, argument: Any, result: Any) -> Any:
        """See Model."""
        if name == "enqueue":
            return (*state, argument)
        first = state[0] if state else None
        return state[1:] if result is UNKNOWN or result == first else None


MODELS: dict[str, Model] = {
    model.name: model for model in (Register(), CasRegister(), KeyValue(), Lock(), FifoQueue())
}
