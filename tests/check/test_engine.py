"""The plain engine against small worlds whose state spaces are known."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from quorate.check import check
from quorate.kernel import (
    Actor,
    Context,
    Crash,
    Fact,
    Lazy,
    Message,
    Network,
    NodeId,
    ProtocolBug,
    Stable,
    Timed,
    UsageError,
    World,
    always,
    at_rest,
    sometimes,
)
from quorate.sim import replay


class Ball(Message, frozen=True):
    hops: int


class Player(Actor):
    """Returns the ball, one hop further, until it has gone `hops_max` hops."""

    other: NodeId
    serves: bool
    hops_max: int
    hops: int = -1

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if self.serves:
            ctx.send(self.other, Ball(0))

    def on_ball(self, ctx: Context, src: NodeId, m: Ball) -> None:
        if m.hops <= self.hops:
            return ctx.ignore("an old ball")
        self.hops = m.hops
        if m.hops < self.hops_max:
            ctx.send(src, Ball(m.hops + 1))


def ping_pong(hops_max: int) -> World:
    players = (Player("a", "b", True, hops_max), Player("b", "a", False, hops_max))
    return World(processes=players, properties=())


@pytest.mark.parametrize("network", list(Network))
def test_a_game_without_faults_is_one_line_of_states(network: Network) -> None:
    # One state per ball in flight and one after the last.
    result = check(ping_pong(9), network=network)
    assert (result.distinct, result.depth) == (11, 11)
    assert result.exit_code == 0


class Said(Fact, frozen=True):
    word: str


class Talker(Actor):
    """Sends three messages to one that says each of them."""

    to: NodeId
    words: tuple[str, ...]

    def on_start(self, ctx: Context, recovered: bool) -> None:
        for word in self.words:
            ctx.send(self.to, Word(word))


class Word(Message, frozen=True):
    text: str


class Listener(Actor):
    heard: tuple[str, ...] = ()

    def on_word(self, ctx: Context, src: NodeId, m: Word) -> None:
        self.heard = (*self.heard, m.text)
        ctx.output(Said(m.text))


def talk() -> World:
    in_order = always(
        "in order",
        lambda v: [f.word for _, f in v.stated(Said)] == sorted(f.word for _, f in v.stated(Said)),
    )
    return World(
        processes=(Talker("t", "l", ("a", "b", "c")), Listener("l")), properties=(in_order,)
    )


def test_a_fifo_link_keeps_the_order_and_a_multiset_does_not() -> None:
    fifo = check(talk(), network=Network.FIFO)
    assert (fifo.distinct, fifo.exit_code) == (4, 0)
    loose = check(talk(), network=Network.MULTISET)
    assert loose.exit_code == 1


def test_a_multiset_delivers_each_copy_once() -> None:
    world = World(processes=talk().processes, properties=())
    # Every ordered choice of the words heard so far: 1 + 3 + 6 + 6.
    assert check(world, network=Network.MULTISET).distinct == 16


class Coin(Actor):
    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.choose("coin", ("heads", "tails"))

    def on_choice(self, ctx: Context, key: str, value: int | str) -> None:
        ctx.output(Said(str(value)))


def test_both_sides_of_a_coin_are_tried() -> None:
    sides = [
        sometimes(side, lambda v, side=side: any(f.word == side for _, f in v.stated(Said)))
        for side in ("heads", "tails", "edge")
    ]
    result = check(World(processes=(Coin("c"),), properties=tuple(sides)))
    assert [v.verdict for v in result.verdicts] == ["holds", "holds", "violated"]
    assert result.distinct == 3


class Diary(Actor):
    """Writes one thing that is forced and one that is not, and says what a crash left of them."""

    kept: Stable[int] = 0
    maybe: Lazy[int] = 0
    lost: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if recovered:
            ctx.output(Said(f"{self.kept}{self.maybe}{self.lost}"))
        else:
            ctx.set_timer("write", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "write":
            self.kept = self.maybe = self.lost = 1
            ctx.set_timer("again", (1, 1))
        else:
            self.maybe = self.lost = 2


def test_a_crash_keeps_stable_fields_and_may_lose_lazy_ones() -> None:
    said = [
        sometimes(what, lambda v, what=what: any(f.word == what for _, f in v.stated(Said)))
        for what in ("000", "110", "120", "100", "111")
    ]
    result = check(World(processes=(Diary("d"),), properties=tuple(said)), crashes=1)
    reached = {v.name for v in result.verdicts if v.verdict == "holds"}
    assert reached == {"000", "110", "120"}


class Herald(Actor):
    """Tells two others, in one step."""

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if not recovered:
            ctx.set_timer("tell", (1, 1))

    def on_timer(self, ctx: Context, timer: str) -> None:
        ctx.send("l1", Word("news"))
        ctx.send("l2", Word("news"))


def test_on_reliable_links_a_node_may_crash_within_a_broadcast() -> None:
    all_or_none = at_rest("all or none", lambda v: len({n for n, _ in v.stated(Said)}) in (0, 2))
    world = World(
        processes=(Herald("h"), Listener("l1"), Listener("l2")),
        properties=(all_or_none,),
        network=Network.FIFO,
        crashable=frozenset({"h"}),
    )
    assert check(world).exit_code == 0
    result = check(world, crashes=1)
    violation = result.violation
    assert violation is not None
    assert violation.trace is not None
    crashes = [r.event for r in violation.trace.records if isinstance(r.event, Crash)]
    assert [crash.sent for crash in crashes] == [1]
    again = replay(world, violation.trace)
    assert (again.violated, again.difference) == ("all or none", None)


_calls = [0]


class Fickle(Actor):
    seen: int = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        _calls[0] += 1
        self.seen = _calls[0]


def test_a_handler_that_is_not_deterministic_is_found() -> None:
    with pytest.raises(ProtocolBug, match=r"f does not take Start.* the same way twice"):
        check(World(processes=(Fickle("f"),), properties=()))


class Watch(Timed):
    pass


def test_an_actor_with_a_clock_is_refused() -> None:
    with pytest.raises(UsageError, match="w is Timed"):
        check(World(processes=(Watch("w"),), properties=()))


def test_a_bound_makes_the_verdict_unknown() -> None:
    never = always("never more than nine", lambda view: True)
    world = World(processes=ping_pong(50).processes, properties=(never,))
    result = check(world, states_max=10)
    assert (result.exit_code, result.verdicts[0].verdict) == (2, "unknown")
    assert result.cut == "10 states"
    shallow = check(world, depth_max=5)
    assert (shallow.depth, shallow.exit_code) == (5, 2)


PROGRAM = """
from quorate.check import check
from quorate.mutants import find_mutants
mutant = next(m for m in find_mutants("paxos") if m.name == "ignores_votes")
result = check(mutant.world())
print(result.distinct, result.transitions, result.depth, result.violation.trace.hash())
"""


def test_hash_seeds_change_nothing() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "42")
    }
    assert len(outputs) == 1
