"""Check a world: run an engine over it and say how each property fared."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec

from quorate.check.engine import Engine, Found, Limits, Progress
from quorate.check.layout import CRASHES_MAX
from quorate.check.model import Model
from quorate.check.plain import Plain
from quorate.check.reduction import Reduction
from quorate.check.rows import Rows
from quorate.check.symmetric import OrbitJudge, SymmetricModel
from quorate.check.symmetry import ORDER_MAX, order_of
from quorate.check.trace import retrace
from quorate.check.verdict import Judge, Verdict
from quorate.kernel import Header, Kind, Network, Property, Trace, UsageError, World

STATES_MAX = 20_000_000
FIRST_LOOK = 4_096
"""States of the first of the searches that find out what can be left out."""
ENGINES = ("auto", "numpy", "plain")
HEADER = Header(protocol="", executor="check")
GRAPH_MAX = 500_000


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a search came to. `bounds` are those of the world's own actors, which the verdicts rest
    on; `cut` names what ended the search early, if anything did; `steps` counts handler runs. With
    `symmetry`, states are counted once for each orbit, and transitions from one state of each."""

    distinct: int
    transitions: int
    depth: int
    seconds: float
    steps: int
    engine: str
    network: str
    crashes: int
    symmetry: bool
    reduced: bool
    bounds: tuple[str, ...]
    cut: str | None
    verdicts: tuple[Verdict, ...]

    @property
    def violation(self) -> Verdict | None:
        """The first violated property."""
        return next((v for v in self.verdicts if v.verdict == "violated"), None)

    @property
    def exit_code(self) -> int:
        """0 holds, 1 violated, 2 unknown. Eventually left unknown does not count: where runs go on
        without end, a world that can be explored to its end always leaves it so."""
        if self.violation is not None:
            return 1
        judged = [v for v in self.verdicts if v.kind != Kind.EVENTUALLY.value]
        return 2 if any(v.verdict == "unknown" for v in judged) else 0

    def to_json(self) -> dict[str, Any]:
        """The result as plain data."""
        data = msgspec.structs.asdict(self)
        data["properties"] = [
            {
                "name": v.name,
                "kind": v.kind,
                "verdict": v.verdict,
                "reason": v.reason,
                "trace_length": len(v.trace.records) if v.trace else None,
            }
            for v in data.pop("verdicts")
        ]
        return data


def check(
    world: World,
    *,
    engine: str = "auto",
    network: Network | None = None,
    crashes: int | None = None,
    symmetry: bool = False,
    reduce: bool = False,
    states_max: int = STATES_MAX,
    depth_max: int = 0,
    memory_max_bytes: int = 0,
    go_on: bool = False,
    header: Header | None = None,
    progress: Progress | None = None,
    graph_max: int = GRAPH_MAX,
) -> Result:
    """Explore every schedule of a world. `network` and `crashes` replace the world's own.

    `engine`: numpy, which is fast, or plain, which is simple; they count the same. `auto`: numpy,
    or plain for what numpy cannot do. `symmetry`: explore one state of each orbit under what
    `World.symmetry` declares; raises UsageError where a step is not symmetric. `reduce`: leave out
    what nobody can observe (ADR 13); counts and traces are of what is left. `go_on`: look for a
    violation of every property, not of the first only. `header`: of the traces. A handler that
    raises is a violation. Eventually is judged, without symmetry, on the graph of all states if
    there are no more than `graph_max`. Raises ProtocolBug for a handler that is not deterministic,
    or changes a value in place, since nothing found would mean anything.
    """
    network, crashes = network or world.network, world.crashes if crashes is None else crashes
    engine = _chosen(world, engine, crashes, symmetry, reduce)
    began = time.perf_counter()
    model = (SymmetricModel if symmetry else Model)(world, network, crashes)
    start = partial(_start, engine, model, network, go_on)
    limits = Limits(states_max, depth_max, memory_max_bytes)
    with _no_collecting():
        judge, search, found = (_reduced if reduce else _whole)(start, model, limits, progress)
    seconds, steps, header = time.perf_counter() - began, model.steps, header or HEADER
    traces = _traces(model, search, judge.broken, header)
    runs, unjudged = _judge_runs(model, network, found, reduce, graph_max, header, progress)
    return Result(
        **msgspec.structs.asdict(found),
        seconds=seconds,
        steps=steps,
        engine=engine,
        network=network.value,
        crashes=crashes,
        symmetry=symmetry,
        reduced=reduce,
        bounds=world.bounds,
        verdicts=_verdicts(world.properties, judge, traces, found.cut, runs, unjudged),
    )


def _traces(
    model: Model, search: Engine, broken: dict[str, Any], header: Header
) -> dict[str, Trace]:
    ways = {name: search.way(state) for name, state in broken.items()}
    return {
        name: Trace(msgspec.structs.replace(header, violated=name), retrace(model, way))
        for name, way in ways.items()
    }


