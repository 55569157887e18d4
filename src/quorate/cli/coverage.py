"""What many seeds met: which faults in which states of a protocol, and which of the states that the
checker can reach."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import closing
from functools import partial
from typing import Any

import msgspec

from quorate.check.visited import Reachable
from quorate.cli import terminal
from quorate.kernel import Kind, UsageError
from quorate.sim import Task, spread
from quorate.traces.coverage import FAULTS, SEEN, Pair, pairs_of

CHUNK = 20
STATES_MAX = 500_000
STATES_SHOWN = 20


class Met(msgspec.Struct, kw_only=True):
    """What some seeds met. `visited` are numbers of reachable states; `failures` are seeds and what
    they violate."""

    pairs: Counter[Pair]
    visited: frozenset[int]
    beyond: int
    failures: tuple[tuple[int, str], ...]


def coverage(task: Task, seeds: int, executor: Executor | None, json: bool) -> int:
    """Run many seeds of one task and report what they met; the exit code, 2 if the states that can
    be reached are not known. What is promised for the end of a run is not judged."""
    reachable, why = _states(task)
    chunks = [range(at, min(at + CHUNK, seeds)) for at in range(0, seeds, CHUNK)]
    work = partial(_meet, task, reachable is not None)
    parts: list[Met] = []
    with terminal.ticker() as tick, closing(spread(work, chunks, executor)) as found:
        for part in found:
            parts.append(part)
            if tick:
                tick.show(f"{min(len(parts) * CHUNK, seeds):,} of {seeds:,} seeds")
    met = Met(
        pairs=sum((part.pairs for part in parts), Counter()),
        visited=frozenset().union(*(part.visited for part in parts)),
        beyond=sum(part.beyond for part in parts),
        failures=tuple(failure for part in parts for failure in part.failures),
    )
    data = _as_data(task, seeds, met, reachable, why)
    if json:
        terminal.print_json(data)
    else:
        _report(data)
    return 1 if met.failures else 0 if reachable else 2


def _states(task: Task) -> tuple[int | None, str]:
    """How many states the checker reaches, or why that is not known."""
    try:
        return len(_reachable(_key(task))), ""
    except UsageError as error:
        return None, str(error)


def _key(task: Task) -> bytes:
    return msgspec.msgpack.encode((task.protocol, task.world, task.settings, task.mutant))


@functools.cache
def _reachable(key: bytes) -> Reachable:
    """Explored once in each process; states are numbered alike in all of them."""
    protocol, world, settings, mutant = msgspec.msgpack.decode(key)
    task = Task(protocol=protocol, world=world, settings=settings, mutant=mutant)
    return Reachable(task.build(), STATES_MAX)


def _meet(task: Task, states: bool, seeds: Sequence[int]) -> Met:
    world, met = task.build(), Met(pairs=Counter(), visited=frozenset(), beyond=0, failures=())
    # Worlds that are small enough to be searched often end before they make good.
    ends = {prop.name for prop in world.properties if prop.kind in (Kind.EVENTUALLY, Kind.AT_REST)}
    for seed in seeds:
        run, trace = task.traced(seed)
        met.pairs += pairs_of(trace, world)
        if run.violated and run.violated not in ends:
            met.failures += ((seed, run.violated),)
        if states:
            visited = _reachable(_key(task)).visited(trace)
            met.visited |= visited.states
            met.beyond += visited.beyond
    return met


def _as_data(task: Task, seeds: int, met: Met, reachable: int | None, why: str) -> dict[str, Any]:
    rows: dict[tuple[str, str], dict[str, int]] = {}
    for (role, state, fault), count in met.pairs.items():
        rows.setdefault((role, state), dict.fromkeys((SEEN, *FAULTS), 0))[fault] = count
    ordered = sorted(rows.items(), key=lambda row: (row[0][0], -row[1][SEEN], row[0][1]))
    states: list[dict[str, Any]] = [
        {"role": role, "state": state, "steps": counts.pop(SEEN), "faults": counts}
        for (role, state), counts in ordered
    ]
    return {
        "protocol": task.protocol,
        "world": task.world,
        "mutant": task.mutant,
        "seeds": seeds,
        "failures": met.failures,
        "reachable": reachable,
        "visited": len(met.visited) if reachable else None,
        "share": len(met.visited) / reachable if reachable else None,
        "beyond": met.beyond if reachable else None,
        "unknown": why,
        "pairs": sum(count > 0 for row in states for count in row["faults"].values()),
        "pairs_possible": len(states) * len(FAULTS),
        "states": states,
    }


def _report(data: dict[str, Any]) -> None:
    rows = []
    struck = [fault for fault in FAULTS if any(row["faults"][fault] for row in data["states"])]
    for row in data["states"][:STATES_SHOWN]:
        never = [fault for fault in struck if not row["faults"][fault]]
        cell = f"all but {', '.join(never)}" if len(never) < len(struck) else "none"
        rows.append((row["role"], row["state"], f"{row['steps']:,}", cell if never else "all"))
    terminal.table(("role", "where it stands", "steps", "faults met there"), rows)
    if len(data["states"]) > STATES_SHOWN:
        print(f"… and {len(data['states']) - STATES_SHOWN} more; --json lists them all")
    print()
    if len(struck) < len(FAULTS):
        terminal.say(f"Nowhere: {', '.join(f for f in FAULTS if f not in struck)}.")
    terminal.say(
        f"{data['protocol']}, world {data['world']}: {data['seeds']:,} seeds met "
        f"{data['pairs']:,} of {data['pairs_possible']:,} pairs of a state and a fault."
    )
    if data["reachable"] is None:
        terminal.say(
            f"What share of the reachable states they visited is unknown: {data['unknown']}"
        )
    else:
        terminal.say(
            f"They visited {data['visited']:,} of the {data['reachable']:,} states that the "
            f"checker reaches: {data['share']:.1%}."
        )
    for seed, name in data["failures"][:1]:
        terminal.say(
            f"{len(data['failures'])} seeds violate a property: {seed} is the first, {name}."
        )
