"""Twins: two correct nodes that go by one name, each of which talks to a part of the others.

Together they equivocate, vote twice and forget what they said, without a line of code that lies.
Source: Bano et al., Twins: BFT Systems Made Robust, OPODIS 2021, section 3.
"""

from __future__ import annotations

from typing import Any, Self

import msgspec

from quorate.adversary.strategy import Strategy
from quorate.kernel import (
    At,
    By,
    CancelTimer,
    Choice,
    Choose,
    Effect,
    Event,
    For,
    Output,
    Persist,
    Receive,
    Send,
    SetTimer,
    Timeout,
    core,
    unwrapped,
)

MARK = "twin/"
"""What the names of the second twin's timers and choices begin with."""


class Twins(Strategy, gc=False):
    """Every second of the others deals with the second twin, which a crash makes anew."""

    doubled = True

    def act(self, event: Event, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        return tuple(effect for effect in effects if self._may(effect, second=False))

    def step(self, event: Event) -> tuple[Self, tuple[Effect, ...]]:
        inner: Any = core(event)
        first = second = True
        if type(inner) is Receive:
            second = inner.src in self.others[1::2]
            first = not second
        elif type(inner) is Timeout or type(inner) is Choice:
            field = "timer" if type(inner) is Timeout else "key"
            name = getattr(inner, field)
            second = name.startswith(MARK)
            first = not second
            bare = msgspec.structs.replace(inner, **{field: name.removeprefix(MARK)})
            event = _around(event, bare)
        new, effects = super().step(event) if first else (self.__copy__(), ())  # type: ignore[attr-defined]
        if second and self.twin is not None:
            new.twin, more = self.twin.step(event)
            effects += tuple(map(_marked, (e for e in more if self._may(e, second=True))))
        return new, effects

    def _may(self, effect: Effect, second: bool) -> bool:
        inner = unwrapped(effect)
        if type(inner) is Send:
            return inner.to not in self.others or (inner.to in self.others[1::2]) == second
        return not (second and type(inner) in (Persist, Output))


def _around(event: Event, inner: Event) -> Event:
    match event:
        case At(at_ms, within):
            return At(at_ms, _around(within, inner))
        case For(role, within):
            return For(role, _around(within, inner))
    return inner


def _marked(effect: Effect) -> Effect:
    """An effect of the second twin, under names of its own."""
    match effect:
        case By(role, within):
            return By(role, _marked(within))
        case SetTimer(timer, after_ms):
            return SetTimer(MARK + timer, after_ms)
        case CancelTimer(timer):
            return CancelTimer(MARK + timer)
        case Choose(key, options):
            return Choose(MARK + key, options)
    return effect
