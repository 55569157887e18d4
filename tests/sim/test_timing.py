"""Models of time: what each guarantees, and that the guarantee is gone without it."""

from __future__ import annotations

from typing import Any

import pytest

from quorate.kernel import Actor, Context, Fact, NodeId, Receive, Timed, Timeout
from quorate.sim import Faults, Run, Task, campaign, simulate
from quorate.sim.engine import Simulation
from quorate.sim.faults import Timing
from sim.toys import HEADER, Counter, Ping, Pong, Sender, records, run, world

BOUND_US = 2_000
STEADY = world(Sender("s", ("c",), count=2_000, every_ms=1), Counter("c", answers=False))
LONG = {"unsafe_ms": 60_000}


def _delays(timing: str, **knobs: Any) -> list[tuple[int, int]]:
    """When each of many messages was sent, and how long it took, in µs."""
    faults = Faults().with_settings(
        {"timing": timing, "delay_us": (500, BOUND_US), **LONG, **knobs}
    )
    outcome = simulate(STEADY, seed=0, faults=faults, header=HEADER)
    sent = [record.at_us for record in records(outcome, "s", Timeout)]
    return [
        (sent[record.event.msg.number - 1], record.at_us - sent[record.event.msg.number - 1])
        for record in records(outcome, "c", Receive)
    ]


def test_synchronous_delays_keep_the_bound() -> None:
    took = [delay for _, delay in _delays("synchronous")]
    assert len(took) == 2_000
    assert min(took) >= 500
    assert BOUND_US * 0.9 < max(took) <= BOUND_US


def test_synchronous_delays_keep_the_bound_whatever_has_priority() -> None:
    took = [delay for _, delay in _delays("synchronous", scheduler="pct")]
    assert len(took) == 2_000
    assert (min(took) >= 500, max(took)) == (True, BOUND_US)


def test_asynchronous_delays_are_finite_and_exceed_any_bound() -> None:
    took = sorted(delay for _, delay in _delays("asynchronous"))
    assert len(took) == 2_000
    assert took[0] >= 500
    # Of a Pareto tail with exponent 1.2, one in (1 + t)^1.2 takes more than t times the range.
    for times in (1, 10, 100):
        expected = 2_000 * (1 + times) ** -1.2
        count = sum(delay > 500 + times * (BOUND_US - 500) for delay in took)
        assert expected / 2 - 2 <= count <= expected * 2 + 2


def test_partially_synchronous_delays_keep_the_bound_from_some_time_on() -> None:
    timed = _delays("partial", gst_ms=1_000)
    before = [(sent, delay) for sent, delay in timed if sent < 1_000_000]
    after = [delay for sent, delay in timed if sent >= 1_000_000]
    assert len(before) + len(after) == 2_000
    assert max(delay for _, delay in before) > 5 * BOUND_US
    assert all(sent + delay <= 1_000_000 + BOUND_US for sent, delay in before if delay > BOUND_US)
    assert max(after) <= BOUND_US


class Suspected(Fact, frozen=True):
    """Nothing came from the other for so long that it must have stopped."""


class Watcher(Actor):
    """Learns by watching the clock: whoever does not answer within `patience_ms` has stopped."""

    peer: NodeId
    patience_ms: int

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.ask(ctx)

    def ask(self, ctx: Context) -> None:
        ctx.send(self.peer, Ping(0))
        ctx.set_timer("patience", (self.patience_ms, self.patience_ms))

    def on_pong(self, ctx: Context, src: NodeId, m: Pong) -> None:
        self.ask(ctx)

    def on_timer(self, ctx: Context, timer: str) -> None:
        ctx.output(Suspected())


def _suspects(timing: str, stops: bool = False, **knobs: Any) -> bool:
    of = world(Watcher("w", "c", patience_ms=5), Counter("c"), may_crash="c")
    faults = Faults().with_settings({"timing": timing, "delay_us": (500, BOUND_US), **knobs})
    simulation = Simulation(of, 0, faults)
    simulation.start()
    simulation.run(5_000_000, 100_000)
    if stops:
        simulation.crash(simulation.nodes[1])
        simulation.run(5_010_000, 100_000)
    return any(simulation.judge.view().stated(Suspected))


