"""Vector clocks: which steps can have influenced which.

Source: Mattern, Virtual Time and Global States of Distributed Systems, 1989; Fidge 1988.
"""

from __future__ import annotations

from quorate.traces.spacetime import SpaceTime

Clock = tuple[int, ...]
"""For each node of the diagram, how many of its steps can have had an influence."""


def vector_clocks(diagram: SpaceTime) -> list[Clock]:
    """A clock for each step; a message carries the clock of the step that sent it."""
    here: list[Clock] = [(0,) * diagram.inside] * diagram.inside
    clocks: list[Clock] = []
    for step in diagram.steps:
        clock = list(here[step.node])
        if step.received is not None:
            sent = diagram.messages[step.received].sent
            if sent is not None:
                clock = list(map(max, clock, clocks[sent]))
        clock[step.node] += 1
        here[step.node] = tuple(clock)
        clocks.append(here[step.node])
    return clocks


def precedes(diagram: SpaceTime, clocks: list[Clock], first: int, second: int) -> bool:
    """Whether step `first` happened before step `second`, in Lamport's sense."""
    node = diagram.steps[first].node
    return first != second and clocks[first][node] <= clocks[second][node]
