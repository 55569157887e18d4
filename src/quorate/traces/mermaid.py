"""Mermaid sequence diagrams, which Markdown pages show.

Source: mermaid.js.org/syntax/sequenceDiagram. A message stands where it arrives, or, with a cross,
where it was sent if it never does.
"""

from __future__ import annotations

from collections.abc import Iterator

from quorate.kernel import Crash, Start, Timeout, brief, core
from quorate.traces.spacetime import Sent, SpaceTime, Step

_SPECIAL = {"#": "#35;", ";": "#59;", "%": "#37;", "<": "#lt;", ">": "#gt;"}


def mermaid(diagram: SpaceTime) -> str:
    """The diagram."""
    lines = ["sequenceDiagram"]
    lines += [f"  participant N{i} as {_text(name)}" for i, name in enumerate(diagram.nodes)]
    notes = list(diagram.notes)
    ends = f"N0,N{len(diagram.nodes) - 1}" if len(diagram.nodes) > 1 else "N0"
    for step in diagram.steps:
        while notes and notes[0].at_us <= step.at_us:
            lines.append(f"  note over {ends}: {_text(notes.pop(0).note)}")
        lines += _step(diagram, step)
    return "\n".join(lines) + "\n"


def _step(diagram: SpaceTime, step: Step) -> Iterator[str]:
    received = None if step.received is None else diagram.messages[step.received]
    if received is not None and not received.local:
        yield _arrow(received, "-->>" if received.again else "->>")
    event = core(step.event)
    if isinstance(event, Crash):
        yield _note(step, step.title)
    elif isinstance(event, Start) and event.recovered:
        yield _note(step, "restart")
    elif isinstance(event, Timeout):
        yield _note(step, f"time-out {event.timer}")
    for role, fact in step.facts:
        yield _note(step, brief(fact) if role == step.role else f"{role}: {brief(fact)}")
    for number in step.sent:
        message = diagram.messages[number]
        if message.received is None and not message.local:
            yield _arrow(message, "-x")


def _arrow(message: Sent, stroke: str) -> str:
    return f"  N{message.source}{stroke}N{message.target}: {_text(brief(message.msg))}"


def _note(step: Step, text: str) -> str:
    return f"  note over N{step.node}: {_text(text)}"


def _text(text: str) -> str:
    """Text in which nothing ends the line or begins a comment."""
    return "".join(_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))
