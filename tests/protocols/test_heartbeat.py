"""Heartbeats: each rule of the node, and what each corner keeps and loses."""

from __future__ import annotations

import msgspec
import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import (
    Ignore,
    Map,
    Output,
    Property,
    Receive,
    Send,
    SetTimer,
    Start,
    Threshold,
    Timeout,
    UsageError,
    World,
)
from quorate.properties.detection import (
    Suspected,
    Trusted,
    completeness,
    eventual_accuracy,
    notification,
    strong_accuracy,
)
from quorate.protocols import build_world
from quorate.protocols.failure_detector import Back, Patience, Watch
from quorate.protocols.heartbeat import BEAT, BEAT_MS, Beat, Node, world
from quorate.sim import Faults, Task, campaign, simulate

GROUP = Threshold(("n1", "n2"), 1)
HEARD = Watch(life=1, number=4, answered=4)


def node(watch: Watch = HEARD, patience: Patience = Patience.GROWS, **fields: int) -> Node:
    state = {"life": 1, "beats": 6} | fields
    return Node("n1", GROUP, patience, 10, watches=Map({"n2": watch}), **state)  # type: ignore[arg-type]


def waits(ms: int) -> SetTimer:
    return SetTimer("n2", (ms, ms))


def test_a_life_begins_with_a_heartbeat_and_in_later_ones_says_that_it_is_back() -> None:
    boot = Node("n1", GROUP, Patience.GROWS, 10)
    for before, said in ((boot, ()), (node().restart(boot), (Send("n2", Back(2)),))):
        after, effects = before.step(Start())
        assert after == node(Watch(), life=before.life + 1, beats=1)
        beat = (Send("n2", Beat(1, after.life)), SetTimer(BEAT, BEAT_MS), waits(10))
        assert effects[2:] == (*said, *beat)


def test_heartbeats_are_numbered_and_come_again_and_again() -> None:
    after, effects = node().step(Timeout(BEAT))
    assert after == node(beats=7)
    assert effects == (Send("n2", Beat(7, 1)), SetTimer(BEAT, BEAT_MS))


def test_the_last_of_so_many_heartbeats_is_followed_by_none() -> None:
    _, effects = node(beats_max=7).step(Timeout(BEAT))
    assert effects == (Send("n2", Beat(7, 1)),)


def test_a_heartbeat_that_comes_in_time_puts_off_the_suspicion() -> None:
    after, effects = node().step(Receive("n2", Beat(5, 1)))
    assert after == node(Watch(life=1, number=5, answered=5))
    assert effects == (waits(10),)


def test_silence_is_suspicious() -> None:
    after, effects = node().step(Timeout("n2"))
    assert after == node(Watch(life=1, number=4, suspected=True))
    assert effects == (Output(Suspected("n2", 1)),)


def test_a_heartbeat_that_comes_too_late_shows_the_mistake_and_doubles_the_time_out() -> None:
    before = node(Watch(life=1, number=4, mistakes=2, suspected=True))
    after, effects = before.step(Receive("n2", Beat(5, 1)))
    assert after == node(Watch(life=1, number=5, mistakes=3, answered=1))
    assert effects == (Output(Trusted("n2", 1)), waits(80))


@pytest.mark.parametrize(
    ("beat", "why"), [(Beat(9, 0), "a life that is over"), (Beat(4, 1), "an earlier heartbeat")]
)
def test_heartbeats_of_the_past_say_nothing(beat: Beat, why: str) -> None:
    assert node().step(Receive("n2", beat)) == (node(), (Ignore(why),))


def test_the_first_heartbeat_of_a_later_life_tells_that_the_earlier_one_is_over() -> None:
    after, effects = node().step(Receive("n2", Beat(1, 3)))
    assert after == node(Watch(life=3, number=1, answered=5))
    assert effects == (Output(Suspected("n2", 1)), Output(Trusted("n2", 3)), waits(10))


