"""Run a recorded trace again, step by step, and see whether everything comes out the same."""

from __future__ import annotations

from typing import Any

import msgspec

from quorate.kernel import (
    Crash,
    Header,
    Kind,
    Record,
    Trace,
    UsageError,
    World,
    digest,
)
from quorate.properties.repetition import repeats
from quorate.sim.judge import NO_DEADLOCK
from quorate.sim.stage import Impossible, Stage
from quorate.traces.life import unheard
from quorate.traces.words import describe

JUDGE_EVERY = 64


class Replay(msgspec.Struct, frozen=True):
    """What came of a replay: the property that broke, the first record that came out otherwise,
    and a line for each step that did not."""

    violated: str | None
    steps: int
    difference: str | None
    lines: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """ "differs", or else how the run ended: "holds" or "violated"."""
        return "differs" if self.difference else "violated" if self.violated else "holds"


def _again(stage: Stage, record: Record, heard: bool) -> str:
    """The line of a record that happens once more. Raises Impossible if it comes out otherwise."""
    step = stage.happen(record.node, record.event, heard)
    if step.error is not None:
        return f"{record.node} raised {step.error!r}"
    if isinstance(record.event, Crash):
        return describe(None, record.event, step.after, ())
    if digest(step.effects) != record.digest:
        raise Impossible("its effects differ from those recorded")
    return describe(step.before, record.event, step.after, step.effects)


def _end(world: World, stage: Stage, header: Header) -> str | None:
    """Judge how it ended; the difference from what the header says, if any. Of the properties that
    broke, the one that the header names counts."""
    judge, name = stage.judge, header.violated
    judge.states()
    kinds = {prop.name: prop.kind for prop in world.properties}
    if judge.violated is None and (kinds.get(name or "") is not Kind.AT_REST or stage.at_rest()):
        judge.ended(name)
    if name in judge.broken:
        judge.violated = name
    if (name or "").startswith(NO_DEADLOCK):
        return None  # what happens within the network leaves no record: only what it led to
    if name not in (None, judge.violated):
        return f"the end: {name} is not violated here, as the trace says it was"
    return None


def replay(world: World, trace: Trace) -> Replay:
    """Run `trace` again in `world`: stops at the first record that comes out otherwise.

    A run that repeats itself must end as it was when its loop began, but for how high its rounds
    are.
    """
    loop = -1 if trace.header.loop is None else trace.header.loop
    begun: Any = None
    stage = Stage(world)
    silent = unheard(trace.records)
    lines: list[str] = []
    for index, record in enumerate(trace.records):
        begun = stage.state() if index == loop else begun
        try:
            lines.append(_again(stage, record, index not in silent))
        except (Impossible, UsageError) as problem:
            where = f"record {index + 1}, {record.node}: {problem}"
            return Replay(stage.judge.violated, index + 1, where, tuple(lines))
        if index % JUDGE_EVERY == JUDGE_EVERY - 1:
            stage.judge.states()
    difference = _end(world, stage, trace.header)
    if begun is not None and not repeats(begun, stage.state(), world.rounds):
        difference = difference or f"the end: it is not as it was before record {loop + 1}"
    return Replay(stage.judge.violated, len(lines), difference, tuple(lines))
