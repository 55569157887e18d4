"""Trace files: what the end of a file's name says about the format that it is written in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from quorate.kernel import Actor, Trace, UsageError
from quorate.traces.chrome import chrome
from quorate.traces.html import html
from quorate.traces.jepsen import edn, json_lines
from quorate.traces.mermaid import mermaid
from quorate.traces.shiviz import shiviz
from quorate.traces.spacetime import SpaceTime, retell
from quorate.traces.text import text_diagram

TEXT_WIDTH = 120
OWN = (".json", ".jsonl", ".trace", "")
"""Quorate's own format, which can be replayed."""

FORMATS: dict[str, Callable[[SpaceTime], str]] = {
    ".html": html,
    ".txt": lambda diagram: text_diagram(diagram, TEXT_WIDTH) + "\n",
    ".shiviz": shiviz,
    ".edn": edn,
    ".history.jsonl": json_lines,
    ".chrome.json": chrome,
    ".mmd": mermaid,
}
"""The others, by the end of the name."""


def is_own(path: Path) -> bool:
    """Whether the name asks for Quorate's own format."""
    return path.suffix in OWN and not any(path.name.endswith(end) for end in FORMATS)


def check_name(path: Path) -> Path:
    """The path. Raises UsageError if the end of its name asks for no format that there is."""
    if not is_own(path) and not any(path.name.endswith(end) for end in FORMATS):
        known = ", ".join((*OWN[:-1], *FORMATS))
        raise UsageError(f"{path}: the end of the name chooses the format; there is: {known}")
    return path


def write_trace(trace: Trace, processes: Iterable[Actor], path: Path) -> None:
    """Write a trace to a file, in the format that its name asks for; `processes` are the boot
    images of its nodes. Raises UsageError for a name that asks for none, or that cannot be written.
    """
    name, text = check_name(path).name, ""
    if not is_own(path):
        write = next(FORMATS[end] for end in FORMATS if name.endswith(end))
        text = write(retell(trace, processes))
    try:
        if text:
            path.write_text(text)
        else:
            trace.write(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
