"""The space-time diagram: who sent what, when it arrived, and what happened before what."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from quorate.check import check
from quorate.kernel import (
    Crash,
    Header,
    Output,
    Receive,
    Record,
    Send,
    Start,
    Timeout,
    Trace,
    UsageError,
    core,
    unwrapped,
)
from quorate.kernel.trace import digest
from quorate.mutants import find_mutants
from quorate.traces.clocks import lamport_clocks, precedes, vector_clocks
from quorate.traces.life import Life, unheard
from quorate.traces.spacetime import OUTSIDE_MAX, SpaceTime, retell
from sim.toys import HEADER, Clumsy, Counter, Ping, Sender, run, world
from traces.weather import WORLDS, diagrams, stormy

SEEDS = 12


@pytest.mark.parametrize(("protocol", "name", "settings"), WORLDS)
def test_the_steps_are_those_of_the_trace_without_what_a_crash_kept_back(
    protocol: str, name: str, settings: dict
) -> None:
    kept_back = 0
    for seed in range(SEEDS):
        of, trace = stormy(protocol, name, settings, seed)
        diagram = retell(trace, of.processes)
        silent = unheard(trace.records)
        for index, (step, record) in enumerate(zip(diagram.steps, trace.records, strict=True)):
            assert diagram.nodes[step.node] == record.node
            if index in silent:
                kept_back += step.line != record.line
                assert not any(isinstance(unwrapped(e), Send | Output) for e in step.effects)
            elif not isinstance(record.event, Crash):
                assert step.line == record.line
        assert diagram.notes == trace.notes
    assert kept_back


def test_a_message_arrives_once_or_again_after_it_was_sent_and_as_it_was_sent() -> None:
    lost = repeated = 0
    for diagram in diagrams(SEEDS):
        for number, message in enumerate(diagram.messages):
            assert message.sent is not None
            sender = diagram.steps[message.sent]
            assert sender.node == message.source
            assert (number in sender.sent) != message.again
            assert any(unwrapped(e) == Send(message.to, message.msg) for e in sender.effects)
            if message.received is None:
                lost += 1
                continue
            repeated += message.again
            receiver = diagram.steps[message.received]
            event = core(receiver.event)
            if isinstance(event, Crash):
                event = core(event.during)
            assert message.received > message.sent
            assert (receiver.node, receiver.received) == (message.target, number)
            assert event == Receive(message.src, message.msg)
        received = [step.received for step in diagram.steps if step.received is not None]
        assert len(received) == len(set(received))
    assert lost
    assert repeated


def test_equal_messages_sent_at_once_arrive_in_order_and_later_ones_before_earlier() -> None:
    """A heartbeat that arrives is the latest one, not the first of those that were lost."""
    boot = Sender("s", ("c",), every_ms=10, count=3)
    alike = Record(0, "c", Receive("s", Ping(1)), "")
    diagram = told([boot, Counter("c", answers=False)], [*beats(boot, 1), alike])
    assert [m.received for m in diagram.messages] == [2]
    twice = told(
        [Sender("s", ("c", "c")), Counter("c", answers=False)],
        [Record(0, "s", Start(), ""), alike, alike, alike],
    )
    # Two were sent in one step: the first comes first. The third arrival repeats the latest.
    assert [(m.received, m.again) for m in twice.messages] == [(1, False), (2, False), (3, True)]


def beats(boot: Sender, count: int) -> list[Record]:
    """Records of a sender's start and some of its time-outs."""
    starts = Record(0, boot.me, Start(), "")
    return [starts, *(Record(i, boot.me, Timeout("next"), "") for i in range(1, count + 1))]


def told(processes: list, records: list[Record], header: Header = HEADER) -> SpaceTime:
    """The diagram of records that lack their digests."""
    lives = {process.me: Life(process) for process in processes}
    digested = []
    for record in records:
        life, event, effects = lives[record.node], record.event, ()
        if isinstance(event, Crash):
            life.crash(event)
        else:
            effects = life.step(event)
        digested.append(msgspec.structs.replace(record, digest=digest(effects)))
    return retell(Trace(header, tuple(digested)), processes)


def test_the_simulator_says_which_of_equal_messages_arrived() -> None:
    """Four equal messages are on their way at once; each takes the same time, so it shows."""

    class Again(Sender):
        def on_timer(self, ctx, timer) -> None:  # type: ignore[no-untyped-def]
            super().on_timer(ctx, timer)
            ctx.broadcast(self.to, Ping(0))

    of = world(Again("s", ("c",), count=20, every_ms=10), Counter("c", answers=False))
    trace = run(of, delay_us=(35_000, 35_000), duplicate=0.0).trace
    assert trace is not None
    diagram = retell(trace, of.processes)
    equal = [m for m in diagram.messages if m.msg == Ping(0)]
    assert len(equal) == 20
    for message in equal:
        assert message.sent is not None
        assert message.received is not None
        took = diagram.steps[message.received].at_us - diagram.steps[message.sent].at_us
        assert took == 35_000


