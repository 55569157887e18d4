"""The plain engine: breadth-first search over interned states, exact, with shortest traces.

Counting is that of TLC: `distinct` counts states, `transitions` the initial state and every
successor generated (also those seen before, but no delivery without effect), `depth` the levels of
the search, the initial state being the first.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import msgspec

from quorate.check.model import Model, Outcome
from quorate.check.network import NETWORKS
from quorate.check.verdict import Judge, Verdict
from quorate.kernel import Header, Network, Property, Record, Trace, World

STATES_MAX = 5_000_000
PROGRESS_EVERY = 100_000

State = tuple[tuple[int, ...], int, Any]
"""Local states, crashes so far, messages in flight."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a search came to. `cut` names the bound that ended it early, if one did."""

    distinct: int
    transitions: int
    depth: int
    seconds: float
    steps: int
    network: str
    crashes: int
    bounds: tuple[str, ...]
    cut: str | None
    verdicts: tuple[Verdict, ...]

    @property
    def violation(self) -> Verdict | None:
        """The first violated property."""
        return next((v for v in self.verdicts if v.verdict == "violated"), None)

    @property
    def exit_code(self) -> int:
        """0 holds, 1 violated, 2 unknown."""
        if self.violation is not None:
            return 1
        judged = [v for v in self.verdicts if v.reason != NOT_JUDGED]
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


NOT_JUDGED = "liveness is not judged by this engine; the simulator's healed phase tests it"


