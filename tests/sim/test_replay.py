"""A trace can be run again, and one that was tampered with is found out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from quorate.check import check
from quorate.kernel import (
    Actor,
    Context,
    Crash,
    NodeId,
    Receive,
    Record,
    Start,
    Timeout,
    Trace,
    World,
    always,
    eventually,
    messages_of,
)
from quorate.kernel.trace import digest, read
from quorate.mutants import find_mutants
from quorate.protocols import build_world
from quorate.sim import Faults, replay, simulate
from quorate.sim.stage import Stage
from sim.toys import HEADER, Clock, Clumsy, Counter, Got, Loose, Ping, Sender, crashes, run, world

COUNTED = world(Sender("s", ("c",), count=40, every_ms=10), Counter("c"), may_crash="c")


def _traced(of: World, seed: int, faults: Faults) -> Trace:
    trace = simulate(of, seed=seed, faults=faults, header=HEADER).trace
    assert trace is not None
    return trace


@pytest.mark.parametrize(
    ("protocol", "name", "settings"),
    [("paxos", "main", {}), ("paxos", "colocated", {}), ("multi_paxos", "main", {"values": 4})],
)
def test_whatever_the_weather_a_trace_comes_out_the_same(
    protocol: str, name: str, settings: dict[str, object]
) -> None:
    of = build_world(protocol, name, settings)
    kinds = set()
    for seed in range(40):
        faults = Faults.swarm(seed, unsafe_ms=3_000, crash_rate=3, disk_us=50_000 * (seed % 2))
        trace = _traced(of, seed, faults)
        outcome = replay(of, trace)
        assert (outcome.verdict, outcome.difference) == ("holds", None)
        assert outcome.lines == tuple(record.line for record in trace.records)
        for crash in crashes(trace.records):
            kinds |= {n for n in ("during", "undone", "unheard") if getattr(crash, n)}
    assert kinds == {"during", "undone", "unheard"}


def test_a_trace_comes_out_the_same_after_it_was_written_and_read(tmp_path: Path) -> None:
    of = build_world("paxos", "colocated")
    trace = _traced(of, 3, Faults.swarm(3))
    trace.write(tmp_path / "trace")
    again = read(tmp_path / "trace", messages_of(of.processes))
    assert again.hash() == trace.hash()
    assert replay(of, again).verdict == "holds"


def test_a_seed_that_kills_a_mutant_replays_to_the_same_violation() -> None:
    mutant = next(m for m in find_mutants("multi_paxos") if m.name == "forgets_votes")
    trace = _traced(mutant.world(small=False), 0, Faults.swarm(0))
    assert trace.header.violated == mutant.kills
    outcome = replay(mutant.world(small=False), trace)
    assert (outcome.verdict, outcome.violated) == ("violated", mutant.kills)


def test_what_did_not_come_to_hold_does_not_in_the_replay_either() -> None:
    of = world(
        Sender("s", ("c",)),
        Counter("c"),
        properties=(eventually("two", lambda view: Got(2) in dict(view.facts).values()),),
    )
    outcome = replay(of, _traced(of, 0, Faults(unsafe_ms=10, heal_ms=10)))
    assert (outcome.violated, outcome.difference) == ("two", None)


def test_a_trace_of_the_checker_replays_here() -> None:
    mutant = next(m for m in find_mutants("paxos") if m.name == "forgets_vote")
    violation = check(mutant.world()).violation
    assert violation is not None
    assert violation.trace is not None
    assert any(isinstance(record.event, Crash) for record in violation.trace.records)
    outcome = replay(mutant.world(), violation.trace)
    assert (outcome.violated, outcome.difference) == (mutant.kills, None)


def test_an_error_in_a_handler_comes_out_the_same() -> None:
    of = world(Sender("s", ("c",)), Clumsy("c"))
    outcome = replay(of, _traced(of, 0, Faults()))
    assert outcome.violated == "no step fails (c: KeyError: 1)"
    assert outcome.difference is None


def test_the_readings_of_a_clock_are_part_of_the_trace() -> None:
    of = world(Clock("c"))
    trace = _traced(of, 0, Faults(skew_ms=5_000, drift_ppm=1_000))
    assert replay(of, trace).verdict == "holds"
    bare = msgspec.structs.replace(trace.records[0], event=Start())
    difference = replay(of, Trace(HEADER, (bare,))).difference
    assert difference == "record 1, c: c is not Timed: it has no clock to read"


def test_outputs_that_never_left_a_crashed_node_are_not_judged() -> None:
    silent = always("silence", lambda view: not view.facts)
    of = world(Sender("s", ("c",)), Counter("c"), properties=(silent,), may_crash="c")
    knobs = {"delay_us": (10, 10), "disk_us": 50_000, "crash_rate": 40.0, "mid_step": 0.0}
    found = 0
    for seed in range(10):
        trace = run(of, seed=seed, unsafe_ms=60, heal_ms=0, **knobs).trace
        assert trace is not None
        if trace.header.violated is None and any(c.unheard for c in crashes(trace.records)):
            found += 1
            assert replay(of, trace).verdict == "holds"
    assert found > 3


Edit = Callable[[list[Record]], None]


def _drop(index: int) -> Edit:
    return lambda records: records.__delitem__(index)


def _set(index: int, **changes: object) -> Edit:
    def edit(records: list[Record]) -> None:
        records[index] = msgspec.structs.replace(records[index], **changes)

    return edit


def _insert(index: int, node: str, event: object) -> Edit:
    return lambda records: records.insert(index, Record(0, node, event, digest(())))  # type: ignore[arg-type]


# A quiet run: 0 s starts, 1 c starts, 2 the timer of s rings, 3 c receives, 4 s receives.
@pytest.mark.parametrize(
    ("edit", "difference"),
    [
        (_set(2, digest="0" * 16), "record 3, s: its effects differ from those recorded"),
        (_drop(2), "record 3, c: that message had not been sent"),
        (_set(3, node="s"), "record 4, s: that message had not been sent"),
        (_set(3, node="x"), "record 4, x: there is no such node"),
        (_set(3, event=Receive("s", Ping(9))), "record 4, c: that message had not been sent"),
        (_insert(2, "c", Timeout("next")), "record 3, c: its timer next was not armed"),
        (_insert(3, "s", Start()), "record 4, s: it is up already"),
        (_insert(1, "c", Start(recovered=True)), "record 2, c: it has never crashed"),
        (_set(2, event=Crash()), "record 4, c: that message had not been sent"),
        (_insert(3, "c", Crash()), "record 5, c: it is down"),
        (_insert(3, "c", Crash(undone=1)), "record 4, c: it had not forced so many writes"),
        (_insert(3, "c", Crash(forgets=1)), "record 4, c: it had not written so much unforced"),
        (
            _insert(2, "s", Crash(during=Timeout("next"), sent=1)),
            "record 3, s: it sends 1 messages there, not more",
        ),
    ],
)
def test_a_trace_that_could_not_have_happened_is_found_out(edit: Edit, difference: str) -> None:
    records = list(_traced(COUNTED, 0, Faults()).records)
    edit(records)
    outcome = replay(COUNTED, Trace(HEADER, tuple(records)))
    assert (outcome.verdict, outcome.difference) == ("differs", difference)


def test_a_trace_that_claims_a_violation_must_show_it() -> None:
    trace = _traced(COUNTED, 0, Faults())
    claim = Trace(msgspec.structs.replace(HEADER, violated="agreement"), trace.records)
    difference = replay(COUNTED, claim).difference
    assert difference == "the end: agreement is not violated here, as the trace says it was"


def test_a_crash_takes_back_unforced_writes_as_recorded() -> None:
    of = world(Sender("s", ("c",), count=3), Loose("c"), may_crash="c")
    trace = _traced(of, 0, Faults())
    for forgets in range(4):
        records = [*trace.records, Record(0, "c", Crash(forgets=forgets), digest(()))]
        records.append(Record(0, "c", Start(recovered=True), digest(())))
        assert replay(of, Trace(HEADER, tuple(records))).verdict == "holds"


class Volley(Actor):
    """Returns every ping, up to `most`, one higher; that changes nothing at either end."""

    to: NodeId
    most: int

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.send(self.to, Ping(0))

    def on_ping(self, ctx: Context, src: NodeId, m: Ping) -> None:
        if m.number < self.most:
            ctx.send(src, Ping(m.number + 1))


@pytest.mark.parametrize(("most", "rests"), [(20, True), (1_000_000, False)])
def test_messages_that_lead_to_messages_only_are_rest_unless_they_may_be_without_end(
    most: int, rests: bool
) -> None:
    stage = Stage(world(Volley("a", "b", most), Volley("b", "a", most)))
    for node in ("a", "b"):
        stage.happen(node, Start())
    assert stage.at_rest() is rests
