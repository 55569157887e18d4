"""Merging silent steps into those that show something: how a reduced search goes on (ADR 13).

What is silent takes from the inbox of its process only, and others only ever add to that, so that
it can be postponed past every step of theirs. A reduced search takes silent steps right before a
step of the same process that is not silent, and only where that one would come out differently
without them. What is left over in the end matters to states at rest only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Generic, NamedTuple, TypeVar

from quorate.kernel import Happening

PLACES_MAX = 1_000
"""Where so many places are reached in silence, perhaps without end, a search halts in between."""

P = TypeVar("P", bound=Hashable)


class Step(NamedTuple, Generic[P]):
    """One step of a process: where that leads, what it does to others (to be compared), and
    whether it is silent. A state is at rest though what is not `due` may happen, and though what
    `stays` may, if that does nothing to others."""

    to: P
    does: Any
    due: bool
    stays: bool
    silent: bool
    happenings: tuple[Happening, ...]


class Steps(Generic[P]):
    """All steps from one place."""

    def __init__(self, steps: Iterable[Step[P]]) -> None:
        self.all = tuple(steps)
        self._by_happenings: dict[tuple[Happening, ...], list[Step[P]]] = {}

    def like(self, step: Step[P]) -> Sequence[Step[P]]:
        """Those in which the same happens."""
        if not self._by_happenings:
            for each in self.all:
                self._by_happenings.setdefault(each.happenings, []).append(each)
        return self._by_happenings.get(step.happenings, ())


class Merged(Generic[P]):
    """Where silent steps lead from one place, and all that is not silent from there on."""

    def __init__(self, start: P, steps: Callable[[P], Steps[P]]) -> None:
        self._steps = steps
        # By place, the silent steps that lead to it in as few as possible, each with its origin.
        self._last: dict[P, list[tuple[P, Step[P]]]] = {start: []}
        levels = {start: 0}
        self.places = [start]
        self._expanded = 0
        for here in self.places:
            if len(self.places) > PLACES_MAX:
                break
            self._expanded += 1
            for step in steps(here).all:
                if not step.silent:
                    continue
                if step.to not in levels:
                    levels[step.to] = levels[here] + 1
                    self._last[step.to] = []
                    self.places.append(step.to)
                if levels[step.to] == levels[here] + 1:
                    self._last[step.to].append((here, step))

    def path(self, place: P) -> tuple[Happening, ...]:
        """What happens on a shortest way to a place."""
        path: list[tuple[Happening, ...]] = []
        while self._last[place]:
            place, step = self._last[place][0]
            path.append(step.happenings)
        return tuple(chain.from_iterable(reversed(path)))

    def steps(self) -> Iterator[Step[P]]:
        """Each step that is not silent, with the silent ones that it needs."""
        for here in self.places[: self._expanded]:
            path = self.path(here)
            for step in self._steps(here).all:
                if step.silent or any(self._can_wait(b, s, step) for b, s in self._last[here]):
                    continue
                yield step._replace(happenings=path + step.happenings)
        for here in self.places[self._expanded :]:
            yield Step(here, (), True, False, False, self.path(here))

    def _can_wait(self, before: P, silent: Step[P], step: Step[P]) -> bool:
        """Whether a silent step can as well be taken after a step that came after it."""
        return any(
            first[1:] == step[1:]
            and any(
                then.silent and then.to == step.to for then in self._steps(first.to).like(silent)
            )
            for first in self._steps(before).like(step)
        )
