"""Chrome's trace event format, which Perfetto and chrome://tracing open.

Source: Google, Trace Event Format. A node is a process with one thread; a step is a complete event
(X); a message is a flow (s, f) whose ends lie within the two steps; facts and crashes are instants.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from quorate.kernel import Crash, brief, core
from quorate.traces.clocks import lamport_clocks, vector_clocks
from quorate.traces.spacetime import SpaceTime, Step

STEP_US = 1
"""Steps take no time; each is drawn as long as the clock's unit."""


def chrome(diagram: SpaceTime) -> str:
    """The trace; steps have their logical clocks. Those that share a microsecond on a node are put
    one after the other."""
    header = {name: str(value) for name, value in msgspec.structs.asdict(diagram.header).items()}
    data = {"displayTimeUnit": "ms", "otherData": header, "traceEvents": [*_events(diagram)]}
    return msgspec.json.encode(data).decode() + "\n"


def _events(diagram: SpaceTime) -> Iterator[dict[str, Any]]:
    for node, name in enumerate(diagram.nodes[: diagram.inside]):
        for key, args in (
            ("process_name", {"name": name}),
            ("process_sort_index", {"sort_index": node}),
        ):
            yield {"ph": "M", "name": key, "pid": node + 1, "args": args}
    starts = _starts(diagram)
    stamps = zip(lamport_clocks(diagram), vector_clocks(diagram), strict=True)
    for step, start, (time, vector) in zip(diagram.steps, starts, stamps, strict=True):
        clocks = {"lamport": time, "vector": dict(zip(diagram.nodes, vector, strict=False))}
        yield from _step(diagram, step, start, clocks)
    for number, message in enumerate(diagram.messages):
        if message.sent is None or message.received is None or message.local:
            continue
        ends: list[tuple[str, int, dict[str, str]]]
        ends = [("s", message.sent, {}), ("f", message.received, {"bp": "e"})]
        for phase, index, more in ends:
            yield {
                "ph": phase,
                "id": number + 1,
                "cat": "message",
                "name": message.name,
                "pid": diagram.steps[index].node + 1,
                "tid": 1,
                "ts": starts[index],
                **more,
            }
    for note in diagram.notes:
        place = {"pid": 1, "tid": 1, "ts": note.at_us}
        yield {"ph": "i", "s": "g", "name": note.note, "cat": "fault", **place}


def _starts(diagram: SpaceTime) -> list[int]:
    """When each step begins, in µs: after the one before on its node, and no sooner than what it
    received was sent, since some viewers refuse flows that go back in time."""
    scale = 1 if diagram.timed else 1000
    free = [0] * diagram.inside
    starts: list[int] = []
    for step in diagram.steps:
        start = max(step.at_us * scale, free[step.node])
        if step.received is not None:
            sent = diagram.messages[step.received].sent
            if sent is not None:
                start = max(start, starts[sent] + STEP_US)
        starts.append(start)
        free[step.node] = start + STEP_US
    return starts


def _step(
    diagram: SpaceTime, step: Step, start: int, clocks: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    place = {"pid": step.node + 1, "tid": 1, "ts": start}
    args = {"changes": list(step.changes), "does": list(step.done), **clocks}
    yield {"ph": "X", "dur": STEP_US, "cat": "step", "name": step.title, "args": args, **place}
    if isinstance(core(step.event), Crash):
        yield {"ph": "i", "s": "p", "cat": "fault", "name": "crash", **place}
    for role, fact in step.facts:
        yield {"ph": "i", "s": "t", "cat": "fact", "name": f"{role}: {brief(fact)}", **place}
    for number in step.sent:
        message = diagram.messages[number]
        if message.received is None and message.target < diagram.inside and not message.local:
            name = f"{message.name} to {message.to} never arrives"
            yield {"ph": "i", "s": "t", "cat": "lost", "name": name, **place}
