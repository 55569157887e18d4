"""Running a recorded trace again: `quorate replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quorate.cli import terminal
from quorate.kernel import Actor, Header, UsageError, messages_of
from quorate.kernel.trace import read, read_header
from quorate.runtime.recording import load, verify
from quorate.service import config as configs
from quorate.service.server import boot_image
from quorate.sim import replay
from quorate.traces.export import write_trace
from quorate.traces.merge import merge
from quorate.traces.spacetime import retell
from quorate.traces.text import text_diagram

STEPS_SHOWN = 60
LINES_DRAWN = 40
app = typer.Typer()


@app.command("replay")
def replay_command(
    traces: Annotated[
        list[Path],
        typer.Argument(metavar="TRACE…", help="A trace, or recordings by replicas."),
    ],
    everything: Annotated[
        bool, typer.Option("--all", help=f"Print every step, not the last {STEPS_SHOWN}.")
    ] = False,
    written: terminal.TraceFile = None,
    json: terminal.Json = False,
) -> int:
    """Run a recorded trace again, step by step, and compare every effect.

    With --trace FILE it is also written in another format. Recordings that replicas made (quorate
    serve --record) are put together; each replica's configuration stands beside its recording.
    """
    headers = [read_header(path) for path in traces]
    if all(header.executor == "runtime" for header in headers):
        return _live(traces, headers, everything, written, json)
    if len(traces) > 1:
        raise UsageError("several files make one trace only if each is the recording of a replica")
    return _one(traces[0], headers[0], everything, written, json)


def _one(trace: Path, header: Header, everything: bool, written: Path | None, json: bool) -> int:
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
        shown = None if everything else STEPS_SHOWN
        terminal.narrate(outcome.lines, shown, "--all prints them", header.loop)
        print()
        if outcome.difference:
            terminal.say(f"It comes out differently at {outcome.difference}")
        else:
            verdict = f"{violated} is violated" if violated else "nothing is violated"
            terminal.say(f"All {outcome.steps} steps come out as recorded: {verdict}")
    if outcome.difference:
        return 2
    return 1 if violated else 0


def _live(
    paths: list[Path], headers: list[Header], everything: bool, written: Path | None, json: bool
) -> int:
    """Recordings of a service's replicas: compared one by one, then drawn as one run."""
    boots = [_boot(path, header) for path, header in zip(paths, headers, strict=True)]
    checks = [verify(boot, path) for boot, path in zip(boots, paths, strict=True)]
    steps = sum(check.steps for check in checks)
    differs = next(
        (
            f"{path}, step {check.differs_at + 1}"
            for path, check in zip(paths, checks, strict=True)
            if check.differs_at is not None
        ),
        None,
    )
    if differs is None:
        lives = [load(boot, path) for boot, path in zip(boots, paths, strict=True)]
        nodes = [actor for actor, _ in lives]
        merged = merge(lives)
        if written is not None:
            write_trace(merged, nodes, written)
        if not json:
            lines = 0 if everything else LINES_DRAWN
            print(text_diagram(retell(merged, nodes), terminal.width(), lines))
            print()
    if json:
        protocol = headers[0].protocol
        terminal.print_json({"protocol": protocol, "steps": steps, "difference": differs})
    else:
        outcome = f"It comes out differently at {differs}" if differs else ""
        terminal.say(outcome or f"All {steps} steps come out as recorded.")
    return 2 if differs else 0


def _boot(path: Path, header: Header) -> Actor:
    """The replica's boot image, by the configuration that `quorate up` wrote beside its data."""
    return boot_image(configs.load(path.with_name(f"{header.settings['node']}.toml")))
