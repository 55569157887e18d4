"""Exhaustive checking: `quorate check`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from quorate.check import Result, Verdict, check
from quorate.cli import terminal
from quorate.kernel import Header, Network, UsageError
from quorate.mutants import find_mutants
from quorate.protocols import build_world, find

app = typer.Typer()


@app.command("check")
def check_command(
    protocol: terminal.ProtocolName,
    world: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: small, or else main.")
    ] = None,
    settings: terminal.Settings = [],  # noqa: B006 - Typer copies it
    network: Annotated[Network | None, typer.Option(help="Default: the world's.")] = None,
    crashes: Annotated[int | None, typer.Option(min=0, help="Default: the world's.")] = None,
    mutant: terminal.MutantName = None,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Check that every mutant is caught.")
    ] = False,
    states_max: Annotated[int, typer.Option(min=1, help="Stop after so many states.")] = 5_000_000,
    depth_max: Annotated[int, typer.Option(min=0, help="Stop at this depth; 0: never.")] = 0,
    trace: terminal.TraceFile = None,
    json: terminal.Json = False,
) -> int:
    """Explore every schedule of a protocol; a violation is shown by a shortest trace."""
    given = terminal.parse_settings(settings)
    if mutants:
        if mutant or world or given or trace or network or crashes is not None:
            raise UsageError("--mutants goes with --states-max, --depth-max and --json only")
        return _check_mutants(protocol, states_max, depth_max, json)
    if world is None:
        world = "small" if mutant is None and "small" in find(protocol).worlds else "main"
    header = Header(
        protocol=protocol, world=world, mutant=mutant, settings=dict(given), executor="check"
    )
    with terminal.ticker() as tick:
        result = check(
            build_world(protocol, world, given, mutant),
            network=network,
            crashes=crashes,
            states_max=states_max,
            depth_max=depth_max,
            header=header,
            progress=_shown_on(tick) if tick else None,
        )
    broken = result.violation
    if trace is not None and broken is not None and broken.trace is not None:
        terminal.write_trace(broken.trace, trace)
    if json:
        terminal.print_json(result.to_json())
    else:
        _report(header, result)
        if broken is not None and broken.trace is not None:
            _violation(broken, str(trace) if trace else None)
    return result.exit_code


def _shown_on(tick: terminal.Ticker) -> Callable[[int, int, int], None]:
    def progress(distinct: int, transitions: int, depth: int) -> None:
        tick.show(f"{distinct:,} states, {transitions:,} transitions, depth {depth}")

    return progress


def _report(header: Header, result: Result) -> None:
    name = (header.mutant and f"mutant {header.mutant}") or f"world {header.world}"
    terminal.say(
        f"{header.protocol}, {name}: network {result.network}, crashes {result.crashes}"
        + "".join(f"; {bound}" for bound in result.bounds)
    )
    terminal.say(
        f"{result.distinct:,} distinct states, {result.transitions:,} transitions, "
        f"depth {result.depth}, {result.seconds:.1f} s"
        + (f"; cut off at {result.cut}" if result.cut else "")
    )
    print()
    terminal.table(
        ("property", "kind", "verdict", ""),
        [(v.name, v.kind, v.verdict, v.reason) for v in result.verdicts],
    )


def _violation(verdict: Verdict, path: str | None) -> None:
    assert verdict.trace is not None
    print(f"\n{verdict.name} is violated, in {len(verdict.trace.records)} steps at the least:\n")
    terminal.narrate(terminal.lines_of(verdict.trace), None, "")
    if path:
        print(f"\nRun it again: quorate replay {path}")
    else:
        print("\nTo keep it and run it again: --trace FILE, then quorate replay FILE")


def _check_mutants(protocol: str, states_max: int, depth_max: int, json: bool) -> int:
    find(protocol)
    rows, survivors = [], 0
    for mutant in find_mutants(protocol):
        result = check(mutant.world(), states_max=states_max, depth_max=depth_max)
        broken = result.violation
        caught = broken is not None and broken.name == mutant.kills
        survivors += not caught
        rows.append(
            {
                "mutant": mutant.name,
                "breaks": mutant.breaks,
                "kills": mutant.kills,
                "violated": broken.name if broken else None,
                "trace_length": len(broken.trace.records) if broken and broken.trace else None,
                "distinct": result.distinct,
            }
        )
    if json:
        terminal.print_json(rows)
    else:
        terminal.table(
            ("mutant", "what is broken", "caught by", "steps"),
            [
                (
                    str(row["mutant"]),
                    str(row["breaks"]),
                    str(row["violated"] or "nothing"),
                    str(row["trace_length"] or "–"),
                )
                for row in rows
            ],
        )
        print(f"{len(rows) - survivors} of {len(rows)} caught by the property that must")
    return 1 if survivors else 0
