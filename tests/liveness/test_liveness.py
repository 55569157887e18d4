"""Eventually in the checker: fair runs without end, what they owe, and what they rest on."""

from __future__ import annotations

import itertools
from array import array
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.check import Verdict, check
from quorate.check.graph import OFF
from quorate.check.liveness import Components
from quorate.kernel import (
    Actor,
    Ballot,
    Context,
    Fact,
    Message,
    Network,
    NodeId,
    Property,
    UsageError,
    World,
    at_rest,
    eventually,
)
from quorate.protocols import build_world
from quorate.sim import replay
from quorate.sim.shrink import shrink_in

# Graphs, against every set of states that a run could visit for ever.


class Drawn:
    """A graph of drawn steps (source, label, target), with the parts of Graph that are needed."""

    def __init__(self, count: int, classes: int, steps: list[tuple[int, int, int]]) -> None:
        steps = sorted(steps)
        self.classes = list(range(classes))
        self.target = array("q", [target for _, _, target in steps])
        self.label = array("q", [label for _, label, _ in steps])
        self.first = array("q", [sum(s < at for s, _, _ in steps) for at in range(count + 1)])
        self.all = steps

    def __len__(self) -> int:
        return len(self.first) - 1

    def steps(self, at: int) -> range:
        return range(self.first[at], self.first[at + 1])

    def way(self, at: int) -> tuple[Any, list[int]]:
        return [], []


CLASSES = 3


@st.composite
def drawn_graphs(draw: st.DrawFn) -> Drawn:
    count = draw(st.integers(1, 5))
    states = st.integers(0, count - 1)
    step = st.tuples(states, st.integers(OFF, CLASSES - 1), states)
    return Drawn(count, CLASSES, draw(st.lists(step, max_size=9, unique=True)))


def may_stay(graph: Drawn, states: frozenset[int]) -> bool:
    """Whether a fair run can visit exactly these states for ever."""
    inside = [step for step in graph.all if step[0] in states and step[2] in states]
    reach = {(at, at) for at in states} | {(source, target) for source, _, target in inside}
    for middle, first, last in itertools.product(states, repeat=3):
        if (first, middle) in reach and (middle, last) in reach:
            reach.add((first, last))
    # Three rounds close chains of up to eight steps.
    for _ in range(2):
        reach |= {(a, d) for a, b in reach for c, d in reach if b == c}
    if len(reach) < len(states) ** 2:
        return False
    for label in range(CLASSES):
        able = {source for source, name, _ in graph.all if name == label}
        if states <= able and not any(name == label for _, name, _ in inside):
            return False
    return True


@settings(max_examples=400)
@given(drawn_graphs())
def test_a_component_is_fair_exactly_if_some_fair_run_stays_in_it(graph: Drawn) -> None:
    components = Components(graph)  # type: ignore[arg-type]
    for number in range(components.count):
        members = [at for at in range(len(graph)) if components.of[at] == number]
        subsets = (
            frozenset(chosen)
            for size in range(1, len(members) + 1)
            for chosen in itertools.combinations(members, size)
        )
        assert components.fair[number] == any(may_stay(graph, states) for states in subsets)


@settings(max_examples=400)
@given(drawn_graphs())
def test_a_lap_comes_back_and_serves_whatever_could_always_happen(graph: Drawn) -> None:
    components = Components(graph)  # type: ignore[arg-type]
    for start in range(len(graph)):
        if not components.fair[components.of[start]]:
            continue
        lasso = components.lasso(start)
        assert lasso is not None
        taken = [graph.all[step] for step in lasso.cycle]
        visited = [start, *(target for _, _, target in taken)]
        assert visited[-1] == start
        assert all(source == before for (source, _, _), before in zip(taken, visited, strict=False))
        able = [{name for source, name, _ in graph.all if source == at} for at in visited]
        owed = set.intersection(*able) - {OFF}
        assert owed <= {name for _, name, _ in taken}


# Worlds.


class Done(Fact, frozen=True):
    pass


class Ping(Message, frozen=True):
    pass


DONE = eventually("done", lambda view: any(view.stated(Done)))


