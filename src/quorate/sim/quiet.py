"""The run of a protocol in which nothing fails, and what it costs beside its formula."""

from __future__ import annotations

import itertools
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from quorate.kernel import Header, Trace, UsageError, World
from quorate.properties.cost import QUANTITIES, Cost
from quorate.protocols import Protocol, build_world, settings_of
from quorate.sim.faults import Faults
from quorate.sim.run import simulate
from quorate.traces.meter import measure
from quorate.traces.spacetime import SpaceTime, retell

SIZES = (-1, 0, 1, 2, 4)
"""How much larger than its default each size is made."""


class Row(msgspec.Struct, frozen=True):
    """One quantity of one run: what was measured, and what the protocol's formula gives."""

    protocol: str
    settings: dict[str, Any]
    quantity: str
    measured: int
    formula: int


def quiet_run(protocol: Protocol, settings: Mapping[str, object] = {}) -> tuple[World, Trace]:
    """A run in which nothing fails and messages take 1 ms, up to the last fact that it states."""
    chosen = {**protocol.quiet, **settings}
    world = build_world(protocol.name, settings=chosen)
    header = Header(protocol=protocol.name, settings=chosen, executor="sim")
    faults = Faults(unsafe_ms=0, delay_us=(1_000, 1_000))
    trace = simulate(world, seed=0, faults=faults, header=header).trace
    assert trace is not None  # a run with a header is traced
    stated = [
        index for index, step in enumerate(retell(trace, world.processes).steps) if step.facts
    ]
    return world, Trace(header, trace.records[: stated[-1] + 1 if stated else None])


def quiet_diagram(protocol: Protocol, settings: Mapping[str, object] = {}) -> SpaceTime:
    """The space-time diagram of the quiet run."""
    world, trace = quiet_run(protocol, settings)
    return retell(trace, world.processes)


def expected(protocol: Protocol, settings: Mapping[str, object]) -> Cost:
    """What the formula gives."""
    known = {**settings_of(protocol.worlds["main"]), **protocol.quiet, **settings}
    return protocol.cost(**{name: known[name] for name in _sizes(protocol)})


def cost_rows(protocol: Protocol) -> Iterator[Row]:
    """Measure quiet runs of many sizes; sizes that the world refuses are left out."""
    ranges = [_range(protocol, name, kind) for name, kind in _sizes(protocol).items()]
    for values in itertools.product(*ranges):
        settings = dict(zip(_sizes(protocol), values, strict=True))
        try:
            formula = expected(protocol, settings)
            measured = measure(quiet_diagram(protocol, settings), formula.counted)
        except UsageError:
            continue
        for name, words in QUANTITIES.items():
            yield Row(
                protocol.name, settings, words, getattr(measured, name), getattr(formula, name)
            )


def _sizes(protocol: Protocol) -> dict[str, Any]:
    """The settings that the formula depends on, with their types."""
    hints = typing.get_type_hints(protocol.cost)
    return {name: kind for name, kind in hints.items() if name != "return"}


def _range(protocol: Protocol, name: str, kind: Any) -> tuple[Any, ...]:
    if kind is bool:
        return (False, True)
    if kind is not int:
        return tuple(kind)  # an enumeration
    default = {**settings_of(protocol.worlds["main"]), **protocol.quiet}[name]
    return tuple(default + more for more in SIZES if default + more >= 1)
