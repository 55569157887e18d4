"""Aggressive and timid leaders: how long rivals take to decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.cli.bench_timeouts import draw
from quorate.kernel import SetTimer, Start
from quorate.sim.timeouts import LIMIT_MS, rivals, sweep


@pytest.mark.slow
def test_too_aggressive_never_ends_and_too_timid_stalls(tmp_path: Path) -> None:
    aggressive, middling, timid = rows = list(sweep(10, (20, 80, 1_280)))
    assert (aggressive.decided, aggressive.median_ms) == (0, LIMIT_MS)
    assert middling.decided == timid.decided == 10
    assert aggressive.deliveries > 10 * middling.deliveries
    assert timid.low_ms > 1_280 > middling.high_ms
    path = tmp_path / "timeouts.svg"
    draw(rows, path)
    assert "time-out of a proposer" in path.read_text()


@pytest.mark.parametrize("timeout_ms", [20, 1_280])
def test_a_rival_waits_for_once_to_twice_its_time_out(timeout_ms: int) -> None:
    _, effects = rivals(timeout_ms).processes[0].step(Start())
    assert SetTimer("retry", (timeout_ms, 2 * timeout_ms)) in effects
