"""Judging a recorded history: `quorate check-history`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from quorate.check.linearizability import (
    MODELS,
    STEPS_MAX,
    Model,
    check_history,
    read_history,
    report,
)
from quorate.check.linearizability.report import LAST
from quorate.cli import terminal
from quorate.protocols import unknown

EXIT_CODES = {"holds": 0, "violated": 1, "unknown": 2}
app = typer.Typer()


@app.command("check-history")
def history_command(
    history: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines, or a Jepsen log.")],
    model: Annotated[str, typer.Option(metavar="NAME", help=", ".join(MODELS) + ".")],
    steps_max: Annotated[int, typer.Option(min=1, help="Give up after so many.")] = STEPS_MAX,
    timeout_s: Annotated[
        float | None, typer.Option(min=0, help="Give up after so long; default: never.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Print the whole of the longest order.")
    ] = False,
    json: terminal.Json = False,
) -> int:
    """Is a recorded history of concurrent clients linearizable?

    Each line of FILE begins or ends an operation: {"process": 0, "type": "invoke", "f": "write",
    "value": 3}, and then the same with "type" ok, fail or info (nobody knows), and the result as
    "value"; "key" names the object where there are several.
    """
    known, operations = find_model(model), read_history(history)
    began = time.perf_counter()
    outcome = check_history(operations, known, steps_max=steps_max, timeout_s=timeout_s)
    if json:
        data: dict[str, Any] = msgspec.structs.asdict(outcome)
        terminal.print_json(data | {"seconds": time.perf_counter() - began})
    else:
        print(report(outcome, terminal.width(), None if everything else LAST))
    return EXIT_CODES[outcome.verdict]


def find_model(name: str) -> Model:
    """The model of that name. Raises UsageError, with the names there are, for any other."""
    if name not in MODELS:
        raise unknown("model", name, list(MODELS))
    return MODELS[name]
