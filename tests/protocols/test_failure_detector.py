"""Failure detectors: each rule of the node, what each corner keeps and loses, detection time."""

from __future__ import annotations

import msgspec
import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import (
    Change,
    Header,
    Ignore,
    Map,
    Output,
    Persist,
    Property,
    Receive,
    Send,
    SetTimer,
    Start,
    Threshold,
    Timeout,
    World,
)
from quorate.properties.detection import (
    STEADY,
    Began,
    Suspected,
    Trusted,
    completeness,
    eventual_accuracy,
    notification,
    strong_accuracy,
)
from quorate.protocols import build_world
from quorate.protocols.failure_detector import (
    REST_MS,
    TRIES,
    Back,
    Node,
    Patience,
    Ping,
    Pong,
    Watch,
    world,
)
from quorate.sim import Faults, Task, campaign, simulate

GROUP = Threshold(("n1", "n2"), 1)
UNHEARD = Watch()


def node(watch: Watch = UNHEARD, patience: Patience = Patience.GROWS, life: int = 1) -> Node:
    return Node("n1", GROUP, patience, 10, life=life, watches=Map({"n2": watch}))


def asking(**fields: int) -> Watch:
    return Watch(**({"life": 1, "number": 4, "tries": 1} | fields))  # type: ignore[arg-type]


def waits(ms: int) -> SetTimer:
    return SetTimer("n2", (ms, ms))


REST = SetTimer("n2", REST_MS)


def test_a_life_is_counted_on_disk_before_anybody_is_asked() -> None:
    after, effects = Node("n1", GROUP, Patience.GROWS, 10).step(Start())
    assert after == node(Watch(number=1, tries=1))
    record = Persist((Change("life", 1),))
    assert effects == (record, Output(Began(1)), Send("n2", Ping(1)), waits(10))


def test_whoever_was_gone_says_that_it_is_back() -> None:
    before = node(life=1).restart(Node("n1", GROUP, Patience.GROWS, 10))
    after, effects = before.step(Start(recovered=True))
    assert (after.life, after.watches) == (2, Map({"n2": Watch(number=1, tries=1)}))
    assert Send("n2", Back(2)) in effects


def test_a_ping_is_answered_with_the_life_that_this_is() -> None:
    before = node(life=3)
    assert before.step(Receive("n2", Ping(7))) == (before, (Send("n2", Pong(7, 3)),))


def test_the_first_answer_tells_which_life_the_other_is_in() -> None:
    after, effects = node(Watch(number=1, tries=1)).step(Receive("n2", Pong(1, 5)))
    assert after == node(Watch(life=5, number=1, answered=1))
    assert effects == (Output(Trusted("n2", 5)), REST)


def test_a_node_that_has_answered_is_asked_again_after_a_rest() -> None:
    after, effects = node(asking(tries=0)).step(Timeout("n2"))
    assert after == node(asking(number=5))
    assert effects == (Send("n2", Ping(5)), waits(10))


def test_silence_is_suspicious_only_after_retries_of_the_same_probe() -> None:
    detector, pings = node(asking(answered=8)), 1
    while True:
        detector, effects = detector.step(Timeout("n2"))
        if effects != (Send("n2", Ping(4)), waits(10)):
            break
        pings += 1
    assert pings == TRIES
    assert effects == (Output(Suspected("n2", 1)), REST)
    assert detector == node(asking(tries=0, suspected=True, answered=0))
    assert (detector.suspects("n2"), detector.steady("n2")) == (True, 0)


def test_an_answer_to_any_of_the_retries_will_do() -> None:
    after, effects = node(asking(tries=TRIES)).step(Receive("n2", Pong(4, 1)))
    assert (after, effects) == (node(asking(tries=0, answered=1)), (REST,))


def test_an_answer_that_comes_late_shows_the_mistake_and_doubles_the_time_out() -> None:
    before = node(asking(tries=0, suspected=True))
    after, effects = before.step(Receive("n2", Pong(4, 1)))
    assert after == node(asking(tries=0, mistakes=1))
    assert effects == (Output(Trusted("n2", 1)), Ignore("not the open probe"))
    for mistakes in range(5):
        _, effects = node(asking(tries=0, mistakes=mistakes)).step(Timeout("n2"))
        assert waits(10 * 2**mistakes) in effects


def test_a_fixed_time_out_stays_what_it_was() -> None:
    _, effects = node(asking(tries=0, mistakes=3), Patience.FIXED).step(Timeout("n2"))
    assert waits(10) in effects


def test_endless_patience_asks_for_ever() -> None:
    before = node(asking(tries=TRIES), Patience.ENDLESS)
    assert before.step(Timeout("n2")) == (before, (Send("n2", Ping(4)), waits(10)))


