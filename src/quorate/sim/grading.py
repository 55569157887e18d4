"""Failure detectors graded: how soon they see a failure, how often and for how long they are wrong.

Source: Chen, Toueg and Aguilera, On the Quality of Service of Failure Detectors, IEEE Transactions
on Computers 51(5) 2002, section 2. All detectors go through the same seeded weather, in virtual
time, so that figures do not depend on the machine.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any

import msgspec

from quorate.kernel import Fact, NodeId, World
from quorate.properties.detection import Suspected, Trusted
from quorate.protocols import build_world
from quorate.protocols.failure_detector import REST_MS, TRIES
from quorate.sim.engine import Simulation
from quorate.sim.faults import Faults, Timing
from quorate.sim.judge import Judge

NODES = 5
SEEDS = 10
WARM_UP_MS = 5_000  # what a detector does before does not count: it may have to learn first
WATCHED_MS = 30_000  # how long mistakes are counted
AFTER_MS = 10_000  # how long a failure may take to be seen
STEPS_MAX = 10_000_000
DELAY_MS = 2  # at the most, where nothing befalls a message


class Graded(msgspec.Struct, frozen=True):
    """A detector with its settings, and by when, in ms, it has seen a failure in calm weather."""

    name: str
    protocol: str
    settings: Mapping[str, Any]
    bound_ms: int | None
    world: str = "main"

    def build(self) -> World:
        """Its world. What it promises is not judged here."""
        world = build_world(self.protocol, self.world, {"nodes": NODES, **self.settings})
        return msgspec.structs.replace(world, properties=())


PING_MS, BEAT_WAIT_MS, SUSPICION_MS, PERIOD_MS = 20, 250, 300, 100
PINGS_MS = REST_MS[1] + TRIES * PING_MS + DELAY_MS
ROUNDS_MS = 2 * (NODES - 1) * PERIOD_MS + SUSPICION_MS  # SWIM, section 4.3: within two rounds

DETECTORS = (
    Graded("ping, fixed", "failure_detector", {"patience": "fixed", "wait_ms": PING_MS}, PINGS_MS),
    Graded("ping, growing", "failure_detector", {"wait_ms": PING_MS}, PINGS_MS),
    Graded(
        "heartbeat, fixed",
        "heartbeat",
        {"patience": "fixed", "wait_ms": BEAT_WAIT_MS},
        BEAT_WAIT_MS + DELAY_MS,
    ),
    Graded("heartbeat, growing", "heartbeat", {"wait_ms": BEAT_WAIT_MS}, BEAT_WAIT_MS + DELAY_MS),
    Graded("phi = 3", "phi_accrual", {"threshold": 3}, None),
    Graded("phi = 8", "phi_accrual", {"threshold": 8}, None),
    Graded("SWIM, fixed", "swim", {"patience": "fixed", "suspicion_ms": SUSPICION_MS}, ROUNDS_MS),
    Graded("SWIM, growing", "swim", {"suspicion_ms": SUSPICION_MS}, ROUNDS_MS),
)

WEATHERS: Mapping[str, Faults] = {
    "calm": Faults(),
    "loss 10 %": Faults(loss=0.1),
    "10 % late by up to 300 ms": Faults(slow=0.1, slow_us=300_000),
    "asynchronous": Faults(timing=Timing.ASYNCHRONOUS),
}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity of one detector in one weather; `bound` is what it may be at the most, or, of
    an expectation, is to be."""

    detector: str
    weather: str
    quantity: str
    measured: float
    unit: str
    bound: float | None = None


class Recorder(Judge):
    """Keeps every fact with its time, in µs."""

    def __init__(self, world: World, simulation: Simulation) -> None:
        super().__init__(world, dict)
        self.told: list[tuple[int, NodeId, Fact]] = []
        self._simulation = simulation

    def fact(self, node: NodeId, fact: Fact) -> None:
        """A node stated a fact, now."""
        self.told.append((self._simulation.now_us, node, fact))


class Mistake(msgspec.Struct, frozen=True):
    """A node suspected another from one time to another, in µs; `until_us` None: to the end."""

    by: NodeId
    node: NodeId
    since_us: int
    until_us: int | None = None


def suspicions(told: list[tuple[int, NodeId, Fact]]) -> Iterator[Mistake]:
    """Who suspected whom, from when to when; a mistake, if it is about a node that is live."""
    since: dict[tuple[NodeId, NodeId], int] = {}
    for at_us, by, fact in told:
        if isinstance(fact, Suspected):
            since.setdefault((by, fact.node), at_us)
        elif isinstance(fact, Trusted) and (by, fact.node) in since:
            yield Mistake(by, fact.node, since.pop((by, fact.node)), at_us)
    for (by, node), at_us in since.items():
        yield Mistake(by, node, at_us)