class Search:
    """One breadth-first search."""

    def __init__(self, model: Model, network: Network, header: Header, go_on: bool) -> None:
        self.model = model
        self.net: Any = NETWORKS[network](model)
        self.judge = Judge(model)
        self.header = header
        self.go_on = go_on
        self.states: list[State] = []
        self.seen: dict[State, int] = {}
        self.came: list[tuple[int, int]] = []  # parent, action
        self.transitions = 0
        self.broken: dict[str, int] = {}  # property name to the first state that breaks it
        self.reached: dict[str, int] = {}

    def run(
        self, states_max: int, depth_max: int, progress: Callable[[int, int, int], None] | None
    ) -> tuple[int, str | None]:
        """Levels explored, and the bound that cut the search, if one did."""
        locals, sent = self.model.first()
        self._reach((locals, 0, self.net.add(self.net.empty, sent)), -1, -1)
        level, depth = [0], 0
        while level:
            depth += 1
            if depth_max and depth > depth_max:
                return depth - 1, f"depth {depth_max}"
            following: list[int] = []
            for index in level:
                self._expand(index, following)
                if self.broken and not self.go_on:
                    return depth, "the first violation"
                if len(self.states) > states_max:
                    return depth, f"{states_max} states"
            level = following
            if progress is not None and len(self.states) >= PROGRESS_EVERY:
                progress(len(self.states), self.transitions, depth)
        return depth, None

    def _reach(self, state: State, parent: int, action: int) -> int | None:
        """The index of a state if it is new."""
        self.transitions += 1
        if state in self.seen:
            return None
        index = self.seen[state] = len(self.states)
        self.states.append(state)
        self.came.append((parent, action))
        self._judge(index, state[0], parent)
        return index

    def _judge(self, index: int, locals: tuple[int, ...], parent: int) -> None:
        judge, facts = self.judge, self.model.facts
        before = self.states[parent][0] if parent >= 0 else None
        if before is None or any(
            facts[p][a] != facts[p][b]
            for p, (a, b) in enumerate(zip(before, locals, strict=True))
            if a != b
        ):
            self._break(judge.always, index, locals)
            for prop in judge.sometimes:
                if prop.name not in self.reached and judge.holds(prop, locals):
                    self.reached[prop.name] = index
        if judge.always_states:
            self._break(judge.always_states, index, locals)

    def _break(self, properties: list[Property], index: int, locals: tuple[int, ...]) -> None:
        for prop in properties:
            if not self.judge.holds(prop, locals):
                self.broken.setdefault(prop.name, index)

    def _expand(self, index: int, following: list[int]) -> None:
        here = self.states[index]
        locals, crashes, net = here
        model, add = self.model, self.net.add
        resting = True

        def go(process: int, outcome: Outcome, rest: Any, budget: int) -> None:
            nonlocal resting
            local, sent, action = outcome
            after = (*locals[:process], local, *locals[process + 1 :])
            state = (after, budget, add(rest, sent))
            if budget == crashes and state != here:
                resting = False
            new = self._reach(state, index, action)
            if new is not None:
                following.append(new)

        for process, local in enumerate(locals):
            for outcome in model.own(process, local):
                go(process, outcome, net, crashes)
        for envelope, rest in self.net.deliverable(net):
            process = model.target[envelope]
            local = locals[process]
            taken = model.take(envelope, local)
            if taken is not None:
                go(process, taken, rest, crashes)
                if crashes < model.crashes:
                    for outcome in model.crash_taking(envelope, local):
                        go(process, outcome, rest, crashes + 1)
        if crashes < model.crashes:
            for process, local in enumerate(locals):
                for outcome in model.crash(process, local):
                    go(process, outcome, net, crashes + 1)
        if resting:
            self._break(self.judge.at_rest, index, locals)

    def trace(self, index: int, violated: str | None) -> Trace:
        """The shortest way to a state."""
        path = []
        while self.came[index][0] >= 0:
            parent, action = self.came[index]
            path.append((parent, action))
            index = parent
        records: list[Record] = []
        for process, boot in enumerate(self.model.boots):
            first = self.model.start_record(process, boot)
            records.append(msgspec.structs.replace(first, at_us=len(records)))
        for parent, action in reversed(path):
            process = self.model.actions[action][0]
            local = self.states[parent][0][process]
            records.extend(self.model.records(process, local, action, len(records)))
        header = msgspec.structs.replace(self.header, violated=violated)
        return Trace(header, tuple(records))

    def verdicts(self, cut: str | None) -> tuple[Verdict, ...]:
        """How each property fared."""
        early = f"the search ended at {cut}" if cut else ""
        found = []
        for prop in self.model.world.properties:
            kind = prop.kind.value
            if prop.name in self.broken:
                trace = self.trace(self.broken[prop.name], prop.name)
                found.append(Verdict(prop.name, kind, "violated", trace=trace))
            elif prop in self.judge.eventually:
                found.append(Verdict(prop.name, kind, "unknown", NOT_JUDGED))
            elif prop in self.judge.sometimes:
                reached = prop.name in self.reached
                missing = "unknown" if cut else "violated"
                reason = "" if reached else early or "no state shows it"
                found.append(Verdict(prop.name, kind, "holds" if reached else missing, reason))
            else:
                found.append(Verdict(prop.name, kind, "unknown" if cut else "holds", early))
        return tuple(found)


def check(
    world: World,
    *,
    network: Network | None = None,
    crashes: int | None = None,
    states_max: int = STATES_MAX,
    depth_max: int = 0,
    go_on: bool = False,
    header: Header | None = None,
    progress: Callable[[int, int, int], None] | None = None,
) -> Result:
    """Explore every schedule of a world. `go_on`: also after the first violation."""
    network = world.network if network is None else network
    budget = world.crashes if crashes is None else crashes
    header = header or Header(protocol="", executor="check")
    began = time.perf_counter()
    model = Model(world, budget, network)
    search = Search(model, network, header, go_on)
    collecting = gc.isenabled()
    gc.disable()
    try:
        depth, cut = search.run(states_max, depth_max, progress)
    finally:
        if collecting:
            gc.enable()
    return Result(
        distinct=len(search.states),
        transitions=search.transitions,
        depth=depth,
        seconds=time.perf_counter() - began,
        steps=model.steps,
        network=network.value,
        crashes=budget,
        bounds=world.bounds,
        cut=cut,
        verdicts=search.verdicts(cut),
    )