def test_who_is_back_was_gone_even_if_nobody_had_noticed() -> None:
    for message in (Back(2), Pong(3, 2)):
        after, effects = node(asking()).step(Receive("n2", message))
        assert effects[:2] == (Output(Suspected("n2", 1)), Output(Trusted("n2", 2)))
        assert after == node(asking(life=2))


def test_to_suspect_who_was_gone_was_no_mistake() -> None:
    after, effects = node(asking(suspected=True)).step(Receive("n2", Back(2)))
    assert (after, effects) == (node(asking(life=2)), (Output(Trusted("n2", 2)),))


def test_a_life_that_is_over_does_not_speak_for_the_next() -> None:
    before = node(asking(life=2, suspected=True))
    assert before.step(Receive("n2", Pong(4, 1))) == (before, (Ignore("a life that is over"),))
    assert before.step(Receive("n2", Back(2))) == (before, (Ignore("heard before"),))


def test_an_answer_to_an_earlier_probe_does_not_answer_this_one() -> None:
    before = node(asking())
    assert before.step(Receive("n2", Pong(3, 1))) == (before, (Ignore("not the open probe"),))


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
RETURNS = {"stop_rate": 0, "bit_rot": 0, "misdirected": 0}  # every node does in the end


def test_a_time_out_that_grows_is_complete_and_in_the_end_accurate_wherever_it_begins() -> None:
    for settings in ({"nodes": 5}, {"wait_ms": 1}):
        task = Task(protocol="failure_detector", settings=settings, fault_settings=SHORT)
        result = campaign(task, first=0, count=40)
        assert (result.failures, result.bounded) == ((), 0)


def test_the_accurate_corner_is_accurate_in_every_schedule() -> None:
    settings = {"nodes": 2, "probes": 2, "crashes": 1}
    base = only(build_world("failure_detector", "accurate", settings), strong_accuracy)
    result = check(base)
    assert result.exit_code == 0
    pin("as it was", result, distinct=8_889, transitions=62_693, depth=18)


def test_the_accurate_corner_keeps_accuracy_and_notification_and_loses_completeness() -> None:
    base = build_world("failure_detector", "accurate")
    assert broken(only(base, strong_accuracy, notification), 50, **SHORT) == {}
    lost = broken(only(base, completeness), 50, **SHORT)
    assert set(lost) == {completeness.name}


def test_what_it_loses_it_loses_exactly_where_a_node_stops_for_good() -> None:
    base = only(build_world("failure_detector", "accurate"), completeness)
    assert broken(base, 50, **RETURNS, **SHORT) == {}


def test_the_live_corner_keeps_completeness_and_loses_accuracy_for_good() -> None:
    base = build_world("failure_detector", "live")
    assert broken(only(base, completeness, notification), 50, **SHORT) == {}
    lost = broken(only(base, eventual_accuracy), 20, **RETURNS, **SHORT)
    assert lost == {eventual_accuracy.name: 20}


def test_a_time_out_tuned_to_what_messages_take_is_accurate_once_they_take_no_longer() -> None:
    base = build_world("failure_detector", "live", {"wait_ms": 20})
    assert broken(only(base, eventual_accuracy), 50, **SHORT) == {}


def test_the_live_corner_suspects_a_node_that_is_only_slow() -> None:
    settings = {"nodes": 2, "probes": 1}
    result = check(only(build_world("failure_detector", "live", settings), strong_accuracy))
    assert result.violation is not None
    assert result.violation.trace is not None
    # Two starts at the most, and a time-out for each try; one start is enough.
    assert len(result.violation.trace.records) == 1 + TRIES + 1


@pytest.mark.parametrize("wait_ms", [10, 40])
def test_a_node_that_stops_is_suspected_within_a_rest_and_its_retries(wait_ms: int) -> None:
    """Chen, Toueg and Aguilera's detection time, without faults but this one."""
    base = only(world(2, Patience.GROWS, wait_ms), completeness)
    header = Header(protocol="failure_detector", executor="sim")
    faults = Faults(stop_rate=0.5, mid_step=0, survivable=True, unsafe_ms=20_000)
    seen = 0
    for seed in range(20):
        trace = simulate(base, seed=seed, faults=faults, header=header).trace
        assert trace is not None
        gone = [r.at_us for r in trace.records if "crash" in r.line]
        suspected = [r.at_us for r in trace.records if "! Suspected" in r.line]
        if gone and suspected:
            seen += 1
            assert 0 < suspected[0] - gone[0] <= (REST_MS[1] + TRIES * wait_ms) * 1000 + 4_000
    assert seen


def test_one_probe_of_two_nodes_in_every_schedule_with_a_crash() -> None:
    result = check(build_world("failure_detector", "small"))
    assert result.exit_code == 0
    pin("as it was", result, distinct=6_820, transitions=32_061, depth=20)


def test_steadiness_counts_probes() -> None:
    after = node(asking(answered=STEADY - 1)).step(Receive("n2", Pong(4, 1)))[0]
    assert after.steady("n2") == STEADY
