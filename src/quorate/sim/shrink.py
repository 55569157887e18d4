"""From a failing trace to a small one that fails in the same way.

Oracle       the same property is violated; the run itself may be another
Steps        chunks of steps are dropped, then single steps, until no step can go; whatever depends
             on a step that is gone goes with it, or becomes what it would have been without it
Crashes      lose no more than they must, and come no earlier than they must
Settings     each number of the world is lowered as far as the failure allows
At rest      the end must be at rest: nothing armed, and whatever has yet to arrive changes nothing
Eventually   after the steps that are kept, faults cease and the world goes on under a fair schedule
             as in the simulator, with every message that the first run did not lose; the property
             must still not come to hold. What then happened ends the trace: up to the first state
             that comes twice, if there is one, since the same may then go on for ever.
Synchronous  nothing goes: in that model no message is late, so that a run without a step of this
             one might not be possible
Source       Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE TSE
             28(2) 2002; Scott et al., Minimizing Faulty Executions, NSDI 2016
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from quorate.adversary import arm
from quorate.kernel import Crash, Kind, Record, Trace, UsageError, World
from quorate.protocols import build_world, settings_of, world_maker
from quorate.sim.healing import Lost, comes_to_hold, ending
from quorate.sim.judge import NO_DEADLOCK
from quorate.sim.script import (
    Entry,
    Performed,
    Script,
    common,
    is_timed,
    perform,
    recorded,
    script_of,
)
from quorate.sim.stage import Impossible

Build = Callable[[Mapping[str, Any]], World]
Progress = Callable[[int, int], None]
SHORT = 20  # steps: as many as a person can follow, so that it is not worth looking further
PAIRS_MAX = 60


class Shrunk(msgspec.Struct, frozen=True, kw_only=True):
    """A small trace: how many steps there were before; how many there are after, not counting
    those that show, once faults have ceased, that nothing further comes of it; and how many runs it
    took to find it."""

    trace: Trace
    before: int
    after: int
    runs: int


def shrink(trace: Trace, progress: Progress | None = None) -> Shrunk:
    """A small trace that violates the property that `trace` names, in the world that its header
    names; who recorded it does not matter.

    `progress` is told of runs and steps. Raises UsageError for a trace that violates nothing, or
    that does not replay.
    """
    header = trace.header
    taken = settings_of(world_maker(header.protocol, header.world, header.mutant))
    numbers = {
        name: int(header.settings.get(name, value))
        for name, value in taken.items()
        if type(value) is int
    }

    def build(changed: Mapping[str, Any]) -> World:
        settings = {**header.settings, **changed}
        world = build_world(header.protocol, header.world, settings, header.mutant)
        return arm(world, header.adversaries)

    return shrink_in(build, trace, numbers, progress)


def shrink_in(
    build: Build,
    trace: Trace,
    numbers: Mapping[str, int] = {},
    progress: Progress | None = None,
) -> Shrunk:
    """The same in a world of any origin: `build` makes it, with some of its `numbers`, which are
    settings as the trace was made with, lowered."""
    return _Search(build, trace, numbers, progress).run()


class _Search:
    def __init__(
        self,
        build: Build,
        trace: Trace,
        numbers: Mapping[str, int],
        progress: Progress | None,
    ) -> None:
        name = trace.header.violated
        if name is None:
            raise UsageError("this trace violates nothing: there is nothing to shrink")
        if name.startswith(NO_DEADLOCK):
            raise UsageError("a deadlock of links leaves no steps behind that could be dropped")
        if trace.header.loop is not None:
            raise UsageError(
                "a run that repeats itself breaks its promise by going on: see it whole"
            )
        self._build, self._trace, self._progress = build, trace, progress
        self._left = dict(numbers)
        self._changed: dict[str, int] = {}
        self._world = build({})
        self._name = common(name)
        of_kind = {prop.name: prop.kind for prop in self._world.properties}
        self._kind = of_kind.get(name, Kind.ALWAYS)
        self._eager = any(
            prop.states and prop.kind is Kind.ALWAYS for prop in self._world.properties
        )
        self._timed = is_timed(self._world)
        self._runs = 0
        self._best: Performed
        self._lost = Lost()

    def run(self) -> Shrunk:
        try:
            script = script_of(self._world, self._trace)
        except Impossible as problem:
            raise UsageError(f"the trace does not replay: {problem}") from None
        arrived = {entry.cause for entry in script}
        whole = perform(self._world, script, self._name, self._eager)
        players = whole.stage.players.values()
        self._lost = Lost(
            frozenset(ref for ref in whole.refs if ref not in arrived),
            frozenset(each.boot.me for each in players if each.started and not each.up),
        )
        if not self._try(script):
            raise UsageError(f"the trace does not violate {self._name} when it is run again")
        if self._world.synchronous:
            return self._result()
        self._nodes()
        self._chunks()
        while self._singles() or self._crashes() or self._numbers() or self._pairs():
            pass
        self._tidy()
        return self._result()

    def _result(self) -> Shrunk:
        records = recorded(self._best, self._timed)
        kept = len(records)
        if self._kind is Kind.EVENTUALLY:
            records += _following(records, ending(self._world, self._best, self._lost), self._timed)
        header = self._trace.header
        named = msgspec.structs.replace(
            header,
            executor="shrink",
            settings={**header.settings, **self._changed},
            violated=self._violated(),
        )
        return Shrunk(
            trace=Trace(named, records),
            before=len(self._trace.records),
            after=kept,
            runs=self._runs,
        )

    def _violated(self) -> str:
        """The name in full, as it is in the run that was found."""
        broken = self._best.stage.judge.broken
        return next((name for name in sorted(broken) if common(name) == self._name), self._name)

    # The oracle.

    def _try(self, script: Iterable[Entry], world: World | None = None) -> bool:
        """Whether a script still fails in the same way; if so, what it came to is kept."""
        self._runs += 1
        performed = perform(world or self._world, tuple(script), self._name, self._eager)
        if not self._fails(performed, world or self._world):
            return False
        self._best = performed
        if self._progress is not None:
            self._progress(self._runs, len(performed.script))
        return True

    def _fails(self, performed: Performed, world: World) -> bool:
        stage = performed.stage
        if self._kind is Kind.EVENTUALLY:
            prop = next(prop for prop in world.properties if prop.name == self._name)
            return not comes_to_hold(world, performed, self._lost, prop)
        if self._kind is Kind.AT_REST and stage.at_rest():
            stage.judge.rest()
        else:
            stage.judge.states()
        return self._name in map(common, stage.judge.broken)

    # Ways to make a script smaller. Each says whether it did.

    @property
    def _script(self) -> Script:
        return self._best.script

    def _nodes(self) -> None:
        for node in sorted({entry.node for entry in self._script}):
            self._try(entry for entry in self._script if entry.node != node)

    def _chunks(self) -> None:
        size = len(self._script) // 2
        while size > 1:
            end = len(self._script)
            while end > 0:
                self._try((*self._script[: max(end - size, 0)], *self._script[end:]))
                end = min(end - size, len(self._script))
            size //= 2

    def _singles(self) -> bool:
        """Drop steps one by one, the last first, until none can go."""
        before, end = len(self._script), len(self._script)
        while end > 0:
            kept = self._try((*self._script[: end - 1], *self._script[end:]))
            end = len(self._script) if kept else end - 1
        return len(self._script) < before

    def _pairs(self) -> bool:
        """Drop two steps of which neither can go alone, such as a detour."""
        if not SHORT < len(self._script) <= PAIRS_MAX:
            return False
        for late in range(len(self._script) - 1, 0, -1):
            for early in range(late):
                some = self._script
                if self._try((*some[:early], *some[early + 1 : late], *some[late + 1 :])):
                    return True
        return False

    def _crashes(self) -> bool:
        """Make crashes plain: between steps, with nothing lost that had been written."""
        changed = False
        for entry in self._script:
            if isinstance(entry.event, Crash) and entry.event != Crash():
                plain = entry._replace(event=Crash(), cause=None)
                changed |= self._try(self._plain(entry, plain))
        return changed

    def _plain(self, old: Entry, new: Entry) -> Iterable[Entry]:
        """The script with one crash replaced, and whatever only that crash kept unheard heard."""
        at = self._script.index(old)
        earlier = [i for i in range(at) if self._script[i].node == old.node]
        hushed: set[int] = set()
        for index in reversed(earlier):
            if self._script[index].heard:
                break
            hushed.add(index)
        for index, entry in enumerate(self._script):
            yield new if entry is old else entry._replace(heard=entry.heard or index in hushed)

    def _numbers(self) -> bool:
        """Lower the numbers among the settings."""
        changed = False
        for name, value in sorted(self._left.items()):
            for lower in sorted({*range(1, min(value, 4)), value // 2, value - 1}):
                if 0 < lower < value and self._lower(name, lower):
                    changed = True
                    break
        return changed

    def _lower(self, name: str, value: int) -> bool:
        changed = {**self._changed, name: value}
        try:
            world = self._build(changed)
        except Exception:  # a world need not have been made for every number
            return False
        if not self._try(self._script, world):
            return False
        self._world, self._changed, self._left[name] = world, changed, value
        return True

    # The order that reads best: causes first, and each close to what it leads to.

    def _tidy(self) -> None:
        if self._timed:
            return
        left, order = list(self._script), list[Entry]()
        while left:
            entry = next((e for e in left if order and _follows(e, order[-1], left)), left[0])
            left.remove(entry)
            order.append(entry)
        best = self._best
        if self._try(order) and len(self._script) > len(best.script):
            self._best = best


def _following(
    records: tuple[Record, ...], tail: tuple[Record, ...], timed: bool
) -> tuple[Record, ...]:
    """`tail`, at times that follow on those of `records`."""
    last = records[-1].at_us if records else -1
    return tuple(
        msgspec.structs.replace(record, at_us=last + (record.at_us if timed else number))
        for number, record in enumerate(tail, start=1)
    )


def _follows(entry: Entry, last: Entry, left: list[Entry]) -> bool:
    """Whether `entry` was caused by `last`, and its node has nothing else to do before it."""
    caused = entry.cause is not None and entry.cause[0] == last.number
    return caused and next(e for e in left if e.node == entry.node) is entry
