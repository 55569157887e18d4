"""A world's observers as one small integer: all of them together, and what moves show them."""

from __future__ import annotations

from quorate.kernel import Fact, NodeId, Observer, ProtocolBug

Stated = tuple[tuple[NodeId, Fact], ...]
"""Facts, with the nodes that stated them, in order."""


class Observers:
    """Numbers for the states of the observers, 0 being how they begin, and for what was stated, 0
    being nothing."""

    def __init__(self, first: tuple[Observer, ...]) -> None:
        self.states: list[tuple[Observer, ...]] = [first]
        self._state_ids = {first: 0}
        self.stated: list[Stated] = [()]
        self._stated_ids: dict[Stated, int] = {(): 0}
        self._after: dict[tuple[int, int], int] = {}

    def number(self, stated: Stated) -> int:
        """The number of what was stated; 0 if there is no one to see it."""
        if not self.states[0]:
            return 0
        known = self._stated_ids.setdefault(stated, len(self.stated))
        if known == len(self.stated):
            self.stated.append(stated)
        return known

    def after(self, state: int, stated: int) -> int:
        """The observers, as one number, after they saw what a move stated."""
        if not stated:
            return state
        after = self._after.get((state, stated))
        if after is None:
            seen = tuple(_after(one, self.stated[stated]) for one in self.states[state])
            after = self._after[state, stated] = self.intern(seen)
        return after

    def intern(self, observers: tuple[Observer, ...]) -> int:
        """The number of a state of the observers."""
        number = self._state_ids.setdefault(observers, len(self.states))
        if number == len(self.states):
            self.states.append(observers)
        return number


def _after(observer: Observer, stated: Stated) -> Observer:
    for node, fact in stated:
        was = hash(observer)
        after, again = observer.see(node, fact), observer.see(node, fact)
        if after != again or hash(observer) != was:
            raise ProtocolBug(f"{observer.me} does not see {fact!r} the same way twice")
        observer = after
    return observer
