"""Lock-step rounds: what is sent in a round arrives before it ends, for everyone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from check.naive import Naive
from pins import pin
from quorate.check import check
from quorate.kernel import (
    Actor,
    Context,
    Crash,
    Fact,
    Map,
    Message,
    Network,
    NodeId,
    Timeout,
    World,
    always,
    at_rest,
    core,
    eventually,
    sometimes,
)
from quorate.sim import replay

ROUND_MS = (200, 200)


class News(Message, frozen=True):
    round: int


class Missed(Fact, frozen=True):
    """A round ended before all news of it had come."""


class Done(Fact, frozen=True):
    pass


class Runner(Actor):
    """In each of some rounds, sends to all others, and notes whether all others did so."""

    others: frozenset[NodeId]
    rounds: int
    round: int = 1
    heard: Map[int, frozenset[NodeId]] = Map()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if not recovered:
            self.begin(ctx)

    def begin(self, ctx: Context) -> None:
        ctx.broadcast(self.others, News(self.round))
        ctx.set_timer("round", ROUND_MS)

    def on_news(self, ctx: Context, src: NodeId, m: News) -> None:
        self.heard = self.heard.put(m.round, (self.heard.get(m.round) or frozenset()) | {src})

    def on_timer(self, ctx: Context, timer: str) -> None:
        if self.heard.get(self.round) != self.others:
            ctx.output(Missed())
        self.round += 1
        if self.round <= self.rounds:
            self.begin(ctx)
        else:
            ctx.output(Done())


def runners(count: int = 3, rounds: int = 2, crashes: int = 0, **more: Any) -> World:
    names = [f"n{index}" for index in range(1, count + 1)]
    properties = (
        always("no news is missed", lambda view: not any(view.stated(Missed))),
        at_rest("all are done", lambda view: len(list(view.stated(Done))) == count),
    )
    return World(
        processes=tuple(
            Runner(name, frozenset(names) - {name}, rounds + more.get(name, 0)) for name in names
        ),
        properties=properties,
        network=Network.ROUNDS,
        crashes=crashes,
    )


@pytest.fixture(params=["numpy", "plain"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_no_round_ends_early_for_anyone(engine: str) -> None:
    result = check(runners(), engine=engine)
    assert {verdict.verdict for verdict in result.verdicts} == {"holds"}
    pin("three nodes, two rounds", result, distinct=114, transitions=265, depth=19)


def test_on_links_that_only_keep_their_order_it_does(engine: str) -> None:
    result = check(runners(2), engine=engine, network=Network.FIFO)
    assert result.violation is not None
    assert result.violation.name == "no news is missed"


@pytest.mark.parametrize("world", [runners(2, 3), runners(3, 1), runners(2, 1, n1=2)])
def test_a_naive_search_counts_the_same(world: World, engine: str) -> None:
    world = msgspec.structs.replace(world, properties=())
    result = check(world, engine=engine)
    found = Naive(world, Network.ROUNDS).search()
    assert (result.distinct, result.transitions, result.depth) == found


def test_whoever_has_fewer_rounds_to_wait_for_holds_nobody_up(engine: str) -> None:
    world = runners(2, 1, n1=2)
    only = tuple(prop for prop in world.properties if prop.name == "all are done")
    assert check(msgspec.structs.replace(world, properties=only), engine=engine).exit_code == 0


def test_a_node_that_stops_as_it_sends_is_missed_by_some(engine: str) -> None:
    result = check(runners(3, 2, crashes=1), engine=engine)
    assert result.violation is not None
    trace = result.violation.trace
    assert trace is not None
    again = replay(runners(3, 2, crashes=1), trace)
    assert (again.violated, again.difference) == ("no news is missed", None)


def test_both_engines_and_reduced_searches_agree_on_crashes_at_the_end_of_a_round() -> None:
    world = msgspec.structs.replace(runners(2, 2, crashes=1), properties=ANY)
    counts = [
        (result.distinct, result.transitions, result.depth)
        for result in (check(world, engine=engine) for engine in ("numpy", "plain"))
    ]
    assert counts[0] == counts[1]
    reduced = [check(world, engine=engine, reduce=True) for engine in ("numpy", "plain")]
    assert {tuple(v.verdict for v in result.verdicts) for result in reduced} == {
        tuple(v.verdict for v in check(world).verdicts)
    }


ANY = (
    sometimes("one misses news", lambda view: any(view.stated(Missed))),
    sometimes("all miss news", lambda view: len({n for n, _ in view.stated(Missed)}) == 2),
    at_rest("someone is done", lambda view: any(view.stated(Done))),
)


def test_runs_are_judged_in_lock_step_too() -> None:
    world = msgspec.structs.replace(
        runners(2, 2), properties=(eventually("done", lambda v: len(list(v.stated(Done))) == 2),)
    )
    assert check(world).exit_code == 0
    assert check(world).verdicts[0].verdict == "holds"


def test_rounds_end_in_turn_in_every_trace() -> None:
    world = msgspec.structs.replace(
        runners(3, 2), properties=(always("never done", lambda view: not any(view.stated(Done))),)
    )
    violation = check(world).violation
    assert violation is not None
    assert violation.trace is not None
    ended = [
        record.node
        for record in violation.trace.records
        if not isinstance(record.event, Crash) and isinstance(core(record.event), Timeout)
    ]
    assert len(ended) == 4  # all of the first round, and one of the second
    assert len(set(ended[:3])) == 3
