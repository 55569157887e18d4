"""Which horn of impossibility a protocol takes: `quorate flp`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quorate.cli import terminal
from quorate.kernel import Header, Network, UsageError, World
from quorate.protocols import build_world, worlds_of

if TYPE_CHECKING:
    from quorate.check.flp import Dilemma

STATES_MAX = 500_000
ONE = "this one"
app = typer.Typer()


Point = Annotated[
    bool,
    typer.Option("--point-of-no-return", help="Instead: show the step that settles the decision."),
]


@app.command("flp")
def flp_command(
    protocol: terminal.ProtocolName,
    world: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: small, or else main.")
    ] = None,
    settings: terminal.Settings = [],  # noqa: B006 - Typer copies it
    inputs: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=A,B,…", help="One initial configuration for each value of a setting."
        ),
    ] = None,
    network: Annotated[Network | None, typer.Option(help="Default: the world's.")] = None,
    states_max: Annotated[int, typer.Option(min=1, help="Stop after so many.")] = STATES_MAX,
    stages: Annotated[
        int, typer.Option(min=0, help="Instead: keep it from deciding for so many stages.")
    ] = 0,
    point: Point = False,
    trace: terminal.TraceFile = None,
    json: terminal.Json = False,
) -> int:
    """Is it safe, does it outlive one crash, does it always decide? Never all three.

    After Fischer, Lynch and Paterson: for a deterministic protocol, a run in which nodes disagree,
    or one that runs on waits for ever once another has stopped, or nobody ever decides although
    nobody stops and everything sent arrives. The exit code is 2 if no such run was found.

    --stages plays the adversary of their proof: in each stage one node after another takes what it
    has been owed for longest, after such other steps as keep the decision open.
    """
    # Imported late, since it loads scipy.
    from quorate.check.flp import flp

    if world is None:
        world = "small" if "small" in worlds_of(protocol) else "main"
    headers = _headers(protocol, world, terminal.parse_settings(settings), inputs)
    if point:
        return _show_points(headers, network, states_max, trace, json)
    worlds = {
        name: build_world(header.protocol, header.world, header.settings)
        for name, header in headers.items()
    }
    if stages:
        return _stall(worlds, headers, stages, trace, json)
    dilemma = flp(worlds, network=network, states_max=states_max, headers=headers)
    if trace is not None and dilemma.taken is not None and dilemma.taken.trace is not None:
        terminal.write_trace(dilemma.taken.trace, trace)
    _report_json(dilemma) if json else _report(dilemma)
    return 0 if dilemma.taken else 2


def _report_json(dilemma: Dilemma) -> None:
    terminal.print_json(
        {
            "taken": dilemma.taken.name if dilemma.taken else None,
            "horns": {horn.name: horn.found for horn in dilemma.horns},
            "decisions": {one.name: one.decisions for one in dilemma.initials},
            "bivalent": dilemma.bivalent,
        }
    )


def _stall(
    worlds: Mapping[str, World],
    headers: Mapping[str, Header],
    stages: int,
    trace: Path | None,
    json: bool,
) -> int:
    """Play the adversary against the first initial configuration; 2 if it finds no way."""
    from quorate.check.stalling import stall

    name, world = next(iter(worlds.items()))
    run = stall(world, stages, header=headers[name])
    if trace is not None:
        terminal.write_trace(run.trace, trace)
    if json:
        terminal.print_json(
            {
                "stages": run.stages,
                "stuck": run.stuck,
                "turns": run.turns,
                "decisions": run.decisions,
                "steps": len(run.trace.records),
            }
        )
        return 2 if run.stuck else 0
    terminal.narrate(terminal.lines_of(run.trace), None, "", None)
    could = ", ".join(map(str, run.decisions)) or "nothing"
    print()
    terminal.say(f"{run.stages} stages, {len(run.trace.records)} steps, and nothing is decided.")
    terminal.say(f"At the beginning it could decide: {could}.")
    terminal.table(("node", "turns"), [(name, str(count)) for name, count in run.turns.items()])
    if run.stuck:
        terminal.say(f"No way was found to go on when it was the turn of {run.stuck}.")
    return 2 if run.stuck else 0


def _report(dilemma: Dilemma) -> None:
    terminal.table(
        ("horn", "", "from"),
        [(horn.name, horn.found, horn.initial or "") for horn in dilemma.horns],
    )
    print()
    terminal.table(
        ("initial configuration", "can decide", "so it is"),
        [
            (
                one.name,
                ", ".join(map(str, one.decisions)) + ("" if one.complete else " at least"),
                "bivalent" if one.name in dilemma.bivalent else "univalent" if one.complete else "",
            )
            for one in dilemma.initials
        ],
    )
    taken = dilemma.taken
    if taken is not None and taken.trace is not None:
        print(f"\n{taken.name[0].upper()}{taken.name[1:]}:\n")
        terminal.draw(taken.trace)
        print()
        terminal.narrate(terminal.lines_of(taken.trace), None, "", taken.trace.header.loop)


def _show_points(
    headers: Mapping[str, Header],
    network: Network | None,
    states_max: int,
    trace: Path | None,
    json: bool,
) -> int:
    from quorate.check.point import points_of_no_return

    if ONE not in headers:
        raise UsageError("--point-of-no-return is of one world: set its inputs with --set")
    header = headers[ONE]
    world = build_world(header.protocol, header.world, header.settings)
    found = points_of_no_return(world, network=network, states_max=states_max, header=header)
    if trace is not None and found.points:
        terminal.write_trace(found.points[0].trace, trace)
    if json:
        points = [
            {"decision": p.decision, "steps": p.steps, "after": len(p.trace.records)}
            for p in found.points
        ]
        terminal.print_json({"states": found.states, "open": found.open, "points": points})
        return 0 if found.points else 2
    print(f"{found.states:,} states, of which {found.open:,} can still lead to several decisions")
    for each in found.points:
        kinds = ", ".join(f"{kind} {count} times" for kind, count in each.steps.items())
        print()
        terminal.say(
            f"From the last of these steps on, nothing but {each.decision} can be decided. "
            f"In all states together, what settles it is: {kinds}."
        )
        print()
        terminal.narrate(terminal.lines_of(each.trace), None, "", None)
    if not found.points:
        print("no step settles a decision before a limit of the world does")
    return 0 if found.points else 2


def _headers(
    protocol: str, world: str, settings: Mapping[str, str], inputs: str | None
) -> dict[str, Header]:
    """A header for the traces from each initial configuration, by the name of that."""
    base = dict(settings)
    given = {ONE: base}
    if inputs is not None:
        name, equals, values = inputs.partition("=")
        if not (name and equals and values):
            raise UsageError(f"--inputs takes NAME=A,B,…, not {inputs!r}")
        given = {value: {**base, name: value} for value in values.split(",")}
    return {
        name: Header(protocol=protocol, world=world, settings=dict(each), executor="check")
        for name, each in given.items()
    }
