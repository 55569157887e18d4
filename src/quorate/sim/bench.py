"""How fast the simulator is: deliveries and seeds on one core, on all of them, and beside peers.

Rates on one core are of the fastest of many equal rounds, in the process's own time: whatever else
the machine does can only slow a round down. How much more all cores do is a matter of real time.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from quorate.kernel import UsageError
from quorate.protocols import build_world
from quorate.sim.faults import Faults
from quorate.sim.run import simulate

NODES = 5
SEED_EVENTS = 1_000
ROUND = 25  # seeds
BUSY_STEPS = 20_000
BUSY = {"nodes": NODES, "clients": 16, "values": 1_000_000, "truncate": 100}
CALM = Faults(unsafe_ms=3_600_000, heal_ms=0)
CHAOS = Faults(  # as in the campaign of simloop's Raft example
    loss=0.02,
    duplicate=0.02,
    delay_us=(10_000, 50_000),
    partition_rate=0.33,
    partition_ms=(500, 3_000),
    crash_rate=0.17,
    mid_step=0.0,
    down_ms=(0, 0),
    unsafe_ms=3_600_000,
    heal_ms=0,
)
WEATHER = ("calm", "chaos", "swarm")
SIMPY_ROUND = 500_000
SIMPY_PROCESSES = 60  # about as many as messages are under way in a busy run


def _fastest(work: Callable[[], int], seconds: float) -> tuple[int, float]:
    """What a round of `work` counted, and the least seconds that any round took."""
    count, least, began = 0, float("inf"), time.process_time()
    while time.process_time() - began < seconds:
        start = time.process_time()
        count = work()
        least = min(least, time.process_time() - start)
    return count, least


def _busy(seconds: float) -> float:
    """Deliveries a second of calm Multi-Paxos under load."""
    world = build_world("multi_paxos", "main", dict(BUSY))
    steps = BUSY_STEPS
    count, took = _fastest(
        lambda: simulate(world, seed=0, faults=CALM, steps_max=steps).deliveries, seconds
    )
    return count / took


def _seeds(weather: str, seconds: float) -> dict[str, float]:
    """Runs of 1,000 events: how many a second, and the deliveries in them."""
    world = build_world("multi_paxos", "main", {"nodes": NODES, "values": 1_000})

    def run_all() -> int:
        deliveries = 0
        for seed in range(ROUND):
            faults = {"calm": CALM, "chaos": CHAOS}.get(weather) or Faults.swarm(seed, heal_ms=0)
            run = simulate(world, seed=seed, faults=faults, steps_max=SEED_EVENTS)
            deliveries += run.deliveries
        return deliveries

    deliveries, took = _fastest(run_all, seconds)
    return {"seeds_per_second": ROUND / took, "deliveries_per_second": deliveries / took}


def _together(seconds: float, processes: int) -> float:
    """Seeds for each second of real time, in so many processes at once."""
    with ProcessPoolExecutor(processes) as pool:
        list(pool.map(_count, [0.1] * processes))  # they have started, and worlds are built
        return sum(pool.map(_count, [seconds] * processes))


def _count(seconds: float) -> float:
    world = build_world("multi_paxos", "main", {"nodes": NODES, "values": 1_000})
    seed, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        simulate(world, seed=seed, faults=CALM, steps_max=SEED_EVENTS)
        seed += 1
    return seed / (time.perf_counter() - began)


def _simpy(seconds: float) -> float:
    """Events a second of SimPy: processes that do nothing but wait for a time, again and again."""
    try:
        import simpy
    except ImportError as error:
        raise UsageError("SimPy is not installed: pip install simpy") from error
    env, draw = simpy.Environment(), random.Random(0)

    def wait() -> Generator[Any, Any, None]:
        while True:
            yield env.timeout(draw.randint(500, 2_000))

    def run_some() -> int:
        env.run(env.now + SIMPY_ROUND)
        return SIMPY_PROCESSES * SIMPY_ROUND // 1_250  # the mean wait

    for _ in range(SIMPY_PROCESSES):
        env.process(wait())
    count, took = _fastest(run_some, seconds)
    return count / took


def _simloop(checkout: Path, python: str, script: Path, seconds: float) -> Any:
    if not (checkout / "src" / "simloop").is_dir():
        raise UsageError(f"{checkout} is no checkout of simloop: git clone dhruvl/simloop")
    command = [python, str(script), str(checkout), str(seconds)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise UsageError(f"cannot run {python}: {error.strerror}") from error
    if ran.returncode:
        last = (ran.stderr.strip().splitlines() or ["no output"])[-1]
        raise UsageError(f"simloop did not run under {python}: {last}")
    return msgspec.json.decode(ran.stdout.splitlines()[-1])


def measure(
    seconds: float, simloop: Path | None = None, python: str = "python3", script: Path | None = None
) -> dict[str, Any]:
    """Deliveries and seeds a second on one core, how many times as many seeds on all cores, and the
    rates of peers: SimPy, and simloop if a checkout and the script that loads it are given.
    """
    peer = _simloop(simloop, python, script, seconds) if simloop and script else None
    deliveries = _busy(seconds)
    seeds = {weather: _seeds(weather, seconds) for weather in WEATHER}
    simpy = _simpy(seconds)
    cores = os.cpu_count() or 1
    data: dict[str, Any] = {
        "protocol": "multi_paxos",
        "nodes": NODES,
        "deliveries_per_second": deliveries,
        "seed_events": SEED_EVENTS,
        "seeds_per_second_per_core": seeds["swarm"]["seeds_per_second"],
        "seeds": seeds,
        "cores": cores,
        "scaling": _together(seconds, cores) / _together(seconds, 1),
        "simpy_events_per_second": simpy,
    }
    if peer is not None:
        data["simloop"] = peer
        data["ratio_to_simloop"] = {
            "calm": deliveries / peer["calm"]["deliveries_per_second"],
            "chaos": seeds["chaos"]["deliveries_per_second"]
            / peer["chaos"]["deliveries_per_second"],
        }
    return data
