"""How fast the checker is: `quorate bench check`.

States against seconds for growing worlds, on both engines, one by one, each in a Python process of
its own. Seconds are of processor time, so that other programs do not count.
"""

from __future__ import annotations

import math
import multiprocessing
import resource
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer

from quorate.check import check
from quorate.cli import terminal
from quorate.cli.plots import log_log
from quorate.protocols import build_world

Row = dict[str, Any]
PLAIN_MAX = 2_000_000  # states for which the plain engine is measured, too
LARGE = 50_000  # states beyond which what every search costs at least does not show
TLC_PER_SECOND = (130_000, 280_000)
"""Successors a second of TLC, as published for comparable models; it is not measured here."""

PAXOS: tuple[tuple[dict[str, object], int, bool], ...] = (
    ({}, 0, False),
    ({}, 1, False),
    ({"rounds": 2}, 0, True),
)
"""Settings, crashes, and whether the search is reduced, as those of two rounds have to be."""


def check_command(
    participants_max: Annotated[
        int, typer.Option(min=7, max=10, help="Of two-phase commit, from 3 on.")
    ] = 9,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw states against seconds: .svg, .png, .pdf."),
    ] = None,
    json: terminal.Json = False,
) -> int:
    """States and seconds of both engines of the checker, for growing worlds."""
    rows = []
    with terminal.ticker() as tick:
        for row in measure(participants_max):
            rows.append(row)
            if tick:
                tick.show(f"{_name(row)}: {row['seconds']:.1f} s")
    growing = [r for r in rows if r["protocol"] == "two_phase_commit" and r["distinct"] > LARGE]
    data: Row = {
        "machine": terminal.machine(),
        "rows": rows,
        "exponent": {
            engine: slope([r for r in growing if r["engine"] == engine])
            for engine in ("numpy", "plain")
        },
        "plain_over_numpy_seconds": ratios(rows),
    }
    if plot is not None:
        draw(rows, plot)
    if json:
        terminal.print_json(data)
        return 0
    terminal.table(
        ("world", "engine", "states", "seconds", "transitions/s", "MB"),
        [
            (
                _name(row),
                row["engine"],
                f"{row['distinct']:,}",
                f"{row['seconds']:.2f}",
                f"{row['transitions_per_second']:,.0f}",
                f"{row['peak_mb']:,.0f}",
            )
            for row in rows
        ],
    )
    for engine, exponent in data["exponent"].items():
        print(f"{engine}: from {LARGE:,} states on, seconds grow as states to the {exponent:.2f}")
    print(f"{data['machine']}; seconds of processor time")
    return 0


def measure(participants_max: int) -> Iterator[Row]:
    """Two-phase commit with 3 participants and more, then Paxos, the last of it reduced."""
    for participants in range(3, participants_max + 1):
        yield from _both("two_phase_commit", "tla", {"participants": participants}, 0, False)
    for settings, crashes, reduce in PAXOS:
        yield from _both("paxos", "small", settings, crashes, reduce)


def ratios(rows: list[Row]) -> dict[str, float]:
    """How many times as long the plain engine takes, by world."""
    seconds = {(_name(row), row["engine"]): row["seconds"] for row in rows}
    return {
        name: of_plain / seconds[name, "numpy"]
        for (name, engine), of_plain in seconds.items()
        if engine == "plain"
    }


def slope(rows: list[Row]) -> float:
    """The exponent with which seconds grow with states: least squares on logarithms."""
    points = [(math.log(row["distinct"]), math.log(row["seconds"])) for row in rows]
    x, y = (sum(axis) / len(points) for axis in zip(*points, strict=True))
    rise = sum((a - x) * (b - y) for a, b in points)
    return float(rise / sum((a - x) ** 2 for a, _ in points))


def draw(rows: list[Row], path: Path) -> None:
    """Draw states against seconds, both logarithmic. Raises UsageError without matplotlib."""
    with log_log(path, "distinct states", "seconds of one core") as axes:
        styles = {"two_phase_commit": "-", "paxos": "none"}
        for engine, marker in (("numpy", "o"), ("plain", "s")):
            for protocol, line in styles.items():
                some = [
                    (row["distinct"], row["seconds"])
                    for row in rows
                    if (row["engine"], row["protocol"], row["reduced"]) == (engine, protocol, False)
                ]
                filled = "full" if protocol == "two_phase_commit" else "none"
                label = f"{protocol.replace('_', ' ')}, {engine}"
                axes.plot(*zip(*some, strict=True), marker, ls=line, fillstyle=filled, label=label)
        growing = [r for r in rows if (r["protocol"], r["engine"]) == ("two_phase_commit", "numpy")]
        slow, fast = ([r["transitions"] / rate for r in growing] for rate in TLC_PER_SECOND)
        axes.fill_between(
            [r["distinct"] for r in growing],
            fast,
            slow,
            color="grey",
            alpha=0.2,
            label="two phase commit at the published rates of TLC",
        )


def _name(row: Row) -> str:
    settings = "".join(f" {name}={value}" for name, value in row["settings"].items())
    crashes = f" crashes={row['crashes']}" if row["crashes"] else ""
    return f"{row['protocol']}{settings}{crashes}{' reduced' if row['reduced'] else ''}"


def _both(
    protocol: str, world: str, settings: Mapping[str, object], crashes: int, reduce: bool
) -> Iterator[Row]:
    numpy = _alone(protocol, world, settings, crashes, reduce, "numpy")
    yield numpy
    if numpy["distinct"] <= PLAIN_MAX:
        yield _alone(protocol, world, settings, crashes, reduce, "plain")


def _alone(*what: Any) -> Row:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_measured, *what).result()


def _measured(
    protocol: str,
    world: str,
    settings: Mapping[str, object],
    crashes: int,
    reduce: bool,
    engine: str,
) -> Row:
    made = build_world(protocol, world, settings)
    began = time.process_time()
    result = check(made, engine=engine, crashes=crashes, reduce=reduce, graph_max=0)
    seconds = time.process_time() - began
    return {
        "protocol": protocol,
        "world": world,
        "settings": dict(settings),
        "crashes": crashes,
        "reduced": reduce,
        "engine": engine,
        "distinct": result.distinct,
        "transitions": result.transitions,
        "cut": result.cut,
        "seconds": seconds,
        "transitions_per_second": result.transitions / seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000,
    }
