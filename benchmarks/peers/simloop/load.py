"""Loads simloop (github.com/dhruvl/simloop) with its own Raft example: `load.py CHECKOUT SECONDS`.

Needs the Python that simloop needs (3.12 or newer) with pytest, which its campaign imports. Prints
one JSON object: deliveries a second of a calm cluster of five under sixteen proposers, and seeds,
deliveries and scheduling steps a second of its chaos campaign (partitions, restarts, 2 % loss and
duplication). simloop records a trace of every run; that cannot be turned off.
"""

import asyncio
import contextlib
import gc
import json
import sys
import time
from collections import Counter
from pathlib import Path

CHECKOUT, SECONDS = Path(sys.argv[1]).resolve(), float(sys.argv[2])
EXAMPLE = CHECKOUT / "examples" / "raft"
sys.path[:0] = [str(CHECKOUT / "src"), str(EXAMPLE), str(EXAMPLE / "tests")]

import harness  # noqa: E402
import simloop  # noqa: E402
from simloop._run import finish, run_once  # noqa: E402
from test_chaos_campaign import _campaign  # noqa: E402

PROPOSERS, VALUES = 16, 5


async def calm() -> None:
    cluster = await harness.start_cluster(size=5)
    await harness.wait_for_leader(cluster)

    async def proposer(name: int) -> None:
        for value in range(VALUES):
            await harness.propose(cluster, f"{name}.{value}", timeout_s=600.0)

    await asyncio.gather(*(proposer(name) for name in range(PROPOSERS)))


async def chaos() -> None:
    await _campaign(disks=False)


def load(workload) -> dict[str, float]:
    """Seeds 0, 1, … of a workload for some seconds; garbage is collected between seeds only."""
    seeds, total, spent = 0, Counter(), 0.0
    while spent < SECONDS:
        gc.collect()
        gc.disable()
        began = time.process_time()
        loop = simloop.SimLoop(seed=seeds)
        failure = run_once(loop, workload)
        spent += time.process_time() - began
        if failure is not None:
            raise failure
        for event in loop.trace:
            total["steps"] += event.kind == "run"
            total["deliveries"] += event.kind == "net" and event.label.startswith("deliver")
        with contextlib.suppress(Exception):  # tasks that the run abandoned may end badly
            finish(loop)
        gc.enable()
        seeds += 1
    return {
        "seeds": seeds,
        "seeds_per_second": seeds / spent,
        "deliveries_per_second": total["deliveries"] / spent,
        "steps_per_second": total["steps"] / spent,
        "deliveries_per_seed": total["deliveries"] / seeds,
    }


print(
    json.dumps(
        {
            "python": ".".join(map(str, sys.version_info[:3])),
            "version": simloop.__version__,
            "calm": load(calm),
            "chaos": load(chaos),
        }
    )
)
