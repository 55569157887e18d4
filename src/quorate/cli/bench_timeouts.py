"""Aggressive and timid leaders: `quorate bench timeouts`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from quorate.cli import terminal
from quorate.cli.plots import log_log
from quorate.sim import timeouts
from quorate.sim.timeouts import DELAY_MS, LIMIT_MS, LOSS, Row


class Report(msgspec.Struct, frozen=True):
    """All figures; messages take `delay_ms` in the mean, and so many of them are lost."""

    delay_ms: float
    loss: float
    limit_ms: int
    rows: list[Row]


def timeouts_command(
    seeds: Annotated[int, typer.Option(min=10, help="For each time-out.")] = timeouts.SEEDS,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw times against time-outs: .svg, .png, .pdf."),
    ] = None,
    json: terminal.Json = False,
) -> int:
    """How long three rivals in Paxos take to decide, by how long each waits before a new round.

    Time is virtual, so that the same seeds give the same figures on any machine.
    """
    rows = []
    with terminal.ticker() as tick:
        for row in timeouts.sweep(seeds):
            rows.append(row)
            if tick:
                tick.show(f"{row.timeout_ms} ms")
    if plot is not None:
        draw(rows, plot)
    if json:
        terminal.print_json(Report(DELAY_MS, LOSS, LIMIT_MS, rows))
        return 0
    terminal.table(
        ("time-out ms", "decided", "median ms", "10 %", "90 %", "deliveries"),
        [
            (
                f"{row.timeout_ms:,}",
                f"{row.decided} of {row.seeds}",
                f"{row.median_ms:,}",
                f"{row.low_ms:,}",
                f"{row.high_ms:,}",
                f"{row.deliveries:,.0f}",
            )
            for row in rows
        ],
    )
    terminal.say(
        f"A message takes {DELAY_MS:g} ms in the mean, {LOSS:.0%} are lost, and the first leader "
        "stops. A time-out is drawn from once to twice as much. Who had not decided after "
        f"{LIMIT_MS:,} ms counts with that."
    )
    return 0


def draw(rows: list[Row], path: Path) -> None:
    """Draw times against time-outs, both logarithmic. Raises UsageError without matplotlib."""
    with log_log(
        path, "time-out of a proposer, at least, ms", "time until some node decides, ms"
    ) as axes:
        x = [row.timeout_ms for row in rows]
        low, high = [row.low_ms for row in rows], [row.high_ms for row in rows]
        axes.fill_between(x, low, high, alpha=0.2, label="eight of ten seeds")
        axes.plot(x, [row.median_ms for row in rows], "o-", label="median")
        axes.axvline(
            4 * DELAY_MS, color="grey", ls="--", label="a round without rivals: four delays"
        )
        axes.axhline(LIMIT_MS, color="grey", ls=":", label="not decided by then")
