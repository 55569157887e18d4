"""Recordings of several nodes, put together in an order that could have been."""

from __future__ import annotations

import msgspec
import pytest

from quorate.kernel import Actor, Crash, Header, Receive, Trace, UsageError, core
from quorate.protocols import build_world
from quorate.sim import Faults, simulate
from quorate.traces.merge import merge
from quorate.traces.spacetime import retell
from sim.toys import Counter, Sender, run, world


def apart(processes: tuple[Actor, ...], trace: Trace, clocks_us: dict[str, int]) -> list:
    """What each node would have recorded, with a clock that is wrong by so much."""
    found = []
    for process in processes:
        mine = [record for record in trace.records if record.node == process.me]
        began = mine[0].at_us
        settings = {"began_us": 1_000_000 + began + clocks_us.get(process.me, 0)}
        header = Header(protocol="multi_paxos", executor="runtime", settings=settings)
        shifted = (msgspec.structs.replace(r, at_us=r.at_us - began) for r in mine)
        found.append((process, Trace(header, tuple(shifted))))
    return found


def quiet(protocol: str, **settings: object) -> tuple[tuple[Actor, ...], Trace]:
    of = build_world(protocol, settings=settings)
    header = Header(protocol=protocol, executor="sim")
    faults = Faults(unsafe_ms=2_000, loss=0.1)
    trace = simulate(of, seed=3, faults=faults, header=header).trace
    assert trace is not None
    assert not any(isinstance(record.event, Crash) for record in trace.records)
    return of.processes, trace


@pytest.mark.parametrize("clocks_us", [{}, {"n1": 40_000, "n2": -70_000, "c1": 3_000}])
def test_recordings_come_together_with_every_message_after_its_sending(clocks_us: dict) -> None:
    processes, trace = quiet("multi_paxos", values=5)
    merged = merge(apart(processes, trace, clocks_us))
    assert len(merged.records) == len(trace.records)
    for process in processes:
        mine = [r.event for r in merged.records if r.node == process.me]
        assert mine == [r.event for r in trace.records if r.node == process.me]
    times = [record.at_us for record in merged.records]
    assert times == sorted(times)
    diagram = retell(merged, processes)
    for message in diagram.messages:
        assert message.sent is not None
        assert message.received is None or message.received > message.sent
    if not clocks_us:
        assert [r.event for r in merged.records] == [r.event for r in trace.records]


def test_a_node_alone_has_its_correspondents_beside_it() -> None:
    processes, trace = quiet("multi_paxos", values=2)
    [alone] = [each for each in apart(processes, trace, {}) if each[0].me == "n2"]
    merged = merge([alone])
    diagram = retell(merged, [alone[0]])
    assert diagram.inside == 1
    events = [core(record.event) for record in merged.records]
    assert {event.src for event in events if isinstance(event, Receive)} < set(diagram.nodes)
    came = [m for m in diagram.messages if m.received is not None and not m.local]
    assert {message.sent for message in came} == {None}
    received = sum(isinstance(core(r.event), Receive) for r in merged.records)
    assert len([m for m in diagram.messages if m.received is not None]) == received


def test_two_lives_of_one_node_are_not_one_trace() -> None:
    of = world(Sender("s", ("c",)), Counter("c"))
    trace = run(of).trace
    assert trace is not None
    parts = apart(of.processes, trace, {})
    with pytest.raises(UsageError, match="two recordings are of node s"):
        merge([parts[0], parts[0]])
    with pytest.raises(UsageError, match="no recording"):
        merge([])