def _start(
    engine: str, model: Model, network: Network, go_on: bool, reduction: Reduction | None
) -> tuple[Judge, Engine]:
    judge = OrbitJudge(model) if isinstance(model, SymmetricModel) else Judge(model)
    if engine == "numpy":
        # Imported late: numpy takes a tenth of a second, which other commands can do without.
        from quorate.check.vector import Vector

        return judge, Vector(model, network, judge, go_on, reduction)
    if reduction is not None:
        return judge, Rows(model, network, judge, go_on, reduction)
    return judge, Plain(model, network, judge, go_on)


Starter = Callable[[Reduction | None], tuple[Judge, Engine]]
Searched = tuple[Judge, Engine, Found]


def _whole(start: Starter, _: Model, limits: Limits, progress: Progress | None) -> Searched:
    judge, search = start(None)
    return judge, search, search.run(limits, progress)


def _reduced(start: Starter, model: Model, limits: Limits, progress: Progress | None) -> Searched:
    """Search further and further, until all that was left out is known not to matter: what was
    found is true in any case, but only then is it complete, and shortest."""
    reduction = Reduction(model, Judge(model).reads_states)
    states_max = FIRST_LOOK
    while True:
        short = msgspec.structs.replace(limits, states_max=min(states_max, limits.states_max))
        judge, search = start(reduction)
        found = search.run(short, progress)
        hopeless = found.cut in (limits.states_cut, limits.memory_cut)
        if hopeless or (reduction.is_settled() and found.cut != short.states_cut):
            return judge, search, found
        states_max *= 4
        del judge, search
        gc.collect()


def _chosen(world: World, engine: str, crashes: int, symmetry: bool, reduce: bool) -> str:
    if engine == "auto":
        engine = "plain" if symmetry and order_of(world.symmetry) > ORDER_MAX else "numpy"
    if engine not in ENGINES:
        raise UsageError(f"there is no engine {engine!r}; there is: {', '.join(ENGINES)}")
    if symmetry and engine == "numpy" and order_of(world.symmetry) > ORDER_MAX:
        raise UsageError(
            f"engine numpy takes no more than {ORDER_MAX} permutations: take engine plain"
        )
    if symmetry and reduce:
        raise UsageError("a search can be reduced or make use of symmetry, not both: choose one")
    if not 0 <= crashes <= CRASHES_MAX:
        raise UsageError(f"crashes must lie between 0 and {CRASHES_MAX}, not {crashes}")
    return engine


def _judge_runs(
    model: Model,
    network: Network,
    found: Found,
    reduced: bool,
    graph_max: int,
    header: Header,
    progress: Progress | None,
) -> tuple[dict[str, Verdict], str]:
    """Verdicts on what depends on whole runs, or why there are none."""
    world = model.world
    if not any(prop.kind is Kind.EVENTUALLY for prop in world.properties):
        return {}, ""
    if isinstance(model, SymmetricModel):
        return {}, "runs are not judged under symmetry: check without"
    if reduced:
        return {}, "runs are not judged when reduced: check without"
    try:
        # Here, since no other property needs scipy, which takes a while to load.
        from quorate.check.runs import judge_runs
        from quorate.check.shift import applies
    except ImportError:
        return {}, "it takes scipy: pip install 'quorate[science]'"
    if not applies(world, network):
        if found.cut is not None:
            return {}, f"the search ended at {found.cut}"
        if found.distinct > graph_max:
            return {}, f"it takes the graph of over {graph_max:,} states"
    with _no_collecting():
        runs = judge_runs(world, network, model.crashes, Limits(graph_max), header, progress)
    within = f"within the bounds: {'; '.join(world.bounds)}" if world.bounds else ""
    return {
        name: msgspec.structs.replace(one, reason=within) if one.verdict == "holds" else one
        for name, one in runs.items()
    }, ""


@contextlib.contextmanager
def _no_collecting() -> Iterator[None]:
    """A search makes millions of objects and no cycles, so looking for cycles is only slow."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _verdicts(
    properties: tuple[Property, ...],
    judge: Judge,
    traces: dict[str, Trace],
    cut: str | None,
    runs: dict[str, Verdict],
    unjudged: str,
) -> tuple[Verdict, ...]:
    names = {prop.name for prop in properties}
    failures = sorted(name for name in traces if name not in names)
    always, eventually = Kind.ALWAYS.value, Kind.EVENTUALLY.value
    return (
        *(Verdict(name, always, "violated", trace=traces[name]) for name in failures),
        *(
            runs.get(prop.name) or Verdict(prop.name, eventually, "unknown", unjudged)
            if prop.kind is Kind.EVENTUALLY
            else _verdict(prop, judge, traces, cut)
            for prop in properties
        ),
    )


def _verdict(prop: Property, judge: Judge, traces: dict[str, Trace], cut: str | None) -> Verdict:
    name, kind = prop.name, prop.kind.value
    early = f"the search ended at {cut}" if cut else ""
    if name in traces:
        return Verdict(name, kind, "violated", trace=traces[name])
    if name in judge.reached:
        return Verdict(name, kind, "holds")
    if cut is not None:
        return Verdict(name, kind, "unknown", early)
    if prop.kind is Kind.SOMETIMES:
        return Verdict(name, kind, "violated", "no state shows it")
    return Verdict(name, kind, "holds")