def test_with_a_known_bound_the_absence_of_a_message_tells_who_has_stopped() -> None:
    assert not _suspects("synchronous")
    assert _suspects("synchronous", stops=True, down_ms=(1_000, 1_000))


@pytest.mark.parametrize("timing", ["partial", "asynchronous"])
def test_without_one_it_tells_nothing(timing: str) -> None:
    assert _suspects(timing)


# Lock-step rounds, by a global strobe.


class Round(Fact, frozen=True):
    number: int
    heard: tuple[tuple[NodeId, int], ...]


class Marcher(Timed):
    """Each round: send its number to all, and say whose messages of the round before came."""

    peers: tuple[NodeId, ...]
    round_ms: int
    heard: tuple[tuple[NodeId, int], ...] = ()

    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.march(ctx)

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.march(ctx)

    def march(self, ctx: Context) -> None:
        number = ctx.at_ms // self.round_ms
        ctx.output(Round(number, tuple(sorted(self.heard))))
        self.heard = ()
        if number < 20:
            ctx.broadcast(self.peers, Ping(number))
            ctx.set_timer("round", (1, 1))

    def on_ping(self, ctx: Context, src: NodeId, m: Ping) -> None:
        self.heard = (*self.heard, (src, m.number))


NAMES = ("a", "b", "c")
MARCH = world(*[Marcher(n, tuple(m for m in NAMES if m != n), round_ms=10) for n in NAMES])


def _in_step(outcome: Run) -> bool:
    """Whether each round began at every node at the same time, with all of the round before."""
    assert outcome.trace is not None
    said = [(r.at_us, r.line.partition("! ")[2]) for r in outcome.trace.records if "! " in r.line]
    due = [
        f"Round({number}, (" + " ".join(f"({n} {number - 1})" for n in NAMES if n != me and number)
        for number in range(21)
        for me in NAMES
    ]
    return [at_us for at_us, _ in said] == [10_000 * (i // 3) for i in range(63)] and all(
        line.startswith(text) for (_, line), text in zip(said, due, strict=True)
    )


def test_a_strobe_makes_lock_step_rounds_in_the_synchronous_model() -> None:
    assert _in_step(run(MARCH, **_knobs("synchronous", strobe_ms=10)))


@pytest.mark.parametrize(
    ("timing", "knobs"),
    [("synchronous", {"skew_ms": 50}), ("asynchronous", {"strobe_ms": 10})],
    ids=["without a strobe", "without a bound"],
)
def test_without_either_there_are_no_such_rounds(timing: str, knobs: dict[str, Any]) -> None:
    assert not _in_step(run(MARCH, **_knobs(timing, **knobs)))


def _knobs(timing: str, **knobs: Any) -> dict[str, Any]:
    return {"timing": Timing(timing), "delay_us": (500, 9_000), **knobs}


# Slow nodes.


def test_a_slow_node_handles_all_that_comes_late_and_loses_nothing() -> None:
    of = world(Sender("s", ("c",), count=50, every_ms=10), Counter("c"), may_crash="c")
    prompt = run(of, delay_us=(100, 100))
    slow = run(of, delay_us=(100, 100), slow_nodes=1, lag_us=(7_000, 7_000))
    first, second = records(prompt, "c", Receive), records(slow, "c", Receive)
    assert [r.event for r in first] == [r.event for r in second]
    assert {b.at_us - a.at_us for a, b in zip(first, second, strict=True)} == {7_000}


def test_no_more_nodes_are_slow_than_is_said_and_only_those_who_may_fail() -> None:
    of = world(*map(Counter, "abcdef"), may_crash="a b c d")
    for count in (0, 2, 4, 6):
        simulation = Simulation(of, 0, Faults(slow_nodes=count))
        late = [node.me for node in simulation.nodes if node.lag_us]
        assert len(late) == min(count, 4)
        assert set(late) <= set("abcd")


# Nothing of this may break a protocol that assumes no time at all.


@pytest.mark.parametrize("timing", ["synchronous", "partial", "asynchronous"])
def test_paxos_is_safe_and_decides_once_delays_are_bounded(timing: str) -> None:
    task = Task(protocol="paxos", swarm=False, fault_settings={"timing": timing, "loss": 0.2})
    result = campaign(task, first=0, count=30)
    assert [run.violated for run in result.failures] == []
    assert result.reached
