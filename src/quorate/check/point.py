"""The point of no return: the first state after which one decision only can be reached.

Source: the lecture, "A Paxos Round"; univalent and bivalent states: Fischer, Lynch and Paterson,
JACM 32(2) 1985. A state in which the world's own limits keep a role from going on does not count:
what cannot be reached from there may be out of reach for that reason only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

import msgspec
import numpy as np
import numpy.typing as npt

from quorate.check.engine import Limits, Progress
from quorate.check.flp import STATES_MAX, Decision, decision_of
from quorate.check.liveness import Lasso
from quorate.check.model import Model
from quorate.check.runs import Runs
from quorate.kernel import Happening, Header, Network, Receive, Trace, UsageError, View, World, core

Mask = npt.NDArray[np.bool_]


class Point(msgspec.Struct, frozen=True):
    """A shortest way to a state from which only `decision` can be reached, its last step being the
    one that settles it. `steps`: all steps that do so, in any state, by what happens in them."""

    decision: Hashable
    trace: Trace
    steps: dict[str, int]


class Settled(msgspec.Struct, frozen=True):
    """`points` by decision, the nearest first; `states` were explored, of which `open` can still
    lead to several decisions."""

    points: tuple[Point, ...]
    states: int
    open: int


def points_of_no_return(
    world: World,
    *,
    decision: Decision = decision_of,
    network: Network | None = None,
    states_max: int = STATES_MAX,
    header: Header | None = None,
    progress: Progress | None = None,
) -> Settled:
    """Explore a world to its end, and say where the last choice is taken.

    Nobody crashes. Raises UsageError if the world has more than `states_max` states, since then
    nobody can tell what may be decided.
    """
    links = world.network if network is None else network
    runs = Runs(Model(world, links, 0), links, None, Limits(states_max), progress)
    graph = runs.graph
    if graph.cut is not None:
        raise UsageError(f"the world is too large to be explored to its end: {graph.cut}")
    where, decisions = runs.verdicts.where, set[Hashable]()

    def decided(view: View) -> set[Hashable]:
        return {value for _, fact in view.facts if (value := decision(fact)) is not None}

    def note(view: View) -> bool:
        decisions.update(decided(view))
        return False

    where(note, False)
    bounded = where(world.bounded) if world.bounded else np.zeros(len(graph), dtype=bool)
    first, target = (np.frombuffer(each, dtype=np.int64) for each in (graph.first, graph.target))
    source = np.repeat(np.arange(len(graph)), np.diff(first))
    order = sorted(decisions, key=str)
    reach = [
        _before(where(lambda view, value=value: value in decided(view), False), source, target)
        for value in order
    ]
    several = np.sum(reach, axis=0) > 1
    settles = several[source] & ~several[target] & ~bounded[target]
    points = []
    for value, can in zip(order, reach, strict=True):
        steps = np.flatnonzero(settles & can[target])
        if len(steps):
            points.append(_point(runs, value, steps, header))
    points.sort(key=lambda point: len(point.trace.records))
    return Settled(tuple(points), len(graph), int(several.sum()))


def _before(states: Mask, source: npt.NDArray[np.int64], target: npt.NDArray[np.int64]) -> Mask:
    """The states from which one of `states` can be reached."""
    reach, count = states.copy(), -1
    while count != (count := int(reach.sum())):
        reach[source[reach[target]]] = True
    return reach


def _point(
    runs: Runs, value: Hashable, steps: npt.NDArray[np.intp], header: Header | None
) -> Point:
    graph = runs.graph
    last = int(steps[0])  # states are numbered in the order of their distance
    _, way = graph.way(graph.source(last))
    lasso = Lasso(graph.target[last], (*way, last), ())
    kinds: Counter[str] = Counter()
    told: dict[int, str] = {}
    for step in steps.tolist():
        label = graph.label[step]
        if label not in told:
            told[label] = _told(graph.happened(step)[1])
        kinds[told[label]] += 1
    trace = runs.trace(lasso, header or Header(protocol="", executor="check"))
    return Point(value, trace, dict(kinds.most_common()))


def _told(happenings: tuple[Happening, ...]) -> str:
    event = core(happenings[-1])
    return type(event.msg).__name__ if isinstance(event, Receive) else type(event).__name__
