"""The benchmark of the checker: what it makes of what it measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.cli.bench_check import Row, draw, ratios, slope


def row(participants: int, engine: str, seconds: float) -> Row:
    return {
        "protocol": "two_phase_commit",
        "settings": {"participants": participants},
        "crashes": 0,
        "reduced": False,
        "engine": engine,
        "distinct": 10**participants,
        "transitions": 5 * 10**participants,
        "seconds": seconds,
    }


ROWS = [
    row(n, engine, factor * (10**n) ** 1.5)
    for engine, factor in (("numpy", 1e-6), ("plain", 3e-6))
    for n in (3, 4, 5)
]


@pytest.mark.parametrize("engine", ["numpy", "plain"])
def test_the_exponent_is_that_of_the_line_through_the_points(engine: str) -> None:
    assert slope([r for r in ROWS if r["engine"] == engine]) == pytest.approx(1.5)


def test_ratios_are_of_the_same_world() -> None:
    assert ratios(ROWS) == pytest.approx(
        {f"two_phase_commit participants={n}": 3 for n in (3, 4, 5)}
    )


def test_the_picture_names_what_it_shows_and_is_the_same_each_time(tmp_path: Path) -> None:
    rows = [*ROWS, *({**r, "protocol": "paxos"} for r in ROWS)]
    pictures = []
    for name in ("one.svg", "two.svg"):
        draw(rows, tmp_path / name)
        pictures.append((tmp_path / name).read_text())
    assert pictures[0] == pictures[1]
    assert all(text in pictures[0] for text in ("two phase commit, numpy", "distinct states"))
