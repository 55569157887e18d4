"""Disks that fail: what each fault does, that recovery notices, and what happens if it does not."""

from __future__ import annotations

import contextlib
import random
from itertools import combinations
from typing import Any

import pytest

from quorate.kernel import Actor, Crash, Lazy, Map, Message, Receive, Stable, Start, StorageError
from quorate.kernel import Context as Ctx
from quorate.protocols import build_world
from quorate.sim import Faults, Run, Task, campaign
from quorate.sim.atlas import Atlas
from quorate.sim.campaign import run_seeds
from quorate.sim.disk import Disk, _Log
from quorate.sim.engine import Simulation
from quorate.sim.node import Node
from sim.toys import Counter, Sender, crashes, pings, run, world

# The bytes.


class Put(Message, frozen=True):
    key: int
    value: str


class Store(Actor):
    """Keeps a map on disk, and how many times it was asked, which it does not force."""

    kept: Stable[Map[int, str]] = Map()
    asked: Lazy[int] = 0

    def on_put(self, ctx: Ctx, src: str, m: Put) -> None:
        if m.value:
            self.kept = self.kept.put(m.key, m.value)
        self.asked += 1


LONG = ("x" * 300, "", "y" * 700, "z", "")
"""One record each, except for "", which is written with the next forced one. Sectors have 512."""
SHORT = ("x", "", "yy", "z", "")


def _store() -> list[Actor]:
    """A store after each of its steps."""
    states: list[Actor] = [Store("s")]
    for key, value in enumerate(LONG):
        states.append(states[-1].step(Receive("c", Put(key, value)))[0])
    return states


def _disk(seed: int = 0, values: tuple[str, ...] = LONG, **knobs: Any) -> Disk:
    disk = Disk(Store("s"), Faults(**knobs), random.Random(seed))
    actor: Actor = Store("s")
    for key, value in enumerate(values):
        actor, effects = actor.step(Receive("c", Put(key, value)))
        disk.note(effects)
    return disk


def _log(values: tuple[str, ...] = LONG) -> _Log:
    """Three records."""
    log = _Log(Store("s"), random.Random(0), None)
    steps = [body for _, body in _disk(values=values)._steps]
    for record in (steps[:1], steps[1:3], steps[3:4]):
        log.append(record)
    return log


def _same(one: Actor, other: Actor) -> bool:
    return (one.stable(), one.lazy()) == (other.stable(), other.lazy())


@pytest.mark.parametrize(
    ("undone", "unforced", "state"),
    [(0, 1, 5), (0, 0, 4), (1, 0, 3), (2, 1, 2), (2, 0, 1), (3, 0, 0)],
)
def test_a_crash_undoes_what_it_says_and_the_rest_is_read_back(
    undone: int, unforced: int, state: int
) -> None:
    for seed in range(20):
        found = _disk(seed, torn=0.5).recover(undone, unforced, may_be_lost=False)
        assert _same(found, _store()[state])


def test_a_log_goes_on_from_what_was_read() -> None:
    disk = _disk()
    found = disk.recover(1, 0, may_be_lost=False)
    after, effects = found.step(Receive("c", Put(9, "new")))
    disk.note(effects)
    assert _same(disk.recover(0, 0, may_be_lost=False), after)


def test_a_record_torn_at_any_byte_is_cut_off_and_no_other_is() -> None:
    log = _log()
    before = log.read(checksums=True)
    whole = log._record([body for _, body in _disk()._steps[3:4]])
    for seed in range(300):
        log = _log()
        log._draw = random.Random(seed)
        log.tear([body for _, body in _disk()._steps[3:4]])
        assert len(log._torn) in (0, len(whole) + 1)
        assert _same(log.read(checksums=True), before)


