"""What `quorate simulate` says of many seeds: of one protocol, of all, and of their mutants."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from quorate.cli import terminal
from quorate.cli.shrinking import as_data, show, shrunken
from quorate.kernel import Kind, Property
from quorate.sim import Campaign, Run, Shrunk, Task, campaign, spread
from quorate.sim.ablation import Hunt, Quarry, by_mutant, hunt

FAILURES_SHOWN = 5


def one_protocol(
    tasks: Sequence[Task],
    total: int,
    executor: Executor | None,
    shrinking: bool,
    path: Path | None,
    json: bool,
) -> int:
    """Run many seeds of one task and report them; the exit code."""
    (task,) = tasks
    result = _seeds(task, total, executor, "")
    shrunk = _shortest(task, result, shrinking, path)
    if json:
        terminal.print_json({**_as_data(task, result), "shrunk": shrunk and as_data(shrunk)})
    else:
        _table(task, result, task.build().properties)
        if shrunk is not None:
            print()
            show(shrunk, path)
    return _exit_code([(task, result)])


def every_protocol(
    tasks: Sequence[Task],
    total: int,
    executor: Executor | None,
    shrinking: bool,
    path: Path | None,
    json: bool,
) -> int:
    """Divide many seeds over tasks and report them in one table; the exit code."""
    results: list[tuple[Task, Campaign]] = []
    shrunk: Shrunk | None = None
    for number, task in enumerate(tasks):
        share = (total + len(tasks) - 1 - number) // len(tasks)
        if not share:
            continue
        result = _seeds(task, share, executor, f"{task.protocol}: ")
        results.append((task, result))
        shrunk = shrunk or _shortest(task, result, shrinking, path)
        if result.interrupted:
            break
    if json:
        rows = [_as_data(task, result) for task, result in results]
        terminal.print_json({**_sums(results), "rows": rows, "shrunk": shrunk and as_data(shrunk)})
    else:
        _sum_table(results)
        if shrunk is not None:
            print()
            show(shrunk, path)
    return _exit_code(results)


def every_mutant(work: Sequence[Quarry], executor: Executor | None, json: bool) -> int:
    """Look for mutants with seeds, and tell how many it took; the exit code."""
    found: list[Hunt] = []
    with terminal.ticker() as tick, closing(spread(hunt, work, executor)) as hunts:
        try:
            for each in hunts:
                found.append(each)
                if tick:
                    tick.show(f"{len(found)} of {len(work)} mutants")
        except KeyboardInterrupt:
            terminal.warn(f"interrupted after {len(found)} of {len(work)} mutants")
    if json:
        terminal.print_json(found)
    else:
        _hunt_table(found)
    return 2 if len(found) < len(work) or any(each.seed is None for each in found) else 0


def _seeds(task: Task, total: int, executor: Executor | None, what: str) -> Campaign:
    with terminal.ticker() as tick:
        result = campaign(
            task,
            first=0,
            count=total,
            executor=executor,
            progress=(lambda n: tick.show(f"{what}{n:,} of {total:,} seeds")) if tick else None,
        )
    if result.interrupted:
        terminal.warn(f"interrupted after {result.seeds:,} of {total:,} seeds: {task.protocol}")
    return result


def _shortest(task: Task, result: Campaign, shrinking: bool, path: Path | None) -> Shrunk | None:
    """The shortest of the failing runs, shrunk and written as asked for: it is the quickest to
    shrink, and seldom ends larger than others do."""
    if not result.failures or not (shrinking or path):
        return None
    first = min(result.failures, key=lambda run: (run.steps, run.seed))
    trace = task.traced(first.seed)[1]
    shrunk = shrunken(trace) if shrinking else None
    if path is not None:
        terminal.write_trace(shrunk.trace if shrunk else trace, path)
    return shrunk


def run_as_data(task: Task, run: Run) -> dict[str, Any]:
    """A run for JSON, without its trace, but with the command that repeats it."""
    data = msgspec.structs.asdict(run)
    del data["trace"]
    return {**data, "command": task.command(run.seed)}


def _missed(task: Task, result: Campaign) -> list[str]:
    wanted = {prop.name for prop in task.build().properties if prop.kind is Kind.SOMETIMES}
    return sorted(wanted - set(result.reached))


def _as_data(task: Task, result: Campaign) -> dict[str, Any]:
    data = msgspec.structs.asdict(result)
    data["failures"] = [run_as_data(task, run) for run in result.failures]
    named = {"protocol": task.protocol, "world": task.world, "mutant": task.mutant}
    return {**named, **data, "missed": _missed(task, result)}


def _sums(results: Sequence[tuple[Task, Campaign]]) -> dict[str, Any]:
    names = ("asked", "seeds", "steps", "deliveries", "bounded", "seconds", "cpu_seconds")
    sums: dict[str, Any] = {
        name: sum(getattr(result, name) for _, result in results) for name in names
    }
    return {**sums, "failures": sum(len(result.failures) for _, result in results)}


def _exit_code(results: Sequence[tuple[Task, Campaign]]) -> int:
    if any(result.failures for _, result in results):
        return 1
    short = (result.bounded or result.interrupted for _, result in results)
    return 2 if any(short) or any(_missed(*each) for each in results) else 0


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
    _tell_failures(task, result)


def _tell_failures(task: Task, result: Campaign) -> None:
    for run in result.failures[:FAILURES_SHOWN]:
        print(f"seed {run.seed} violates {run.violated}: {task.command(run.seed)}")
    if len(result.failures) > FAILURES_SHOWN:
        print(f"… and {len(result.failures) - FAILURES_SHOWN} more; --json lists them all")


def _sum_table(results: Sequence[tuple[Task, Campaign]]) -> None:
    rows = []
    for task, result in results:
        code = _exit_code([(task, result)])
        verdict = ("holds", "violated", "unknown")[code]
        note = f"{len(result.failures)} seeds" if result.failures else ""
        if code == 2:
            note = "cut off" if result.bounded or result.interrupted else "a goal is not reached"
        figures = (f"{result.seeds:,}", f"{result.deliveries:,}", f"{result.cpu_seconds:,.1f}")
        rows.append((task.protocol, *figures, verdict, note))
    sums = _sums(results)
    figures = (f"{sums['seeds']:,}", f"{sums['deliveries']:,}", f"{sums['cpu_seconds']:,.1f}")
    rows.append(("together", *figures, "", ""))
    terminal.table(("protocol", "seeds", "deliveries", "CPU s", "verdict", ""), rows)
    for task, result in results:
        _tell_failures(task, result)


def _hunt_table(found: Sequence[Hunt]) -> None:
    schedulers = list(dict.fromkeys(each.scheduler for each in found))
    groups = by_mutant(found)
    rows = []
    for (protocol, mutant), hunts in groups.items():
        cells = [_seeds_needed(hunts.get(scheduler)) for scheduler in schedulers]
        best = min(
            (each for each in hunts.values() if each.shrunk is not None),
            key=lambda each: each.shrunk or 0,
            default=None,
        )
        small = f"{best.steps:,} → {best.shrunk}" if best else "–"
        rows.append((protocol, mutant, *cells, small))
    headings = ("protocol", "mutant", *(f"seeds, {name}" for name in schedulers), "steps")
    terminal.table(headings, rows)
    missed = [
        name for name, hunts in groups.items() if all(each.seed is None for each in hunts.values())
    ]
    print(f"{len(groups) - len(missed)} of {len(groups)} found by seeds.")
    if missed:
        names = ", ".join(f"{protocol} {mutant}" for protocol, mutant in missed)
        terminal.say(f"Only the checker finds: {names} (quorate check PROTOCOL --mutants).")


def _seeds_needed(each: Hunt | None) -> str:
    if each is None:
        return ""
    if each.seed is None:
        return f"> {each.seeds:,}"
    return f"{each.seed + 1:,}"
