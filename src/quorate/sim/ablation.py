"""Which guard would be missed: seeds against every mutant, until one of them finds it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import msgspec

from quorate.kernel import Kind, World
from quorate.mutants import find_mutants
from quorate.sim.campaign import Task
from quorate.sim.faults import Scheduler
from quorate.sim.run import simulate
from quorate.sim.shrink import shrink


class Hunt(msgspec.Struct, frozen=True, kw_only=True):
    """The search for one mutant: the first seed whose run violates the property that must be, of so
    many `seeds`; None if there is none. `steps` are those of its run, `shrunk` of the small trace.
    A property that some run must reach is violated once no seed has reached it."""

    protocol: str
    mutant: str
    breaks: str
    kills: str
    scheduler: str
    seeds: int
    seed: int | None
    steps: int | None
    shrunk: int | None
    command: str | None
    cpu_seconds: float


class Quarry(msgspec.Struct, frozen=True):
    """A mutant to look for: by name, since a world cannot travel to another process."""

    protocol: str
    mutant: str
    scheduler: Scheduler
    seeds: int


def quarries(
    protocols: Iterable[str], seeds: int, schedulers: Sequence[Scheduler] = tuple(Scheduler)
) -> list[Quarry]:
    """Every mutant of some protocols, under each scheduler."""
    return [
        Quarry(protocol, mutant.name, scheduler, seeds)
        for protocol in protocols
        for mutant in find_mutants(protocol)
        for scheduler in schedulers
    ]


def hunt(quarry: Quarry) -> Hunt:
    """Look for a mutant with seeds 0, 1, and so on; shrink what is found."""
    began = time.process_time()
    mutant = next(m for m in find_mutants(quarry.protocol) if m.name == quarry.mutant)
    task = Task(
        protocol=quarry.protocol,
        mutant=quarry.mutant,
        settings=dict(mutant.at_large),
        fault_settings={"scheduler": quarry.scheduler.value},
    )
    world = task.build()
    (prop,) = (prop for prop in world.properties if prop.name == mutant.kills)
    world = msgspec.structs.replace(world, properties=(prop,))
    seed = _first(task, world, quarry.seeds)
    steps = shrunk = None
    if seed is not None and prop.kind is not Kind.SOMETIMES:
        run = simulate(world, seed=seed, faults=task.faults(seed, world), header=task.header())
        assert run.trace is not None
        steps, shrunk = len(run.trace.records), shrink(run.trace).after
    return Hunt(
        protocol=quarry.protocol,
        mutant=mutant.name,
        breaks=mutant.breaks,
        kills=mutant.kills,
        scheduler=quarry.scheduler.value,
        seeds=quarry.seeds,
        seed=seed,
        steps=steps,
        shrunk=shrunk,
        command=None if seed is None else task.command(seed),
        cpu_seconds=time.process_time() - began,
    )


def by_mutant(found: Iterable[Hunt]) -> dict[tuple[str, str], dict[str, Hunt]]:
    """Hunts by protocol and mutant, and then by scheduler, in the order in which they come."""
    groups: dict[tuple[str, str], dict[str, Hunt]] = {}
    for each in found:
        groups.setdefault((each.protocol, each.mutant), {})[each.scheduler] = each
    return groups


def _first(task: Task, world: World, seeds: int) -> int | None:
    (prop,) = world.properties
    for seed in range(seeds):
        run = simulate(world, seed=seed, faults=task.faults(seed, world))
        if run.violated == prop.name:
            return seed
        if prop.name in run.reached:
            return None
    return seeds - 1 if prop.kind is Kind.SOMETIMES else None
