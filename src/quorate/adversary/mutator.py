"""Lies: messages with something in them changed, as far as a node's own keys allow it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from quorate.adversary.strategy import Letter, Strategy, letter_of
from quorate.kernel import Authenticated, Effect, Event, Signed

Change = Callable[[Any], Any]
FAR = 1_000
LETTERS_MAX = 50


class Corruptor(Strategy, gc=False):
    """Makes MACs that every second receiver cannot verify.

    Source: Clement et al., Making Byzantine Fault Tolerant Systems Tolerate Byzantine Faults, NSDI
    2009, section 2: the "big MAC attack".
    """

    def act(self, event: Event, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        def corrupted(value: Any) -> Any:
            if isinstance(value, Authenticated) and value.sender == self.me:
                return msgspec.structs.replace(value, receivers=value.receivers[::2])
            return _rebuilt(value, corrupted)

        letters = ((effect, letter_of(self.me, effect)) for effect in effects)
        return tuple(
            e if it is None else self.posted((it[0], it[1], corrupted(it[2]))) for e, it in letters
        )


class Mutator(Strategy, gc=False):
    """Changes one field in every second message, drops some, and sends others twice; what it puts
    there it has seen elsewhere, or nobody has. It draws from what it has done so far."""

    def act(self, event: Event, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        acted: list[Effect] = []
        for effect in effects:
            letter = letter_of(self.me, effect)
            if letter is None:
                acted.append(effect)
                continue
            self.tally += 1
            draw = random.Random(f"{self.me}/{self.tally}")
            lie = draw.random()
            if lie > 0.1:
                acted.append(self.posted(letter if lie > 0.5 else self._changed(letter, draw)))
            if lie > 0.9:
                acted.append(self.posted(self._changed(letter, draw)))
            self.letters = (*self.letters, letter)[-LETTERS_MAX:]
        return tuple(acted)

    def _changed(self, letter: Letter, draw: random.Random) -> Letter:
        """The letter with one value in it changed, at any depth, or a part of it taken from an
        earlier one."""
        role, to, msg = letter
        mine = (role, self.me)
        places = sum(1 for _ in _places(msg, mine))
        if not places:
            return letter
        at = draw.randrange(places)
        seen = [v for other in self.letters for v in _places(other[2], mine)]

        def change(value: Any) -> Any:
            same = [v for v in seen if type(v) is type(value) and v != value]
            if same and not isinstance(value, tuple) and draw.random() < 0.6:
                return draw.choice(same)
            return _other(value, draw, (*self.others, role))

        return role, to, _replaced(msg, mine, [at], change)


def _other(value: Any, draw: random.Random, names: tuple[str, ...]) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return draw.choice((value + 1, value - 1, value + FAR, 0))
        case str():
            return draw.choice(names)
        case bytes():
            return value + b"'"
        case tuple():
            return value[1:] if draw.random() < 0.5 else (*value, *value[:1])
    return value


def _parts(value: Any, mine: tuple[str, ...]) -> tuple[Any, ...] | None:
    """What a value is made of; None if it is not to be looked into."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, Signed | Authenticated):
        return (value.content,) if value.author in mine else None
    if isinstance(value, msgspec.Struct):
        return tuple(getattr(value, name) for name in value.__struct_fields__)
    return None


def _is_place(value: Any) -> bool:
    """Whether it can be changed without being of another type: numbers, texts, bytes, and tuples of
    like things, which may be of any length."""
    if isinstance(value, tuple):
        return len(value) > 0 and len(set(map(type, value))) == 1
    return isinstance(value, bool | int | str | bytes)


def _places(value: Any, mine: tuple[str, ...]) -> Iterator[Any]:
    """Every value that can be changed, at any depth."""
    if _is_place(value):
        yield value
    for part in _parts(value, mine) or ():
        yield from _places(part, mine)


def _replaced(value: Any, mine: tuple[str, ...], left: list[int], change: Change) -> Any:
    """The value with the place changed that `left[0]` counts down to, in the order of _places."""
    if _is_place(value):
        if left[0] == 0:
            left[0] = -1
            return change(value)
        left[0] -= 1
    if left[0] < 0 or _parts(value, mine) is None:
        return value
    return _rebuilt(value, lambda part: _replaced(part, mine, left, change))


def _rebuilt(value: Any, change: Change) -> Any:
    """The value with each part changed; of a proof, its content only."""
    if isinstance(value, tuple | frozenset):
        return type(value)(change(part) for part in value)
    if isinstance(value, Signed | Authenticated):
        return msgspec.structs.replace(value, content=change(value.content))
    if isinstance(value, msgspec.Struct):
        fields = {name: change(getattr(value, name)) for name in value.__struct_fields__}
        return msgspec.structs.replace(value, **fields)
    return value