def test_no_flipped_bit_goes_unnoticed_except_in_an_end_mark_which_says_nothing() -> None:
    right, noticed = _log(SHORT).read(checksums=True), 0
    size = len(_log(SHORT)._data)
    for at in range(size * 8):
        log = _log(SHORT)
        log._data[at // 8] ^= 1 << at % 8
        try:
            assert _same(log.read(checksums=True), right)
        except StorageError:
            noticed += 1
    assert noticed == (size - 3) * 8


def test_no_misdirected_record_goes_unnoticed() -> None:
    for earlier, own in combinations(range(3), 2):
        log = _log()
        log._draw = _Pick([earlier, own])
        log.misdirect()
        with pytest.raises(StorageError, match="a record that was durable is damaged"):
            log.read(checksums=True)


class _Pick(random.Random):
    """Draws what it was told."""

    def __init__(self, sample: list[int]) -> None:
        super().__init__(0)
        self._sample = sample

    def sample(self, *_: Any, **__: Any) -> Any:
        return self._sample


def test_without_checksums_a_flipped_bit_is_taken_for_data() -> None:
    silent = 0
    right = _log().read(checksums=False)
    assert _same(right, _log().read(checksums=True))
    for at in range(len(_log()._data)):
        log = _log()
        log._data[at] ^= 1
        with contextlib.suppress(StorageError):
            silent += not _same(log.read(checksums=False), right)
    assert silent > 1_000  # most of the bytes are those of the long values


# Nodes whose disks fail.

COUNTED = world(Sender("s", ("c",), count=100, every_ms=10), Counter("c"), may_crash="c")


def _simulation(**knobs: Any) -> Simulation:
    faults = Faults(**{"delay_us": (1_000, 1_000), "down_ms": (100, 100)} | knobs)
    simulation = Simulation(COUNTED, knobs.pop("seed", 0), faults, tracing=True)
    simulation.start()
    return simulation


def test_a_failed_force_stops_the_node_before_anyone_hears_of_the_step() -> None:
    kept = set()
    for seed in range(20):
        faults = Faults(delay_us=(1_000, 1_000), down_ms=(100, 100), disk_error_rate=1e-9)
        simulation = Simulation(COUNTED, seed, faults, tracing=True)
        simulation.start()
        simulation.run(55_000, 1_000)
        simulation.nodes[1].failing = True
        simulation.run(62_000, 1_000)
        (crash,) = crashes(simulation.tape.records)
        assert (crash.unheard, simulation.nodes[1].up) == (1, False)
        assert len(simulation.judge.view().facts) == 2 * 5
        kept.add(simulation.nodes[1].actor.kept)
        simulation.run(175_000, 1_000)
        assert simulation.nodes[1].up
    assert kept == {5, 6}  # a write whose force failed may be on disk, and may not


def test_a_full_disk_takes_nothing_and_stops_the_node_until_there_is_room() -> None:
    simulation = _simulation(disk_full_rate=1e-9)
    simulation.run(55_000, 1_000)
    counter = simulation.nodes[1]
    counter.full = True
    simulation.run(500_000, 10_000)
    assert len(crashes(simulation.tape.records)) > 1
    assert counter.actor.kept == 5
    counter.full = False
    simulation.run(3_000_000, 10_000)
    assert counter.up
    assert counter.actor.kept > 40


@pytest.mark.parametrize("knob", ["bit_rot", "misdirected"])
def test_a_node_with_a_damaged_log_stays_down(knob: str) -> None:
    simulation = _simulation(**{knob: 1.0}, survivable=False)
    simulation.run(505_000, 10_000)
    simulation.crash(simulation.nodes[1])
    simulation.heal()
    simulation.run(3_000_000, 10_000)
    assert not simulation.nodes[1].up
    assert simulation.nodes[1].gone
    assert not simulation.atlas.recoverable


def test_a_log_that_reads_otherwise_than_it_was_written_is_a_finding() -> None:
    simulation = _simulation(torn=1.0)
    simulation.run(505_000, 10_000)
    disk = simulation.nodes[1].disk
    assert disk is not None
    del disk._steps[-1]  # the disk lies: it lost a write that it had acknowledged
    simulation.crash(simulation.nodes[1])
    assert simulation.judge.violated == (
        "no step fails (c: ProtocolBug: its log reads otherwise than it was written)"
    )


ROTTEN: dict[str, Any] = {"bit_rot": 1, "crash_rate": 2, "unsafe_ms": 5_000, "survivable": False}


def test_damage_that_is_noticed_breaks_no_promise_and_damage_that_is_not_does() -> None:
    def broken(checksums: bool) -> set[str | None]:
        faults = {**ROTTEN, "checksums": checksums}
        task = Task(protocol="multi_paxos", fault_settings=faults, swarm=False)
        return {run.violated for run in run_seeds(task, range(100)).runs} - {None}

    assert broken(checksums=True) == set()
    assert "log agreement" in broken(checksums=False)


# Nodes that never return, and the fault atlas.


def _gone(outcome: Run) -> set[str]:
    """Nodes that were down when the run ended."""
    assert outcome.trace is not None
    down = set()
    for record in outcome.trace.records:
        if isinstance(record.event, Crash):
            down.add(record.node)
        elif isinstance(record.event, Start):
            down.discard(record.node)
    return down


PAXOS = build_world("paxos", settings={"acceptors": 5})


@pytest.mark.parametrize("mid_step", [0.0, 1.0])
def test_a_node_that_stops_never_returns_and_a_quorum_is_left(mid_step: float) -> None:
    seen = set()
    for seed in range(20):
        outcome = run(PAXOS, seed=seed, stop_rate=5.0, mid_step=mid_step, loss=0.2)
        assert outcome.violated is None
        gone = _gone(outcome)
        assert gone <= {f"a{i}" for i in range(1, 6)}
        seen.add(len(gone))
    assert seen == {2}  # as many as a majority of five can spare


def test_beyond_what_can_be_survived_nothing_is_decided_and_nothing_is_wrong() -> None:
    decided = 0
    for seed in range(20):
        outcome = run(PAXOS, seed=seed, stop_rate=200.0, mid_step=0.0, loss=0.5, survivable=False)
        assert outcome.violated is None
        assert len(_gone(outcome)) > 2
        decided += "decision is reachable" in outcome.reached
    assert decided < 20


def test_a_process_that_stopped_hears_no_more() -> None:
    outcome = run(COUNTED, stop_rate=2.0, survivable=False, mid_step=0.0)
    assert 0 < len(pings(outcome, "c")) < 100
    assert len(crashes(outcome.trace.records if outcome.trace else ())) == 1


def _may_lose(protocol: str, world_name: str = "main", **settings: object) -> list[str]:
    """Who is lost when each node in turn is, if it may be."""
    built = build_world(protocol, world_name, settings)
    atlas = Atlas(built, Faults())
    lost = []
    for index, process in enumerate(built.processes):
        node = Node(index, process, built.may_crash(process))
        if atlas.may_lose(node):
            atlas.lose(node)
            lost.append(node.me)
    assert atlas.recoverable
    return lost


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        (_may_lose("paxos"), ["a1"]),
        (_may_lose("paxos", acceptors=5), ["a1", "a2"]),
        (_may_lose("paxos", acceptors=4), ["a1"]),
        (_may_lose("paxos", thrifty=True), []),
        (_may_lose("paxos", "colocated", nodes=5, proposers=2), ["n1", "n3"]),
        (_may_lose("paxos", "colocated", nodes=3, proposers=1), ["n2"]),
        (_may_lose("multi_paxos", nodes=5), ["n1", "n2"]),
        (_may_lose("two_phase_commit"), []),
    ],
)
def test_so_many_may_be_lost_that_every_quorum_and_every_kind_of_role_is_left(
    lost: list[str], expected: list[str]
) -> None:
    assert lost == expected


def test_in_a_graph_nobody_may_be_lost_for_it_may_be_a_way_between_others() -> None:
    built = build_world("paxos")
    atlas = Atlas(built, Faults(topology="ring"))
    assert not any(atlas.may_lose(Node(i, p, True)) for i, p in enumerate(built.processes))


def test_a_campaign_draws_disk_faults_and_still_holds() -> None:
    knobs = {"bit_rot": 0.2, "misdirected": 0.2, "torn": 0.5, "stop_rate": 0.5, "crash_rate": 2}
    task = Task(protocol="multi_paxos", fault_settings={"unsafe_ms": 5_000, **knobs})
    assert campaign(task, first=0, count=60).failures == ()
