"""How fast the simulator is: one measure for one core, one for all of them."""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from quorate.protocols import build_world
from quorate.sim.faults import Faults
from quorate.sim.run import simulate

NODES = 5
SEED_EVENTS = 1_000
BUSY = {"nodes": NODES, "clients": 16, "values": 1_000_000, "truncate": 100}


def _busy(seconds: float) -> tuple[int, float]:
    """Deliveries of calm Multi-Paxos under load, and the seconds that they took."""
    world = build_world("multi_paxos", "main", dict(BUSY))
    faults = Faults(unsafe_ms=3_600_000, heal_ms=0)
    deliveries, seed, began = 0, 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        deliveries += simulate(world, seed=seed, faults=faults, steps_max=50_000).deliveries
        seed += 1
    return deliveries, time.perf_counter() - began


def _seeds(seconds: float) -> tuple[int, float]:
    """Runs of 1,000 events under drawn faults, and the seconds that they took."""
    world = build_world("multi_paxos", "main", {"nodes": NODES})
    seed, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        faults = Faults.swarm(seed, heal_ms=0)
        simulate(world, seed=seed, faults=faults, steps_max=SEED_EVENTS)
        seed += 1
    return seed, time.perf_counter() - began


def measure(seconds: float) -> dict[str, Any]:
    """Deliveries and seeds per second on one core, and how many times as many on every core."""
    deliveries, took = _busy(seconds)
    seeds, seeds_took = _seeds(seconds)
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores) as pool:
        list(pool.map(_seeds, [0.1] * cores))  # processes have started, worlds are built
        together = list(pool.map(_seeds, [seconds] * cores))
    return {
        "protocol": "multi_paxos",
        "nodes": NODES,
        "deliveries_per_second": deliveries / took,
        "seeds_per_second_per_core": seeds / seeds_took,
        "seed_events": SEED_EVENTS,
        "cores": cores,
        "scaling": sum(count / spent for count, spent in together) / (seeds / seeds_took),
    }
