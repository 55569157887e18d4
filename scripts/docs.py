"""Writes the pages that are made from code: the command line, the protocols, the glossary's end.

Run by `make docs`; a test compares the files with what this gives.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).parents[1]
MARK = "<!-- From here on the page is made by `make docs`. -->\n"
DETECTORS = """\
# Failure detectors compared

Every detector of the catalogue, in the same seeded weather and in virtual time, so that figures are
the same on any machine. The quantities are those of Chen, Toueg and Aguilera (IEEE Transactions on
Computers 51(5) 2002), the classes those of Chandra and Toueg (JACM 43(2) 1996). None is best:
whoever is to be found soon is suspected wrongly more often, or asked more often. A class is
reached where no seed breaks what it asks for; what keeps a detector from the others is a property,
broken under the seed that is named.

Written by `quorate bench detectors --json`, which makes `benchmarks/results/detectors.json`.
"""


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

    codes: list[int] = []
    text = _printed(lambda: codes.append(run(arguments)))
    if codes != [0]:
        raise RuntimeError(f"quorate {' '.join(arguments)} ended with {codes[0]}")
    return text


def _printed(write: Callable[[], object]) -> str:
    """What is written to stdout, 80 columns wide."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "80"
    try:
        with redirect_stdout(io.StringIO()) as out:
            write()
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    return out.getvalue().rstrip() + "\n"


def _block(text: str) -> str:
    return f"```text\n{text}```\n"


def _cli() -> str:
    parts = ["# The command line\n", _block(_output(["--help"]))]
    for name in commands():
        parts += [f"## quorate {name}\n", _block(_output([*name.split(), "--help"]))]
    return "\n".join(parts)


def _protocol(name: str) -> str:
    from quorate.mutants import find_mutants
    from quorate.protocols import find

    small = "small" in find(name).worlds
    lines = ["Run it, break it, check it:\n", f"quorate simulate {name} --seeds 100"]
    if small:
        lines.append(f"quorate check {name}")
    mutants = find_mutants(name)
    if mutants:
        lines.append(
            f"quorate {'check' if small else 'simulate'} {name} --mutant {mutants[0].name}"
        )
    lines.append(f"quorate show {name} --source")
    head, rest = lines[0], "\n".join(lines[1:])
    return f"# {name}\n\n{_block(_output(['show', name]))}\n{head}\n```sh\n{rest}\n```\n"


def _catalogue() -> str:
    from quorate.protocols import all_protocols

    rows = [f"- [{each.name}]({each.name}.md): {each.summary}\n" for each in all_protocols()]
    return "# The protocols\n\nEach page is what `quorate show` prints.\n\n" + "".join(rows)


def lecture_page(name: str) -> str:
    """The page of one claim of the lecture. Shows it, so this takes a while."""
    return f"# {name}\n\n{_block(_output(['lecture', name]))}"


def _lecture() -> str:
    from quorate.lecture import claims

    parts = [
        "# The lecture, claim by claim\n",
        "Each page is what `quorate lecture CLAIM` prints.\n",
    ]
    section = ""
    for claim in claims():
        if claim.section != section:
            section = claim.section
            parts.append(f"\n## {section}\n\n")
        parts.append(f"- [{claim.name}]({claim.name}.md): {claim.says}\n")
    return "".join(parts[:1]) + "\n" + "".join(parts[1:])


SIZES = ((2, 1), (3, 1), (5, 1), (5, 2), (10, 1), (10, 2))


COSTS = """# What the protocols cost

Every figure is measured on a run without failures, and is what the formula gives that
`quorate show` prints. What counts: `src/quorate/properties/cost.py`. Every size:
`quorate bench cost --all`.

{summary}
Messages/message delays/forced writes, where only a leader shares a node, with an acceptor:

{table}"""


def cost_page() -> str:
    """The page of what the protocols cost. Measures all of them, so this takes a while."""
    from quorate.protocols import all_protocols, settings_of
    from quorate.sim.quiet import size_rows, sizes

    shapes = [
        (each, faster)
        for each in all_protocols()
        if "participants" in sizes(each)
        for faster in ((False, True) if "faster" in sizes(each) else (False,))
    ]
    headings = ("participants, faults", *(each.name + ", faster" * fast for each, fast in shapes))
    lines: list[tuple[object, ...]] = []
    for participants, faults in SIZES:
        cells = [f"{participants}, {faults}"]
        for each, faster in shapes:
            asked = {"participants": participants, "faults": faults, "faster": faster}
            known = {**settings_of(each.worlds["main"]), **each.quiet, **asked}
            settings = {name: known[name] for name in sizes(each)}
            figures = [str(row.measured) for row in size_rows(each, settings)]
            cells.append("/".join(figures[:3]))
        lines.append(tuple(cells))
    summary = _block(_output(["bench", "cost"]))
    return COSTS.format(summary=summary, table=_table(headings, lines))


