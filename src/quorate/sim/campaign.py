"""Many seeds, over all cores. The outcome does not depend on how many."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

import msgspec

from quorate.adversary import arm
from quorate.kernel import Header, NodeId, World
from quorate.protocols import build_world
from quorate.sim.faults import Faults, written
from quorate.sim.run import STEPS_MAX, Run, simulate

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
        synchronous = (world or self.build()).synchronous
        drawn = Faults.swarm(seed, synchronous) if self.swarm else Faults()
        return drawn.with_settings(self.fault_settings)


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """What many seeds came to."""

    seeds: int
    failures: tuple[Run, ...]
    bounded: int
    reached: tuple[str, ...]
    steps: int
    deliveries: int
    seconds: float


def run_seeds(task: Task, seeds: Iterable[int]) -> list[Run]:
    """Runs of some seeds, in this process."""
    world = task.build()
    return [
        simulate(world, seed=seed, faults=task.faults(seed, world), steps_max=task.steps_max)
        for seed in seeds
    ]


def campaign(
    task: Task,
    *,
    first: int,
    count: int,
    jobs: int = 1,
    executor: Executor | None = None,
    progress: Callable[[int], None] | None = None,
    stop_at_failure: bool = False,
) -> Campaign:
    """Run seeds `first` to `first + count - 1`; `executor` overrides `jobs` local processes."""
    began = time.perf_counter()
    seeds = range(first, first + count)
    chunks = [seeds[at : at + CHUNK] for at in range(0, count, CHUNK)]
    runs: list[Run] = []
    own = ProcessPoolExecutor(jobs) if executor is None and jobs > 1 else None
    pool = executor or own
    try:
        done = (
            (run_seeds(task, chunk) for chunk in chunks)
            if pool is None
            else pool.map(run_seeds, [task] * len(chunks), chunks)
        )
        for some in done:
            runs.extend(some)
            if progress is not None:
                progress(len(runs))
            if stop_at_failure and any(run.violated for run in some):
                break
    finally:
        if own is not None:
            own.shutdown(cancel_futures=True)
    return Campaign(
        seeds=len(runs),
        failures=tuple(run for run in runs if run.violated),
        bounded=sum(run.bounded for run in runs),
        reached=tuple(sorted({name for run in runs for name in run.reached})),
        steps=sum(run.steps for run in runs),
        deliveries=sum(run.deliveries for run in runs),
        seconds=time.perf_counter() - began,
    )
