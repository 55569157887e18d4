"""Seeded runs in virtual time: `quorate simulate`."""

from __future__ import annotations

from concurrent.futures import Executor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from quorate.adversary import STRATEGIES
from quorate.cli import terminal
from quorate.cli.campaigns import every_mutant, every_protocol, one_protocol, run_as_data
from quorate.cli.coverage import coverage
from quorate.cli.scenario import LIST, list_scenarios, play
from quorate.cli.shrinking import as_data, show, shrunken
from quorate.kernel import UsageError
from quorate.protocols import find, names, settings_of, unknown, world_maker
from quorate.sim import Faults, Scheduler, Task, executor_for
from quorate.sim.ablation import quarries
from quorate.sim.faults import written

SEEDS = 100
STEPS_SHOWN = 20
LINES_DRAWN = 40
MUTANT_SEEDS = 1_000
app = typer.Typer()


Protocol = Annotated[str | None, typer.Argument(metavar="[PROTOCOL]", help=terminal.PROTOCOL_HELP)]
Everything = Annotated[bool, typer.Option("--all", help="Divide the seeds over all protocols.")]
WorldName = Annotated[str, typer.Option(metavar="NAME", help="Which of its worlds.")]
Seed = Annotated[int | None, typer.Option(help="Run this one seed.")]
Seeds = Annotated[int | None, typer.Option(min=1, help=f"Run seeds 0 to N-1. [default: {SEEDS}]")]
Calm = Annotated[bool, typer.Option("--calm", help="No faults but those set.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes to spread seeds over.")]
Dask = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Spread them over a Dask cluster.")
]
HowOrdered = Annotated[
    Scheduler | None,
    typer.Option(help="How the order of messages is drawn. [default: random]"),
]
Mutants = Annotated[
    bool, typer.Option("--mutants", help=f"How many seeds find each mutant, of {MUTANT_SEEDS:,}.")
]
Covering = Annotated[
    bool,
    typer.Option("--coverage", help="Tell which states of the protocol met which faults."),
]
Adversaries = Annotated[
    list[str],
    typer.Option(
        "--adversary",
        metavar="NAME=NODE",
        help=f"Let a node be {', '.join(STRATEGIES)}; repeatable.",
    ),
]
ScenarioName = Annotated[
    str | None, typer.Option(metavar="NAME", help="Play a scenario: a name, a file, or list.")
]
Shrinking = Annotated[
    bool | None,
    typer.Option(
        "--shrink/--no-shrink",
        help="Look for a small trace that fails in the same way. [default: of --seeds]",
    ),
]


@app.command("simulate")
def simulate_command(
    protocol: Protocol = None,
    everything: Everything = False,
    world: WorldName = "main",
    seed: Seed = None,
    seeds: Seeds = None,
    settings: terminal.Settings = [],  # noqa: B006 - Typer copies it
    calm: Calm = False,
    scheduler: HowOrdered = None,
    jobs: Jobs = 1,
    dask: Dask = None,
    mutant: terminal.MutantName = None,
    mutants: Mutants = False,
    covering: Covering = False,
    adversaries: Adversaries = [],  # noqa: B006
    scenario: ScenarioName = None,
    shrinking: Shrinking = None,
    trace: terminal.TraceFile = None,
    json: terminal.Json = False,
) -> int:
    """Run a protocol in virtual time under seeded faults, then heal and require progress.

    --set takes settings of the world and of the faults. A failure prints how to run it again.
    """
    if (seed or scenario) is not None and seeds is not None:
        raise UsageError("one run, or many: give --seed or --scenario, or else --seeds, not both")
    if (protocol is None) != everything:
        raise UsageError("name a protocol, or give --all, not both")
    given = terminal.parse_settings(settings)
    one = bool(adversaries or scenario or seed is not None)
    special = one or bool(mutant or world != "main")
    if mutants and (special or given or calm or trace):
        raise UsageError("--mutants runs each mutant in its own world: leave out the others")
    if everything and special:
        raise UsageError("--all runs the main world of each protocol: leave out the others")
    if covering and (one or everything or mutants or trace):
        raise UsageError("--coverage is of many seeds of one protocol: leave out the others")
    if mutants:
        return _hunt(protocol, seeds, scheduler, executor_for(jobs, dask), json)
    if scenario == LIST and protocol is not None:
        return list_scenarios(protocol, json)
    given |= {"scheduler": scheduler.value} if scheduler else {}
    some = names() if protocol is None else (protocol,)
    tasks = [_task(name, world, mutant, _armed(adversaries), given, calm) for name in some]
    if scenario is not None:
        return play(tasks[0], scenario, seed, trace, json)
    if seed is not None:
        return _one(tasks[0], seed, bool(shrinking), trace, json)
    executor, number = executor_for(jobs, dask), seeds or SEEDS
    return _many(tasks, everything, covering, number, executor, shrinking, trace, json)


