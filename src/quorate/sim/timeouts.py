"""How long rival leaders take to decide, by how long each of them waits before it tries again.

Source: the lecture, "Leaders and Liveness": too aggressive, and they usurp each other's rounds; not
aggressive enough, and the protocol stalls once a round has failed. Time is virtual.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import msgspec

from quorate.kernel import Header, View, World, always
from quorate.properties.consensus import Decided
from quorate.protocols import build_world
from quorate.sim.faults import Faults
from quorate.sim.run import Run, simulate
from quorate.sim.scenario import Act, Deed

TIMEOUTS_MS = (20, 40, 60, 80, 120, 160, 240, 320, 640, 1_280, 2_560, 5_120)
DELAY_US = (5_000, 45_000)
DELAY_MS = sum(DELAY_US) / 2_000
LOSS = 0.1
LIMIT_MS = 10_000
STOP = Act(do=Deed.STOP, at_ms=60, nodes=("p3",))
"""The leader with the highest ballot is promised it, and then stops: its round fails."""
SEEDS = 100
UNDECIDED = always("undecided", lambda view: not _decided(view))
"""Violated by the first decision, at which the run ends."""


class Row(msgspec.Struct, frozen=True):
    """One time-out: the time until some node decided, over all seeds, in virtual ms; the limit
    stands for whoever had not `decided` by then. `deliveries` is the mean number of messages."""

    timeout_ms: int
    seeds: int
    decided: int
    median_ms: int
    low_ms: int
    high_ms: int
    deliveries: float


def _decided(view: View) -> bool:
    return any(view.stated(Decided))


def sweep(seeds: int = SEEDS, timeouts_ms: tuple[int, ...] = TIMEOUTS_MS) -> Iterator[Row]:
    """One row for each time-out; `low_ms` and `high_ms` are the first and the ninth decile."""
    for timeout_ms in timeouts_ms:
        world = rivals(timeout_ms)
        faults = Faults(loss=LOSS, delay_us=DELAY_US, unsafe_ms=LIMIT_MS, heal_ms=0)
        runs = [_run(world, seed, faults) for seed in range(seeds)]
        times = sorted(run.virtual_ms if run.violated else LIMIT_MS for run in runs)
        yield Row(
            timeout_ms=timeout_ms,
            seeds=seeds,
            decided=sum(run.violated is not None for run in runs),
            median_ms=int(statistics.median(times)),
            low_ms=times[seeds // 10],
            high_ms=times[seeds - 1 - seeds // 10],
            deliveries=statistics.fmean(run.deliveries for run in runs),
        )


def _run(world: World, seed: int, faults: Faults) -> Run:
    header = Header(protocol="paxos", executor="sim")
    return simulate(world, seed=seed, faults=faults, header=header, acts=(STOP,))


def rivals(timeout_ms: int) -> World:
    """Three proposers and five acceptors; each waits for `timeout_ms` to twice that."""
    world = build_world("paxos", settings={"proposers": 3, "acceptors": 5, "retry_ms": timeout_ms})
    return msgspec.structs.replace(world, properties=(UNDECIDED,))
