"""Pinned counts: a number that moves fails its test with the difference explained."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from quorate.check import Result


def counts(*results: Result) -> dict[str, int]:
    """The counts of a search; of several, which share no state, those of all together."""
    for result in results:
        if result.cut is not None:
            pytest.fail(f"the search was cut off at {result.cut}: its counts mean nothing")
    return {
        "distinct": sum(result.distinct for result in results),
        "transitions": sum(result.transitions for result in results),
        "depth": max(result.depth for result in results),
    }


def pin(what: str, found: Result | Mapping[str, int], **pinned: int) -> None:
    """Fail unless each count is as pinned. `what` names the world, and who published its counts."""
    __tracebackhide__ = True
    numbers = counts(found) if isinstance(found, Result) else found
    moved = {name: numbers[name] for name, was in pinned.items() if numbers[name] != was}
    if moved:
        changes = [
            f"{name} moved from {pinned[name]:,} to {now:,} ({now - pinned[name]:+,})"
            for name, now in moved.items()
        ]
        stays = [f"{name} stays {was:,}" for name, was in pinned.items() if name not in moved]
        pytest.fail(f"{what}: {'; '.join(changes + stays)}")
