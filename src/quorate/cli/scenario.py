"""Scenarios on the command line: what happens in one, told and drawn."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from quorate.cli import terminal
from quorate.kernel import Trace, UsageError, World, brief
from quorate.protocols import build_world
from quorate.sim import Faults, Run, Task, simulate
from quorate.sim.scenario import Scenario, read_scenario
from quorate.sim.scenarios import find_scenario, scenarios_of
from quorate.traces.spacetime import retell

LIST = "list"
SEEDS = 100
FACTS_TOLD = 3
LINES_DRAWN = 60
STEPS_AFTER = 30


def list_scenarios(protocol: str, json: bool) -> int:
    """The scenarios that a protocol can play."""
    found = scenarios_of(protocol, build_world(protocol))
    if json:
        terminal.print_json([{"name": each.name, "shows": each.shows} for each in found])
        return 0
    for each in found:
        terminal.entry(each.name, each.shows, max(len(each.name) for each in found))
    return 0


def play(task: Task, name: str, seed: int | None, path: Path | None, json: bool) -> int:
    """Run a scenario, by name or from a file, and tell what happens."""
    world = task.build()
    file = Path(name)
    scenario = read_scenario(file) if file.suffix else find_scenario(name, task.protocol, world)
    run = _played(task, world, scenario, seed)
    assert run.trace is not None  # a scenario is traced
    shown = (run.violated or "").partition(" (")[0] == scenario.violates
    contrast = _contrast(task, world, scenario, run) if scenario.instead and shown else None
    if path is not None:
        terminal.write_trace(run.trace, path)
    if json:
        terminal.print_json(_data(scenario, run, shown, contrast))
    else:
        _tell(scenario, run, shown, contrast, run.trace)
    if not shown:
        return 2 if run.violated is None else 1
    return 0 if contrast is None or contrast.violated is None else 1


def _played(task: Task, world: World, scenario: Scenario, seed: int | None) -> Run:
    """The run; of the first seed that shows what it is to show, if that is a violation."""
    if seed is not None or not scenario.violates:
        return _run(task, world, scenario, seed or 0, {})
    for each in range(SEEDS):
        run = _run(task, world, scenario, each, {})
        if run.violated is not None:
            return run
    return run


def _run(
    task: Task, world: World, scenario: Scenario, seed: int, more: Mapping[str, Any] = {}
) -> Run:
    mine = set(Faults.__struct_fields__)
    unknown = sorted(set(scenario.settings) - mine)
    if unknown:
        raise UsageError(f"the scenario sets {unknown[0]!r}, which is no fault setting")
    settings = {**scenario.settings, **task.fault_settings, **more}
    faults = Faults().with_settings(settings)
    return simulate(world, seed=seed, faults=faults, header=task.header(), acts=scenario.acts)


def _contrast(task: Task, world: World, scenario: Scenario, run: Run) -> Run:
    return _run(task, world, scenario, run.seed, scenario.instead)


def _tell(scenario: Scenario, run: Run, shown: bool, contrast: Run | None, trace: Trace) -> None:
    terminal.say(f"{scenario.name}: {scenario.shows}")
    print()
    for at_us, text in _story(trace):
        print(terminal.wrapped(f"{at_us / 1_000_000:8.3f} s  {text}", " " * 12))
    print()
    _draw(trace)
    print()
    if run.violated:
        terminal.say(f"Seed {run.seed} violates: {run.violated}.")
    else:
        terminal.say(f"Seed {run.seed} holds: nothing that is promised is broken.")
    if run.reached:
        terminal.say(f"It reached: {', '.join(run.reached)}.")
    if not shown and scenario.violates:
        terminal.say(f"No seed of {SEEDS} shows what was to be shown: {scenario.violates}.")
    if contrast is not None:
        terms = ", ".join(f"{name}={value}" for name, value in scenario.instead.items())
        verdict = f"violates {contrast.violated}" if contrast.violated else "holds"
        terminal.say(f"With {terms} the same seed {verdict}.")
    if scenario.finds:
        print()
        for line in scenario.finds:
            terminal.say(line)


def _draw(trace: Trace) -> None:
    """The picture, up to a little after what befell nodes and network."""
    times = [record.at_us for record in trace.records]
    ends = [bisect_right(times, note.at_us) for note in trace.notes]
    end = min(ends, default=0) + STEPS_AFTER
    end = max([end, *(each + STEPS_AFTER for each in ends if each < 2 * end)])
    shown = Trace(trace.header, trace.records[:end], trace.notes)
    terminal.draw(shown, LINES_DRAWN)
    if end < len(times):
        terminal.say(f"… {len(times) - end} steps more; --trace FILE keeps them all")


def _story(trace: Trace) -> list[tuple[int, str]]:
    """What befell nodes and network, and in between what the nodes stated, in order of time."""
    told = [(note.at_us, note.note) for note in trace.notes]
    diagram = retell(trace, terminal.world_of(trace.header).processes)
    stated = [
        (step.at_us, f"{role}: {brief(fact)}")
        for step in diagram.steps
        for role, fact in step.facts
    ]
    story: list[tuple[int, str]] = []
    edges = [0, *(at_us for at_us, _ in told), trace.records[-1].at_us + 1]
    for index in range(len(edges) - 1):
        if index:
            story.append(told[index - 1])
        between = [fact for fact in stated if edges[index] <= fact[0] < edges[index + 1]]
        story += between[:FACTS_TOLD]
        if len(between) > FACTS_TOLD:
            at_us, _ = between[-1]
            story.append((at_us, f"… {len(between) - FACTS_TOLD} more facts up to here"))
    return story


def _data(scenario: Scenario, run: Run, shown: bool, contrast: Run | None) -> dict[str, Any]:
    assert run.trace is not None
    return {
        "scenario": scenario.name,
        "shows": scenario.shows,
        "shown": shown,
        "seed": run.seed,
        "violated": run.violated,
        "reached": run.reached,
        "steps": run.steps,
        "trace_hash": run.trace_hash,
        "notes": msgspec.to_builtins(run.trace.notes),
        "instead": None
        if contrast is None
        else {**scenario.instead, "violated": contrast.violated},
        "finds": scenario.finds,
    }