def verdict_of(world: World, **how: Any) -> Verdict:
    [verdict] = [v for v in check(world, **how).verdicts if v.kind == "eventually"]
    if verdict.trace is not None:
        again = replay(world, verdict.trace)
        assert (again.violated, again.difference) == (verdict.name, None)
    return verdict


def alone(actor: Actor, prop: Property = DONE) -> World:
    return World(processes=(actor,), properties=(prop,))


class Spinner(Actor):
    """Spins for ever, and is done when another timer runs out; while it is `on`, if `blinks`."""

    blinks: bool = False
    stubborn: bool = False
    on: bool = False

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("spin", (1, 1))
        if not self.blinks and not self.stubborn:
            ctx.set_timer("finish", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "finish":
            return ctx.output(Done())
        ctx.set_timer("spin", (1, 1))
        if self.stubborn:
            return
        self.on = not self.on
        if self.blinks:
            (ctx.set_timer("finish", (1, 1)) if self.on else ctx.cancel_timer("finish"))


def test_what_can_always_happen_does() -> None:
    assert verdict_of(alone(Spinner("a"))).verdict == "holds"


def test_what_can_only_sometimes_happen_may_never_do() -> None:
    verdict = verdict_of(alone(Spinner("a", blinks=True)))
    assert (verdict.verdict, verdict.reason) == ("violated", "")
    assert verdict.trace is not None
    assert verdict.trace.header.loop == 1
    assert [record.line.partition(" |")[0] for record in verdict.trace.records] == [
        "a start",
        "a time-out spin",
        "a time-out spin",
    ]


def test_a_step_that_changes_nothing_is_none() -> None:
    verdict = verdict_of(alone(Spinner("a", stubborn=True)))
    assert verdict.trace is not None
    assert (verdict.trace.header.loop, len(verdict.trace.records)) == (None, 1)


@pytest.mark.parametrize("on", [True, False])
def test_a_property_that_keeps_coming_and_going_does_not_hold_eventually(on: bool) -> None:
    prop = eventually("on", lambda view: next(view.roles(Spinner)).on is on, states=True)
    verdict = verdict_of(alone(Spinner("a"), prop))
    assert verdict.verdict == "violated"
    assert verdict.trace is not None
    assert verdict.trace.header.loop is not None


class Sender(Actor):
    """Sends one ping, and is done when it comes back."""

    to: NodeId

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.send(self.to, Ping())

    def on_ping(self, ctx: Context, src: NodeId, m: Ping) -> None:
        ctx.output(Done())


class Echo(Actor):
    deaf: bool = False

    def on_ping(self, ctx: Context, src: NodeId, m: Ping) -> None:
        if not self.deaf:
            ctx.send(src, Ping())


@pytest.mark.parametrize("network", Network)
def test_messages_arrive_and_when_nothing_more_can_happen_the_run_ends(network: Network) -> None:
    def world(deaf: bool) -> World:
        return World(processes=(Sender("a", "b"), Echo("b", deaf)), properties=(DONE,))

    assert verdict_of(world(False), network=network).verdict == "holds"
    verdict = verdict_of(world(True), network=network)
    assert verdict.verdict == "violated"
    assert verdict.trace is not None
    assert verdict.trace.header.loop is None


class Nagger(Sender):
    """Sends its ping again and again."""

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.on_start(ctx, False)

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.send(self.to, Ping())
        ctx.set_timer("again", (1, 1))


def test_sending_what_was_sent_already_is_a_loop_of_one_step() -> None:
    verdict = verdict_of(World(processes=(Nagger("a", "b"), Echo("b", True)), properties=(DONE,)))
    assert verdict.trace is not None
    assert (verdict.trace.header.loop, len(verdict.trace.records)) == (2, 3)


def test_nodes_that_crash_come_back_also_where_others_may_stop() -> None:
    free = at_rest("free", lambda view: True)
    world = World(processes=(Sender("a", "b"), Echo("b")), properties=(DONE, free), crashes=1)
    assert verdict_of(world).verdict == "holds"


class Twins(Actor):
    """Two timers that come to the same; both run out, again and again, and nothing else does."""

    armed: frozenset[str] = frozenset()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("a", (1, 1))
        ctx.set_timer("b", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.armed ^= {"x"}
        ctx.set_timer("a", (1, 1))
        ctx.set_timer("b", (1, 1))


def test_two_timers_that_come_to_the_same_are_both_served() -> None:
    verdict = verdict_of(alone(Twins("t")))
    assert verdict.trace is not None
    lap = verdict.trace.records[verdict.trace.header.loop :]
    assert {record.event.timer for record in lap} == {"a", "b"}  # type: ignore[union-attr]


class Patient(Actor):
    """Asks up to `asks_max` times, 0 being without end; never hears anything."""

    asks_max: int
    asks: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("ask", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.asks += 1
        if not self.asks_max or self.asks < self.asks_max:
            ctx.set_timer("ask", (1, 1))


def ran_out(view: Any) -> bool:
    return any(p.asks == p.asks_max for p in view.roles(Patient))


def test_a_run_that_ends_at_a_bound_is_no_violation() -> None:
    world = World(processes=(Patient("p", 3),), properties=(DONE,), bounds=("3 asks",))
    verdict = verdict_of(world)
    assert (verdict.verdict, verdict.reason) == (
        "unknown",
        "it fails only where a bound holds: 3 asks",
    )
    told = msgspec.structs.replace(world, bounded=ran_out)
    assert verdict_of(told).verdict == "unknown"
    assert check(told).exit_code == 0


def test_a_run_that_ends_away_from_the_bound_is_one() -> None:
    world = World(
        processes=(Patient("p", 3), Sender("a", "b"), Echo("b", deaf=True)),
        properties=(DONE,),
        bounds=("3 asks",),
        bounded=lambda view: False,
    )
    assert verdict_of(world).verdict == "violated"


def test_what_holds_within_bounds_says_so() -> None:
    world = World(processes=(Sender("a", "b"), Echo("b")), properties=(DONE,), bounds=("one ping",))
    assert verdict_of(world).reason == "within the bounds: one ping"


def test_too_large_a_graph_leaves_it_unknown() -> None:
    verdict = verdict_of(alone(Spinner("a")), graph_max=1)
    assert (verdict.verdict, verdict.reason) == ("unknown", "it takes the graph of over 1 states")


# Ballots that grow without end.


class Call(Message, frozen=True):
    ballot: Ballot


class Climber(Actor):
    """Answers each ballot with a higher one, up to `top`."""

    other: NodeId
    top: int
    first: bool
    round: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if self.first:
            self.round = 1
            ctx.send(self.other, Call(Ballot(1, self.me)))

    def on_call(self, ctx: Context, src: NodeId, m: Call) -> None:
        self.round = m.ballot.round + 1
        if self.round > self.top:
            ctx.output(Done())
        ctx.send(src, Call(Ballot(self.round, self.me)))


def climbing(top: int, *rounds: str) -> World:
    return World(
        processes=(Climber("a", "b", top, True), Climber("b", "a", top, False)),
        properties=(DONE,),
        network=Network.MULTISET,
        rounds=frozenset(rounds),
    )


def test_a_run_repeats_itself_although_its_ballots_grow() -> None:
    verdict = verdict_of(climbing(10**9, "round"), states_max=100)
    assert verdict.verdict == "violated"
    assert verdict.trace is not None
    assert verdict.trace.header.loop is not None


def test_a_protocol_that_asks_how_high_a_round_is_is_found_out() -> None:
    with pytest.raises(UsageError, match="does not behave alike when 1000000 is added"):
        check(climbing(1_000, "round"), states_max=100)


def test_rivals_of_paxos_can_duel_for_ever() -> None:
    world = build_world("paxos", "duel")
    verdict = next(v for v in check(world, states_max=1_000).verdicts if v.kind == "eventually")
    assert verdict.verdict == "violated"
    assert verdict.trace is not None
    again = replay(world, verdict.trace)
    assert (again.violated, again.difference) == ("termination", None)
    with pytest.raises(UsageError, match="repeats itself"):
        shrink_in(lambda _: world, verdict.trace)
    alone = replay(msgspec.structs.replace(world, rounds=frozenset()), verdict.trace)
    assert alone.difference == "the end: it is not as it was before record 11"
