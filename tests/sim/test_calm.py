"""The fast path does what the careful one does: a run with a trace takes the careful one."""

from __future__ import annotations

from typing import Any

import pytest

from quorate.kernel import World
from quorate.protocols import build_world
from quorate.sim import Faults, simulate
from quorate.sim.engine import Simulation
from sim.toys import Babbler, Chooser, Clumsy, Counter, Sender, world

TOYS = world(Sender("s", ("c", "nobody"), count=30, every_ms=20), Counter("c"), Chooser("h"))
WORLDS = {
    "toys": TOYS,
    "paxos": build_world("paxos", "main", {}),
    "multi_paxos": build_world("multi_paxos", "main", {"nodes": 5, "values": 5, "truncate": 2}),
}
WEATHER: dict[str, dict[str, Any]] = {
    "calm": {},
    "partitions": {"partition_rate": 2.0, "partition_ms": (50, 200)},
    "pauses": {"pause_rate": 2.0, "pause_ms": (50, 200)},
    "losses until healed": {"loss": 0.2},
}


@pytest.mark.parametrize("weather", WEATHER)
@pytest.mark.parametrize("name", WORLDS)
def test_the_fast_path_comes_to_what_the_careful_path_comes_to(name: str, weather: str) -> None:
    def end(tracing: bool) -> tuple[Any, ...]:
        faults = Faults(unsafe_ms=1_500, **WEATHER[weather])
        simulation = Simulation(WORLDS[name], 7, faults, tracing)
        assert simulation.calm == (not tracing and faults.loss == 0)
        simulation.start()
        simulation.run(1_500_000, 100_000)
        simulation.heal()
        assert simulation.calm == (not tracing)
        simulation.run(3_000_000, 100_000)
        view = simulation.judge.view()
        return simulation.steps, simulation.deliveries, simulation.lost, view.facts, view.actors

    assert end(tracing=False) == end(tracing=True)


def stopped(of: World) -> str | None:
    return simulate(of, seed=0, faults=Faults()).violated


def test_a_node_that_fails_or_talks_to_itself_without_end_is_found_there_too() -> None:
    assert stopped(world(Sender("s", ("c",)), Clumsy("c"))) == "no step fails (c: KeyError: 1)"
    endless = "no step fails (b: ProtocolBug: it sends to itself without end)"
    assert stopped(world(Sender("s", ("b",)), Babbler("b"))) == endless
