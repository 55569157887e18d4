"""Who is who: nodes with names or without, multicast built on unicast, chance within nodes."""

from __future__ import annotations

from typing import Any

import msgspec

from quorate.adversary import arm
from quorate.kernel import (
    Actor,
    Context,
    Effect,
    Message,
    NodeId,
    Receive,
    Send,
    Start,
    Timed,
    core,
)
from quorate.sim import Faults, replay, simulate
from quorate.sim.engine import Simulation
from quorate.sim.faults import Timing
from sim.toys import HEADER, Counter, Ping, Pong, Sender, records, run, world

# Anonymous nodes.

PAIR = world(Sender("s", ("c",), count=3), Counter("c"))


def test_a_node_learns_who_sent_unless_the_network_is_anonymous() -> None:
    assert len(records(run(PAIR), "s", Receive)) == 3
    hidden = run(PAIR, anonymous=True)
    assert len(records(hidden, "c", Receive)) == 3
    assert records(hidden, "s", Receive) == []  # whom to answer, it could not tell


class Gossip(Actor):
    """Spreads the highest number it has heard of. Whom from does not matter."""

    peers: tuple[NodeId, ...]
    highest: int

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.broadcast(self.peers, Ping(self.highest))

    def on_ping(self, ctx: Context, src: NodeId, m: Ping) -> None:
        if m.number > self.highest:
            self.highest = m.number
            ctx.broadcast(self.peers, Ping(self.highest))


def test_what_needs_no_identity_works_without() -> None:
    names = tuple("abcde")
    of = world(
        *(
            Gossip(n, (names[i - 1], names[(i + 1) % 5]), highest=i * 7 % 5)
            for i, n in enumerate(names)
        )
    )
    for anonymous in (False, True):
        outcome = run(of, anonymous=anonymous)
        assert outcome.trace is not None
        last = {record.node: record.line for record in outcome.trace.records if "→4" in record.line}
        assert len(last) == 4  # all but the one that began with it


def test_a_trace_of_an_anonymous_network_says_so_and_replays() -> None:
    outcome = run(PAIR, anonymous=True)
    assert outcome.trace is not None
    assert outcome.trace.header.adversaries == (("s", "anonymous"), ("c", "anonymous"))
    again = replay(arm(PAIR, outcome.trace.header.adversaries), outcome.trace)
    assert again.difference is None
    assert replay(PAIR, outcome.trace).difference is not None


# Deterministic and nondeterministic nodes.


class Claim(Message, frozen=True):
    round: int
    number: int


class Candidate(Timed):
    """Identical nodes without names elect a leader: each round the remaining ones draw numbers,
    and those with less than the highest give up (Itai and Rodeh, FOCS 1981, on a full graph).
    With one number to draw from they are deterministic."""

    peers: tuple[NodeId, ...]
    numbers: int
    round: int = 0
    drawn: int = 0
    heard: tuple[int, ...] = ()
    running: bool = True

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.begin(ctx)

    def begin(self, ctx: Context) -> None:
        self.round, self.heard = self.round + 1, ()
        if self.running:
            ctx.choose("number", tuple(range(self.numbers)))
        if self.round < 20:
            ctx.set_timer("round", (1, 1))

    def on_choice(self, ctx: Context, key: str, value: int | str) -> None:
        self.drawn = int(value)
        ctx.broadcast(self.peers, Claim(self.round, self.drawn))

    def on_claim(self, ctx: Context, src: NodeId, m: Claim) -> None:
        self.heard = tuple(sorted((*self.heard, m.number)))

    def on_timer(self, ctx: Context, timer: str) -> None:
        if self.heard and self.drawn < max(self.heard):
            self.running = False
        self.begin(ctx)


def _candidates(numbers: int, seed: int) -> list[Any]:
    names = tuple("abcd")
    of = world(*(Candidate(n, tuple(m for m in names if m != n), numbers) for n in names))
    faults = Faults(timing=Timing.SYNCHRONOUS, strobe_ms=10, anonymous=True)
    simulation = Simulation(of, seed, faults)
    simulation.start()
    simulation.run(1_000_000, 100_000)
    return [
        msgspec.structs.astuple(node.actor)[2:]  # all but its name and whom it is linked to
        for node in simulation.nodes
    ]


def test_identical_deterministic_nodes_in_lock_step_stay_identical_for_ever() -> None:
    # Angluin, Local and Global Properties in Networks of Processors, STOC 1980.
    for seed in range(10):
        assert len(set(_candidates(numbers=1, seed=seed))) == 1


def test_chance_within_nodes_breaks_the_symmetry() -> None:
    for seed in range(10):
        running = [state[4] for state in _candidates(numbers=4, seed=seed)]
        assert running.count(True) == 1


def test_a_deterministic_node_does_the_same_whatever_the_seed_and_others_need_not() -> None:
    same = {_lines(numbers=1, seed=seed) for seed in range(5)}
    other = {_lines(numbers=4, seed=seed) for seed in range(5)}
    assert len(same) == 1
    assert len(other) > 1


def _lines(numbers: int, seed: int) -> tuple[str, ...]:
    of = world(Candidate("a", ("b",), numbers))
    faults = Faults(timing=Timing.SYNCHRONOUS, strobe_ms=10)
    trace = simulate(of, seed=seed, faults=faults, header=HEADER).trace
    assert trace is not None
    return tuple(record.line for record in trace.records)


# Multicast is made of unicasts.


def test_a_broadcast_is_one_send_for_each_receiver_in_order() -> None:
    expected: tuple[Effect, ...] = tuple(Send(name, Ping(1)) for name in ("c", "a", "b"))
    assert Sender("s", ("c", "a", "b")).step(Start())[1] == expected


def test_so_each_receiver_of_a_broadcast_has_a_fate_of_its_own() -> None:
    names = tuple(f"c{i}" for i in range(30))
    of = world(Sender("s", names), *(Counter(n, answers=False) for n in names))
    whole = run(of)
    assert {n: len(records(whole, n, Receive)) for n in names} == dict.fromkeys(names, 1)
    some = run(of, loss=0.5, duplicate=0.5)
    counts = {len(records(some, name, Receive)) for name in names}
    assert counts == {0, 1, 2}


def test_what_arrives_is_what_was_sent_and_by_whom() -> None:
    of = world(Sender("s", ("c",), count=50), Sender("t", ("c",), count=50), Counter("c"))
    outcome = run(of, loss=0.3, duplicate=0.3, slow=0.3)
    sent = {(name, Ping(number)) for name in ("s", "t") for number in range(1, 51)}
    heard = [core(record.event) for record in records(outcome, "c", Receive)]
    assert len(heard) > 50
    assert {(event.src, event.msg) for event in heard} <= sent
    answers = {core(record.event) for record in records(outcome, "s", Receive)}
    assert answers <= {Receive("c", Pong(number)) for number in range(1, 51)}
