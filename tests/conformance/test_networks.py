"""Small counts that show what a network is, after the unit tests of Stateright's actor model.

Source: https://github.com/stateright/stateright, src/actor/model.rs. There a lossy network may drop
any message as a step of its own. Here loss needs no step, since a message in a set may simply
never arrive; where the published count has such steps, the network is a role of the world.
"""

from __future__ import annotations

import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import (
    Actor,
    Context,
    Message,
    Network,
    NodeId,
    Process,
    World,
    at_rest,
)


class Ping(Message, frozen=True):
    number: int


class Pong(Message, frozen=True):
    number: int


class Player(Actor):
    """Answers each number once, up to a last one."""

    other: NodeId
    last: int
    serves: bool
    wire: NodeId | None = None
    count: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if self.serves:
            self.play(ctx, Ping(0))

    def on_ping(self, ctx: Context, src: NodeId, m: Ping) -> None:
        if not self.serves and m.number == self.count < self.last:
            self.count += 1
            self.play(ctx, Pong(m.number))

    def on_pong(self, ctx: Context, src: NodeId, m: Pong) -> None:
        if self.serves and m.number == self.count < self.last:
            self.count += 1
            self.play(ctx, Ping(self.count))

    def play(self, ctx: Context, ball: Ping | Pong) -> None:
        if self.wire is None:
            ctx.send(self.other, ball)
        else:
            ctx.send(self.wire, Carry(self.other, ball))


class Carry(Message, frozen=True):
    to: NodeId
    ball: Ping | Pong


class Wire(Actor):
    """A network that may deliver a message any number of times, until it drops it."""

    carried: tuple[Carry, ...] = ()

    def on_carry(self, ctx: Context, src: NodeId, m: Carry) -> None:
        if m not in self.carried:
            self.carried = (*self.carried, m)
        self.ask(ctx)

    def on_choice(self, ctx: Context, key: str, value: int | str) -> None:
        index = int(value)
        carried = self.carried[abs(index) - 1]
        if index > 0:
            ctx.send(carried.to, carried.ball)
        else:
            self.carried = tuple(c for c in self.carried if c is not carried)
        self.ask(ctx)

    def ask(self, ctx: Context) -> None:
        numbers = range(1, len(self.carried) + 1)
        if numbers:
            ctx.choose("next", (*numbers, *(-number for number in numbers)))


def players(last: int, wire: NodeId | None = None) -> tuple[Actor, ...]:
    return (Player("a", "b", last, True, wire), Player("b", "a", last, False, wire))


@pytest.mark.parametrize("network", [Network.SET, Network.MULTISET])
def test_ping_pong_without_loss_is_a_line(network: Network) -> None:
    result = check(World(processes=players(5), properties=(), network=network))
    pin("Stateright, published", result, distinct=11)


@pytest.mark.parametrize(("last", "published"), [(1, 14), (5, 4_094)])
def test_ping_pong_with_loss_leaves_any_part_of_what_was_sent(last: int, published: int) -> None:
    game = Process("game", (*players(last, "wire"), Wire("wire")))
    result = check(World(processes=(game,), properties=()))
    # After k steps k + 1 messages were sent, and any of them may be lost: 2 + 4 + … + 2^(2n+1).
    pin("Stateright, published", result, distinct=published)
    pin("closed form", result, distinct=sum(2 ** (k + 1) for k in range(2 * last + 1)))


class Dull(Message, frozen=True):
    pass


class Interesting(Message, frozen=True):
    pass


class Sender(Actor):
    to: NodeId

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.send(self.to, Dull())
        ctx.send(self.to, Interesting())


class Receiver(Actor):
    interested: bool = False

    def on_dull(self, ctx: Context, src: NodeId, m: Dull) -> None:
        ctx.ignore("dull")

    def on_interesting(self, ctx: Context, src: NodeId, m: Interesting) -> None:
        self.interested = True


@pytest.mark.parametrize(
    ("network", "distinct"), [(Network.SET, 2), (Network.MULTISET, 2), (Network.FIFO, 3)]
)
def test_a_delivery_that_changes_nothing_is_a_step_only_on_links_in_order(
    network: Network, distinct: int
) -> None:
    world = World(processes=(Sender("s", "r"), Receiver("r")), properties=(), network=network)
    pin("Stateright, published", check(world), distinct=distinct)


class Once(Actor):
    """Does nothing when its timer runs out."""

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("t", (1, 1))


def test_a_timer_that_ran_out_is_no_longer_set() -> None:
    world = World(processes=(Once("a"),), properties=())
    pin("Stateright, published", check(world), distinct=2)


class Chooser(Actor):
    chosen: str | int = ""

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.choose("key", ("first", "second", "third"))

    def on_choice(self, ctx: Context, key: str, value: int | str) -> None:
        self.chosen = value


def test_each_option_of_a_choice_is_a_step() -> None:
    world = World(processes=(Chooser("a"),), properties=())
    pin("Stateright, published", check(world), distinct=4)


class Idle(Actor):
    pass


def test_one_of_three_may_crash_for_good() -> None:
    world = World(
        processes=tuple(Idle(name) for name in "abc"),
        properties=(at_rest("anything", lambda v: True),),  # so that a stop is told from slowness
    )
    pin("Stateright, published", check(world, crashes=1), distinct=4)


def test_what_is_sent_to_nobody_is_not_in_the_network() -> None:
    world = World(processes=(Sender("s", "nobody"),), properties=())
    pin("Stateright, published", check(world), distinct=1)
