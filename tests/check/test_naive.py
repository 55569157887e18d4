"""The plain engine against a search that is too simple to be wrong."""

from __future__ import annotations

import pytest

from check.naive import Naive
from quorate.check import check
from quorate.kernel import Network
from quorate.protocols import build_world

pytestmark = pytest.mark.slow

CASES = [
    ("small", {"thrifty": True}, Network.SET),
    ("small", {"proposers": 1, "crashes": 1}, Network.SET),
    ("small", {"thrifty": True, "crashes": 1}, Network.SET),
    ("small", {"thrifty": True, "learners": 0}, Network.MULTISET),
    ("small", {"thrifty": True, "learners": 0}, Network.FIFO),
    ("small", {"proposers": 1, "learners": 0}, Network.MULTISET),
    ("colocated", {"nodes": 2, "rounds": 1, "crashes": 1}, Network.SET),
]


@pytest.mark.parametrize(("name", "settings", "network"), CASES)
def test_a_naive_search_counts_the_same(
    name: str, settings: dict[str, object], network: Network
) -> None:
    world = build_world("paxos", name, settings)
    result = check(world, network=network)
    assert result.cut is None
    assert (result.distinct, result.transitions, result.depth) == Naive(world, network).search()
