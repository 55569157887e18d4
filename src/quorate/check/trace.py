"""From what happened on the way to a state to the records of a trace."""

from __future__ import annotations

from collections.abc import Iterator

from quorate.check.engine import Way
from quorate.check.local import Local
from quorate.check.model import Model
from quorate.kernel import (
    Crash,
    Event,
    For,
    Happening,
    Receive,
    Record,
    Timeout,
    address,
    core,
    digest,
)
from quorate.traces.words import describe


def retrace(model: Model, way: Way) -> tuple[Record, ...]:
    """Take every step of a way again, from boot images on, as a replay will."""
    here = [Local(boot) for boot in model.boots]
    records: list[Record] = []
    for process, happening in _in_full(model, way):
        me, before = model.boots[process].me, here[process]
        after, effects, _ = model.happen(process, before, happening)
        known = None if isinstance(happening, Crash) else before.actor
        line = describe(known, happening, after.actor, effects)
        if after.failure:
            line += f" | raised {after.failure}"
        records.append(Record(len(records), me, happening, digest(effects), line))
        here[process] = after
    return tuple(records)


def _in_full(model: Model, way: Way) -> Iterator[tuple[int, Happening]]:
    """What happened one by one; what a Byzantine process says, it says just before it is heard."""
    for process, happenings in way:
        for happening in happenings:
            event = happening.during if isinstance(happening, Crash) else happening
            told = core(event)
            if event is not None and isinstance(told, Receive):
                role = event.role if isinstance(event, For) else model.boots[process].me
                yield from _said(model, role, told)
            yield process, happening


def _said(model: Model, to: str, told: Receive) -> Iterator[tuple[int, Event]]:
    universe = model.world.byzantine.get(told.src, ())
    if (to, told.msg) in universe:
        traitor = model.world.hosts()[told.src]
        timer = Timeout(str(universe.index((to, told.msg))))
        yield traitor, address(model.boots[traitor], told.src, timer)
