"""What commands say of a failing trace that was made small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quorate.cli import terminal
from quorate.kernel import Trace, UsageError
from quorate.sim import Shrunk, shrink, weather

STEPS_SHOWN = 60


def shrunken(trace: Trace) -> Shrunk | None:
    """A small trace that fails in the same way; None, and on stderr why, if there is none."""
    with terminal.ticker() as tick:
        try:
            return shrink(
                trace,
                (lambda runs, steps: tick.show(f"shrinking: {steps} steps left, {runs} runs"))
                if tick
                else None,
            )
        except UsageError as error:
            terminal.warn(f"not shrunk: {error}")
            return None


def as_data(shrunk: Shrunk) -> dict[str, Any]:
    """The same for JSON."""
    trace = shrunk.trace
    return {
        "before": shrunk.before,
        "after": shrunk.after,
        "runs": shrunk.runs,
        "settings": trace.header.settings,
        "faults": weather(terminal.world_of(trace.header), trace),
        "steps": terminal.lines_of(trace),
    }


def show(shrunk: Shrunk, path: Path | None) -> None:
    """The small trace on stdout, and the faults that are left in it."""
    trace, header = shrunk.trace, shrunk.trace.header
    terminal.say(
        f"{header.violated} is violated in {shrunk.after} steps, of {shrunk.before:,} "
        f"(found in {shrunk.runs:,} runs)"
        + "".join(f"; {name}={value}" for name, value in header.settings.items())
    )
    print()
    terminal.draw(trace)
    print()
    lines = terminal.lines_of(trace)
    terminal.narrate(lines[: shrunk.after], None, "")
    if len(lines) > shrunk.after:
        print("      From here on no fault strikes:")
        shown = lines[: shrunk.after + STEPS_SHOWN]
        for number, line in enumerate(shown[shrunk.after :], start=shrunk.after + 1):
            terminal.step(number, line)
        if len(lines) > len(shown):
            print(f"      … {len(lines) - len(shown):,} later steps; --trace FILE keeps them")
    print()
    faults = weather(terminal.world_of(header), trace)
    print("Faults that matter:" if faults else "No fault is needed.")
    for fault in faults:
        print(terminal.wrapped(f"  {fault}", "    "))
    if path is not None:
        print(f"Step through it again: quorate replay {path}")