def _recorded(world: World, seed: int, faults: Faults) -> tuple[Simulation, Recorder]:
    simulation = Simulation(world, seed, faults)
    simulation.judge = recorder = Recorder(world, simulation)
    simulation.start()
    return simulation, recorder


def _mistakes(graded: Graded, faults: Faults, seeds: int) -> tuple[list[float], float, float]:
    """How long each mistake took, in ms; mistakes a minute of one node about another; and messages
    a second of one node."""
    durations: list[float] = []
    messages = 0
    end_us = (WARM_UP_MS + WATCHED_MS) * 1000
    for seed in range(seeds):
        simulation, recorder = _recorded(graded.build(), seed, faults)
        simulation.run(end_us, STEPS_MAX)
        messages += simulation.deliveries + simulation.lost
        durations += [
            ((each.until_us or end_us) - each.since_us) / 1000
            for each in suspicions(recorder.told)
            if each.since_us >= WARM_UP_MS * 1000
        ]
    pairs = NODES * (NODES - 1)
    rate = len(durations) / seeds / pairs / (WATCHED_MS / 60_000)
    return durations, rate, messages / seeds / NODES / (end_us / 1e6)


def _detections(graded: Graded, faults: Faults, seeds: int) -> list[float]:
    """How long after the failure of a node each other one suspected it for good, in ms."""
    times = []
    for seed in range(seeds):
        draw = random.Random(f"{seed}/failure")
        at_us = (WARM_UP_MS + draw.randrange(1_000)) * 1000 + draw.randrange(1_000)
        simulation, recorder = _recorded(graded.build(), seed, faults)
        simulation.run(at_us, STEPS_MAX)
        failed = simulation.nodes[-1]
        failed.gone = True
        simulation.crash(failed)
        simulation.run(at_us + AFTER_MS * 1000, STEPS_MAX)
        times += [
            max(each.since_us - at_us, 0) / 1000
            for each in suspicions(recorder.told)
            if each.node == failed.me and each.by != failed.me and each.until_us is None
        ]
    if len(times) < seeds * (NODES - 1):  # whoever does not see it in time would not count
        raise AssertionError(f"{graded.name}: a failure was not seen within {AFTER_MS} ms")
    return times


def grade(graded: Graded, weather: str, seeds: int = SEEDS) -> Iterator[Row]:
    """All quantities of one detector in one weather."""
    faults = WEATHERS[weather]
    detections = _detections(graded, faults, seeds)
    durations, rate, messages = _mistakes(graded, faults, seeds)
    bound = graded.bound_ms if weather == "calm" else None
    accuracy = 1 - rate * fmean(durations or [0]) / 60_000

    def row(quantity: str, measured: float, unit: str, bound: float | None = None) -> Row:
        return Row(
            detector=graded.name,
            weather=weather,
            quantity=quantity,
            measured=round(measured, 6),
            unit=unit,
            bound=bound,
        )

    yield row("detection time T_D, mean", fmean(detections), "ms")
    yield row("detection time T_D, most", max(detections), "ms", bound)
    yield row("mistake rate λ_M", rate, "1/min")
    if durations:
        yield row("mistake duration T_M, mean", fmean(durations), "ms")
    yield row("query accuracy P_A", accuracy, "")
    yield row("messages", messages, "1/s")


def periods_to_ask(nodes: int, periods: int) -> list[int]:
    """In SWIM without turns: how many periods pass, each time, until somebody asks a node that has
    failed. Over so many periods; the first of them begin at the same time everywhere."""
    world = build_world("swim", settings={"nodes": nodes, "in_turn": False})
    simulation, _ = _recorded(msgspec.structs.replace(world, properties=()), 0, Faults())
    failed = simulation.nodes[-1]
    failed.gone = True
    simulation.crash(failed)
    waits, wait = [], 0
    for period in range(periods):
        simulation.run((period * PERIOD_MS + PERIOD_MS // 2) * 1000, STEPS_MAX)
        wait += 1
        live: list[Any] = [node.actor for node in simulation.nodes if node is not failed]
        if any(actor.asked == failed.me for actor in live):
            waits.append(wait)
            wait = 0
    return waits


def asking_row(nodes: int, periods: int = 2_000) -> Row:
    """How soon somebody asks a node that has failed, beside the paper's expectation."""
    waits = periods_to_ask(nodes, periods)
    return Row(
        detector=f"SWIM, not in turn, {nodes} nodes",
        weather="calm",
        quantity="periods until a failed node is asked, mean",
        measured=round(fmean(waits), 6),
        unit="periods",
        bound=round(1 / (1 - (1 - 1 / (nodes - 1)) ** (nodes - 1)), 6),
    )
