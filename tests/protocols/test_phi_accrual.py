"""Accrual detectors: φ against its definition, and what a node learns of intervals."""

from __future__ import annotations

import math
import statistics

import pytest
from scipy.stats import norm

from quorate.check import check
from quorate.kernel import At, Event, Map, Output, Receive, Threshold, Timeout, UsageError
from quorate.properties.detection import Suspected, Trusted
from quorate.protocols import build_world
from quorate.protocols.failure_detector import Back, Patience, Watch
from quorate.protocols.heartbeat import Beat
from quorate.protocols.phi_accrual import FAR, Node, phi
from quorate.sim import Task, campaign

GROUP = Threshold(("n1", "n2"), 1)
WINDOW = (900, 1_100, 900, 1_100)  # mean 1,000 ms, deviation 100 ms
LIMIT_MS = 1_562  # φ reaches 8 after 1,561.2 ms


def node(window: tuple[int, ...] = WINDOW, arrived_ms: int = 5_000, **fields: object) -> Node:
    state: dict[str, object] = {
        "life": 1,
        "watches": Map({"n2": Watch(life=1, number=4, answered=4)}),
        "arrived_ms": Map({"n2": arrived_ms}),
        "intervals_ms": Map({"n2": window}),
    }
    return Node("n1", GROUP, Patience.FIXED, 100, **(state | fields))  # type: ignore[arg-type]


def at(ms: int, event: Event) -> At:
    return At(ms, event)


def beat(number: int = 5, life: int = 1) -> Receive:
    return Receive("n2", Beat(number, life))


@pytest.mark.parametrize(
    ("silence_ms", "expected"), [(1_000, 0.301), (1_200, 1.643), (1_300, 2.870), (1_500, 6.543)]
)
def test_phi_is_that_of_the_exact_normal_tail(silence_ms: int, expected: float) -> None:
    assert phi(silence_ms, 1_000, 100) == pytest.approx(expected, abs=5e-4)
    tail = float(norm.sf(silence_ms, loc=1_000, scale=100))
    assert phi(silence_ms, 1_000, 100) == pytest.approx(-math.log10(tail), rel=1e-12)


def test_phi_is_not_that_of_the_logistic_curve_which_is_higher_in_the_tail() -> None:
    y = (1_500 - 1_000) / 100
    logistic = math.exp(-y * (1.5976 + 0.070566 * y * y))
    assert -math.log10(logistic / (1 + logistic)) == pytest.approx(7.300, abs=5e-4)
    assert phi(1_500, 1_000, 100) < 6.6


def test_phi_grows_with_silence_and_has_no_end() -> None:
    levels = [phi(ms, 1_000, 100) for ms in range(0, 6_000, 50)]
    assert levels == sorted(levels)
    assert phi(1_000 + FAR * 100, 1_000, 100) == math.inf


def test_mean_and_deviation_are_those_of_the_window() -> None:
    window = (90, 104, 131, 77)
    mean, deviation = node(window).estimate("n2")
    assert mean == pytest.approx(statistics.fmean(window))
    assert deviation == pytest.approx(statistics.pstdev(window))


def test_the_deviation_is_never_less_than_the_least_one() -> None:
    assert node((100,) * 9).estimate("n2") == (100, 10)


def test_the_time_out_is_where_phi_reaches_the_threshold() -> None:
    for threshold in (0.5, 1.0, 3.0, 8.0, 12.0):
        limit_ms = node(threshold=threshold).waits_ms("n2")
        assert phi(limit_ms - 1, 1_000, 100) < threshold <= phi(limit_ms, 1_000, 100)
    assert node().waits_ms("n2") == LIMIT_MS


def test_the_level_can_be_asked_for_at_any_time() -> None:
    assert node().phi("n2", 6_300) == pytest.approx(2.870, abs=5e-4)


def test_a_heartbeat_adds_its_interval_to_the_window_and_the_oldest_leaves_it() -> None:
    after, _ = node(window_max=4).step(at(6_050, beat()))
    assert after.intervals_ms["n2"] == (1_100, 900, 1_100, 1_050)
    assert after.arrived_ms["n2"] == 6_050


def test_a_heartbeat_that_was_heard_before_is_no_arrival() -> None:
    assert node().step(at(5_010, beat(number=4)))[0] == node()


def test_between_two_lives_there_is_no_interval_and_the_window_is_a_guess_again() -> None:
    for event in (beat(1, life=2), Receive("n2", Back(2))):
        after, effects = node().step(at(9_000, event))
        assert after.window("n2") == (75, 125)
        assert effects[:2] == (Output(Suspected("n2", 1)), Output(Trusted("n2", 2)))


def test_a_notice_is_no_heartbeat() -> None:
    after, _ = node().step(at(9_000, Receive("n2", Back(2))))
    assert after.phi("n2", 60_000) == 0
    for ms, number, window in ((9_001, 1, (75, 125)), (9_101, 2, (75, 125, 100))):
        after, _ = after.step(at(ms, beat(number, life=2)))
        assert after.window("n2") == window
    assert after.phi("n2", 9_201) == pytest.approx(phi(100, 100, math.sqrt(1_250 / 3)))


def test_silence_up_to_the_threshold_is_suspicious() -> None:
    after, effects = node().step(at(5_000 + LIMIT_MS, Timeout("n2")))
    assert after.suspects("n2")
    assert effects == (Output(Suspected("n2", 1)),)


def test_what_was_a_mistake_is_learned_from() -> None:
    before, _ = node().step(at(5_000 + LIMIT_MS, Timeout("n2")))
    after, effects = before.step(at(7_000, beat()))
    assert effects[0] == Output(Trusted("n2", 1))
    assert after.waits_ms("n2") > 2_000


@pytest.mark.parametrize("setting", ["threshold", "window", "deviation_ms", "first_ms"])
def test_settings_that_make_no_sense_are_refused(setting: str) -> None:
    with pytest.raises(UsageError, match="must be above 0"):
        build_world("phi_accrual", settings={setting: 0})


def test_the_checker_has_no_clock_to_show_it() -> None:
    with pytest.raises(UsageError, match="Timed"):
        check(build_world("phi_accrual"))


# As a whole.


def test_a_low_threshold_is_live_but_not_accurate() -> None:
    result = campaign(
        Task(protocol="phi_accrual", world="live", fault_settings={"unsafe_ms": 2_000}),
        first=0,
        count=10,
    )
    assert {run.violated for run in result.failures} == {"strong accuracy"}