def _detectors() -> str:
    """The figures on record; a test measures a part of them again."""
    import msgspec

    from quorate.cli.bench_detectors import Report, show

    recorded = (ROOT / "benchmarks" / "results" / "detectors.json").read_bytes()
    report = msgspec.json.decode(recorded, type=Report)
    return f"{DETECTORS}\n{_block(_printed(lambda: show(report)))}"


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


def _campaigns() -> str:
    """The page of what many seeds found, from the figures in benchmarks/results/."""
    found = {name: _result(name) for name in ("seeds", "ablation", "coverage")}
    parts = [
        "# What seeds find\n",
        "Made by `make nightly`, from `benchmarks/results/`. Machine: "
        f"{found['seeds']['machine']}.\n",
        "## No violation\n",
        f"`{found['seeds']['command']}`\n",
        _table(
            ("protocol", "seeds", "deliveries", "violations"),
            [
                (each["protocol"], each["seeds"], each["deliveries"], len(each["failures"]))
                for each in found["seeds"]["rows"]
            ],
        ),
        "## Each guard removed\n",
        "How many seeds it takes until one breaks the property that the guard is there for, with "
        "the order of messages drawn in either way, and how few steps then show it. Where no seed "
        "of 1,000 does, the checker does: `quorate check PROTOCOL --mutants`.\n",
        f"`{found['ablation']['command']}`\n",
        _table(
            ("protocol", "guard removed", "seeds, random", "seeds, pct", "steps"),
            _hunts(found["ablation"]["rows"]),
        ),
        "## States visited\n",
        "How much seeds see of what the checker reaches in each `small` world "
        "(`quorate simulate PROTOCOL --world small --coverage`). In any but the smallest it is "
        "little: seeds sample what the checker exhausts.\n",
        _table(
            ("protocol", "seeds", "reachable states", "visited", "share", "state × fault pairs"),
            [
                (
                    each["protocol"],
                    each["seeds"],
                    each["reachable"],
                    each["visited"],
                    f"{each['share']:.1%}",
                    f"{each['pairs']} of {each['pairs_possible']}",
                )
                for each in found["coverage"]["rows"]
            ],
        ),
    ]
    return "\n".join(parts)


def _hunts(found: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    import msgspec

    from quorate.sim.ablation import Hunt, by_mutant

    rows: list[tuple[object, ...]] = []
    for names, hunts in by_mutant(msgspec.convert(found, list[Hunt])).items():
        seeds = [hunts[how].seed for how in ("random", "pct")]
        small = min((h.shrunk for h in hunts.values() if h.shrunk is not None), default="–")
        cells = ["–" if seed is None else seed + 1 for seed in seeds]
        rows.append((*names, *cells, small))
    return rows


def _result(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (ROOT / "benchmarks" / "results" / f"{name}.json").read_text()
    )
    return found


def _table(headings: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    """A table in Markdown; numbers get their thousands marked, and stand to the right."""
    told = [[f"{c:,}" if isinstance(c, int) else str(c) for c in row] for row in rows]
    first = rows[0] if rows else headings
    marks = ["---:" if isinstance(cell, int) else "---" for cell in first]
    lines = [headings, marks, *told]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def makers() -> Mapping[str, Callable[[], str]]:
    """Path from the root of the project to what makes the text that belongs there."""
    from quorate.protocols import names

    return {
        "docs/glossary.md": _glossary,
        "docs/reference/cli.md": _cli,
        "docs/reference/detectors.md": _detectors,
        "docs/reference/what-seeds-find.md": _campaigns,
        "docs/lecture/index.md": _lecture,
        "docs/protocols/index.md": _catalogue,
        **{f"docs/protocols/{name}.md": partial(_protocol, name) for name in names()},
    }


def pages() -> Mapping[str, str]:
    """Path from the root of the project to the text that belongs there."""
    return {name: make() for name, make in makers().items()}


def write() -> None:
    """Write every page anew, and remove those of what is gone."""
    from quorate.lecture import claims

    made = {**pages(), "docs/reference/cost.md": cost_page()}
    for claim in claims():
        made[f"docs/lecture/{claim.name}.md"] = lecture_page(claim.name)
    for folder in ("protocols", "lecture"):
        (ROOT / "docs" / folder).mkdir(exist_ok=True)
        for path in (ROOT / "docs" / folder).glob("*.md"):
            if str(path.relative_to(ROOT)) not in made:
                path.unlink()
    for name, text in made.items():
        (ROOT / name).write_text(text)


if __name__ == "__main__":
    write()
