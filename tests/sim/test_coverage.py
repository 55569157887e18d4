"""Coverage: what faults met, and which of the states that the checker reaches a run visits."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from quorate.check.visited import Reachable
from quorate.kernel import Crash, Header, Network, Trace, UsageError, World
from quorate.protocols import build_world
from quorate.sim import Faults, Task, simulate
from quorate.sim.scenario import Act, Deed
from quorate.traces.coverage import FAULTS, SEEN, Pair, pairs_of
from quorate.traces.spacetime import SpaceTime, retell

LOSSY = {"loss": "0.2", "duplicate": "0.2", "slow": "0.3"}
WORLDS = ("paxos", "two_phase_commit", "ben_or", "reliable_link", "two_generals", "paxos_commit")


def lossy(protocol: str, seed: int, **settings: str) -> tuple[World, Trace]:
    faults = LOSSY | {"unsafe_ms": "2000", "heal_ms": "1000"} | settings
    task = Task(protocol=protocol, world="small", fault_settings=faults, swarm=False)
    return task.build(), task.traced(seed)[1]


def met(pairs: Counter[Pair], fault: str) -> Counter[tuple[str, str]]:
    return Counter({pair[:2]: count for pair, count in pairs.items() if pair[2] == fault})


def played(*acts: Act) -> tuple[World, Trace]:
    """Two-phase commit, calm but for some acts."""
    world = build_world("two_phase_commit", "small", {"participants": 2})
    header = Header(protocol="two_phase_commit", world="small", executor="sim")
    run = simulate(world, seed=3, faults=Faults(unsafe_ms=3_000), header=header, acts=acts)
    assert run.trace is not None
    return world, run.trace


# Faults and states.


@pytest.mark.parametrize("protocol", WORLDS)
def test_what_befell_messages_is_counted_as_the_space_time_diagram_tells_it(protocol: str) -> None:
    for seed in range(3):
        world, trace = lossy(protocol, seed)
        diagram: SpaceTime = retell(trace, world.processes)
        pairs = pairs_of(trace, world)
        lost = {
            (m.sent, m.to, m.msg) for m in diagram.messages if m.received is None and not m.again
        }
        assert met(pairs, "message lost").total() == len(lost)
        again = sum(m.again for m in diagram.messages)
        assert met(pairs, "message again").total() == again


def test_every_step_is_counted_where_it_left_its_role() -> None:
    world, trace = lossy("paxos", 1)
    seen = met(pairs_of(trace, world), SEEN)
    assert seen.total() == len(trace.records)
    assert seen["Acceptor", "as at boot"] == 3  # each of them once: when it started
    assert seen["Acceptor", "promised, vote"] > 0


def test_a_crash_is_counted_where_it_struck() -> None:
    crash = Act(do=Deed.CRASH, once="Prepared", nodes=("rm1",))
    world, trace = played(crash, Act(do=Deed.RESTART, at_ms=100, nodes=("rm1",)))
    pairs = pairs_of(trace, world)
    assert met(pairs, "crash") == {("Participant", "prepared"): 1}
    assert sum(isinstance(record.event, Crash) for record in trace.records) == 1


def test_pauses_and_partitions_are_counted_for_each_node() -> None:
    cut = Act(do=Deed.PARTITION, at_ms=1, sides=(("rm1",), ("rest",)))
    world, trace = played(cut, Act(do=Deed.MEND, at_ms=50))
    cut_off = met(pairs_of(trace, world), "cut off")
    assert cut_off.total() == 3
    task = Task(protocol="paxos", world="small", fault_settings={"pause_rate": 5.0}, swarm=False)
    trace = task.traced(1)[1]
    pauses = [note for note in trace.notes if " pauses " in note.note]
    assert pauses
    assert met(pairs_of(trace, task.build()), "pause").total() == len(pauses)


def test_only_faults_that_are_listed_are_counted() -> None:
    for seed in range(10):
        run, trace = Task(protocol="multi_paxos").traced(seed)
        pairs = pairs_of(trace, Task(protocol="multi_paxos").build())
        assert {fault for _, _, fault in pairs} <= {SEEN, *FAULTS}, run.seed


# States that the checker reaches.


@pytest.mark.parametrize("protocol", WORLDS)
def test_what_a_lossy_network_leads_to_the_checker_reaches(protocol: str) -> None:
    reachable = Reachable(build_world(protocol, "small"), 500_000)
    for seed in range(5):
        visited = reachable.visited(lossy(protocol, seed)[1])
        assert visited.beyond == 0
        assert visited.states


@pytest.mark.parametrize("ms", range(0, 12, 3))
def test_what_a_crash_leads_to_the_checker_reaches(ms: int) -> None:
    for node in ("tm", "rm1"):
        acts = (
            Act(do=Deed.CRASH, at_ms=ms, nodes=(node,)),
            Act(do=Deed.RESTART, at_ms=ms + 40, nodes=(node,)),
        )
        world, trace = played(*acts)
        visited = Reachable(world, 10_000).visited(trace)
        assert visited.beyond == 0
        assert len(visited.states) > 1


def test_more_crashes_than_the_checker_may_use_lead_beyond() -> None:
    acts = [
        Act(do=deed, at_ms=ms, nodes=("rm1",))
        for ms in (2, 6, 12)
        for deed in (Deed.CRASH, Deed.RESTART)
    ]
    world, trace = played(*acts)
    assert Reachable(world, 10_000).visited(trace).beyond == 0
    assert Reachable(world, 10_000, crashes=0).visited(trace).beyond > 0


def test_a_mutant_leaves_what_the_checker_reaches() -> None:
    mutant = build_world("two_phase_commit", mutant="does_not_wait")
    sound = build_world("two_phase_commit", "small")
    assert [p.me for p in mutant.processes] == [p.me for p in sound.processes]
    task = Task(protocol="two_phase_commit", mutant="does_not_wait", swarm=False)
    assert Reachable(sound, 10_000).visited(task.traced(0)[1]).beyond > 0


def test_a_small_world_is_seen_whole() -> None:
    reachable = Reachable(build_world("reliable_link", "small"), 100)
    states: frozenset[int] = frozenset()
    for seed in range(40):
        states |= reachable.visited(lossy("reliable_link", seed)[1]).states
    assert states == frozenset(range(len(reachable)))


def test_what_cannot_be_compared_is_refused() -> None:
    fifo = msgspec.structs.replace(build_world("paxos", "small"), network=Network.FIFO)
    with pytest.raises(UsageError, match="network is a fifo here"):
        Reachable(fifo, 100)
    with pytest.raises(UsageError, match="more than 100 states"):
        Reachable(build_world("paxos", "small"), 100)
    with pytest.raises(UsageError, match="is Timed"):
        Reachable(build_world("lease"), 100)
