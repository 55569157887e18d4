"""ShiViz logs: one line for each step, with its vector clock.

Source: Beschastnikh et al., Visualizing Distributed System Executions, TOSEM 29(2) 2020; the rules
are those of ShiViz's parser (github.com/DistributedClocks/shiviz, js/model/parser.js). ShiViz
draws arrows from clocks alone: each node's own entries count 1, 2, 3, …, and whoever is named in a
clock logs steps itself. A message's text is therefore part of the steps at its ends.
"""

from __future__ import annotations

import msgspec

from quorate.kernel import core
from quorate.traces.clocks import vector_clocks
from quorate.traces.spacetime import SpaceTime

REGEX = r"(?<host>\S+) (?<clock>\{[^}]*\}) t=(?<time>\S+) kind=(?<kind>\S+) (?<event>.*)"
"""The first line of the file, which tells ShiViz how to read the others."""


def shiviz(diagram: SpaceTime) -> str:
    """The log; its second line, empty, says that the file holds one execution."""
    hosts = ["_".join(name.split()) for name in diagram.nodes]
    lines = [REGEX, ""]
    for step, clock in zip(diagram.steps, vector_clocks(diagram), strict=True):
        entries = {hosts[node]: count for node, count in enumerate(clock) if count}
        kind = type(core(step.event)).__name__.lower()
        time = f"{step.at_us / 1000:.3f}" if diagram.timed else str(step.at_us)
        text = " ".join(step.line.split())
        shown = msgspec.json.encode(entries).decode()
        lines.append(f"{hosts[step.node]} {shown} t={time} kind={kind} {text}")
    return "\n".join(lines) + "\n"