def _many(
    tasks: list[Task],
    everything: bool,
    covering: bool,
    number: int,
    executor: AbstractContextManager[Executor | None],
    shrinking: bool | None,
    trace: Path | None,
    json: bool,
) -> int:
    with executor as running:
        if covering:
            return coverage(tasks[0], number, running, json)
        report = every_protocol if everything else one_protocol
        return report(tasks, number, running, shrinking is not False, trace, json)


def _hunt(
    protocol: str | None,
    seeds: int | None,
    scheduler: Scheduler | None,
    executor: AbstractContextManager[Executor | None],
    json: bool,
) -> int:
    some = names() if protocol is None else (find(protocol).name,)
    work = quarries(some, seeds or MUTANT_SEEDS, [scheduler] if scheduler else list(Scheduler))
    with executor as running:
        return every_mutant(work, running, json)


def _task(
    protocol: str,
    world: str,
    mutant: str | None,
    adversaries: tuple[tuple[str, str], ...],
    given: dict[str, str],
    calm: bool,
) -> Task:
    of_world, of_faults = _split(protocol, world, mutant, given)
    return Task(
        protocol=protocol,
        world=world,
        settings=of_world,
        mutant=mutant,
        adversaries=adversaries,
        fault_settings=of_faults,
        swarm=not calm,
    )


def _split(
    protocol: str, world: str, mutant: str | None, settings: dict[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the world, and settings of the faults."""
    of_world = settings_of(world_maker(protocol, world, mutant))
    of_faults = msgspec.structs.asdict(Faults())
    for name in settings:
        if name not in of_world | of_faults:
            known = [f"{key}={written(value)}" for key, value in (of_world | of_faults).items()]
            raise unknown("setting", name, known)
    return (
        {name: value for name, value in settings.items() if name in of_world},
        {name: value for name, value in settings.items() if name not in of_world},
    )


def _armed(pairs: list[str]) -> tuple[tuple[str, str], ...]:
    """Nodes, and the strategy of each."""
    found = []
    for pair in pairs:
        name, equals, node = pair.partition("=")
        if not (name and equals and node):
            raise UsageError(f"--adversary takes NAME=NODE, such as silent=n1, not {pair!r}")
        found.append((node, name))
    return tuple(found)


def _one(task: Task, seed: int, shrinking: bool, path: Path | None, json: bool) -> int:
    run, trace = task.traced(seed)
    shrunk = shrunken(trace) if shrinking and run.violated else None
    if path is not None:
        terminal.write_trace(shrunk.trace if shrunk else trace, path)
    if json:
        terminal.print_json({**run_as_data(task, run), "shrunk": shrunk and as_data(shrunk)})
    else:
        if shrunk is not None:
            show(shrunk, path)
        elif run.violated or path is not None:
            terminal.draw(trace, LINES_DRAWN)
            print()
        if run.violated and shrunk is None:
            terminal.narrate(terminal.lines_of(trace), STEPS_SHOWN, "--trace FILE keeps them all")
            print()
        verdict = f"violates {run.violated}" if run.violated else "holds"
        if run.bounded:
            verdict = f"is undecided after {run.steps:,} steps"
        terminal.say(
            f"Seed {seed} {verdict}: {run.steps:,} steps, {run.deliveries:,} deliveries, "
            f"{run.virtual_ms / 1000:.1f} virtual seconds, trace {run.trace_hash}"
        )
        if run.violated:
            print(f"Run it again: {task.command(seed)}")
    return 1 if run.violated else 2 if run.bounded else 0
