"""Observers: properties that depend on the order in which different nodes state their facts."""

from __future__ import annotations

from typing import Self

import msgspec
import pytest

from quorate.check import check
from quorate.kernel import (
    Actor,
    Context,
    Fact,
    Header,
    Message,
    Network,
    NodeId,
    Observer,
    Process,
    Property,
    ProtocolBug,
    UsageError,
    World,
    always,
    sometimes,
)
from quorate.sim import Faults, replay, simulate


class Enter(Fact, frozen=True):
    pass


class Leave(Fact, frozen=True):
    pass


class Order(Observer, frozen=True):
    """Everything that was stated, in order."""

    stated: tuple[tuple[NodeId, str], ...] = ()

    def see(self, node: NodeId, fact: Fact) -> Self:
        return type(self)(self.me, (*self.stated, (node, type(fact).__name__)))


class Inside(Observer, frozen=True):
    """Who is inside; once two were, that stays on record."""

    now: frozenset[NodeId] = frozenset()
    crowded: bool = False

    def see(self, node: NodeId, fact: Fact) -> Self:
        now = self.now | {node} if isinstance(fact, Enter) else self.now - {node}
        return type(self)(self.me, now, self.crowded or len(now) > 1)


class Visitor(Actor):
    """Enters and leaves as often as it likes, with or without holding the token."""

    other: NodeId
    holds: bool
    careful: bool
    visits_max: int = 2
    inside: bool = False
    visits: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("visit", (1, 5))

    def on_timer(self, ctx: Context, timer: str) -> None:
        if not self.inside and self.visits < self.visits_max and (self.holds or not self.careful):
            self.inside = True
            self.visits += 1
            ctx.output(Enter())
        elif self.inside:
            self.inside = False
            ctx.output(Leave())
            if self.holds and self.careful:
                self.holds = False
                ctx.send(self.other, Token(self.visits))
        if self.visits < self.visits_max or self.inside:
            ctx.set_timer("visit", (1, 5))

    def on_token(self, ctx: Context, src: NodeId, m: Token) -> None:
        if m.visits > self.visits:
            self.holds = True


class Token(Message, frozen=True):
    visits: int


ALONE = always("alone", lambda v: not next(v.roles(Inside)).crowded, states=True)
NOW_ALONE = always("now alone", lambda v: len(next(v.roles(Inside)).now) < 2, states=True)


def room(careful: bool) -> World:
    return World(
        processes=(Visitor("a", "b", True, careful), Visitor("b", "a", False, careful)),
        observers=(Inside("room"),),
        properties=(ALONE, NOW_ALONE),
        network=Network.MULTISET,
    )


def test_what_two_nodes_do_at_once_is_seen_though_each_states_the_same_facts_anyway() -> None:
    assert check(room(careful=True)).exit_code == 0
    result = check(room(careful=False), go_on=True)
    for verdict in result.verdicts:
        assert (verdict.verdict, verdict.trace is None) == ("violated", False)
        assert verdict.trace is not None
        assert len(verdict.trace.records) == 4  # two starts, and both enter
        again = replay(room(careful=False), verdict.trace)
        assert (again.violated, again.difference) == (verdict.name, None)


class Herald(Actor):
    """States one fact, once, when it gets round to it."""

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("speak", (1, 9))

    def on_timer(self, ctx: Context, timer: str) -> None:
        ctx.output(Enter())


def heralds(*observers: Observer, count: int = 2) -> World:
    return World(
        processes=tuple(Herald(f"h{index}") for index in range(count)),
        observers=observers,
        properties=(),
    )


def test_runs_with_equal_facts_per_node_but_another_order_are_told_apart() -> None:
    # Without an observer: who has spoken. With one: in which order, so 1 + 3 + 6 + 6.
    assert check(heralds(count=3)).distinct == 2**3
    assert check(heralds(Order("order"), count=3)).distinct == 16
    # Two observers are watched together.
    both = heralds(Order("order"), Inside("inside"), count=3)
    assert check(both).distinct == 16
    first = World(
        processes=both.processes,
        observers=both.observers,
        properties=tuple(
            sometimes(
                f"{one} is first",
                lambda v, one=one: next(v.roles(Order)).stated[:1] == ((one, "Enter"),),
                states=True,
            )
            for one in ("h0", "h1", "h3")
        ),
    )
    assert [v.verdict for v in check(first).verdicts] == ["holds", "holds", "violated"]


