"""Exhaustive checking: `quorate check`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from quorate.check import Result, Verdict, check
from quorate.check.engine import Progress, resident_bytes
from quorate.check.run import STATES_MAX
from quorate.cli import terminal
from quorate.cli.mutants import check_mutants
from quorate.kernel import Header, Kind, Network, Trace, UsageError
from quorate.protocols import build_world, find, names, worlds_of
from quorate.traces.export import is_own

MEMORY_MAX_MB = 4_096
app = typer.Typer()

Protocol = Annotated[
    str | None,
    typer.Argument(metavar="PROTOCOL", help=terminal.PROTOCOL_HELP, show_default=False),
]
WorldName = Annotated[
    str | None, typer.Option(metavar="NAME", help="Default: small, or else main.")
]
Mutants = Annotated[
    bool,
    typer.Option("--mutants", help="Check that every mutant is caught: of PROTOCOL, or of all."),
]
StatesMax = Annotated[int, typer.Option(min=1, help="Stop after so many states.")]
DepthMax = Annotated[int, typer.Option(min=0, help="Stop at this depth; 0: never.")]
MemoryMax = Annotated[
    int, typer.Option("--memory", metavar="MB", min=0, help="Stop at so much memory; 0: never.")
]
Reduce = Annotated[
    bool, typer.Option("--reduce", help="Leave out what nobody can observe: far fewer states.")
]
Engine = Annotated[str, typer.Option(metavar="NAME", help="numpy: fast; plain: simple; auto.")]


@app.command("check")
def check_command(
    protocol: Protocol = None,
    world: WorldName = None,
    settings: terminal.Settings = [],  # noqa: B006 - Typer copies it
    network: Annotated[Network | None, typer.Option(help="Default: the world's.")] = None,
    crashes: Annotated[int | None, typer.Option(min=0, help="Default: the world's.")] = None,
    symmetry: Annotated[
        bool, typer.Option("--symmetry", help="Take interchangeable nodes for one another.")
    ] = False,
    reduce: Reduce = False,
    mutant: terminal.MutantName = None,
    mutants: Mutants = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Go on after the first violation.")
    ] = False,
    engine: Engine = "auto",
    states_max: StatesMax = STATES_MAX,
    depth_max: DepthMax = 0,
    memory_max_mb: MemoryMax = MEMORY_MAX_MB,
    trace: terminal.TraceFile = None,
    json: terminal.Json = False,
) -> int:
    """Explore every schedule of a protocol; a violation is shown by a shortest trace.

    With --mutants the exit code is 0 if each is caught by the property that must catch it, 1 if
    one survives or breaks something else first, 2 if a bound leaves one unknown.
    """
    how: dict[str, Any] = {
        "engine": engine,
        "reduce": reduce,
        "states_max": states_max,
        "depth_max": depth_max,
        "memory_max_bytes": memory_max_mb * 1_000_000,
    }
    given = terminal.parse_settings(settings)
    if mutants:
        others = (mutant, world, given, trace, network, everything, symmetry)
        if any(others) or crashes is not None:
            raise UsageError("--mutants checks each mutant in its own world: leave out the others")
        return check_mutants((find(protocol).name,) if protocol else names(), how, json)
    if protocol is None:
        raise UsageError("name a protocol; quorate protocols lists them")
    how |= {"network": network, "crashes": crashes, "go_on": everything, "symmetry": symmetry}
    if world is None:
        world = "small" if mutant is None and "small" in worlds_of(protocol) else "main"
    header = Header(
        protocol=protocol, world=world, mutant=mutant, settings=dict(given), executor="check"
    )
    return _check_one(header, how, trace, json)


def _check_one(header: Header, how: Mapping[str, Any], path: Path | None, json: bool) -> int:
    world = build_world(header.protocol, header.world, header.settings, header.mutant)
    with terminal.ticker() as tick:
        result = check(world, header=header, progress=_shown_on(tick) if tick else None, **how)
    broken = result.violation
    if path is not None and broken is not None and broken.trace is not None:
        terminal.write_trace(broken.trace, path)
    if json:
        terminal.print_json(result.to_json())
    else:
        _report(header, result)
        if broken is not None and broken.trace is not None:
            _violation(broken, broken.trace, path, result.reduced)
    return result.exit_code


def _shown_on(tick: terminal.Ticker) -> Progress:
    began = time.monotonic()

    def progress(distinct: int, transitions: int, depth: int, frontier: int) -> None:
        rate = transitions / (time.monotonic() - began + 1e-9)
        tick.show(
            f"{distinct:,} states, {rate:,.0f} transitions/s, depth {depth} with {frontier:,}, "
            f"{resident_bytes() / 1e6:,.0f} MB"
        )

    return progress


def _report(header: Header, result: Result) -> None:
    name = (header.mutant and f"mutant {header.mutant}") or f"world {header.world}"
    terminal.say(
        f"{header.protocol}, {name}: network {result.network}, crashes {result.crashes}"
        + "".join(f"; {bound}" for bound in result.bounds)
    )
    terminal.say(
        f"{result.distinct:,} distinct states"
        + (" up to symmetry" if result.symmetry else "")
        + (", reduced" if result.reduced else "")
        + f", {result.transitions:,} transitions, "
        f"depth {result.depth}, {result.seconds:.1f} s"
        + (f"; cut off at {result.cut}" if result.cut else "")
    )
    print()
    terminal.table(
        ("property", "kind", "verdict", ""),
        [(v.name, v.kind, v.verdict, v.reason) for v in result.verdicts],
    )


def _violation(verdict: Verdict, trace: Trace, path: Path | None, reduced: bool) -> None:
    print(f"\n{verdict.name} is violated{_how(verdict, trace, reduced)}:\n")
    terminal.draw(trace)
    print()
    terminal.narrate(terminal.lines_of(trace), None, "", trace.header.loop)
    if path is None:
        print("\nTo keep it and run it again: --trace T.json, then quorate replay T.json")
    elif is_own(path):
        print(f"\nRun it again: quorate replay {path}")


def _how(verdict: Verdict, trace: Trace, reduced: bool) -> str:
    count, loop = len(trace.records), trace.header.loop
    if loop is not None:
        return f": steps {loop + 1} to {count} can be taken again and again, for ever"
    if verdict.kind == Kind.EVENTUALLY.value:
        return f": after these {count} steps nothing changes any more"
    return f", in {count} steps" + ("" if reduced else " at the least")
