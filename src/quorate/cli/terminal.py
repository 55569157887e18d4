"""What commands share: settings, tables, narrated traces, JSON, and progress that knows its place.

Colour is left to rich, which uses it on a terminal only and honours NO_COLOR.
"""

from __future__ import annotations

import platform
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Union

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from quorate.adversary import arm, embodied
from quorate.kernel import Header, Trace, UsageError, World, messages_of
from quorate.kernel.values import decode_hook
from quorate.protocols import build_world
from quorate.traces import export
from quorate.traces.export import FORMATS, check_name
from quorate.traces.spacetime import retell
from quorate.traces.text import text_diagram

PROGRESS_AFTER_S = 2.0
WIDTH_MAX = 120
COLOURS = {"holds": "green", "violated": "bold red", "unknown": "yellow"}

PROTOCOL_HELP = "See: quorate protocols. Or a file of yours: FILE.py."
ProtocolName = Annotated[str, typer.Argument(metavar="PROTOCOL", help="See: quorate protocols.")]
ProtocolOrFile = Annotated[str, typer.Argument(metavar="PROTOCOL", help=PROTOCOL_HELP)]
Settings = Annotated[
    list[str], typer.Option("--set", metavar="NAME=VALUE", help="Change a setting; repeatable.")
]
MutantName = Annotated[
    str | None, typer.Option("--mutant", metavar="NAME", help="Run this broken variant instead.")
]


def _trace_file(path: Path | None) -> Path | None:
    return None if path is None else check_name(path)


TraceFile = Annotated[
    Path | None,
    typer.Option(
        "--trace",
        metavar="FILE",
        callback=_trace_file,
        help="Write the trace to this file, in the format of its name: "
        f"{', '.join(FORMATS)}; .json can be replayed.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """`name=value` pairs as a mapping. Raises UsageError for any that is not one, or is double."""
    settings: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise UsageError(f"--set takes NAME=VALUE, not {pair!r}")
        if name in settings:
            raise UsageError(f"--set {name} is given twice")
        settings[name] = value
    return settings


def width() -> int:
    """Columns to write in: the terminal's, or 80."""
    return min(shutil.get_terminal_size((80, 24)).columns, WIDTH_MAX)


def wrapped(text: str, indent: str = "") -> str:
    """A paragraph in lines that fit; no word, and so no option or path, is broken."""
    return textwrap.fill(
        text,
        width(),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def say(text: str) -> None:
    """A paragraph on stdout."""
    print(wrapped(text))


def entry(name: str, text: str, column: int) -> None:
    """A name, and what it means, beside it in a column of its own."""
    label = f"  {name:<{column}}  "
    lines = textwrap.wrap(text, width() - len(label)) or [""]
    print(label + ("\n" + " " * len(label)).join(lines))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout, of which the first column names the rows and is not broken into lines;
    a cell that is a verdict gets its colour."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, heading in enumerate(headings):
        grid.add_column(heading, overflow="fold", no_wrap=number == 0)
    for row in rows:
        grid.add_row(*(f"[{COLOURS[c]}]{c}[/]" if c in COLOURS else _plain(c) for c in row))
    # Where rich finds no terminal it takes 80 columns, whatever COLUMNS says.
    console = Console(width=width())
    with console.capture() as captured:
        console.print(grid)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _plain(cell: str) -> str:
    return cell.replace("[", r"\[")


def narrate(lines: Sequence[str], last: int | None, hint: str, loop: int | None = None) -> None:
    """Steps, one after the other, or only the last ones; `hint` says how to see the others. From
    step number `loop` on, counted from 0, they repeat themselves."""
    first = 0 if last is None else max(0, len(lines) - last)
    if first:
        print(f"      … {first} earlier steps; {hint}")
    for number, line in enumerate(lines[first:], start=first + 1):
        if number - 1 == loop:
            print("   ↻  from here on, for ever")
        step(number, line)


def step(number: int, line: str) -> None:
    """One step of a narration."""
    print(wrapped(f"{number:4}  {line}", " " * 8))


def warn(text: str) -> None:
    """A paragraph on stderr."""
    print(wrapped(text), file=sys.stderr)


def lines_of(trace: Trace) -> tuple[str, ...]:
    """What happened in a trace, one line for each step."""
    return tuple(record.line for record in trace.records)


def print_json(data: Any) -> None:
    """Data on stdout, as JSON."""
    print(msgspec.json.format(msgspec.json.encode(data)).decode())


def world_of(header: Header) -> World:
    """The world that a trace tells of, its traitors in their places."""
    world = build_world(header.protocol, header.world, header.settings, header.mutant)
    if header.lies:
        kinds: Any = Union.__getitem__(messages_of(world.processes))
        lies = {
            name: tuple((to, msgspec.convert(raw, kinds, dec_hook=decode_hook)) for to, raw in each)
            for name, each in header.lies.items()
        }
        world = msgspec.structs.replace(world, byzantine=lies, symmetry=())
    return embodied(arm(world, header.adversaries))


def draw(trace: Trace, lines_max: int = 0) -> None:
    """The space-time diagram on stdout; with `lines_max`, its first and last lines."""
    diagram = retell(trace, world_of(trace.header).processes)
    print(text_diagram(diagram, width(), lines_max))


def write_trace(trace: Trace, path: Path) -> None:
    """Write a trace file, in the format that its name asks for."""
    export.write_trace(trace, world_of(trace.header).processes, path)


class Ticker:
    """Says how far a long run has come: on stderr, on a terminal only, and only after a while."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._status = console.status("")
        self._shown = False

    def show(self, text: str) -> None:
        """Replace what is shown."""
        if not self._shown and time.monotonic() - self._began > PROGRESS_AFTER_S:
            self._status.start()
            self._shown = True
        self._status.update(text)

    def close(self) -> None:
        """Wipe it off."""
        self._status.stop()


@contextmanager
def ticker() -> Iterator[Ticker | None]:
    """A Ticker, or None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    shown = Ticker(Console(stderr=True))
    try:
        yield shown
    finally:
        shown.close()


def machine() -> str:
    """What this runs on, for figures that depend on it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if platform.system() == "Linux" else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = models[0] if models else platform.processor()
    return f"{len(models)} × {name}, Python {platform.python_version()}, {platform.system()}"
