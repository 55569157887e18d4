"""Prints the trace hashes of some seeds: `python hashes.py FIRST COUNT`, in any interpreter.

Seeds take the protocols of the catalogue in turn, each with drawn faults.
"""

from __future__ import annotations

import sys
from functools import cache

from quorate.kernel import Header, World
from quorate.protocols import build_world, names
from quorate.sim import Faults, simulate

STEPS_MAX = 2_000


@cache
def _world(protocol: str) -> World:
    return build_world(protocol, "main", {})


def trace_hash(seed: int) -> str:
    """What happened under a seed, in 32 digits."""
    protocol = names()[seed % len(names())]
    run = simulate(
        _world(protocol),
        seed=seed,
        faults=Faults.swarm(seed, unsafe_ms=3_000),
        header=Header(protocol=protocol, executor="sim"),
        steps_max=STEPS_MAX,
    )
    assert run.trace_hash is not None
    return run.trace_hash


if __name__ == "__main__":
    first, count = map(int, sys.argv[1:])
    for number in range(first, first + count):
        print(trace_hash(number))
