"""Equivocation: a node that says one thing to some and another to the others."""

from __future__ import annotations

from typing import Any

import msgspec

from quorate.adversary.strategy import Strategy
from quorate.kernel import Authenticated, By, Effect, Event, NodeId, Send, Signed, unwrapped


class Equivocator(Strategy, gc=False):
    """Changes every value in what it sends to every second node, and signs that as well, with its
    own key; what others have signed it can only pass on as it is.

    Source: Lamport, Shostak and Pease, The Byzantine Generals Problem, TOPLAS 4(3) 1982, section 1.
    """

    def act(self, event: Event, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        return tuple(map(self._effect, effects))

    def _effect(self, effect: Effect) -> Effect:
        inner = unwrapped(effect)
        if type(inner) is not Send or inner.to not in self.others[1::2]:
            return effect
        role = effect.role if type(effect) is By else self.me
        told = Send(inner.to, self._changed(role, inner.msg))
        return By(role, told) if type(effect) is By else told

    def _changed(self, me: NodeId, value: Any) -> Any:
        """`value` with every text in it changed that is no name of a node."""
        match value:
            case Signed(signer, content) if signer == me:
                return Signed(me, self._changed(me, content))
            case Authenticated(sender, content, receivers) if sender == me:
                return Authenticated(me, self._changed(me, content), receivers)
            case Signed() | Authenticated():
                return value
            case str() if value and value != me and value not in self.others:
                return value + "'"
            case bytes() if value:
                return value + b"'"
            case tuple() | frozenset():
                return type(value)(self._changed(me, item) for item in value)
            case msgspec.Struct():
                fields = {
                    name: self._changed(me, getattr(value, name))
                    for name in value.__struct_fields__
                }
                return msgspec.structs.replace(value, **fields)
            case _:
                return value
