"""Self-interest: a rational node that works for its own outcome, and not a message longer.

Source: Aiyer et al., BAR Fault Tolerance for Cooperative Services, SOSP 2005, section 2; the
lecture, "Unfaithful behavior".
"""

from __future__ import annotations

from quorate.adversary.strategy import Strategy
from quorate.kernel import Effect, Event, Output, Send, unwrapped


class Selfish(Strategy, gc=False):
    """Follows the protocol until it has stated what it says once and for all, its outcome; from
    that step on it saves every send, for none can change the outcome. It lies about nothing, so
    what it states counts.
    """

    faithful = True

    def act(self, event: Event, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        facts = {type(e.fact).__name__ for each in effects if type(e := unwrapped(each)) is Output}
        if facts & OUTCOMES:
            self.notes |= {"has its outcome"}
        if not self.notes:
            return effects
        return tuple(effect for effect in effects if type(unwrapped(effect)) is not Send)


OUTCOMES = frozenset({"Decided", "Committed", "Aborted", "Chosen", "Delivered"})
"""Facts that are an outcome; others (what a node proposed, that it leads) are means to one."""
