"""Failing traces become small, still fail in the same way, and say which faults it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from quorate.check import check
from quorate.kernel import (
    Actor,
    Context,
    Crash,
    Fact,
    Header,
    Lazy,
    Message,
    NodeId,
    Property,
    Stable,
    Trace,
    UsageError,
    View,
    World,
    always,
    at_rest,
    eventually,
)
from quorate.mutants import find_mutants
from quorate.sim import Faults, replay, shrink, simulate, weather
from quorate.sim.shrink import Shrunk, shrink_in
from sim.toys import HEADER, Clumsy, Counter, Got, Ping, Pong, Sender, run, world


class Token(Message, frozen=True):
    hops: int


class Seen(Fact, frozen=True):
    hops: int


class Passer(Actor):
    """Passes a token on, one hop more each time; sends a fresh one whenever its timer rings."""

    next: NodeId
    begins: bool = False
    passed: Stable[int] = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if self.begins:
            ctx.set_timer("again", (5, 15))

    def on_timer(self, ctx: Context, timer: str) -> None:
        ctx.set_timer("again", (5, 15))
        ctx.send(self.next, Token(1))

    def on_token(self, ctx: Context, src: NodeId, m: Token) -> None:
        self.passed += 1
        ctx.output(Seen(m.hops))
        ctx.send(self.next, Token(m.hops + 1))


def ring(size: int, *properties: Property) -> World:
    names = [f"r{i}" for i in range(size)]
    return World(
        processes=tuple(
            Passer(name, names[(i + 1) % size], i == 0) for i, name in enumerate(names)
        ),
        properties=properties,
    )


def seen(hops: int) -> Property:
    return always(f"no token hops {hops} times", lambda view: all(
        fact.hops < hops for _, fact in view.stated(Seen)
    ))  # fmt: skip


def traced(of: World, seed: int, faults: Faults) -> Trace:
    trace = simulate(of, seed=seed, faults=faults, header=HEADER).trace
    assert trace is not None
    return trace


def small(of: World, trace: Trace) -> Shrunk:
    shrunk = shrink_in(lambda changed: of, trace)
    again = replay(of, shrunk.trace)
    assert (again.violated, again.difference) == (trace.header.violated, None)
    return shrunk


def test_what_is_left_is_the_chain_of_causes_and_nothing_else() -> None:
    # Hop number 5 needs one ring of the timer, five arrivals, and the starts of three nodes.
    of = ring(3, seen(5))
    trace = traced(of, 3, Faults.swarm(3, unsafe_ms=2_000, loss=0.2, topology="full"))
    shrunk = small(of, trace)
    assert shrunk.before == len(trace.records) > 12
    assert shrunk.after == len(shrunk.trace.records) == 1 + 5 + 3


def test_numbers_of_the_world_are_lowered_as_far_as_the_failure_allows() -> None:
    def build(changed: Mapping[str, Any]) -> World:
        few = msgspec.structs.replace(seen(changed.get("hops", 20)), name="few hops")
        return ring(7, few)

    trace = traced(build({}), 0, Faults(unsafe_ms=2_000))
    shrunk = shrink_in(build, trace, {"hops": 20})
    assert shrunk.trace.header.settings == {"hops": 1}
    assert shrunk.after == 4  # two starts, the timer, one arrival
    again = replay(build(shrunk.trace.header.settings), shrunk.trace)
    assert (again.violated, again.difference) == ("few hops", None)


def test_a_crash_that_matters_stays_and_one_that_does_not_goes() -> None:
    def twice(view: View) -> bool:
        return sum(actor.heard == 1 and actor.kept > 1 for actor in view.roles(Counter)) == 0

    of = world(
        Sender("s", ("c", "d"), count=30, every_ms=20),
        Counter("c", answers=False),
        Counter("d", answers=False),
        properties=(always("memory is as old as the disk", twice, states=True),),
        may_crash="c d",
    )
    faults = Faults(crash_rate=30, down_ms=(1, 5), disk_us=1_000, mid_step=0.7, unsafe_ms=600)
    trace = traced(of, 1, faults)
    assert sum(isinstance(record.event, Crash) for record in trace.records) > 1
    shrunk = small(of, trace)
    events = [record.event for record in shrunk.trace.records]
    assert events.count(Crash()) == sum(isinstance(event, Crash) for event in events) == 1
    # Two starts, the timer, an arrival, the crash, a restart, and an arrival again (the same).
    assert shrunk.after == 7


def test_an_error_in_a_handler_is_the_same_failure_whatever_it_says() -> None:
    of = world(Sender("s", ("c",), count=9), Counter("d"), Clumsy("c"))
    trace = traced(of, 0, Faults(delay_us=(1, 5_000)))
    shrunk = small_error(of, trace)
    assert shrunk.after == 3


def small_error(of: World, trace: Trace) -> Shrunk:
    shrunk = shrink_in(lambda changed: of, trace)
    again = replay(of, shrunk.trace)
    assert again.difference is None
    assert (again.violated or "").startswith("no step fails (c: KeyError")
    return shrunk


def test_at_rest_means_that_whatever_has_been_sent_has_arrived_or_would_change_nothing() -> None:
    odd = at_rest("odd pings are missing", lambda view: len(list(view.stated(Got))) != 4)
    of = world(Sender("s", ("c",), count=2), Counter("c"), Counter("idle"), properties=(odd,))
    trace = traced(of, 0, Faults())
    assert trace.header.violated == odd.name
    shrunk = small(of, trace)
    # No arrival can go: at rest nothing is under way. A node that never starts is not at rest.
    assert shrunk.after == len(trace.records)
    cut = msgspec.structs.replace(trace, records=trace.records[:-1])
    assert replay(of, cut).difference is not None


class Asker(Actor):
    """Asks until it is answered."""

    to: NodeId
    answered: bool = False

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("ask", (10, 20))

    def on_timer(self, ctx: Context, timer: str) -> None:
        ctx.set_timer("ask", (10, 20))
        ctx.send(self.to, Ping(1))

    def on_token(self, ctx: Context, src: NodeId, m: Token) -> None:
        ctx.cancel_timer("ask")
        ctx.output(Seen(m.hops))


class AnswersOnce(Actor):
    """Answers the first question only, so that the loss of its answer is for ever."""

    done: Stable[bool] = False

    def on_ping(self, ctx: Context, src: NodeId, m: Ping) -> None:
        if not self.done:
            self.done = True
            ctx.send(src, Token(1))


ANSWERED = eventually("answered", lambda view: any(True for _ in view.stated(Seen)))


def test_liveness_still_fails_after_the_steps_that_are_left_and_ends_in_a_circle() -> None:
    of = World(processes=(Asker("a", "b"), AnswersOnce("b")), properties=(ANSWERED,))
    seed = next(
        seed
        for seed in range(100)
        if simulate(of, seed=seed, faults=Faults(loss=0.5, heal_ms=500)).violated
    )
    trace = traced(of, seed, Faults(loss=0.5, heal_ms=500))
    shrunk = small(of, trace)
    # Both start, the timer rings, the question arrives, the answer does not. Then it rings and
    # arrives again, to no effect: what is so may go on for ever.
    assert (shrunk.after, len(shrunk.trace.records)) == (4, 6)
    assert weather(of, shrunk.trace) == ("nothing gets from b to a",)


def test_liveness_that_was_only_late_is_not_shrunk() -> None:
    of = World(processes=(Asker("a", "b"), AnswersOnce("b")), properties=(ANSWERED,))
    trace = traced(of, 0, Faults(delay_us=(3_000_000, 3_000_000), unsafe_ms=5, heal_ms=1))
    assert trace.header.violated == ANSWERED.name
    with pytest.raises(UsageError, match="does not violate answered when it is run again"):
        shrink_in(lambda changed: of, trace)


def test_faults_are_told_only_where_they_matter() -> None:
    # Ping 2 comes before ping 1, and ping 3 never. What else is lost does not matter.
    def first(view: View) -> bool:
        return [fact.number for node, fact in view.stated(Got) if node == "c"] != [2, 1, 4]

    of = world(
        Sender("s", ("c", "idle"), count=4, every_ms=10),
        Counter("c", answers=False),
        Counter("idle", answers=False),
        properties=(always("order", first),),
    )
    faults = Faults(loss=0.2, delay_us=(1, 50_000))
    seed = next(
        seed for seed in range(5_000) if simulate(of, seed=seed, faults=faults).violated == "order"
    )
    trace = small(of, traced(of, seed, faults)).trace
    lines = weather(of, trace)
    assert sorted(line.partition(": ")[2] for line in lines) == [
        "Ping from s to c is late: it arrives at step 8",  # after two starts, four timers, ping 2
        "Ping from s to c is lost",
    ]


def test_traces_that_cannot_be_shrunk_say_why() -> None:
    of = world(Sender("s", ("c",)), Counter("c"))
    trace = run(of).trace
    assert trace is not None
    with pytest.raises(UsageError, match="violates nothing"):
        shrink_in(lambda changed: of, trace)
    named = msgspec.structs.replace(trace.header, violated="links never wait for each other (x)")
    with pytest.raises(UsageError, match="leaves no steps behind"):
        shrink_in(lambda changed: of, Trace(named, trace.records))
    other = msgspec.structs.replace(trace.header, violated="something else")
    with pytest.raises(UsageError, match="does not violate something else"):
        shrink_in(lambda changed: of, Trace(other, trace.records))
    with pytest.raises(UsageError, match="does not replay: that message had not been sent"):
        shrink_in(lambda changed: of, Trace(other, trace.records[1:]))


def test_a_shortest_trace_of_the_checker_can_hardly_shrink() -> None:
    mutant = next(m for m in find_mutants("paxos") if m.name == "quorum_too_small")
    header = Header(protocol="paxos", mutant=mutant.name, executor="check")
    violation = check(mutant.world(), header=header).violation
    assert violation is not None
    assert violation.trace is not None
    shrunk = shrink(violation.trace)
    # All that can go are the starts of nodes that take no part.
    took_part = {record.node for record in shrunk.trace.records}
    idle = [record for record in violation.trace.records if record.node not in took_part]
    assert shrunk.after == shrunk.before - len(idle)


class Note(Fact, frozen=True):
    kept: int


class Forgetful(Actor):
    """Counts pings on disk without forcing, answers each, and says after a crash what is left."""

    kept: Lazy[int] = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if recovered:
            ctx.output(Note(self.kept))

    def on_ping(self, ctx: Context, src: NodeId, m: Ping) -> None:
        self.kept += 1
        ctx.send(src, Pong(m.number))


def test_a_write_of_the_step_that_a_crash_cut_short_can_be_lost_again() -> None:
    none_left = always(
        "something is left", lambda view: all(note.kept for _, note in view.stated(Note))
    )
    built = world(Sender("s", ("f",), 1), Forgetful("f"), properties=(none_left,), may_crash="f")
    knobs = {"crash_points": 1, "crash_within": 2, "mid_step": 1.0}
    traces = [run(built, seed, **knobs).trace for seed in range(60)]
    cut = [
        trace
        for trace in traces
        if trace is not None
        and trace.header.violated
        and any(
            isinstance(r.event, Crash) and r.event.during is not None and r.event.forgets
            for r in trace.records
        )
    ]
    assert cut
    for trace in cut:
        small = shrink_in(lambda _: built, trace).trace
        assert replay(built, small).violated == none_left.name
