"""Three-phase commit, rule by rule: Skeen 1981; Bernstein, Hadzilacos and Goodman, section 7.5."""

from __future__ import annotations

import pytest

from quorate.check import check
from quorate.kernel import Ignore, Map, Network, Output, Receive, Send, Start, Timeout
from quorate.properties.commit import Decided, Outcome
from quorate.protocols import build_world
from quorate.protocols.three_phase_commit import (
    Abort,
    Ack,
    Ask,
    Commit,
    Coordinator,
    Participant,
    PreCommit,
    Prepared,
    Standing,
    State,
)
from quorate.sim import Task, campaign

RMS = ("rm1", "rm2", "rm3")
ALL = frozenset(RMS)
UNCERTAIN, PRECOMMITTED = Standing.UNCERTAIN, Standing.PRECOMMITTED


def participant(**fields: object) -> Participant:
    return Participant("rm1", "tm", succession=RMS, **fields)  # type: ignore[arg-type]


def took_over(mine: Standing, *others: Standing) -> tuple[Participant, list[Send]]:
    """rm1 after it has heard how all others stand, and what it then sent."""
    before = participant(prepared=True, precommitted=mine is PRECOMMITTED)
    after, _ = before.step(Timeout("suspect"))
    effects: tuple[object, ...] = ()
    for node, standing in zip(RMS[1:], others, strict=True):
        after, effects = after.step(Receive(node, State(standing)))
    return after, [effect for effect in effects if isinstance(effect, Send)]


def test_a_coordinator_tells_all_that_it_will_commit_before_it_does() -> None:
    ready = Coordinator("tm", ALL, prepared=ALL)
    told, effects = ready.step(Timeout("commit"))
    assert [e for e in effects if isinstance(e, Send)] == [Send(n, PreCommit()) for n in RMS]
    assert told.outcome is None
    for node in RMS[:-1]:
        told, effects = told.step(Receive(node, Ack()))
        assert not any(isinstance(effect, Send) for effect in effects)
    _, effects = told.step(Receive("rm3", Ack()))
    assert Send("rm1", Commit()) in effects


def test_a_coordinator_commits_without_the_acknowledgement_of_who_has_stopped() -> None:
    told, _ = Coordinator("tm", ALL, prepared=ALL).step(Timeout("commit"))
    after, _ = told.step(Timeout("acks"))
    assert after.outcome is Outcome.COMMITTED


def test_a_coordinator_that_misses_a_vote_aborts() -> None:
    waiting, _ = Coordinator("tm", ALL).step(Receive("rm1", Prepared()))
    after, effects = waiting.step(Timeout("abort"))
    assert after.outcome is Outcome.ABORTED
    assert Send("rm2", Abort()) in effects


def test_a_participant_acknowledges_and_waits_on() -> None:
    after, effects = participant(prepared=True).step(Receive("tm", PreCommit()))
    assert after.standing is PRECOMMITTED
    assert Send("tm", Ack()) in effects


def test_a_participant_that_hears_nothing_asks_the_others_how_they_stand() -> None:
    _, effects = participant(prepared=True).step(Timeout("suspect"))
    assert [e for e in effects if isinstance(e, Send)] == [Send("rm2", Ask()), Send("rm3", Ask())]
    other = Participant("rm2", "tm", succession=RMS, prepared=True)
    _, effects = other.step(Receive("rm1", Ask()))
    assert Send("rm1", State(UNCERTAIN)) in effects


@pytest.mark.parametrize("mine", [UNCERTAIN, PRECOMMITTED])
def test_rule_1_any_aborted_aborts(mine: Standing) -> None:
    _, sends = took_over(mine, Standing.ABORTED, UNCERTAIN)
    assert sends == [Send("rm2", Abort()), Send("rm3", Abort())]


@pytest.mark.parametrize("mine", [UNCERTAIN, PRECOMMITTED])
def test_rule_2_any_committed_commits(mine: Standing) -> None:
    _, sends = took_over(mine, UNCERTAIN, Standing.COMMITTED)
    assert sends == [Send("rm2", Commit()), Send("rm3", Commit())]


def test_rule_3_all_uncertain_abort() -> None:
    after, sends = took_over(UNCERTAIN, UNCERTAIN, UNCERTAIN)
    assert after.outcome is Outcome.ABORTED
    assert sends == [Send("rm2", Abort()), Send("rm3", Abort())]


def test_rule_4_some_precommitted_tell_those_who_are_uncertain_first() -> None:
    after, sends = took_over(UNCERTAIN, PRECOMMITTED, UNCERTAIN)
    assert (after.outcome, after.standing) == (None, PRECOMMITTED)
    assert sends == [Send("rm3", PreCommit())]
    done, effects = after.step(Receive("rm3", Ack()))
    assert done.outcome is Outcome.COMMITTED
    assert Send("rm2", Commit()) in effects


def test_who_stops_while_it_is_asked_is_not_waited_for() -> None:
    asking, _ = participant(prepared=True).step(Timeout("suspect"))
    one, _ = asking.step(Receive("rm2", State(PRECOMMITTED)))
    after, effects = one.step(Timeout("collect"))
    assert after.unacknowledged == frozenset()
    done, effects = after.step(Timeout("collect"))
    assert Output(Decided(Outcome.COMMITTED)) in effects
    assert done.outcome is Outcome.COMMITTED


def test_answers_to_no_question_are_ignored() -> None:
    idle = participant(prepared=True)
    for message in (State(UNCERTAIN), Ack()):
        assert idle.step(Receive("rm2", message)) == (idle, (Ignore("not asking"),))
    assert idle.states == Map()


def test_nodes_that_stop_do_not_return() -> None:
    for boot in (participant(prepared=True), Coordinator("tm", ALL)):
        after, effects = boot.step(Start(recovered=True))
        assert (after, effects) == (boot, ())


@pytest.mark.parametrize("network", [Network.FIFO, Network.SET])
def test_one_slow_message_is_enough_for_disagreement(network: Network) -> None:
    result = check(build_world("three_phase_commit", "asynchronous"), network=network)
    assert result.violation is not None
    assert result.violation.name == "AC1 agreement"
    assert result.violation.trace is not None
    assert len(result.violation.trace.records) == 11


@pytest.mark.slow
def test_a_partition_is_enough_for_disagreement() -> None:
    cut = {
        "timing": "uniform",
        "partition_rate": 50,
        "unsafe_ms": 10_000,
        "partition_ms": "9000,9000",
    }
    task = Task(protocol="three_phase_commit", fault_settings=cut, swarm=False)
    result = campaign(task, first=0, count=300)
    assert {run.violated for run in result.failures} >= {"AC1 agreement"}
