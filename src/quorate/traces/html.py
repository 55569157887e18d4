"""The space-time diagram as one HTML page that holds everything it needs.

The page (viewer.html) draws what can be seen on a canvas, so that 100,000 steps open and scroll as
a hundred do. The diagram travels inside it as compressed JSON: columns of numbers, and each text
once.
"""

from __future__ import annotations

import base64
import html as escaping
import importlib.resources
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

from quorate.kernel import (
    Output,
    Send,
    Start,
    brief,
    core,
    unwrapped,
)
from quorate.traces.spacetime import SpaceTime, Step
from quorate.traces.words import told

KINDS = ("start", "restart", "receive", "timeout", "choice", "crash")
"""What a step can be; the page draws a sign for each."""


def html(diagram: SpaceTime) -> str:
    """The page."""
    page = importlib.resources.files(__package__).joinpath("viewer.html").read_text()
    packed = zlib.compress(msgspec.json.encode(_data(diagram)), 6)
    parts = {
        "TITLE": escaping.escape(f"{diagram.header.protocol}: {len(diagram.steps):,} steps"),
        "DATA": base64.b64encode(packed).decode(),
    }
    for name, text in parts.items():
        page = page.replace("{{" + name + "}}", text, 1)
    return page


class _Texts(dict[str, int]):
    """Each text once, by the number that stands for it."""

    def __missing__(self, text: str) -> int:
        self[text] = len(self)
        return self[text]


def _data(diagram: SpaceTime) -> dict[str, Any]:
    texts = _Texts()
    header = {
        name: value
        for name, value in msgspec.structs.asdict(diagram.header).items()
        if value not in (None, {}, ()) and name != "format"
    }
    steps, messages = diagram.steps, diagram.messages
    return {
        "header": {name: str(value) for name, value in _flat(header)},
        "violated": diagram.header.violated,
        "nodes": diagram.nodes,
        "inside": diagram.inside,
        "timed": diagram.timed,
        "notes": [[note.at_us, note.note] for note in diagram.notes],
        "kinds": KINDS,
        "at": _differences([step.at_us for step in steps]),
        "node": [step.node for step in steps],
        "kind": [_kind(step) for step in steps],
        "title": [texts[step.title] for step in steps],
        "received": [-1 if step.received is None else step.received for step in steps],
        "changes": [[texts[text] for text in step.changes] for step in steps],
        "done": [[texts[text] for text in _other(step)] for step in steps],
        "facts": [[texts[text] for text in _facts(step)] for step in steps],
        "sent": [-1 if m.sent is None else m.sent for m in messages],
        "arrived": [-1 if m.received is None else m.received for m in messages],
        "source": [m.source for m in messages],
        "target": [m.target for m in messages],
        "again": [number for number, m in enumerate(messages) if m.again],
        "name": [texts[m.name] for m in messages],
        "text": [texts[brief(m.msg)] for m in messages],
        "texts": list(texts),
    }


def _flat(header: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in header.items():
        if name == "settings":
            yield from value.items()
        else:
            yield name, value


def _differences(values: list[int]) -> list[int]:
    return [now - before for before, now in zip([0, *values], values, strict=False)]


def _kind(step: Step) -> int:
    event = core(step.event)
    if isinstance(event, Start):
        return KINDS.index("restart" if event.recovered else "start")
    return KINDS.index(type(event).__name__.lower())


def _facts(step: Step) -> Iterator[str]:
    for role, fact in step.facts:
        yield brief(fact) if role == step.role else f"{role}: {brief(fact)}"


def _other(step: Step) -> Iterator[str]:
    """What a step did besides sending and stating."""
    for effect in step.effects:
        if not isinstance(unwrapped(effect), Send | Output) and (line := told(effect)):
            yield line
