"""Writes the pages that are made from code: the command line, the protocols, the glossary's end.

Run by `make docs`; a test compares the files with what this gives.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).parents[1]
MARK = "<!-- From here on the page is made by `make docs`. -->\n"


def commands() -> dict[str, Any]:
    """The commands of the command line, by their full names, sorted."""
    from quorate.cli import app

    found: dict[str, Any] = {}

    def walk(prefix: str, group: Any) -> None:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                walk(f"{prefix}{name} ", command)
            else:
                found[f"{prefix}{name}"] = command

    walk("", typer.main.get_command(app))
    return dict(sorted(found.items()))


def _output(arguments: list[str]) -> str:
    from quorate.cli import run

    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "80"
    try:
        with redirect_stdout(io.StringIO()) as out:
            code = run(arguments)
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    if code:
        raise RuntimeError(f"quorate {' '.join(arguments)} ended with {code}")
    return out.getvalue().rstrip() + "\n"


def _block(text: str) -> str:
    return f"```text\n{text}```\n"


def _cli() -> str:
    parts = ["# The command line\n", _block(_output(["--help"]))]
    for name in commands():
        parts += [f"## quorate {name}\n", _block(_output([*name.split(), "--help"]))]
    return "\n".join(parts)


def _protocols() -> str:
    from quorate.protocols import names

    parts = ["# The protocols\n", "What `quorate show` prints for each.\n"]
    for name in names():
        parts += [f"## {name}\n", _block(_output(["show", name]))]
    return "\n".join(parts)


def _glossary() -> str:
    from quorate.protocols import all_protocols

    by_hand = (ROOT / "docs" / "glossary.md").read_text().partition(MARK)[0]
    parts = [by_hand + MARK]
    for protocol in all_protocols():
        parts.append(f"## {protocol.title}\n")
        rows = [
            (actor.__name__, protocol.entries("Roles")[actor.__name__]) for actor in protocol.actors
        ]
        rows += protocol.entries("Messages").items()
        parts.append("".join(f"- `{name}`: {text}\n" for name, text in rows))
    return "\n".join(parts)


def pages() -> Mapping[str, str]:
    """Path from the root of the project to the text that belongs there."""
    return {
        "docs/glossary.md": _glossary(),
        "docs/reference/cli.md": _cli(),
        "docs/reference/protocols.md": _protocols(),
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (ROOT / name).write_text(text)
