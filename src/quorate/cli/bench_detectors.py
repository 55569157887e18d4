"""What failure detectors are worth: `quorate bench detectors`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec
import typer

from quorate.cli import terminal
from quorate.sim import grading
from quorate.sim.classes import CLASSIFIED, MODELS, Cell, classify
from quorate.sim.grading import DETECTORS, WEATHERS, Row, asking_row, grade

ASKED = (4, 8, 16)
COLUMNS = {
    "detection time T_D, mean": "T_D ms, mean",
    "detection time T_D, most": "most",
    "mistake rate λ_M": "λ_M /min",
    "mistake duration T_M, mean": "T_M ms",
    "query accuracy P_A": "P_A",
    "messages": "messages /s",
}
SHORT = {
    "strong completeness": "SC",
    "weak completeness": "WC",
    "strong accuracy": "SA",
    "weak accuracy": "WA",
    "eventual strong accuracy": "◇SA",
    "eventual weak accuracy": "◇WA",
}


class Report(msgspec.Struct, frozen=True):
    """All figures. `rows` are of nodes that watch each other for so long under so many seeds."""

    nodes: int
    watched_ms: int
    seeds: int
    rows: list[Row]
    classes: list[Cell]


def detectors_command(
    seeds: Annotated[
        int, typer.Option(min=1, help="Of each detector in each weather, and under each model.")
    ] = grading.SEEDS,
    json: terminal.Json = False,
) -> int:
    """Detection time, mistakes and class of every failure detector, in the same seeded weather.

    Time is virtual, so that the same seeds give the same figures on any machine.
    """
    report = measure(seeds)
    if json:
        terminal.print_json(report)
    else:
        show(report)
    return 0 if all(row.measured <= (_limit(row) or row.measured) for row in report.rows) else 1


def measure(seeds: int) -> Report:
    """Grade and classify them all."""
    rows: list[Row] = []
    cells: list[Cell] = []
    with terminal.ticker() as tick:
        for graded in DETECTORS:
            for weather in WEATHERS:
                if tick:
                    tick.show(f"{graded.name}: {weather}")
                rows += grade(graded, weather, seeds)
        rows += map(asking_row, ASKED)
        for graded in CLASSIFIED:
            for model in MODELS:
                if tick:
                    tick.show(f"{graded.name}: {model.name}")
                cells.append(classify(graded, model, seeds))
    return Report(grading.NODES, grading.WATCHED_MS, seeds, rows, cells)


def show(report: Report) -> None:
    """The figures as tables."""
    terminal.say(
        f"{report.nodes} nodes that watch each other, {report.seeds} seeds, "
        f"{report.watched_ms / 1000:.0f} s of virtual time in each. T_D: from a failure until a "
        "node suspects for good whoever failed. λ_M: mistakes a minute of one node about another. "
        "T_M: how long one takes. P_A: how likely a node that is asked about a live one is right. "
        "messages: of one node."
    )
    for weather in WEATHERS:
        print()
        _grades(weather, [row for row in report.rows if row.weather == weather])
    print()
    asked = [row for row in report.rows if row.unit == "periods"]
    terminal.table(
        ("SWIM, periods until a failed node is asked", "mean", "expected"),
        [(row.detector, f"{row.measured:.3f}", f"{row.bound:.3f}") for row in asked],
    )
    print()
    _classes(report.classes)


def _grades(weather: str, rows: Iterable[Row]) -> None:
    by_detector: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_detector.setdefault(row.detector, {})[row.quantity] = row
    cells = [
        (name, *(_figure(found[quantity]) if quantity in found else "–" for quantity in COLUMNS))
        for name, found in by_detector.items()
        if set(found) & set(COLUMNS)
    ]
    terminal.table((weather, *COLUMNS.values()), cells)


def _figure(row: Row) -> str:
    digits = {"1/min": 2, "": 4}.get(row.unit, 0)
    limit = _limit(row)
    return f"{row.measured:,.{digits}f}" + (f"≤{limit:.0f}" if limit else "")


def _limit(row: Row) -> float | None:
    """What it may be at the most; the bound of an expectation is none."""
    return row.bound if row.unit == "ms" else None


def _classes(cells: list[Cell]) -> None:
    reached = {(cell.detector, cell.model): cell.reaches for cell in cells}
    names = list(dict.fromkeys(cell.detector for cell in cells))
    terminal.table(
        ("class reached", *(model.name for model in MODELS)),
        [(name, *(reached[name, model.name] for model in MODELS)) for name in names],
    )
    print()
    for model in MODELS:
        terminal.say(f"{model.name}: {model.means}.")
    print()
    broken = {
        (cell.detector, cell.model): " ".join(
            f"{short}:{cell.broken[name]}" for name, short in SHORT.items() if name in cell.broken
        )
        for cell in cells
    }
    terminal.table(
        ("broken:by seed", *(model.name for model in MODELS)),
        [(name, *(broken[name, model.name] or "–" for model in MODELS)) for name in names],
    )
    terminal.say(", ".join(f"{short}: {name}" for name, short in SHORT.items()) + ".")