def test_whoever_is_back_is_to_have_a_heartbeat_soon_and_is_counted_from_its_first() -> None:
    after, effects = node(Watch(life=1, number=156, suspected=True)).step(Receive("n2", Back(2)))
    assert after == node(Watch(life=2))
    assert effects == (Output(Trusted("n2", 2)), waits(10))
    after, _ = after.step(Receive("n2", Beat(1, 2)))
    assert after == node(Watch(life=2, number=1, answered=1))
    late = after.step(Receive("n2", Back(2)))
    assert late == (after, (Ignore("heard before"),))


def test_endless_patience_sets_no_time_out() -> None:
    _, effects = node(patience=Patience.ENDLESS).step(Receive("n2", Beat(5, 1)))
    assert effects == ()


# As a whole.


def only(base: World, *properties: Property) -> World:
    return msgspec.structs.replace(base, properties=properties)


def broken(base: World, seeds: int, **knobs: int) -> dict[str, int]:
    """How often each property broke."""
    found: dict[str, int] = {}
    for seed in range(seeds):
        name = simulate(base, seed=seed, faults=Faults.swarm(seed, **knobs)).violated
        if name is not None:
            found[name] = found.get(name, 0) + 1
    return found


SHORT = {"unsafe_ms": 2_000, "heal_ms": 10_000}


def test_a_time_out_that_grows_is_complete_and_in_the_end_accurate_wherever_it_begins() -> None:
    task = Task(protocol="heartbeat", settings={"wait_ms": 5}, fault_settings=SHORT)
    result = campaign(task, first=0, count=40)
    assert (result.failures, result.bounded) == ((), 0)


def test_the_accurate_corner_keeps_accuracy_and_notification_and_loses_completeness() -> None:
    base = build_world("heartbeat", "accurate")
    assert broken(only(base, strong_accuracy, notification), 40, **SHORT) == {}
    assert set(broken(only(base, completeness), 40, **SHORT)) == {completeness.name}


def test_the_live_corner_keeps_completeness_and_loses_accuracy_for_good() -> None:
    base = build_world("heartbeat", "live")
    assert broken(only(base, completeness, notification), 40, **SHORT) == {}
    lost = broken(only(base, eventual_accuracy), 10, stop_rate=0, bit_rot=0, misdirected=0, **SHORT)
    assert lost == {eventual_accuracy.name: 10}


def test_a_time_out_tuned_to_heartbeats_and_delays_is_accurate_in_the_synchronous_model() -> None:
    for wait_ms, expected in ((BEAT_MS[1] + 2, 0), (BEAT_MS[1] - 10, 10)):
        base = only(build_world("heartbeat", "live", {"wait_ms": wait_ms}), strong_accuracy)
        runs = [simulate(base, seed=seed, faults=Faults(unsafe_ms=5_000)) for seed in range(10)]
        assert sum(run.violated == strong_accuracy.name for run in runs) == expected


def test_two_heartbeats_of_two_nodes_in_every_schedule_with_a_crash() -> None:
    result = check(build_world("heartbeat", "small"))
    assert result.exit_code == 0
    pin("as it was", result, distinct=75_748, transitions=256_045, depth=23)


def test_the_accurate_corner_is_accurate_in_every_schedule() -> None:
    settings = {"nodes": 2, "beats": 2, "crashes": 1}
    result = check(only(build_world("heartbeat", "accurate", settings), strong_accuracy))
    assert result.exit_code == 0
    pin("as it was", result, distinct=1_020, transitions=2_905, depth=12)


def test_a_time_out_of_no_time_is_refused() -> None:
    for name in ("failure_detector", "heartbeat"):
        for wait_ms in (0, -5):
            with pytest.raises(UsageError, match=f"a time-out of {wait_ms} ms is none"):
                build_world(name, settings={"wait_ms": wait_ms})


def test_the_world_has_as_many_nodes_as_it_is_told_to() -> None:
    assert [process.me for process in world(4).processes] == ["n1", "n2", "n3", "n4"]
