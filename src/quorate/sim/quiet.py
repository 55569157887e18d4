"""The run of a protocol in which nothing fails, and what it costs beside its formula."""

from __future__ import annotations

import itertools
import typing
from collections.abc import Iterator, Mapping, Sequence
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
"""How much larger than its default each size is made, but for those of RANGES."""

RANGES: Mapping[str, Sequence[int]] = {"participants": range(2, 9), "faults": range(4)}
"""The values that a size of that name is given."""

NODES = ("participants", "nodes", "acceptors", "senders")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity of one run: what was measured, and what the protocol's formula gives.

    `participants`: how many take part, whatever the protocol calls them; `faults`: how many of its
    acceptors may stop (0: any stop may keep it waiting). `exception`: by how much the formula had
    to be corrected in a size so small that it does not hold; 0 nearly everywhere.
    """

    protocol: str
    participants: int
    faults: int
    colocated: bool
    quantity: str
    measured: int
    formula: int
    exception: int
    settings: dict[str, Any]


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
    return protocol.cost(**{name: known[name] for name in sizes(protocol)})


def cost_rows(protocol: Protocol, ranges: Mapping[str, Sequence[int]] = RANGES) -> Iterator[Row]:
    """Measure quiet runs of many sizes; sizes that the world refuses are left out."""
    choices = [_range(protocol, name, kind, ranges) for name, kind in sizes(protocol).items()]
    for values in itertools.product(*choices):
        try:
            yield from size_rows(protocol, dict(zip(sizes(protocol), values, strict=True)))
        except UsageError:
            continue


def size_rows(protocol: Protocol, settings: dict[str, Any]) -> Iterator[Row]:
    """Measure the quiet run of one size; and, for write delays, that in which all participants
    prepare without being asked. Raises UsageError for a size that the world refuses."""
    formula = expected(protocol, settings)
    nodes = next((settings[name] for name in NODES if name in settings), 0)
    majority = (nodes - 1) // 2 if "2f + 1" in protocol.sections["Model"] else 0

    def row(quantity: str, measured: int, exact: int, exception: int) -> Row:
        return Row(
            protocol=protocol.name,
            participants=nodes,
            faults=settings.get("faults", majority),
            colocated=settings.get("colocated", False),
            quantity=quantity.replace("_", " "),
            measured=measured,
            formula=exact,
            exception=exception,
            settings=settings,
        )

    measured = measure(quiet_diagram(protocol, settings), formula.counted)
    for name in QUANTITIES:
        exact = formula.exact(name)
        yield row(name, getattr(measured, name), exact, exact - getattr(formula, name))
    if formula.spontaneous_write_delays is not None:
        measured = measure(quiet_diagram(protocol, settings | {"spontaneous": True}))
        name, exact = "spontaneous_write_delays", formula.spontaneous_write_delays
        yield row(name, measured.write_delays, exact, 0)


def sizes(protocol: Protocol) -> dict[str, Any]:
    """The settings that the formula depends on, with their types."""
    hints = typing.get_type_hints(protocol.cost)
    return {name: kind for name, kind in hints.items() if name != "return"}


def _range(
    protocol: Protocol, name: str, kind: Any, ranges: Mapping[str, Sequence[int]]
) -> Sequence[Any]:
    if name in ranges:
        return ranges[name]
    if kind is bool:
        return (False, True)
    if kind is not int:
        return tuple(kind)  # an enumeration
    default = {**settings_of(protocol.worlds["main"]), **protocol.quiet}[name]
    return tuple(default + more for more in SIZES if default + more >= 1)