def test_what_a_step_received_is_of_the_step_that_the_simulator_names() -> None:
    """Whatever links, disks and crashes did to it, and in the trace that was read back as well."""
    for protocol, name, settings in WORLDS:
        for seed in range(SEEDS):
            of, trace = stormy(protocol, name, settings, seed)
            diagram = retell(trace, of.processes)
            for step, record in zip(diagram.steps, trace.records, strict=True):
                if step.received is not None:
                    assert diagram.messages[step.received].sent == record.cause


def test_the_latest_of_equal_messages_that_wait_is_the_one_that_arrives() -> None:
    class Again(Sender):
        def on_timer(self, ctx, timer) -> None:  # type: ignore[no-untyped-def]
            ctx.broadcast(self.to, Ping(0))

    records = [*beats(Again("s", ("c",), every_ms=9), 3), Record(4, "c", Receive("s", Ping(0)), "")]
    diagram = told([Again("s", ("c",), every_ms=9), Counter("c", answers=False)], records)
    assert [message.received for message in diagram.messages] == [None, None, 4]


def test_who_is_not_in_the_trace_has_a_lane_as_long_as_there_are_few() -> None:
    senders = [f"x{i}" for i in range(OUTSIDE_MAX + 3)]
    records = [Record(i, "c", Receive(name, Ping(i)), "") for i, name in enumerate(senders)]
    diagram = told([Counter("c")], records)
    assert diagram.inside == 1
    assert diagram.nodes == ("c", *senders[:OUTSIDE_MAX], "outside")
    assert [m.sent for m in diagram.messages[::2]] == [None] * len(senders)
    assert [m.received for m in diagram.messages[1::2]] == [None] * len(senders)


def test_a_step_that_failed_is_shown_with_its_error() -> None:
    of = world(Sender("s", ("c",)), Clumsy("c"))
    trace = run(of).trace
    assert trace is not None
    assert retell(trace, of.processes).steps[-1].line == "c raised KeyError(1)"


def test_a_trace_of_something_else_is_refused_with_the_step() -> None:
    of = world(Sender("s", ("c",)), Counter("c"))
    trace = run(of).trace
    assert trace is not None
    with pytest.raises(UsageError, match=r"step 1, s: its effects differ"):
        retell(trace, (Sender("s", ("c",), count=2), Counter("c")))
    with pytest.raises(UsageError, match=r"step 2: there is no node c"):
        retell(trace, of.processes[:1])


def test_vector_clocks_order_exactly_what_messages_and_nodes_order() -> None:
    """Against reachability in the graph of steps, pair by pair."""
    for diagram in diagrams(3):
        short = msgspec.structs.replace(diagram, steps=diagram.steps[:150])
        clocks = vector_clocks(short)
        past: list[set[int]] = []
        latest: dict[int, int] = {}
        for index, step in enumerate(short.steps):
            before = {latest[step.node]} if step.node in latest else set()
            if step.received is not None:
                sent = diagram.messages[step.received].sent
                before |= set() if sent is None else {sent}
            past.append(before.union(*(past[each] for each in before)))
            latest[step.node] = index
        for second in range(len(short.steps)):
            for first in range(len(short.steps)):
                assert precedes(short, clocks, first, second) == (first in past[second])


def test_lamports_clock_is_as_long_as_the_longest_chain_of_causes() -> None:
    """Which is the least that respects them; against the graph of steps."""
    for diagram in diagrams(3):
        longest: list[int] = []
        latest: dict[int, int] = {}
        for index, step in enumerate(diagram.steps):
            causes = [latest[step.node]] if step.node in latest else []
            if step.received is not None:
                sent = diagram.messages[step.received].sent
                causes += [] if sent is None else [sent]
            longest.append(1 + max((longest[cause] for cause in causes), default=0))
            latest[step.node] = index
        assert lamport_clocks(diagram) == longest


def test_a_counterexample_of_the_checker_is_a_diagram_too() -> None:
    mutant = next(m for m in find_mutants("paxos") if m.name == "quorum_too_small")
    violation = check(mutant.world()).violation
    assert violation is not None
    assert violation.trace is not None
    diagram = retell(violation.trace, mutant.world().processes)
    assert not diagram.timed
    assert [step.line for step in diagram.steps] == [r.line for r in violation.trace.records]
    assert all(a.at_us < b.at_us for a, b in pairwise(diagram.steps))
