"""Every test of the checker runs on each engine, and what it searched is counted by the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from quorate.check import Result, check
from quorate.kernel import World

ENGINES = ("plain", "numpy")


@pytest.fixture(autouse=True, params=ENGINES)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The engine of all calls of `check` in a test; the others must agree with its counts."""
    name: str = request.param
    searched: list[tuple[World, dict[str, Any], Result]] = []

    def on_one(world: World, **how: Any) -> Result:
        result = check(world, **{"engine": name, **how})
        searched.append((world, how, result))
        return result

    if hasattr(request.module, "check"):
        monkeypatch.setattr(request.module, "check", on_one)
    yield name
    if name != "plain":
        for world, how, result in searched:
            if result.cut is None and how.keys() <= {
                "network",
                "crashes",
                "go_on",
                "engine",
                "symmetry",
            }:
                agree(result, check(world, **{**how, "engine": "plain"}))


def agree(one: Result, two: Result) -> None:
    """Two engines count the same and judge the same."""
    assert (one.distinct, one.transitions, one.depth) == (two.distinct, two.transitions, two.depth)
    verdicts = [[(v.name, v.verdict) for v in result.verdicts] for result in (one, two)]
    assert verdicts[0] == verdicts[1]
