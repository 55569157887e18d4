"""One seed: a phase in which anything may go wrong, then a healed one that must make good."""

from __future__ import annotations

import gc

import msgspec

from quorate.adversary import arm, embodied
from quorate.kernel import Header, Trace, World
from quorate.sim.engine import Simulation
from quorate.sim.faults import Faults
from quorate.sim.scenario import Act, conduct

STEPS_MAX = 2_000_000
SETTLE_SLICE_US = 1_000_000


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What one seed came to. `violated` names the property that broke, if one did; `bounded` says
    that the run was cut off at its number of steps before that could be told."""

    seed: int
    violated: str | None
    bounded: bool
    reached: tuple[str, ...]
    steps: int
    deliveries: int
    virtual_ms: int
    trace_hash: str | None = None
    trace: Trace | None = None

    @property
    def verdict(self) -> str:
        """How the run ended: "holds", "violated" or, cut off, "unknown"."""
        return "violated" if self.violated else "unknown" if self.bounded else "holds"


def simulate(
    world: World,
    *,
    seed: int,
    faults: Faults,
    header: Header | None = None,
    steps_max: int = STEPS_MAX,
    acts: tuple[Act, ...] = (),
) -> Run:
    """Run a world under one seed; with a header, keep the trace, and let the acts of a scenario
    happen while faults go on."""
    hidden = [(process.me, "anonymous") for process in world.processes if faults.anonymous]
    world = arm(embodied(world), hidden)
    collecting = gc.isenabled()
    gc.disable()  # a run makes few cycles; collecting takes a third of its time
    simulation = Simulation(world, seed, faults, tracing=header is not None)
    try:
        broken = _run(simulation, faults, steps_max, acts)
        trace = None
        if header is not None and simulation.tape.runs:
            named = msgspec.structs.replace(
                header, seed=seed, violated=broken, adversaries=(*header.adversaries, *hidden)
            )
            trace = Trace(named, tuple(simulation.tape.records), tuple(simulation.nemesis.notes))
        judge = simulation.judge
        unknown = simulation.steps >= steps_max and judge.violated is None
        return Run(
            seed=seed,
            violated=None if unknown else broken,
            bounded=unknown,
            reached=tuple(sorted(judge.reached)),
            steps=simulation.steps,
            deliveries=simulation.deliveries,
            virtual_ms=simulation.now_us // 1000,
            trace_hash=trace.hash() if trace else None,
            trace=trace,
        )
    finally:
        vars(simulation).clear()  # its parts know each other: without this, only gc could free them
        if collecting:
            gc.enable()


def _run(
    simulation: Simulation, faults: Faults, steps_max: int, acts: tuple[Act, ...]
) -> str | None:
    """Both phases; the name of what broke, or did not come to hold in the end."""
    judge = simulation.judge
    simulation.start()
    conduct(simulation, acts, faults.unsafe_ms * 1000, steps_max)
    broken = judge.violated
    if broken is None:
        simulation.heal()
        if simulation.atlas.recoverable:
            broken = _settle(simulation, faults, steps_max)
    if broken is None and simulation.at_rest():
        judge.rest()
        broken = judge.violated
    judge.look()
    return broken


def _settle(simulation: Simulation, faults: Faults, steps_max: int) -> str | None:
    """Run until every Eventually property holds; the name of what broke or did not come to hold."""
    end_us = simulation.now_us + faults.heal_ms * 1000
    until_us = max(simulation.now_us, faults.unsafe_ms * 1000)
    while True:
        waiting = simulation.judge.settled()
        if waiting is None or until_us >= end_us or simulation.steps >= steps_max:
            return waiting
        until_us += SETTLE_SLICE_US
        simulation.run(until_us, steps_max)
        if simulation.judge.violated:
            return simulation.judge.violated
