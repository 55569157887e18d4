"""The catalogue: `quorate protocols`, `quorate show`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from quorate.cli import terminal
from quorate.kernel import UsageError
from quorate.mutants import find_mutants
from quorate.properties.cost import QUANTITIES, formulas
from quorate.protocols import (
    SECTIONS,
    Protocol,
    all_protocols,
    find,
    settings_of,
    sources,
)
from quorate.sim.quiet import expected, quiet_diagram
from quorate.traces.meter import measure
from quorate.traces.spacetime import SpaceTime
from quorate.traces.text import text_diagram

LISTED = ("Roles", "Messages", "Stable")
app = typer.Typer()


@app.command()
def protocols(json: terminal.Json = False) -> None:
    """List the protocols: where the lecture has them, their model, quorum and cost."""
    rows = [_listed(each) for each in all_protocols()]
    if json:
        return terminal.print_json(rows)
    for row in rows:
        terminal.say(f"{row['name']}: {row['summary']}")
        for key in ("lecture", "model", "quorum", "cost"):
            text = "; ".join(row[key]) if isinstance(row[key], list) else row[key]
            terminal.entry(key, text or "–", len("lecture"))
        print()


def _listed(protocol: Protocol) -> dict[str, Any]:
    # Here, since no other command of this file needs what claims need, which takes a while to load.
    from quorate.lecture import claims

    sections = [claim.section for claim in claims() if protocol.name in claim.protocols]
    return {
        "name": protocol.name,
        "summary": protocol.summary,
        "lecture": list(dict.fromkeys(sections)),
        **{name.lower(): protocol.sections[name] for name in ("Model", "Quorum", "Cost")},
    }


@app.command()
def show(
    protocol: terminal.ProtocolName,
    source: Annotated[bool, typer.Option("--source", help="Print its code instead.")] = False,
    json: terminal.Json = False,
) -> None:
    """Describe a protocol: messages, promises, cost, and a run without failures."""
    found = find(protocol)
    if source and json:
        raise UsageError("--source and --json exclude each other")
    if source:
        return print("\n\n".join(path.read_text() for path in sources(found)), end="")
    if json:
        return terminal.print_json(_data(found))
    terminal.say(f"{found.title}: {found.summary}")
    for section in SECTIONS:
        _section(found, section)
    print()
    print("Worlds")
    for name, maker in found.worlds.items():
        settings = " ".join(f"{key}={value}" for key, value in settings_of(maker).items())
        terminal.entry(name, settings, max(map(len, found.worlds)))
    mutants = find_mutants(protocol)
    if mutants:
        print()
        print("Mutants")
        for mutant in mutants:
            terminal.entry(mutant.name, mutant.breaks, max(len(m.name) for m in mutants))
    print()
    print("A run without failures")
    diagram = quiet_diagram(found)
    print(text_diagram(diagram, terminal.width()))
    print()
    terminal.say(_costs(found, diagram))


def _section(protocol: Protocol, section: str) -> None:
    if section in LISTED:
        entries = protocol.entries(section)
        print()
        print(section)
        for name, text in entries.items():
            terminal.entry(name, text, max(map(len, entries)))
        if not entries:
            terminal.say(f"  {protocol.sections[section]}")
    else:
        if section in ("Problem", "Guarantees"):
            print()
        column = max(map(len, SECTIONS))
        text = protocol.sections[section]
        terminal.entry(section, text, column)


def _costs(protocol: Protocol, diagram: SpaceTime) -> str:
    """What the run cost, and whether the formula says so too."""
    formula = expected(protocol, {})
    measured = measure(diagram, formula.counted)
    parts = [f"{getattr(measured, name)} {words}" for name, words in QUANTITIES.items()]
    right = all(getattr(measured, name) == formula.exact(name) for name in QUANTITIES)
    verdict = "as the formula says" if right else f"but the formula gives {formula}"
    return f"It costs {', '.join(parts)}, {verdict}."


def _data(protocol: Protocol) -> dict[str, Any]:
    sections: dict[str, Any] = dict(protocol.sections)
    sections.update((section, protocol.entries(section)) for section in LISTED)
    return {
        "name": protocol.name,
        "title": protocol.title,
        "summary": protocol.summary,
        "sections": sections,
        "cost": formulas(protocol.cost),
        "properties": [{"name": p.name, "kind": p.kind.value} for p in protocol.properties],
        "worlds": {name: settings_of(maker) for name, maker in protocol.worlds.items()},
        "mutants": [
            {"name": m.name, "breaks": m.breaks, "kills": m.kills}
            for m in find_mutants(protocol.name)
        ],
    }