class Echo(Actor):
    """States that it was asked, each time that it is, and is otherwise always the same."""

    def on_token(self, ctx: Context, src: NodeId, m: Token) -> None:
        ctx.output(Enter())


class Asker(Actor):
    to: NodeId
    times: int

    def on_start(self, ctx: Context, recovered: bool) -> None:
        for time in range(self.times):
            ctx.send(self.to, Token(time))


class Tally(Observer, frozen=True):
    most: int
    count: int = 0

    def see(self, node: NodeId, fact: Fact) -> Self:
        return type(self)(self.me, self.most, min(self.most, self.count + 1))


@pytest.mark.parametrize("network", list(Network))
@pytest.mark.parametrize("most", [0, 2, 5])
def test_a_repeated_fact_is_seen_again_and_a_step_that_shows_nothing_new_is_none(
    network: Network, most: int
) -> None:
    times = 3
    world = World(
        processes=(Asker("a", "e", times), Process("p", (Echo("e"),))),
        observers=(Tally("tally", most),),
        properties=(),
        network=network,
    )
    result = check(world)
    if network is Network.SET:  # messages stay: counting goes on until the observer tires of it
        # The first time, the fact itself is new.
        assert result.distinct == 1 + max(1, most)
        assert result.transitions == 1 + times * (max(1, most) if most else 1)
    elif network in (
        Network.FIFO,
        Network.ROUNDS,
    ):  # messages are taken off in their order, seen or not
        assert result.distinct == 1 + times
    else:  # a message that changes nothing at all stays where it is
        seen = min(times, max(1, most))
        choose = {0: 1, 1: 3, 2: 3, 3: 1}
        assert result.distinct == sum(choose[count] for count in range(seen + 1))


class Fickle(Observer, frozen=True):
    def see(self, node: NodeId, fact: Fact) -> Self:
        _calls.append(node)
        return type(self)(f"{self.me}{len(_calls)}")


_calls: list[NodeId] = []


def test_an_observer_that_is_not_deterministic_is_found() -> None:
    with pytest.raises(ProtocolBug, match=r"odd does not see Enter\(\) the same way twice"):
        check(heralds(Fickle("odd")))


class Leaky(Observer, frozen=True):
    seen: list[str] = []  # noqa: RUF012 - refused for this


def test_bad_observers_are_refused() -> None:
    with pytest.raises(UsageError, match=r"Leaky\.seen has type list.*may hold a mutable value"):
        heralds(Leaky("leaky"))
    with pytest.raises(UsageError, match="two roles share the name 'h0'"):
        heralds(Order("h0"))


def test_the_simulator_shows_observers_the_same_and_its_traces_replay() -> None:
    header = Header(protocol="", executor="simulate")
    found = 0
    for seed in range(20):
        assert simulate(room(careful=True), seed=seed, faults=Faults()).violated is None
        run = simulate(room(careful=False), seed=seed, faults=Faults(), header=header)
        assert run.trace is not None
        again = replay(room(careful=False), run.trace)
        assert (again.violated, again.difference) == (run.violated, None)
        found += run.violated == "alone"
    assert found


def test_what_an_observer_sees_only_for_a_moment_is_judged_in_that_moment() -> None:
    def judged_by(prop: Property, seed: int) -> bool:
        world = msgspec.structs.replace(room(careful=False), properties=(prop,))
        return simulate(world, seed=seed, faults=Faults()).violated is not None

    kept = [judged_by(ALONE, seed) for seed in range(40)]
    assert kept == [judged_by(NOW_ALONE, seed) for seed in range(40)]
    assert any(kept)
