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

PROPOSERS, VALUES, ROUND = 16, 5, 4


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
    """The fastest of many rounds of the same seeds; garbage is collected between seeds only."""
    best, began = {"seeds_per_second": 0.0}, time.process_time()
    while time.process_time() - began < SECONDS:
        total, spent = Counter(), 0.0
        for seed in range(ROUND):
            gc.collect()
            gc.disable()
            start = time.process_time()
            loop = simloop.SimLoop(seed=seed)
            failure = run_once(loop, workload)
            spent += time.process_time() - start
            if failure is not None:
                raise failure
            for event in loop.trace:
                total["steps"] += event.kind == "run"
                total["deliveries"] += event.kind == "net" and event.label.startswith("deliver")
            with contextlib.suppress(Exception):  # tasks that the run abandoned may end badly
                finish(loop)
            gc.enable()
        if ROUND / spent > best["seeds_per_second"]:
            best = {
                "seeds_per_second": ROUND / spent,
                "deliveries_per_second": total["deliveries"] / spent,
                "steps_per_second": total["steps"] / spent,
                "deliveries_per_seed": total["deliveries"] / ROUND,
            }
    return best


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
