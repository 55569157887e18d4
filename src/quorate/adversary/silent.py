"""Silence: a node that takes part in everything and says nothing."""

from __future__ import annotations

from quorate.adversary.strategy import Strategy
from quorate.kernel import Effect, Event, Send, unwrapped


class Silent(Strategy, gc=False):
    """Sends nothing. To the others it has stopped; but it hears, and may be paid for it."""

    def act(self, event: Event, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        return tuple(effect for effect in effects if type(unwrapped(effect)) is not Send)
