"""Seeded runs in virtual time: `quorate simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from quorate.adversary import STRATEGIES
from quorate.cli import terminal
from quorate.cli.scenario import LIST, list_scenarios, play
from quorate.cli.shrinking import as_data, show, shrunken
from quorate.kernel import Kind, Property, Trace, UsageError
from quorate.protocols import settings_of, unknown, world_maker
from quorate.sim import Campaign, Faults, Run, Shrunk, Task, campaign, simulate
from quorate.sim.faults import written

SEEDS = 100
STEPS_SHOWN = 20
LINES_DRAWN = 40
FAILURES_SHOWN = 5
app = typer.Typer()

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
    protocol: terminal.ProtocolOrFile,
    world: Annotated[str, typer.Option(metavar="NAME", help="Which of its worlds.")] = "main",
    seed: Annotated[int | None, typer.Option(help="Run this one seed.")] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help=f"Run seeds 0 to N-1. [default: {SEEDS}]")
    ] = None,
    settings: terminal.Settings = [],  # noqa: B006 - Typer copies it
    calm: Annotated[bool, typer.Option("--calm", help="No faults but those set.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Processes to spread seeds over.")] = 1,
    mutant: terminal.MutantName = None,
    adversaries: Adversaries = [],  # noqa: B006 - Typer copies it
    scenario: ScenarioName = None,
    shrinking: Shrinking = None,
    trace: terminal.TraceFile = None,
    json: terminal.Json = False,
) -> int:
    """Run a protocol in virtual time under seeded faults, then heal and require progress.

    --set takes settings of the world and of the faults. A failure prints how to run it again.
    """
    if seed is not None and seeds is not None:
        raise UsageError("give --seed or --seeds, not both")
    of_world, of_faults = _split(protocol, world, mutant, terminal.parse_settings(settings))
    task = Task(
        protocol=protocol,
        world=world,
        settings=of_world,
        mutant=mutant,
        adversaries=_armed(adversaries),
        fault_settings=of_faults,
        swarm=not calm,
    )
    if scenario == LIST:
        return list_scenarios(protocol, json)
    if scenario is not None:
        if seeds is not None:
            raise UsageError("a scenario is one run: give --seed, not --seeds")
        return play(task, scenario, seed, trace, json)
    if seed is not None:
        return _one(task, seed, bool(shrinking), trace, json)
    return _many(task, seeds or SEEDS, jobs, shrinking is not False, trace, json)


def _many(task: Task, total: int, jobs: int, shrinking: bool, path: Path | None, json: bool) -> int:
    with terminal.ticker() as tick:
        result = campaign(
            task,
            first=0,
            count=total,
            jobs=jobs,
            progress=(lambda done: tick.show(f"{done:,} of {total:,} seeds")) if tick else None,
        )
    shrunk: Shrunk | None = None
    if result.failures and (shrinking or path is not None):
        # The shortest run is the quickest to shrink, and seldom ends larger than others do.
        first = min(result.failures, key=lambda run: (run.steps, run.seed))
        trace = _traced(task, first.seed)[1]
        shrunk = shrunken(trace) if shrinking else None
        if path is not None:
            terminal.write_trace(shrunk.trace if shrunk else trace, path)
    return _report(task, result, shrunk, path, json)


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


def _traced(task: Task, seed: int) -> tuple[Run, Trace]:
    run = simulate(task.build(), seed=seed, faults=task.faults(seed), header=task.header())
    assert run.trace is not None  # a run with a header is traced
    return run, run.trace


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
    run, trace = _traced(task, seed)
    shrunk = shrunken(trace) if shrinking and run.violated else None
    if path is not None:
        terminal.write_trace(shrunk.trace if shrunk else trace, path)
    if json:
        terminal.print_json(
            {**_data(run), "command": task.command(seed), "shrunk": shrunk and as_data(shrunk)}
        )
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


def _data(run: Run) -> dict[str, Any]:
    data = msgspec.structs.asdict(run)
    del data["trace"]
    return data


def _report(
    task: Task, result: Campaign, shrunk: Shrunk | None, path: Path | None, json: bool
) -> int:
    promised = task.build().properties
    wanted = {p.name for p in promised if p.kind is Kind.SOMETIMES}
    missed = sorted(wanted - set(result.reached))
    if json:
        data = msgspec.structs.asdict(result)
        data["failures"] = [
            {**_data(run), "command": task.command(run.seed)} for run in result.failures
        ]
        terminal.print_json({**data, "missed": missed, "shrunk": shrunk and as_data(shrunk)})
    else:
        _table(task, result, promised)
        if shrunk is not None:
            print()
            show(shrunk, path)
    return 1 if result.failures else 2 if result.bounded or missed else 0


def _table(task: Task, result: Campaign, promised: tuple[Property, ...]) -> None:
    what = f"mutant {task.mutant}" if task.mutant else f"world {task.world}"
    terminal.say(
        f"{task.protocol}, {what}: {result.seeds} seeds, {result.steps:,} steps, "
        f"{result.deliveries:,} deliveries, {result.seconds:.1f} s"
        + (f"; {result.bounded} seeds cut off before a verdict" if result.bounded else "")
    )
    print()
    broken = [run.violated for run in result.failures]
    rows = []
    for prop in promised:
        count = broken.count(prop.name)
        verdict = "violated" if count else "holds"
        note = f"by {count} seeds" if count else ""
        if prop.kind is Kind.SOMETIMES and prop.name not in result.reached:
            verdict, note = "unknown", "no seed reached it"
        rows.append((prop.name, prop.kind.value, verdict, note))
    terminal.table(("property", "kind", "verdict in these runs", ""), rows)
    for run in result.failures[:FAILURES_SHOWN]:
        print(f"seed {run.seed} violates {run.violated}: {task.command(run.seed)}")
    if len(result.failures) > FAILURES_SHOWN:
        print(f"… and {len(result.failures) - FAILURES_SHOWN} more; --json lists them all")
