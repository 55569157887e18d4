"""Knobs: what may be set, and what each seed draws."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from quorate.kernel import UsageError
from quorate.sim import Faults


def test_settings_may_be_text() -> None:
    faults = Faults().with_settings({"loss": "0.25", "disk_us": "10", "delay_us": "5,70"})
    assert (faults.loss, faults.disk_us, faults.delay_us) == (0.25, 10, (5, 70))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"los": 0.1}, "there is no fault setting 'los'; there are loss, duplicate"),
        ({"loss": 1.5}, "loss=1.5 is not possible: it must be from 0 to 1"),
        ({"crash_rate": -1}, "crash_rate=-1.0 is not possible: it must be 0 or more"),
        ({"down_ms": "9,3"}, "down_ms=9,3 is no range: give least,most"),
        ({"down_ms": "9"}, "fault settings: "),
        ({"loss": "much"}, "fault settings: "),
        ({"drift_ppm": 1_000_000}, "would stop clocks"),
        ({"timing": "soon"}, "timing=soon is not possible: there is uniform, synchronous, partial"),
        ({"partition_shapes": "ring,heap"}, "partition_shapes=heap is not possible: there is full"),
        ({"partition_shapes": ()}, "partition_shapes= is not possible: there is full"),
        ({"timing": "synchronous", "slow": 0.1}, "bounds every delay: leave slow at 0"),
        ({"timing": "synchronous", "pause_rate": 1}, "bounds every delay: leave pause_rate at 0"),
        ({"timing": "synchronous", "strobe_ms": 2}, "strobe_ms=2 is too short for rounds"),
        ({"strobe_ms": 9, "skew_ms": 1}, "with a strobe all clocks agree"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        Faults().with_settings(settings)


def test_each_seed_draws_its_own_weather_and_always_the_same() -> None:
    drawn = [Faults.swarm(seed) for seed in range(100)]
    assert drawn == [Faults.swarm(seed) for seed in range(100)]
    assert len(set(drawn)) == 100
    calm = Faults()
    for name in ("loss", "duplicate", "slow", "disk_us", "crash_rate", "pause_rate"):
        values = [getattr(faults, name) for faults in drawn]
        assert 10 < values.count(getattr(calm, name)) < 90


def test_what_is_fixed_is_not_drawn() -> None:
    fixed = Faults.swarm(7, loss=0.5)
    assert fixed == msgspec.structs.replace(Faults.swarm(7), loss=0.5)
