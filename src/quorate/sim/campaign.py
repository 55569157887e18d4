"""Many seeds, over all cores. The outcome does not depend on how many."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from functools import partial
from typing import Any

import msgspec

from quorate.adversary import arm
from quorate.kernel import Header, NodeId, Trace, World
from quorate.protocols import build_world
from quorate.sim.faults import Faults, Scheduler, written
from quorate.sim.run import STEPS_MAX, Run, simulate
from quorate.sim.spreading import spread
from quorate.sim.topology import FULL

CHUNK = 10


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What to run under each seed. `faults` None: each seed draws its own."""

    protocol: str
    world: str = "main"
    settings: dict[str, Any] = {}
    mutant: str | None = None
    adversaries: tuple[tuple[NodeId, str], ...] = ()
    fault_settings: dict[str, Any] = {}
    swarm: bool = True
    steps_max: int = STEPS_MAX

    def command(self, seed: int) -> str:
        """The command line that runs one seed of this again."""
        words = ["quorate", "simulate", self.protocol, "--seed", str(seed)]
        if self.world != "main":
            words += ["--world", self.world]
        if self.mutant:
            words += ["--mutant", self.mutant]
        for node, strategy in self.adversaries:
            words += ["--adversary", f"{strategy}={node}"]
        for name, value in (self.settings | self.fault_settings).items():
            words += ["--set", f"{name}={written(value)}"]
        return shlex.join(words if self.swarm else [*words, "--calm"])

    def build(self) -> World:
        """The world to run. Raises UsageError where the task names what does not exist."""
        world = build_world(self.protocol, self.world, self.settings, self.mutant)
        return arm(world, self.adversaries)

    def header(self) -> Header:
        """The header of its traces."""
        return Header(
            protocol=self.protocol,
            world=self.world,
            mutant=self.mutant,
            settings=self.settings,
            adversaries=self.adversaries,
            executor="sim",
        )

    def faults(self, seed: int, world: World | None = None) -> Faults:
        """The faults under one seed; `world` is what `build` gives, if that is at hand."""
        drawn = Faults.swarm(seed, world or self.build()) if self.swarm else Faults()
        if self.fault_settings.get("scheduler") == Scheduler.PCT.value:
            drawn = msgspec.structs.replace(drawn, topology=FULL, link_buffer=0)
        return drawn.with_settings(self.fault_settings)

    def traced(self, seed: int) -> tuple[Run, Trace]:
        """One seed again, and its trace."""
        world = self.build()
        faults = self.faults(seed, world)
        run = simulate(world, seed=seed, faults=faults, header=self.header())
        assert run.trace is not None  # since it has a header
        return run, run.trace


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """What many seeds came to: so many of those `asked` for, if it was interrupted."""

    asked: int
    seeds: int
    failures: tuple[Run, ...]
    bounded: int
    reached: tuple[str, ...]
    steps: int
    deliveries: int
    seconds: float
    cpu_seconds: float

    @property
    def interrupted(self) -> bool:
        """Whether it was told to stop before its end."""
        return self.seeds < self.asked


class Batch(msgspec.Struct, frozen=True):
    """Runs of some seeds, and the processor time that they took."""

    runs: tuple[Run, ...]
    cpu_seconds: float


def run_seeds(task: Task, seeds: Iterable[int]) -> Batch:
    """Run some seeds, in this process."""
    began = time.process_time()
    world = task.build()
    runs = tuple(
        simulate(world, seed=seed, faults=task.faults(seed, world), steps_max=task.steps_max)
        for seed in seeds
    )
    return Batch(runs, time.process_time() - began)


def campaign(
    task: Task,
    *,
    first: int,
    count: int,
    executor: Executor | None = None,
    progress: Callable[[int], None] | None = None,
    stop_at_failure: bool = False,
) -> Campaign:
    """Run seeds `first` to `first + count - 1`, on an executor or in this process.

    An interruption (Ctrl-C) ends it early: what was found until then counts.
    """
    began = time.perf_counter()
    seeds = range(first, first + count)
    chunks = [seeds[at : at + CHUNK] for at in range(0, count, CHUNK)]
    runs: list[Run] = []
    cpu_seconds = 0.0
    batches = spread(partial(run_seeds, task), chunks, executor)
    try:
        for batch in batches:
            runs.extend(batch.runs)
            cpu_seconds += batch.cpu_seconds
            if progress is not None:
                progress(len(runs))
            if stop_at_failure and any(run.violated for run in batch.runs):
                count = len(runs)
                break
    except KeyboardInterrupt:
        pass
    finally:
        batches.close()
    return Campaign(
        asked=count,
        seeds=len(runs),
        failures=tuple(run for run in runs if run.violated),
        bounded=sum(run.bounded for run in runs),
        reached=tuple(sorted({name for run in runs for name in run.reached})),
        steps=sum(run.steps for run in runs),
        deliveries=sum(run.deliveries for run in runs),
        seconds=time.perf_counter() - began,
        cpu_seconds=cpu_seconds,
    )
