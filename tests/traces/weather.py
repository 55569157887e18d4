"""Runs to look at: of every protocol, in every weather."""

from __future__ import annotations

from quorate.kernel import Header, Trace, World
from quorate.protocols import build_world
from quorate.sim import Faults, simulate
from quorate.traces.spacetime import SpaceTime, retell

WORLDS = [
    ("paxos", "main", {}),
    ("paxos", "colocated", {"nodes": 5}),
    ("multi_paxos", "main", {"values": 3}),
    ("two_phase_commit", "main", {"participants": 4}),
]


def stormy(protocol: str, world: str, settings: dict, seed: int) -> tuple[World, Trace]:
    """A run with crashes, losses, duplicates, partitions, and a disk that takes its time."""
    header = Header(protocol=protocol, world=world, settings=settings, executor="sim")
    made = build_world(protocol, world, settings)
    faults = Faults.swarm(
        seed,
        unsafe_ms=2_000,
        crash_rate=3,
        partition_rate=1,
        pause_rate=1,
        duplicate=0.2,
        loss=0.1,
        disk_us=20_000 * (seed % 2),
    )
    trace = simulate(made, seed=seed, faults=faults, header=header).trace
    assert trace is not None
    return made, trace


def diagrams(seeds: int) -> list[SpaceTime]:
    """Diagrams of all of these."""
    found = []
    for protocol, name, settings in WORLDS:
        for seed in range(seeds):
            world, trace = stormy(protocol, name, settings, seed)
            found.append(retell(trace, world.processes))
    return found
