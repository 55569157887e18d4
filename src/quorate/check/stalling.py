"""The adversary of Fischer, Lynch and Paterson: it keeps a decision open, and lets nobody starve.

In each stage the process whose turn it is takes what it has been owed for longest, a message or
else a timer, after as few other steps as make the decision open once it has (lemma 3). That it is
open is shown by runs: if one process is slow, or another, or none, the others decide differently.
So no process ever fails, everything arrives, and nothing is decided for as many stages as asked.

Source: Fischer, Lynch and Paterson, Impossibility of Distributed Consensus with One Faulty Process,
JACM 32(2) 1985, section 3; Constable, Effectively Nonblocking Consensus Procedures Can Execute
Forever, 2008, on such an adversary as a program.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import NamedTuple

import msgspec

from quorate.check.flp import Decision, decision_of
from quorate.check.local import Local
from quorate.check.model import Envelope, Model
from quorate.check.trace import retrace
from quorate.kernel import (
    Event,
    For,
    Header,
    Network,
    Receive,
    Start,
    Timeout,
    Trace,
    UsageError,
    World,
    address,
    core,
)

RUN_MAX = 300  # steps of a run that is to show what can be decided
DETOURS_MAX = 400  # states to look at in one stage


class Stall(msgspec.Struct, frozen=True):
    """A run in which nothing is decided, of so many `stages`. `turns`: how often each process took
    what it was owed; `stuck`: whose turn it was when no way was found, if that ended it."""

    stages: int
    turns: dict[str, int]
    decisions: tuple[Hashable, ...]
    stuck: str | None
    trace: Trace


class _State(NamedTuple):
    locals: tuple[Local, ...]
    flight: tuple[Envelope, ...] = ()  # in the order in which it was sent


Step = tuple[int, Event]


def stall(
    world: World, stages: int, *, decision: Decision = decision_of, header: Header | None = None
) -> Stall:
    """Keep a world from deciding for so many stages, or as long as a way is found.

    `stuck` says that none was found, not that there is none. Raises UsageError for a protocol that
    flips coins.
    """
    adversary = _Adversary(world, decision)
    state, way = adversary.begin()
    open_to = adversary.outcomes(state)
    names = [process.me for process in world.processes]
    turns = dict.fromkeys(names, 0)
    stuck = None if len(open_to) > 1 else names[0]
    stage = 0
    while stage < stages and stuck is None:
        process = stage % len(names)
        if next(adversary.owed(state, process), None) is not None:
            found = adversary.stage(state, process)
            if found is None:
                stuck = names[process]
                break
            state, steps = found
            way += steps
            turns[names[process]] += 1
        stage += 1
    records = retrace(adversary.model, [(process, (event,)) for process, event in way])
    trace = Trace(header or Header(protocol="", executor="check"), records)
    return Stall(stage, turns, tuple(sorted(open_to, key=str)), stuck, trace)


class _Adversary:
    def __init__(self, world: World, decision: Decision) -> None:
        self.model = Model(world, Network.MULTISET, 0)
        self._decision = decision
        self._known: dict[tuple[int, Local, Event], tuple[Local, tuple[Envelope, ...]]] = {}
        self._outcomes: dict[_State, frozenset[Hashable]] = {}

    def begin(self) -> tuple[_State, list[Step]]:
        """Every process starts."""
        state = _State(tuple(Local(boot) for boot in self.model.boots))
        way: list[Step] = [(process, Start()) for process in range(len(self.model.boots))]
        for step in way:
            state = self.after(state, step)
        return state, way

    def owed(self, state: _State, process: int) -> Iterator[Event]:
        """What a process may take, the oldest message first, timers last."""
        boot, local = self.model.boots[process], state.locals[process]
        for src, to, msg in state.flight:
            if self.model.hosts[to] == process:
                yield address(boot, to, Receive(src, msg))
        for role, timer in sorted(local.timers):
            yield address(boot, role, Timeout(timer))

    def after(self, state: _State, step: Step) -> _State:
        """The state after one step."""
        process, event = step
        before = state.locals[process]
        key = (process, before, event)
        if key not in self._known:
            local, _, sent = self.model.happen(process, before, event)
            if local.offers:
                raise UsageError(f"{local.actor.me} flips coins: a decision cannot be kept open")
            self._known[key] = local, tuple(sent)
        local, more = self._known[key]
        flight = list(state.flight)
        inner = core(event)
        if type(inner) is Receive:
            to = event.role if isinstance(event, For) else before.actor.me
            flight.remove((inner.src, to, inner.msg))
        locals = (*state.locals[:process], local, *state.locals[process + 1 :])
        return _State(locals, (*flight, *more))

    def decided(self, state: _State) -> Hashable | None:
        """What has been decided, if anything."""
        facts = (fact for local in state.locals for _, fact in local.facts)
        return next((d for d in map(self._decision, facts) if d is not None), None)

    def outcomes(self, state: _State) -> frozenset[Hashable]:
        """What is decided if one process is slow, or another, or none."""
        known = self._outcomes.get(state)
        if known is None:
            slow = (None, *range(len(state.locals)))
            found = {self._run(state, each, heard) for each in slow for heard in (True, False)}
            known = self._outcomes[state] = frozenset(found - {None})
        return known

    def _run(self, state: _State, slow: int | None, heard: bool) -> Hashable | None:
        """What is decided once all but one process have gone on, and what that one has sent has
        been `heard` or not; timers wait for messages."""
        others = [process for process in range(len(state.locals)) if process != slow]
        if not heard:
            kept = (each for each in state.flight if self.model.hosts[each[0]] != slow)
            state = state._replace(flight=tuple(kept))
        for _ in range(RUN_MAX):
            if (value := self.decided(state)) is not None:
                return value
            steps = [(p, e) for p in others if (e := next(self.owed(state, p), None)) is not None]
            step = next((s for s in steps if not _is_timer(s[1])), steps[0] if steps else None)
            if step is None:
                return None
            state = self.after(state, step)
        return None

    def stage(self, state: _State, process: int) -> tuple[_State, list[Step]] | None:
        """A process takes what it is owed, after a detour if that would decide too much."""
        due = (process, next(self.owed(state, process)))
        seen = {state}
        waiting: list[tuple[_State, list[Step]]] = [(state, [])]
        for here, way in waiting:
            after = self.after(here, due)
            if self.decided(after) is None and len(self.outcomes(after)) > 1:
                return after, [*way, due]
            for other in range(len(here.locals)):
                for event in self.owed(here, other):
                    if (other, event) == due:
                        continue
                    there = self.after(here, (other, event))
                    # The event must still be due then: a process may have cancelled its timer.
                    gone = due[1] not in self.owed(there, process)
                    if there not in seen and not gone and len(seen) < DETOURS_MAX:
                        seen.add(there)
                        waiting.append((there, [*way, (other, event)]))
        return None


def _is_timer(event: Event) -> bool:
    return type(core(event)) is Timeout
