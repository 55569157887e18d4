"""Classes of failure detectors: which one each detector reaches under which model of links.

Source: Chandra and Toueg, Unreliable Failure Detectors for Reliable Distributed Systems, JACM 43(2)
1996, section 2, figure 1. A class is a kind of completeness and a kind of accuracy; a detector
reaches it where no seed of the model's weather breaks either. What holds in the end is judged while
the model still applies: nothing is healed.
"""

from __future__ import annotations

import operator
import random
from collections.abc import Collection

import msgspec

from quorate.kernel import Property
from quorate.properties.detection import (
    completeness,
    eventual_accuracy,
    eventual_weak_accuracy,
    strong_accuracy,
    weak_accuracy,
    weak_completeness,
)
from quorate.sim.engine import Simulation
from quorate.sim.faults import Faults, Timing
from quorate.sim.grading import DETECTORS, NODES, STEPS_MAX, Graded
from quorate.sim.scenario import Act, Deed, conduct

CLASSES = {
    (True, True, True): "P",
    (True, True, False): "S",
    (True, False, True): "◇P",
    (True, False, False): "◇S",
    (False, True, True): "Q",
    (False, True, False): "W",
    (False, False, True): "◇Q",
    (False, False, False): "◇W",
}
"""Whether completeness is strong; whether accuracy is perpetual (or comes to hold in the end), and
whether it is strong."""

NONE = "none"
COMPLETENESS = {True: completeness, False: weak_completeness}
ACCURACY = {
    (True, True): strong_accuracy,
    (True, False): weak_accuracy,
    (False, True): eventual_accuracy,
    (False, False): eventual_weak_accuracy,
}
IN_THE_END = tuple(
    each for each in (*COMPLETENESS.values(), *ACCURACY.values()) if each is not strong_accuracy
)
SEEDS = 10
NAMES = tuple(f"n{i}" for i in range(1, NODES + 1))
STOPS, *LIVE = reversed(NAMES)
FIRST_MS, REST_MS, LOOK_MS = 1_000, 1_000, 200
OUTAGES = 6


class Model(msgspec.Struct, frozen=True):
    """A model of links: its faults, what befalls nodes besides that one of them stops, and when it
    is looked at."""

    name: str
    means: str
    faults: Faults
    acts: tuple[Act, ...] = ()
    look_ms: int = 60_000


def _outages(within_reach: tuple[str, ...]) -> tuple[tuple[Act, ...], int]:
    """Again and again one node is beyond the reach of others, each time twice as long as before:
    never for ever, and longer than any time-out. When the last is over, that is still to be seen.
    """
    apart = tuple(node for node in NAMES if node not in within_reach)
    cut_off = sorted(node for node in LIVE if node in apart)
    acts: list[Act] = []
    at_ms, long_ms = 3_000, FIRST_MS
    for number in range(OUTAGES):
        node = cut_off[number % len(cut_off)]
        others = tuple(other for other in apart if other != node)
        acts.append(Act(do=Deed.PARTITION, at_ms=at_ms, sides=((node,), others)))
        acts.append(Act(do=Deed.MEND, at_ms=at_ms + long_ms))
        at_ms, long_ms = at_ms + long_ms + REST_MS, 2 * long_ms
    return tuple(acts), at_ms - REST_MS + LOOK_MS


ALL_CUT, ALL_LOOK_MS = _outages(())
SOME_CUT, SOME_LOOK_MS = _outages(("n1",))

MODELS = (
    Model(
        "synchronous",
        "no message takes longer than 2 ms, and time-outs are made for that",
        Faults(timing=Timing.SYNCHRONOUS),
    ),
    Model(
        "partially synchronous",
        "so from 5 s on; but the bound is 300 ms, for which no time-out is made",
        Faults(timing=Timing.PARTIAL, gst_ms=5_000, delay_us=(1_000, 300_000)),
    ),
    Model(
        "asynchronous",
        "delays have no bound, one message in ten is lost, and one node after the other is out of "
        "reach, each time twice as long as before",
        Faults(timing=Timing.ASYNCHRONOUS, loss=0.1),
        ALL_CUT,
        ALL_LOOK_MS,
    ),
    Model(
        "one node in reach",
        "no message takes longer than 2 ms but between nodes that are out of reach in turn, each "
        "time twice as long as before; n1 never is",
        Faults(timing=Timing.SYNCHRONOUS),
        SOME_CUT,
        SOME_LOOK_MS,
    ),
)

CLASSIFIED = (
    Graded("recovery notification", "heartbeat", {"patience": "endless"}, None),
    Graded("ping, below the delay", "failure_detector", {"patience": "fixed", "wait_ms": 1}, None),
    *DETECTORS,
)


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """What one detector reaches under one model: the strongest classes, none of which implies
    another. `broken` names each property that some seed breaks, and the first such seed."""

    detector: str
    model: str
    reaches: str
    seeds: int
    broken: dict[str, int]


def broken(graded: Graded, model: Model, seed: int, judged: tuple[Property, ...]) -> set[str]:
    """Which of these properties a detector breaks under one seed of a model."""
    world = msgspec.structs.replace(graded.build(), properties=judged)
    stop_ms = random.Random(f"{seed}/stop").randrange(500, 2_500)
    acts = (Act(do=Deed.STOP, at_ms=stop_ms, nodes=(STOPS,)), *model.acts)
    simulation = Simulation(world, seed, model.faults)
    simulation.start()
    conduct(simulation, acts, model.look_ms * 1000, STEPS_MAX)
    for prop in judged:
        simulation.judge.ended(prop.name)
    return simulation.judge.broken


def strongest(lost: Collection[str]) -> str:
    """The classes that are left to a detector that breaks those properties."""
    left = [
        parts
        for parts in CLASSES
        if not {COMPLETENESS[parts[0]].name, ACCURACY[parts[1:]].name} & set(lost)
    ]
    return (
        " and ".join(
            CLASSES[parts]
            for parts in left
            if not any(other != parts and all(map(operator.ge, other, parts)) for other in left)
        )
        or NONE
    )


def classify(graded: Graded, model: Model, seeds: int = SEEDS) -> Cell:
    """The strongest classes that no seed refutes."""
    first: dict[str, int] = {}
    for seed in range(seeds):
        # A run ends when it violates what must always hold, so that is judged in one of its own.
        for judged in ((strong_accuracy,), IN_THE_END):
            for name in sorted(broken(graded, model, seed, judged)):
                first.setdefault(name, seed)
    return Cell(
        detector=graded.name,
        model=model.name,
        reaches=strongest(first),
        seeds=seeds,
        broken=first,
    )
