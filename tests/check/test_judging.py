"""When properties are judged, what they see, and what else ends a search."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from quorate.check import check
from quorate.kernel import (
    Actor,
    Context,
    Fact,
    Kind,
    Message,
    Network,
    NodeId,
    Property,
    ProtocolBug,
    UsageError,
    View,
    World,
    always,
    at_rest,
    eventually,
    sometimes,
)
from quorate.sim import replay


class Count(Fact, frozen=True):
    number: int


class Counter(Actor):
    """Counts in silence up to a limit, stating some of the numbers."""

    last: int
    states: frozenset[int] = frozenset()
    number: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("tick", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.number += 1
        if self.number in self.states:
            ctx.output(Count(self.number))
        if self.number < self.last:
            ctx.set_timer("tick", (1, 1))


def counting(*properties: Property, states: frozenset[int] = frozenset()) -> World:
    return World(processes=(Counter("c", 5, states),), properties=properties)


def number(view: View) -> int:
    return next(iter(view.roles(Counter))).number


def test_a_property_that_reads_states_is_judged_where_nothing_is_stated() -> None:
    result = check(
        counting(
            sometimes("three", lambda v: number(v) == 3, states=True),
            sometimes("six", lambda v: number(v) == 6, states=True),
            always("below six", lambda v: number(v) < 6, states=True),
            at_rest("five at rest", lambda v: number(v) == 5, states=True),
        )
    )
    assert [v.verdict for v in result.verdicts] == ["holds", "violated", "holds", "holds"]
    assert result.verdicts[1].reason == "no state shows it"
    assert result.verdicts[1].trace is None


@pytest.mark.parametrize(
    "reads",
    [
        lambda view: any(view.roles(Actor)),
        lambda view: "a" in view.actors,
        lambda view: not view.actors,
    ],
)
def test_a_property_that_reads_actors_must_say_so(reads: Callable[[View], bool]) -> None:
    # It would hold of no actors at all, and nobody would notice.
    with pytest.raises(UsageError, match="'reads' reads actors: make it with states=True"):
        check(counting(always("reads", reads)))


def test_groups_are_judged_apart_and_facts_outside_them_do_not_matter() -> None:
    seen: list[tuple[int, ...]] = []

    def small(view: View) -> bool:
        seen.append(tuple(fact.number for _, fact in view.stated(Count)))
        return True

    even = Property(
        "even", Kind.ALWAYS, small, per=lambda f: f.number % 4 if f.number % 2 == 0 else None
    )
    check(counting(even, states=frozenset({1, 2, 3, 4})))
    assert seen == [(2,), (4,)]


def test_no_predicate_is_asked_twice_about_the_same() -> None:
    asked: list[tuple[int, ...]] = []

    def holds(view: View) -> bool:
        asked.append(tuple(fact.number for _, fact in view.stated(Count)))
        return True

    world = World(
        processes=(Counter("c", 5, frozenset({2, 4})), Counter("d", 9)),
        properties=(always("asked", holds),),
    )
    assert check(world).distinct == 60
    assert asked == [(), (2,), (2, 4)]


def test_the_search_ends_at_the_first_violation_or_goes_on_for_the_others() -> None:
    below_two = always("below two", lambda v: number(v) < 2, states=True)
    below_four = always("below four", lambda v: number(v) < 4, states=True)
    first = check(counting(below_four, below_two))
    assert [v.verdict for v in first.verdicts] == ["unknown", "violated"]
    assert (first.cut, first.distinct) == ("the first violation", 3)
    every = check(counting(below_four, below_two), go_on=True)
    assert [v.verdict for v in every.verdicts] == ["violated", "violated"]
    assert [len(v.trace.records) for v in every.verdicts if v.trace] == [5, 3]
    assert (every.cut, every.distinct, every.exit_code) == (None, 6, 1)


def test_liveness_left_unknown_does_not_count() -> None:
    result = check(counting(eventually("done", lambda v: False)), graph_max=1)
    assert (result.verdicts[0].verdict, result.exit_code) == ("unknown", 0)
    assert result.verdicts[0].reason == "it takes the graph of over 1 states"
    assert check(counting(eventually("done", lambda v: False))).exit_code == 1


class Fragile(Counter):
    def on_timer(self, ctx: Context, timer: str) -> None:
        Counter.on_timer(self, ctx, timer)
        if self.number == 3:
            raise KeyError("three")


def test_a_handler_that_raises_is_a_violation_with_a_trace_that_replays() -> None:
    fine = always("fine", lambda v: True)
    world = World(processes=(Fragile("c", 5), Counter("d", 2)), properties=(fine,))
    result = check(world)
    violation = result.violation
    assert violation is not None
    assert violation.name == "no step fails (c: KeyError: 'three')"
    assert violation.trace is not None
    assert len(violation.trace.records) == 5
    assert violation.trace.records[-1].line.endswith("raised KeyError: 'three'")
    again = replay(world, violation.trace)
    assert (again.violated, again.difference) == (violation.name, None)
    # The failed node stands still; the other one goes on.
    assert check(world, go_on=True).distinct == 4 * 3


class Sly(Actor):
    """Keeps what only looks immutable."""

    kept: tuple[int, ...] = ()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.kept = Growing((1,))
        ctx.set_timer("grow", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        assert isinstance(self.kept, Growing)
        self.kept.size += 1


class Growing(tuple[int, ...]):
    size = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Growing) and self.size == other.size

    def __hash__(self) -> int:
        return self.size


def test_a_value_that_is_changed_in_place_is_found() -> None:
    with pytest.raises(ProtocolBug, match=r"s changed a value in place while taking Timeout"):
        check(World(processes=(Sly("s"),), properties=()))


class Noise(Message, frozen=True):
    pass


class Repeater(Actor):
    """Sends the same again and again."""

    to: NodeId

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("again", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        ctx.send(self.to, Noise())
        ctx.set_timer("again", (1, 1))


class Deaf(Actor):
    def on_noise(self, ctx: Context, src: NodeId, m: Noise) -> None:
        ctx.ignore("noise")


def test_a_flood_ends_the_search_and_leaves_the_verdict_open() -> None:
    calm = always("calm", lambda v: True)
    world = World(processes=(Repeater("r", "d"), Deaf("d")), properties=(calm,))
    assert check(world).exit_code == 0
    flooded = check(world, network=Network.MULTISET)
    assert flooded.cut == "128 copies of one message from r to d"
    assert flooded.exit_code == 2
    queued = check(world, network=Network.FIFO, states_max=50)
    assert (queued.cut, queued.exit_code) == ("50 states", 2)


def test_a_bound_on_memory_ends_the_search() -> None:
    calm = always("calm", lambda v: True)
    result = check(counting(calm), memory_max_bytes=1)
    assert (result.cut, result.exit_code) == ("1 bytes of memory", 2)


def test_what_was_found_before_a_bound_counts() -> None:
    result = check(
        counting(
            sometimes("one", lambda v: number(v) == 1, states=True),
            sometimes("nine", lambda v: number(v) == 9, states=True),
        ),
        depth_max=3,
    )
    assert [v.verdict for v in result.verdicts] == ["holds", "unknown"]
    assert (result.depth, result.cut, result.exit_code) == (3, "depth 3", 2)


def test_an_unknown_engine_and_a_senseless_budget_are_refused_by_name() -> None:
    with pytest.raises(
        UsageError, match="there is no engine 'steam'; there is: auto, numpy, plain"
    ):
        check(counting(), engine="steam")
    with pytest.raises(UsageError, match="crashes must lie between 0 and 255, not 256"):
        check(counting(), crashes=256)


def test_a_result_as_plain_data_names_what_was_searched_and_found(engine: str) -> None:
    below = always("below two", lambda v: number(v) < 2, states=True)
    data = check(counting(below)).to_json()
    assert data.pop("seconds") > 0
    assert data == {
        "distinct": 3,
        "transitions": 3,
        "depth": 3,
        "steps": 3,
        "engine": engine,
        "network": "set",
        "crashes": 0,
        "symmetry": False,
        "reduced": False,
        "bounds": (),
        "cut": "the first violation",
        "properties": [
            {
                "name": "below two",
                "kind": "always",
                "verdict": "violated",
                "reason": "",
                "trace_length": 3,
            }
        ],
    }
