"""Running a recorded trace again: `quorate replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quorate.cli import terminal
from quorate.kernel import messages_of
from quorate.kernel.trace import read, read_header
from quorate.sim import replay

STEPS_SHOWN = 60
LINES_DRAWN = 40
app = typer.Typer()


@app.command("replay")
def replay_command(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="A trace file.")],
    everything: Annotated[
        bool, typer.Option("--all", help=f"Print every step, not the last {STEPS_SHOWN}.")
    ] = False,
    written: terminal.TraceFile = None,
    json: terminal.Json = False,
) -> int:
    """Run a recorded trace again, step by step, and compare every effect.

    With --trace FILE it is also written in another format.
    """
    header = read_header(trace)
    world = terminal.world_of(header)
    recorded = read(trace, messages_of(world.processes))
    outcome = replay(world, recorded)
    # What shows only at the end of a run (progress, a state at rest) is judged by whoever recorded
    # it; equal steps lead to an equal end.
    violated = outcome.violated or header.violated
    if written is not None:
        terminal.write_trace(recorded, written)
    if json:
        terminal.print_json(
            {
                "protocol": header.protocol,
                "steps": outcome.steps,
                "difference": outcome.difference,
                "violated": None if outcome.difference else violated,
            }
        )
    else:
        if not outcome.difference:
            terminal.draw(recorded, 0 if everything else LINES_DRAWN)
            print()
        terminal.narrate(outcome.lines, None if everything else STEPS_SHOWN, "--all prints them")
        print()
        if outcome.difference:
            terminal.say(f"It comes out differently at {outcome.difference}")
        else:
            verdict = f"{violated} is violated" if violated else "nothing is violated"
            terminal.say(f"All {outcome.steps} steps come out as recorded: {verdict}")
    if outcome.difference:
        return 2
    return 1 if violated else 0
