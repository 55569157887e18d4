"""Which horn a protocol takes: no deterministic protocol for asynchronous links is safe, lives with
one crash, and always decides.

Source: Fischer, Lynch and Paterson, Impossibility of Distributed Consensus with One Faulty Process,
JACM 32(2) 1985. So a protocol that can decide either way does one of three things, and this says
which, with a run: nodes disagree; or one that runs on waits for ever once another has stopped for
good; or a run in which nobody stops and everything sent arrives never comes to a decision.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping

import msgspec
import numpy as np

from quorate.check.engine import Limits, Progress
from quorate.check.graph import Graph
from quorate.check.liveness import Lasso
from quorate.check.local import Local, Way
from quorate.check.model import Model
from quorate.check.runs import Runs, graphs
from quorate.check.shift import applies
from quorate.kernel import (
    Choice,
    Crash,
    Fact,
    Header,
    Kind,
    Network,
    NodeId,
    Trace,
    UsageError,
    View,
    World,
)
from quorate.properties import commit, consensus

STATES_MAX = 500_000
DISAGREES = "nodes disagree"
BLOCKS = "one node stops, another waits for ever"
NEVER = "nobody stops, and nobody ever decides"
HORNS = (DISAGREES, BLOCKS, NEVER)

Decision = Callable[[Fact], Hashable | None]
"""What a fact decides; None if nothing."""


def decision_of(fact: Fact) -> Hashable | None:
    """What the facts of quorate.properties decide: a value, or the outcome of a transaction."""
    if isinstance(fact, consensus.Decided):
        return fact.value
    return fact.outcome.value if isinstance(fact, commit.Decided) else None


class Horn(msgspec.Struct, frozen=True):
    """One of HORNS: "found" with a run from the initial configuration of that name, "excluded"
    for every run of every configuration, or "not found" in as much as was explored."""

    name: str
    found: str
    initial: str | None = None
    trace: Trace | None = None


class Initial(msgspec.Struct, frozen=True):
    """An initial configuration and what can be decided from it, if `complete` no more than that: of
    one decision it is univalent, of several bivalent."""

    name: str
    decisions: tuple[Hashable, ...]
    complete: bool


class Dilemma(msgspec.Struct, frozen=True):
    """How a protocol fares: each horn in the order of HORNS, and its initial configurations."""

    horns: tuple[Horn, ...]
    initials: tuple[Initial, ...]

    @property
    def taken(self) -> Horn | None:
        """The first horn that was found."""
        return next((horn for horn in self.horns if horn.found == "found"), None)

    @property
    def bivalent(self) -> tuple[str, ...]:
        """The initial configurations from which several decisions can be reached."""
        return tuple(one.name for one in self.initials if len(one.decisions) > 1)


def flp(
    worlds: Mapping[str, World],
    *,
    decision: Decision = decision_of,
    network: Network | None = None,
    states_max: int = STATES_MAX,
    headers: Mapping[str, Header] = {},
    progress: Progress | None = None,
) -> Dilemma:
    """Explore a protocol from each of its initial configurations, which are worlds by name.

    At most one node stops, and whoever the world says may crash; where ballots grow without end,
    none does. `network` replaces the world's own; what is sent arrives on any of them, and on
    one that is a set it may arrive again. `headers`: of the traces, by name. Raises UsageError for
    a protocol that flips coins, since then the theorem says nothing.
    """
    found: dict[str, Horn] = {}
    excluded = set(HORNS)
    initials = []
    for name, world in worlds.items():
        links = world.network if network is None else network
        header = headers.get(name, Header(protocol="", executor="check"))
        decisions: set[Hashable] = set()
        complete = False
        for runs in _explored(world, links, states_max, progress):
            search = _Search(runs, decision)
            decisions |= search.decisions
            complete = runs.graph.cut is None and not runs.is_folded
            if not complete or world.bounds:
                excluded.clear()
            for horn, trace in search.horns(header):
                found.setdefault(horn, Horn(horn, "found", name, trace))
            if found:
                break
        initials.append(Initial(name, tuple(sorted(decisions, key=str)), complete))
    horns = (
        found.get(horn) or Horn(horn, "excluded" if horn in excluded else "not found")
        for horn in HORNS
    )
    return Dilemma(tuple(horns), tuple(initials))


class _Stopping(Model):
    """Whoever crashes has stopped for good."""

    def __init__(self, world: World, network: Network, crashes: int) -> None:
        super().__init__(world, network, crashes)
        self.stops = True

    def _end(self, process: int, before: Local, crash: Crash, budget: int) -> Iterator[Way]:
        down, effects, sent = self.happen(process, before, crash)
        stopped = Local(self.boots[process], facts=down.facts, up=False)
        yield Way((crash,), stopped, sent, self.said(process, effects), 1)


def _explored(
    world: World, network: Network, states_max: int, progress: Progress | None
) -> Iterator[Runs]:
    limits = Limits(states_max)
    if applies(world, network):
        yield from graphs(world, network, 0, limits, progress)
    else:
        yield Runs(_Stopping(world, network, 1), network, None, limits, progress)


class _Search:
    """Looks for the horns in the runs from one initial configuration."""

    def __init__(self, runs: Runs, decision: Decision) -> None:
        self._runs, self._decision = runs, decision
        self._refuse_coins(runs.graph)
        self.decisions: set[Hashable] = set()
        self._deciders: set[NodeId] = set()
        where = runs.verdicts.where
        self._disagree = where(self._disagreeing, False)
        self._undecided = where(lambda view: not self._decided(view), False)
        self._waiting = where(self._some_waits)

    @staticmethod
    def _refuse_coins(graph: Graph) -> None:
        for of in graph.classes:
            if isinstance(of, tuple) and of[2][0] is Choice:
                me = graph.model.boots[of[0]].me
                raise UsageError(f"{me} flips coins: this is about deterministic protocols")

    def _decided(self, view: View) -> dict[NodeId, Hashable]:
        pairs = ((node, self._decision(fact)) for node, fact in view.facts)
        return {node: value for node, value in pairs if value is not None}

    def _disagreeing(self, view: View) -> bool:
        decided = self._decided(view)
        self.decisions |= set(decided.values())
        self._deciders |= decided.keys()
        return len(set(decided.values())) > 1

    def _some_waits(self, view: View) -> bool:
        return bool((self._deciders & view.actors.keys()) - self._decided(view).keys())

    def horns(self, header: Header) -> Iterator[tuple[str, Trace]]:
        """The horns that there are, with a run each."""
        if self._disagree.any():
            first = int(np.flatnonzero(self._disagree)[0])
            stem = tuple(self._runs.graph.way(first)[1])
            yield DISAGREES, self._trace(Lasso(first, stem, ()), DISAGREES, header)
        whole = self._runs.verdicts.whole
        for horn, states in ((BLOCKS, self._waiting & ~whole), (NEVER, self._undecided & whole)):
            lasso, _ = self._runs.verdicts.run_in(states)
            if lasso is not None:
                yield horn, self._trace(lasso, horn, header)

    def _trace(self, lasso: Lasso, horn: str, header: Header) -> Trace:
        """A run, said to violate a property of the world that it does violate, if there is one."""
        graph = self._runs.graph
        state = graph.states[lasso.at]
        locals, observers = graph.layout.locals(state), graph.layout.observers(state)
        view = self._runs.verdicts.view(locals, observers, True)
        kind = Kind.ALWAYS if horn == DISAGREES else Kind.EVENTUALLY
        broken = (
            prop.name
            for prop in graph.model.world.properties
            if prop.kind is kind and prop.per is None and not prop.holds(view)
        )
        named = msgspec.structs.replace(header, violated=next(broken, None))
        return self._runs.trace(lasso, named)
