"""Runs without end whose ballots grow: states that differ by how far are folded into one.

Soundness does not rest on the folding. What is found is a run of the world itself: it comes back to
a state that is an earlier one but for a number added to every round, and `confirm` takes its last
lap again, with that number added, and with a much higher one: each step comes out the same. So the
lap can be taken for ever, and any delivery, timer or choice that it serves is served in each lap.
That nothing is found says nothing, since only states with little in flight are searched.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from quorate.check.graph import BEYOND, Graph
from quorate.check.local import Local
from quorate.check.model import Model
from quorate.kernel import Network, UsageError, World
from quorate.properties.repetition import round_range, with_rounds

SPREAD_MAX = 2
LAPS_AHEAD = (1, 1_000_000)


class Shift:
    """Folds states of one model. At most `flight_max` messages may be in flight, and rounds lie at
    most SPREAD_MAX apart; what lies beyond is cut off."""

    def __init__(self, model: Model, flight_max: int) -> None:
        self.model, self.flight_max = model, flight_max
        self.fields = model.world.rounds
        self._folded: dict[int, tuple[int, int]] = {}
        self._ranges: dict[Any, tuple[int, int]] = {}

    def __call__(self, graph: Graph, state: int) -> tuple[int, int]:
        """The state in which the lowest round is 1, and what was added to get there."""
        known = self._folded.get(state)
        if known is None:
            known = self._folded[state] = self._fold(graph, state)
        return known

    def _fold(self, graph: Graph, state: int) -> tuple[int, int]:
        model, layout = self.model, graph.layout
        flight = list(graph.links.flight(state))
        if len(flight) > self.flight_max:
            return BEYOND, 0
        locals = [model.locals[p][local] for p, local in enumerate(layout.locals(state))]
        envelopes = [model.envelopes[envelope] for envelope in flight]
        low, high = self._range([*locals, *envelopes])
        if high - low > SPREAD_MAX:
            return BEYOND, 0
        by = 1 - low if low else 0
        if not by:
            return state, 0
        moved = [model.intern(p, self.moved(local, by)) for p, local in enumerate(locals)]
        sent = tuple(model.envelope(self.moved(envelope, by)) for envelope in envelopes)
        added, bits = graph.links.change(0, None, sent)
        return layout.pack(layout.crashes(state), tuple(moved), 0, added | bits), by

    def moved(self, value: Any, by: int) -> Any:
        """`value` with a number added to every round."""
        return with_rounds(value, self.fields, partial(_add, by)) if by else value

    def label(self, graph: Graph, label: int, by: int) -> int:
        """What a class of events is called once a number was added to every round."""
        of = graph.classes[label]
        if not by or not isinstance(of, int):
            return label
        return graph.label_of(self.model.envelope(self.moved(self.model.envelopes[of], by)))

    def _range(self, values: Iterable[Any]) -> tuple[int, int]:
        low, high = 0, 0
        for value in values:
            known = self._ranges.get(value)
            if known is None:
                known = self._ranges[value] = round_range(value, self.fields)
            if known[0]:
                low, high = min(low or known[0], known[0]), max(high, known[1])
        return low, high

    def confirm(self, before: tuple[Local, ...], lap: Iterable[tuple[int, Any]]) -> None:
        """Take the steps of a lap, which begins in `before`, again with higher rounds.

        Raises UsageError where that makes a difference.
        """
        here = list(before)
        for process, happening in lap:
            after, _, sent = self.model.happen(process, here[process], happening)
            for by in LAPS_AHEAD:
                again, _, others = self.model.happen(
                    process, self.moved(here[process], by), self.moved(happening, by)
                )
                moved = [self.moved(envelope, by) for envelope in sent]
                if (again, others) != (self.moved(after, by), moved):
                    raise UsageError(
                        f"{after.actor.me} does not behave alike when {by} is added to every "
                        f"round; the world says that its rounds are {sorted(self.fields)}"
                    )
            here[process] = after


def _add(by: int, round: int) -> int:
    return round + by


def applies(world: World, network: Network) -> bool:
    """Whether the ballots of a world grow without end, and its states can be folded."""
    other = world.bounds or world.observers or world.byzantine
    return bool(world.rounds) and network is Network.MULTISET and not other
