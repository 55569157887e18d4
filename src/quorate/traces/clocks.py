"""Logical clocks of a trace: times, later than those of all causes, and vectors, which tell which
steps can have influenced which.

Sources: Lamport, Time, Clocks, and the Ordering of Events in a Distributed System, CACM 21(7) 1978;
Mattern, Virtual Time and Global States of Distributed Systems, 1989; Fidge 1988.
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


def lamport_clocks(diagram: SpaceTime) -> list[int]:
    """A time for each step, by Lamport's rules; a message carries that of the step that sent it."""
    here, clocks = [0] * diagram.inside, list[int]()
    for step in diagram.steps:
        sent = None if step.received is None else diagram.messages[step.received].sent
        told = 0 if sent is None else clocks[sent]
        here[step.node] = max(here[step.node], told) + 1
        clocks.append(here[step.node])
    return clocks


def precedes(diagram: SpaceTime, clocks: list[Clock], first: int, second: int) -> bool:
    """Whether step `first` happened before step `second`, in Lamport's sense."""
    node = diagram.steps[first].node
    return first != second and clocks[first][node] <= clocks[second][node]
