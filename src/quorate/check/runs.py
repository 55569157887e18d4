"""Judging whole runs of a world: building its graph, and the trace of a run that violates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from quorate.check.engine import Limits, Progress, Way
from quorate.check.graph import Graph
from quorate.check.liveness import Lasso, Verdicts
from quorate.check.local import Local
from quorate.check.model import Model
from quorate.check.shift import Shift, applies
from quorate.check.trace import retrace
from quorate.check.verdict import Verdict
from quorate.kernel import Header, Kind, Network, Property, Trace, World

FOLDED = ((15_000, (2, 4, 6)), (120_000, (4, 6, 8)))
"""How many states to look at where ballots grow, with how many messages in flight."""


def judge_runs(
    world: World,
    network: Network,
    crashes: int,
    limits: Limits,
    header: Header,
    progress: Progress | None = None,
) -> dict[str, Verdict]:
    """Verdicts on the Eventually properties of a world, by name."""
    open_ones = [prop for prop in world.properties if prop.kind is Kind.EVENTUALLY]
    verdicts: dict[str, Verdict] = {}
    for runs in graphs(world, network, crashes, limits, progress):
        for prop in open_ones:
            verdicts[prop.name] = runs.judge(prop, header)
        open_ones = [prop for prop in open_ones if verdicts[prop.name].verdict == "unknown"]
        if not open_ones:
            break
    return verdicts


def graphs(
    world: World,
    network: Network,
    crashes: int,
    limits: Limits,
    progress: Progress | None = None,
) -> Iterator[Runs]:
    """The runs of a world; where ballots grow without end, more and more of them."""
    if not applies(world, network):
        model = Model(world, network, crashes)
        yield Runs(model, network, None, limits, progress)
        return
    for states_max, flights in FOLDED:
        for flight_max in flights:
            model = Model(world, network, crashes)
            model.queues = True  # what changes nothing is still taken off, or it would pile up
            few = msgspec.structs.replace(limits, states_max=min(limits.states_max, states_max))
            yield Runs(model, network, Shift(model, flight_max), few, progress)


class Runs:
    """The graph of a world, and verdicts on it."""

    def __init__(
        self,
        model: Model,
        network: Network,
        shift: Shift | None,
        limits: Limits,
        progress: Progress | None = None,
    ) -> None:
        self.model, self._shift = model, shift
        self.graph = Graph(model, network, shift)
        self.graph.explore(limits, progress)
        self.verdicts = Verdicts(self.graph, shift)

    @property
    def is_folded(self) -> bool:
        """Whether states stand for others, and some were left out on purpose."""
        return self._shift is not None

    def judge(self, prop: Property, header: Header) -> Verdict:
        """The verdict on one Eventually property."""
        verdict, reason, lasso = self.verdicts.find(prop)
        trace = None
        if lasso is not None:
            trace = self.trace(lasso, msgspec.structs.replace(header, violated=prop.name))
        return Verdict(prop.name, prop.kind.value, verdict, reason, trace)

    def trace(self, lasso: Lasso, header: Header) -> Trace:
        """A run without end as a trace: what leads to its loop, and one round of it."""
        roots, _ = self.graph.way(lasso.at)
        way, by = self._happened(lasso.stem, 0)
        lap, _ = self._happened(lasso.cycle, by)
        if self._shift is not None:
            before = self._locals([*roots, *way])
            self._shift.confirm(before, [(p, h) for p, happened in lap for h in happened])
        records = retrace(self.model, [*roots, *way, *lap])
        loop = len(retrace(self.model, [*roots, *way])) if lap else None
        return Trace(msgspec.structs.replace(header, loop=loop), records)

    def _happened(self, steps: Sequence[int], by: int) -> tuple[Way, int]:
        """What steps are in the world itself, and what was added to rounds after them, `by` having
        been added before."""
        way: Way = []
        for step in steps:
            process, happenings = self.graph.happened(step)
            if self._shift is not None:
                happenings = self._shift.moved(happenings, -by)
                by += self.graph.turn[step]
            way.append((process, happenings))
        return way, by

    def _locals(self, way: Way) -> tuple[Local, ...]:
        here = [Local(boot) for boot in self.model.boots]
        for process, happenings in way:
            for happening in happenings:
                here[process], _, _ = self.model.happen(process, here[process], happening)
        return tuple(here)
