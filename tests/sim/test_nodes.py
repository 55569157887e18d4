"""Nodes: timers, clocks, disks, crashes, pauses, and what each of them spares."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from quorate.kernel import Receive, Start, Timeout, core
from quorate.sim import Faults
from quorate.sim.engine import Simulation
from sim.toys import (
    Alarms,
    Chooser,
    Clerk,
    Clock,
    Clumsy,
    Counter,
    Echo,
    Got,
    Greeter,
    Loose,
    Ping,
    Sender,
    crashes,
    pings,
    records,
    run,
    world,
)

COUNTED = world(Sender("s", ("c",), count=100, every_ms=10), Counter("c"), may_crash="c")


def _simulation(of: Any, seed: int = 0, **knobs: Any) -> Simulation:
    simulation = Simulation(of, seed, Faults(**{"delay_us": (1_000, 1_000)} | knobs), tracing=True)
    simulation.start()
    return simulation


# Timers, choices and clocks.


def test_a_timer_rings_once_within_its_range_and_the_last_setting_counts() -> None:
    outcome = run(world(Alarms("a")))
    rang = {core(r.event).timer: r.at_us for r in records(outcome, "a", Timeout)}
    assert list(rang) == ["rings", "again"]
    assert 10_000 <= rang["rings"] <= 20_000
    assert rang["again"] == 30_000


def test_a_choice_is_one_of_the_options_and_seeds_differ() -> None:
    picked = set()
    for seed in range(20):
        trace = run(world(Chooser("c")), seed=seed).trace
        assert trace is not None
        picked.add(core(trace.records[-1].event).value)
    assert picked == {"heads", "tails"}


def _readings(**knobs: Any) -> list[int]:
    simulation = _simulation(world(Clock("c")), **knobs)
    simulation.run(5_000_000, 100)
    return [fact.at_ms for _, fact in simulation.judge.view().facts]


def test_a_timed_actor_reads_its_clock() -> None:
    assert _readings() == [0, 1_000]


def test_a_clock_may_be_ahead() -> None:
    first, second = _readings(skew_ms=1_000_000)
    assert 0 < first <= 1_000_000
    assert second == first + 1_000


def test_a_drifting_clock_also_drives_the_timers_of_its_node() -> None:
    simulation = _simulation(world(Clock("c")), drift_ppm=500_000)
    simulation.run(5_000_000, 100)
    start, rang = (record.at_us for record in simulation.tape.records)
    assert 999 <= simulation.nodes[0].clock_ms(rang) <= 1_000
    assert rang - start != 1_000_000


# Disks.


def test_what_a_step_sends_waits_for_the_write_of_that_step() -> None:
    outcome = run(world(Sender("s", ("c",)), Counter("c")), delay_us=(100, 100), disk_us=5_000)
    asked, answered = records(outcome, "c", Receive)[0], records(outcome, "s", Receive)[0]
    assert (asked.at_us, answered.at_us) == (100, 100 + 5_000 + 100)


def test_writes_are_done_one_after_the_other() -> None:
    of = world(Sender("s", ("c",), count=3), Counter("c"))
    outcome = run(of, delay_us=(100, 100), disk_us=5_000)
    assert [r.at_us for r in records(outcome, "s", Receive)] == [5_200, 10_200, 15_200]


def test_outputs_wait_for_the_disk_as_well() -> None:
    simulation = _simulation(world(Sender("s", ("c",)), Counter("c")), disk_us=5_000)
    simulation.run(5_999, 100)
    assert simulation.judge.view().facts == ()
    simulation.run(6_000, 100)
    assert len(simulation.judge.view().facts) == 1


# Crashes.


def test_a_crash_keeps_stable_fields_and_loses_the_others() -> None:
    simulation = _simulation(COUNTED)
    simulation.run(505_000, 10_000)
    counter = simulation.nodes[1]
    assert (counter.actor.kept, counter.actor.heard) == (50, 50)
    simulation.crash(counter)
    assert (counter.actor.kept, counter.actor.heard) == (50, 0)


def test_a_node_that_is_down_hears_nothing_and_starts_again_as_recovered() -> None:
    simulation = _simulation(COUNTED, down_ms=(100, 100))
    simulation.run(505_000, 10_000)
    simulation.crash(simulation.nodes[1])
    simulation.run(2_000_000, 10_000)
    starts = [r for r in simulation.tape.records if r.node == "c" and isinstance(r.event, Start)]
    assert [(r.at_us, r.event) for r in starts] == [(0, Start()), (605_000, Start(recovered=True))]
    assert simulation.nodes[1].actor.kept == 90


def test_timers_do_not_survive_a_crash() -> None:
    simulation = _simulation(world(Sender("s", ("c",), count=9, every_ms=10), Counter("c")))
    simulation.run(35_000, 100)
    simulation.crash(simulation.nodes[0])
    simulation.run(44_000, 100)
    simulation.restart(simulation.nodes[0])
    simulation.run(53_000, 100)
    assert simulation.nodes[1].actor.kept == 3
    simulation.run(55_000, 100)
    assert simulation.nodes[1].actor.kept == 4


def test_an_unforced_write_may_be_lost_and_may_survive() -> None:
    kept = set()
    for seed in range(40):
        simulation = _simulation(
            world(Sender("s", ("c",), count=3), Loose("c")), seed=seed, crash_rate=1e-9
        )
        simulation.run(2_000, 100)
        simulation.crash(simulation.nodes[1])
        kept.add(simulation.nodes[1].actor.loose)
    assert kept == {0, 1, 2, 3}


def test_forcing_a_later_write_forces_the_unforced_ones_before_it() -> None:
    for seed in range(10):
        simulation = _simulation(
            world(Sender("s", ("c",), count=3), Counter("c")), seed=seed, crash_rate=1e-9
        )
        simulation.run(2_000, 100)
        simulation.crash(simulation.nodes[1])
        assert simulation.nodes[1].actor.loose == 3


def test_a_write_under_way_may_be_lost_and_nobody_hears_of_it() -> None:
    kept = set()
    for seed in range(40):
        simulation = _simulation(
            world(Sender("s", ("c",), count=3), Counter("c")), seed=seed, disk_us=10_000
        )
        simulation.run(15_000, 100)  # the first write is done, the second under way
        simulation.crash(simulation.nodes[1])
        kept.add(simulation.nodes[1].actor.kept)
        simulation.run(40_000, 100)
        heard = [fact for _, fact in simulation.judge.view().facts]
        assert [fact.number for fact in heard] == [1, 1]
    assert kept == {1, 2, 3}


def test_a_crash_within_a_broadcast_lets_some_of_the_sends_leave() -> None:
    names = tuple(f"c{i}" for i in range(1, 6))
    of = world(Sender("s", names, every_ms=100), *map(Counter, names), may_crash="s")
    counts = set()
    for seed in range(40):
        simulation = _simulation(of, seed=seed, crash_rate=1e-9)
        simulation.nodes[0].doomed = True
        simulation.run(110_000, 100)
        crash = crashes(simulation.tape.records)[0]
        assert crash.during == Timeout("next")
        reached = [n.me for n in simulation.nodes[1:] if n.actor.kept]
        assert reached == list(names[: crash.sent])
        counts.add(crash.sent)
    assert counts == {0, 1, 2, 3, 4}


def test_a_crash_within_a_step_comes_before_its_write_is_done_or_within_its_broadcast() -> None:
    of = world(Sender("s", ("c",)), Counter("c"), may_crash="c")
    seen = set()
    for seed in range(40):
        simulation = _simulation(of, seed=seed, crash_rate=1e-9, disk_us=10_000)
        simulation.nodes[1].doomed = True
        simulation.run(10_999, 100)
        sooner = len(crashes(simulation.tape.records))
        simulation.run(11_000, 100)
        (crash,) = crashes(simulation.tape.records)
        if sooner:
            assert (crash.during, crash.unheard) == (None, 1)
            assert simulation.nodes[1].actor.kept == 1 - crash.undone
        else:
            assert (crash.during, crash.unheard) == (Receive("s", Ping(1)), 0)
            assert simulation.nodes[1].actor.kept == 1
        seen.add((sooner, crash.undone))
    assert seen == {(0, 0), (1, 0), (1, 1)}


def test_only_those_who_may_fail_crash_and_pause() -> None:
    outcome = run(COUNTED, crash_rate=5.0, mid_step=0.0, pause_rate=5.0)
    assert outcome.trace is not None
    assert crashes(outcome.trace.records)
    assert {r.node for r in outcome.trace.records if "crash" in r.line} == {"c"}
    assert [r.at_us for r in records(outcome, "s", Timeout)] == [i * 10_000 for i in range(1, 101)]


# Pauses, and the end of all faults.


def test_a_paused_node_handles_nothing_and_then_everything_in_order() -> None:
    simulation = _simulation(world(Sender("s", ("c",), count=9, every_ms=10), Clerk("c")))
    simulation.run(35_000, 1_000)
    clerk = simulation.nodes[1]
    clerk.awake = False
    simulation.run(95_000, 1_000)
    assert len(clerk.actor.log) == 2 * 3
    simulation.resume(clerk)
    assert clerk.actor.log[::2] == tuple(f"s{i}" for i in range(1, 10))


def test_a_paused_node_sends_nothing_although_its_write_is_done() -> None:
    simulation = _simulation(world(Sender("s", ("c",)), Counter("c")), disk_us=5_000)
    simulation.run(2_000, 100)
    simulation.nodes[1].awake = False
    simulation.run(50_000, 100)
    assert simulation.judge.view().facts == ()
    simulation.resume(simulation.nodes[1])
    simulation.run(60_000, 100)
    assert len(simulation.judge.view().facts) == 2


def test_a_crash_after_a_pause_lets_nothing_leave_ahead_of_earlier_steps() -> None:
    of = world(Sender("s", ("c",)), Greeter("c"), may_crash="c")
    for seed in range(10):
        simulation = _simulation(of, seed=seed, crash_rate=1e-9, disk_us=5_000)
        simulation.nodes[1].awake = False
        simulation.run(50_000, 100)
        simulation.nodes[1].doomed = True
        simulation.resume(simulation.nodes[1])
        simulation.run(60_000, 100)
        stated = [fact for _, fact in simulation.judge.view().facts]
        assert stated[0] == Got(-1)
        assert stated[1:]


def test_pauses_lose_nothing() -> None:
    outcome = run(COUNTED, pause_rate=5.0)
    assert pings(outcome, "c") == list(range(1, 101))
    gaps = [record.at_us for record in records(outcome, "c", Receive)]
    assert max(b - a for a, b in pairwise(gaps)) > 20_000


def test_healing_brings_everyone_back_and_links_carry() -> None:
    of = world(Sender("s", ("c", "d"), count=99, every_ms=10), Counter("c"), Counter("d"))
    simulation = _simulation(of, loss=1.0, down_ms=(60_000, 60_000))
    simulation.cut = frozenset({(0, 1), (0, 2)})
    simulation.run(205_000, 1_000)
    simulation.crash(simulation.nodes[1])
    simulation.nodes[2].awake = False
    simulation.heal()
    simulation.run(1_005_000, 10_000)
    assert all(node.up and node.awake for node in simulation.nodes)
    assert {n.actor.kept for n in simulation.nodes[1:]} == {79}


# Actors that misbehave.


def test_an_error_in_a_handler_is_a_finding_that_names_the_node() -> None:
    outcome = run(world(Sender("s", ("c",)), Clumsy("c")))
    assert outcome.violated == "no step fails (c: KeyError: 1)"
    assert outcome.trace is not None
    assert outcome.trace.records[-1].line == "c raised KeyError(1)"


@pytest.mark.parametrize("disk_us", [0, 100])
def test_a_node_that_talks_to_itself_without_end_is_a_finding(disk_us: int) -> None:
    outcome = run(world(Echo("e")), disk_us=disk_us)
    assert outcome.violated == "no step fails (e: ProtocolBug: it sends to itself without end)"
