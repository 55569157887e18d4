"""Orbits of packed states: which state stands for its orbit, and how to get there."""

from __future__ import annotations

from collections.abc import Callable, Collection

from quorate.check.layout import Layout
from quorate.check.network import Links
from quorate.check.symmetry import (
    ENVELOPE,
    NOT_ALIKE,
    OBSERVERS,
    Component,
    Element,
    Symmetry,
)
from quorate.kernel import UsageError


class Orbits:
    """A symmetry acting on packed states. `changed` is called when a network has new bits."""

    def __init__(
        self, symmetry: Symmetry, layout: Layout, links: Links, changed: Callable[[], None]
    ) -> None:
        self.symmetry = symmetry
        self._layout, self._links, self._changed = layout, links, changed
        self._flights: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {}
        self._networks: dict[tuple[Element, int], int] = {}
        self._canonical: dict[int, int] = {}

    def roots(self, roots: Collection[int]) -> list[int]:
        """The states that stand for the orbits of the initial states. Raises UsageError unless
        each image of an initial state is an initial state."""
        for element in self.symmetry.generators:
            if any(self.image(element, root) not in roots for root in roots):
                raise UsageError(f"{self.symmetry.at(element)}: not at the start; {NOT_ALIKE}")
        return list(map(self.canonical, roots))

    def canonical(self, state: int) -> int:
        """The state that stands for the orbit of a state."""
        found = self._canonical.get(state)
        if found is None:
            found = self._canonical[state] = self.fold(state)[0]
        return found

    def fold(self, state: int) -> tuple[int, Element]:
        """The state that stands for the orbit, and a permutation that leads to it."""
        layout = self._layout
        locals, observers = layout.locals(state), layout.observers(state)
        _, signatures = self._flight(state >> layout.base)
        parts: list[Component] = list(enumerate(locals))
        if layout.observed:
            parts.append((OBSERVERS, observers))
        sums = self._sum(signatures, parts)
        is_fixed = lambda element: self.image(element, state) == state  # noqa: E731
        elements = self.symmetry.sorting(sums, is_fixed)
        return min((self.image(element, state), element) for element in elements)

    def image(self, element: Element, state: int) -> int:
        """The state that a permutation leads to."""
        if element == self.symmetry.identity:
            return state
        layout, permutation = self._layout, self.symmetry.at(element)
        locals, observers = permutation.states(layout.locals(state), layout.observers(state))
        network = state >> layout.base
        known = self._networks.get((element, network))
        if known is None:
            sent = tuple(map(permutation.envelope, self._flight(network)[0]))
            added, bits = self._links.change(0, None, sent)
            known = self._networks[element, network] = added | bits
            self._changed()
        return layout.pack(layout.crashes(state), locals, observers, known)

    def _flight(self, network: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What is in flight, and what it adds to the signatures."""
        found = self._flights.get(network)
        if found is None:
            flight = tuple(self._links.flight(network << self._layout.base))
            zeros = (0,) * len(self.symmetry.blocks)
            sums = self._sum(zeros, [(ENVELOPE, envelope) for envelope in flight])
            found = self._flights[network] = flight, sums
        return found

    def _sum(self, start: tuple[int, ...], parts: list[Component]) -> tuple[int, ...]:
        weights = self.symmetry.weights
        return tuple(map(sum, zip(start, *map(weights, parts), strict=True)))
