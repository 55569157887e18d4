"""State spaces whose size is known: pinned for Paxos, published or countable for small worlds."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import Actor, Context, Message, Network, NodeId, World, at_rest
from quorate.protocols import build_world

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("world", "settings", "crashes", "expected"),
    [
        ("small", {}, 0, (211_992, 2_439_559, 26)),
        ("small", {"proposers": 1}, 1, (204, 929, 13)),
        ("small", {"thrifty": True}, 0, (858, 4_870, 20)),
        ("small", {"thrifty": True}, 1, (1_794, 11_320, 21)),
        ("colocated", {"rounds": 1}, 0, (2_712, 22_303, 16)),
        ("colocated", {"rounds": 1}, 1, (11_900, 102_336, 18)),
    ],
)
def test_paxos_keeps_its_promises_in_a_space_of_pinned_size(
    world: str, settings: dict[str, object], crashes: int, expected: tuple[int, int, int]
) -> None:
    result = check(build_world("paxos", world, settings), crashes=crashes)
    distinct, transitions, depth = expected
    what = f"paxos, world {world} with {settings} and {crashes} crashes, as it was"
    pin(what, result, distinct=distinct, transitions=transitions, depth=depth)
    verdicts = {v.name: v.verdict for v in result.verdicts}
    assert verdicts == {
        "agreement": "holds",
        "validity": "holds",
        "decision is reachable": "holds",
        # Nothing refuses the highest ballot; but whoever crashed has no rounds left.
        "termination": "unknown" if crashes else "holds",
    }
    assert result.exit_code == 0


class Ignored(Message, frozen=True):
    pass


class Interesting(Message, frozen=True):
    pass


class Sender(Actor):
    to: NodeId

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.send(self.to, Ignored())
        ctx.send(self.to, Interesting())


class Hearer(Actor):
    heard: bool = False

    def on_ignored(self, ctx: Context, src: NodeId, m: Ignored) -> None:
        ctx.ignore("not interesting")

    def on_interesting(self, ctx: Context, src: NodeId, m: Interesting) -> None:
        self.heard = True


@pytest.mark.parametrize(
    ("network", "distinct"), [(Network.SET, 2), (Network.MULTISET, 2), (Network.FIFO, 3)]
)
def test_a_delivery_without_effect_is_no_move_except_on_a_queue(
    network: Network, distinct: int
) -> None:
    # Published: Stateright, actor model tests, no-op handling of its three networks.
    world = World(processes=(Sender("s", "h"), Hearer("h")), properties=())
    pin("Stateright, published", check(world, network=network), distinct=distinct)


def test_a_message_to_nobody_changes_nothing() -> None:
    # Published: Stateright, undeliverable messages.
    world = World(processes=(Sender("s", "nobody"),), properties=())
    pin("Stateright, published", check(world), distinct=1)


class Sleeper(Actor):
    naps: int
    slept: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("nap", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.slept += 1
        if self.slept < self.naps:
            ctx.set_timer("nap", (1, 1))


def test_a_timer_fires_once_for_each_time_it_is_set() -> None:
    # Published for one: Stateright, timers.
    for naps in (1, 5):
        world = World(processes=(Sleeper("z", naps),), properties=())
        pin(f"{naps} naps", check(world), distinct=naps + 1)


class Idle(Actor):
    pass


def test_each_of_three_nodes_may_stop_where_one_crash_is_allowed() -> None:
    # Published: Stateright, crashes. A restart that finds everything as it was is no move.
    rests = at_rest("rests", lambda view: True)
    world = World(processes=(Idle("a"), Idle("b"), Idle("c")), properties=(rests,))
    pin("Stateright, published", check(world, crashes=1), distinct=4)
    pin("each of three may stop", check(world, crashes=3), distinct=2**3)


class Adder(Actor):
    """Counts its own ticks up to a limit."""

    ticks_max: int
    ticks: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.set_timer("tick", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        if self.ticks < self.ticks_max:
            self.ticks += 1
            ctx.set_timer("tick", (1, 1))


def test_independent_processes_multiply() -> None:
    # Ticks 0 to 4, and once more for the timer that ran out: 6 local states, 5 moves, per process.
    world = World(processes=tuple(Adder(name, 4) for name in "abc"), properties=())
    pin("product", check(world), distinct=6**3, transitions=1 + 3 * 5 * 6 * 6, depth=16)


def test_progress_is_told_between_levels_and_never_goes_back() -> None:
    told: list[tuple[int, ...]] = []
    world = World(processes=tuple(Adder(name, 4) for name in "abc"), properties=())
    check(world, progress=lambda *now: told.append(now))
    assert len(told) == 16
    assert all(
        a <= b
        for before, after in pairwise(told)
        for a, b in zip(before[:3], after[:3], strict=True)
    )
