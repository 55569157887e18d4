"""What runs without failures cost, beside the formulas: `quorate bench cost`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Annotated, Any

import msgspec
import typer

from quorate.cli import terminal
from quorate.protocols import Protocol, all_protocols, find, settings_of
from quorate.sim.quiet import Row, cost_rows, size_rows, sizes

HEADINGS = {
    "messages": "messages",
    "delays": "delays",
    "forced writes": "forced writes",
    "write delays": "write delays",
    "spontaneous write delays": "unasked",
}
WRONG_MAX = 10


def cost_command(
    protocol: Annotated[
        str | None, typer.Argument(metavar="[PROTOCOL]", help="Default: all of them.")
    ] = None,
    participants: Annotated[
        int, typer.Option(min=2, help="How many end the transaction that is shown.")
    ] = 5,
    faults: Annotated[int, typer.Option(min=0, help="How many acceptors may stop.")] = 1,
    every: Annotated[bool, typer.Option("--all", help="Show every size.")] = False,
    json: terminal.Json = False,
) -> int:
    """What runs without failures cost, in many sizes, beside the formula of each protocol."""
    chosen = all_protocols() if protocol is None else (find(protocol),)
    rows: list[Row] = []
    with terminal.ticker() as ticker:
        for each in chosen:
            if ticker:
                ticker.show(each.name)
            rows += cost_rows(each)
    if json:
        lines = ",\n".join(msgspec.json.encode(row).decode() for row in rows)
        print(f'{{"rows": [\n{lines}\n]}}')
    elif every or protocol is not None:
        for each in chosen:
            _table(each.name, [row for row in rows if row.protocol == each.name], _size)
            print()
        _verdict(rows)
    else:
        rows += _summary(chosen, participants, faults)
        _verdict(rows)
    return 0 if all(row.measured == row.formula for row in rows) else 1


def _summary(chosen: Sequence[Protocol], participants: int, faults: int) -> list[Row]:
    """One size of each: those of commit as asked for, the others by default."""
    asked = {"participants": participants, "faults": faults}
    commit: list[Row] = []
    others: list[Row] = []
    for each in chosen:
        for settings in _shapes(each, asked):
            (commit if "participants" in settings else others).extend(size_rows(each, settings))
    people = f"{participants} participants"
    if commit:
        _table(f"{people}, {faults} {'fault' if faults == 1 else 'faults'}", commit, _shape)
        print()
    if others:
        _table("others", others, lambda row: f"{row.protocol} {_size(row)}")
        print()
    return commit + others


def _shapes(protocol: Protocol, asked: dict[str, int]) -> Iterator[dict[str, Any]]:
    """The settings of one size, in each of the shapes that a choice of yes and no gives it."""
    defaults = {**settings_of(protocol.worlds["main"]), **protocol.quiet, **asked}
    choices = [
        (False, True) if kind is bool else (defaults[name],)
        for name, kind in sizes(protocol).items()
    ]
    for values in product(*choices):
        yield dict(zip(sizes(protocol), values, strict=True))


def _shape(row: Row) -> str:
    flags = " ".join(name for name, on in row.settings.items() if on is True)
    return f"  {flags}" if flags else row.protocol


def _size(row: Row) -> str:
    chosen = {name: value for name, value in row.settings.items() if value is not False}
    return " ".join(k if value is True else f"{k}={value}" for k, value in chosen.items())


def _table(title: str, rows: Sequence[Row], label: Any) -> None:
    runs: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        differs = "" if row.measured == row.formula else f", not {row.formula}"
        mark = "*" if row.exception else ""
        run = runs.setdefault((row.protocol, label(row)), {})
        run[row.quantity] = f"{row.measured}{mark}{differs}"
    shown = [name for name in HEADINGS if any(name in found for found in runs.values())]
    cells = ((run, *(found.get(name, "") for name in shown)) for (_, run), found in runs.items())
    terminal.table((title, *(HEADINGS[name] for name in shown)), cells)


def _verdict(rows: Sequence[Row]) -> None:
    if any(row.quantity == "spontaneous write delays" for row in rows):
        terminal.say("unasked: write delays if all participants prepare without being asked.")
    wrong = [row for row in rows if row.measured != row.formula]
    small = sum(row.exception != 0 for row in rows)
    found = f"{len(wrong)} differ from" if wrong else "each is"
    terminal.say(f"{len(rows):,} figures measured: {found} what the formula gives.")
    for row in wrong[:WRONG_MAX]:
        print(f"{row.protocol} {_size(row)}: {row.quantity} {row.measured}, not {row.formula}")
    if small:
        terminal.say(
            f"{small} (*) are of sizes so small that the formula, as the paper has it, does not "
            "hold, and is corrected."
        )
