"""From what happened on the way to a state to the records of a trace."""

from __future__ import annotations

from quorate.check.engine import Way
from quorate.check.model import Local, Model
from quorate.kernel import Crash, Record, digest
from quorate.traces.words import describe


def retrace(model: Model, way: Way) -> tuple[Record, ...]:
    """Take every step of a way again, from boot images on, as a replay will."""
    here = [Local(boot) for boot in model.boots]
    records: list[Record] = []
    for process, happenings in way:
        for happening in happenings:
            me, before = model.boots[process].me, here[process]
            after, effects, _ = model.happen(process, before, happening)
            known = None if isinstance(happening, Crash) else before.actor
            line = describe(known, happening, after.actor, effects)
            if after.failure:
                line += f" | raised {after.failure}"
            records.append(Record(len(records), me, happening, digest(effects), line))
            here[process] = after
    return tuple(records)
