"""Every test of the checker runs on each engine, and what it searched is counted by the other, and
searched again in reduced form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from quorate.check import Result, check
from quorate.kernel import Kind, World

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
            if how.keys() <= {"network", "crashes", "go_on", "engine"}:
                compare(world, {**how, "engine": "plain"}, result)


def compare(world: World, how: dict[str, Any], result: Result) -> None:
    """Search the same world differently; whole runs are for others to judge."""
    rest = tuple(prop for prop in world.properties if prop.kind is not Kind.EVENTUALLY)
    world = msgspec.structs.replace(world, properties=rest)
    reduced, again = (
        check(world, **{**how, "engine": each, "reduce": True}) for each in ("numpy", "plain")
    )
    agree(reduced, again)
    if result.cut is None:
        agree(result, check(world, **how))
        assert judged(reduced) == judged(result)
        assert reduced.distinct <= result.distinct
    elif result.cut == "the first violation":
        assert reduced.violation is not None


def agree(one: Result, two: Result) -> None:
    """Two engines count the same and judge the same."""
    assert one.cut == two.cut
    if one.cut is None:
        assert judged(one) == judged(two)
        assert counts(one) == counts(two)


def counts(result: Result) -> tuple[int, int, int]:
    return result.distinct, result.transitions, result.depth


def judged(result: Result) -> list[tuple[str, str]]:
    verdicts = (verdict for verdict in result.verdicts if verdict.kind != Kind.EVENTUALLY.value)
    return [(verdict.name, verdict.verdict) for verdict in verdicts]
