"""Why three generals cannot agree if one may lie: `quorate impossible`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quorate.cli import terminal
from quorate.kernel import Header, UsageError, brief
from quorate.protocols import build_world, settings_of, worlds_of

if TYPE_CHECKING:
    from quorate.check.hexagon import Scene

INPUTS = "order=attack,retreat"
THREE = "three"
app = typer.Typer()


@app.command("impossible")
def impossible_command(
    protocol: Annotated[
        str | None,
        typer.Argument(metavar="PROTOCOL", help="One for three, to refute. Or a file: FILE.py."),
    ] = None,
    world: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"Default: {THREE}, or else main.")
    ] = None,
    settings: terminal.Settings = [],  # noqa: B006 - Typer copies it
    inputs: Annotated[
        str | None,
        typer.Option(metavar="NAME=A,B", help=f"The two values of a setting; {INPUTS}."),
    ] = None,
    trace: terminal.TraceFile = None,
    json: terminal.Json = False,
) -> int:
    """No three can agree if one of them may lie: count all short protocols, or refute yours.

    Without PROTOCOL: every deterministic protocol of two rounds, and how many withstand a traitor.
    With it: what a traitor has to say, after Fischer, Lynch and Merritt, who let six copies of the
    three run in a ring; and the run in which he says it. The exit code is 2 if there is none.
    """
    if protocol is None:
        if world or settings or inputs or trace:
            raise UsageError("name a PROTOCOL to refute, or leave out all options but --json")
        return _census(json)
    # Imported late: most commands can do without the checker.
    from quorate.check.hexagon import hexagon

    headers = _headers(protocol, world, terminal.parse_settings(settings), inputs)
    one, two = (build_world(each.protocol, each.world, each.settings) for each in headers)
    scenes = hexagon((one, two), headers)
    broken = next((scene for scene in scenes if scene.staged and scene.staged.violated), None)
    if broken is not None and broken.staged is not None and trace is not None:
        terminal.write_trace(broken.staged.trace, trace)
    if json:
        terminal.print_json(_data(scenes, broken, headers))
    else:
        _report(scenes, broken, headers)
    return 0 if broken else 2


def _census(json: bool) -> int:
    from quorate.check.census import census

    found = census()
    rows = {
        "there are": found.protocols,
        "withstand any one traitor": found.survive,
        "let two who are loyal disagree, and no more": found.disagree,
        "disobey a commander who is loyal, and no more": found.disobey,
        "do both": found.both,
    }
    if json:
        terminal.print_json(found)
    else:
        terminal.say(
            "Deterministic protocols of two rounds for a commander and two lieutenants, one of "
            "whom may be a traitor, with orders of one bit:"
        )
        print()
        terminal.table(("", "protocols"), [(name, f"{n:,}") for name, n in rows.items()])
        print()
        terminal.say("For one of any length: quorate impossible PROTOCOL")
    return 0 if found.survive == 0 else 1


def _headers(
    protocol: str, world: str | None, settings: Mapping[str, str], inputs: str | None
) -> tuple[Header, Header]:
    worlds = worlds_of(protocol)
    name = world or (THREE if THREE in worlds else "main")
    if name in worlds and inputs is None and "order" not in settings_of(worlds[name]):
        raise UsageError(
            f"say which setting is the input, and two values of it: --inputs NAME=A,B; "
            f"world {name} has {', '.join(settings_of(worlds[name])) or 'no settings'}"
        )
    setting, equals, values = (inputs or INPUTS).partition("=")
    pair = values.split(",")
    if not (setting and equals and len(pair) == 2):
        raise UsageError(f"--inputs takes NAME=A,B, not {inputs!r}")
    one, two = (
        Header(
            protocol=protocol, world=name, settings={**settings, setting: value}, executor="check"
        )
        for value in pair
    )
    return one, two


def _report(
    scenes: tuple[Scene, ...], broken: Scene | None, headers: tuple[Header, Header]
) -> None:
    terminal.table(
        ("traitor", "loyal", "input", "what comes of it"),
        [
            (scene.traitor, " ".join(scene.loyal), _input(scene, headers), _outcome(scene))
            for scene in scenes
        ],
    )
    print()
    if broken is None or broken.staged is None:
        return terminal.say("None of these breaks a promise.")
    terminal.say(
        f"{broken.traitor} is the traitor, and breaks: {', '.join(broken.staged.violated)}. "
        "He says:"
    )
    for to, message in broken.staged.lies[broken.traitor]:
        print(f"  → {to} {brief(message)}")
    print()
    terminal.draw(broken.staged.trace)
    print()
    terminal.narrate(terminal.lines_of(broken.staged.trace), None, "")
    return None


def _input(scene: Scene, headers: tuple[Header, Header]) -> str:
    """What the two inputs differ in."""
    other = headers[1 - scene.input].settings
    mine = headers[scene.input].settings
    return ", ".join(f"{key}={value}" for key, value in mine.items() if other[key] != value)


def _outcome(scene: Scene) -> str:
    if scene.staged is None:
        return f"cannot be played: {scene.obstacle.removeprefix('byzantine: ')}"
    return f"breaks {', '.join(scene.staged.violated)}" if scene.staged.violated else "holds"


def _data(
    scenes: tuple[Scene, ...], broken: Scene | None, headers: tuple[Header, Header]
) -> dict[str, Any]:
    return {
        "refuted": broken is not None,
        "traitor": broken.traitor if broken else None,
        "violated": broken.staged.violated if broken and broken.staged else (),
        "says": broken.staged.trace.header.lies if broken and broken.staged else {},
        "scenes": [
            {
                "traitor": scene.traitor,
                "loyal": scene.loyal,
                "input": _input(scene, headers),
                "outcome": _outcome(scene),
            }
            for scene in scenes
        ],
    }
