"""Three-phase commit, rule by rule: Skeen 1981; Bernstein, Hadzilacos and Goodman, section 7.5."""

from __future__ import annotations

import pytest

from pins import counts, pin
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
    Inquire,
    Participant,
    PreCommit,
    Prepared,
    Returned,
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
    one, _ = told.step(Receive("rm2", Ack()))
    after, _ = one.step(Timeout("acks"))
    assert after.outcome is Outcome.COMMITTED


def test_a_coordinator_that_nobody_acknowledges_waits_until_one_of_them_knows() -> None:
    told, _ = Coordinator("tm", ALL, prepared=ALL).step(Timeout("commit"))
    after, effects = told.step(Timeout("acks"))
    assert after.outcome is None
    assert [e for e in effects if isinstance(e, Send)] == [Send(n, Inquire()) for n in RMS]
    done, effects = after.step(Receive("rm1", Abort()))
    assert (done.outcome, Send("rm2", Abort()) in effects) == (Outcome.ABORTED, True)


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


def test_a_coordinator_that_comes_back_aborts_what_it_has_told_nobody() -> None:
    after, _ = Coordinator("tm", ALL).step(Start(recovered=True))
    assert after.outcome is Outcome.ABORTED


def test_a_coordinator_that_comes_back_asks_what_became_of_what_it_has_told() -> None:
    told, effects = Coordinator("tm", ALL, precommits=True).step(Start(recovered=True))
    assert [e for e in effects if isinstance(e, Send)] == [Send(n, Inquire()) for n in RMS]
    after, effects = told.step(Receive("rm1", Commit()))
    assert (after.outcome, Send("rm3", Commit()) in effects) == (Outcome.COMMITTED, True)


def test_who_has_ended_tells_whoever_has_been_gone() -> None:
    ended = participant(prepared=True, precommitted=True, outcome=Outcome.COMMITTED)
    for question in (Inquire(), Returned(UNCERTAIN)):
        assert ended.step(Receive("rm2", question)) == (ended, (Send("rm2", Commit()),))
    decided = Coordinator("tm", ALL, outcome=Outcome.ABORTED)
    assert decided.step(Receive("rm2", Inquire())) == (decided, (Send("rm2", Abort()),))


def test_who_has_not_ended_leaves_it_for_later() -> None:
    here = participant(prepared=True)
    assert here.step(Receive("tm", Inquire())) == (here, (Ignore("not ended yet"),))
    assert here.step(Receive("rm2", Returned(UNCERTAIN))) == (here, (Ignore("it will be told"),))
    open_ = Coordinator("tm", ALL)
    assert open_.step(Receive("rm2", Inquire())) == (open_, (Ignore("not decided yet"),))


def returned(standing: Standing, *others: Standing) -> Participant:
    """rm1 after it has been gone, as have these others."""
    before = participant(prepared=True, precommitted=standing is PRECOMMITTED)
    after, _ = before.step(Start(recovered=True))
    for node, other in zip(RMS[1:], others, strict=False):
        after, _ = after.step(Receive(node, Returned(other)))
    return after


def test_who_has_been_gone_asks_all_and_says_how_it_stood() -> None:
    _, effects = participant(prepared=True).step(Start(recovered=True))
    says = Returned(UNCERTAIN)
    assert [effect for effect in effects if isinstance(effect, Send)] == [
        Send("rm2", says),
        Send("rm3", says),
        Send("tm", Inquire()),
    ]


def test_who_has_been_gone_before_it_was_prepared_aborts() -> None:
    after, _ = participant().step(Start(recovered=True))
    assert after.outcome is Outcome.ABORTED


def test_who_has_been_gone_does_not_take_part() -> None:
    back = returned(UNCERTAIN)
    late = (Ignore("others may count on how it stood"),)
    assert back.step(Receive("tm", PreCommit())) == (back, late)
    reason = (Ignore("others may have ended without it"),)
    assert back.step(Receive("rm2", Ask())) == (back, reason)


def test_those_who_have_been_gone_wait_for_the_last_of_them() -> None:
    assert returned(PRECOMMITTED, PRECOMMITTED).outcome is None
    assert returned(UNCERTAIN, UNCERTAIN, UNCERTAIN).outcome is Outcome.ABORTED
    assert returned(UNCERTAIN, UNCERTAIN, PRECOMMITTED).outcome is Outcome.COMMITTED


def test_what_was_decided_for_all_is_told_again_after_a_crash() -> None:
    after, effects = participant(prepared=True, concluded=Outcome.ABORTED).step(Start(True))
    assert after.outcome is Outcome.ABORTED
    assert Send("rm3", Abort()) in effects


@pytest.mark.parametrize(
    ("size", "distinct", "transitions", "depth"),
    [
        ({"participants": 2, "crashes": 1}, 980, 4_563, 17),
        ({"participants": 2, "crashes": 3}, 13_826, 108_319, 21),
        pytest.param(
            {"participants": 3, "crashes": 2}, 283_532, 2_814_320, 29, marks=pytest.mark.slow
        ),
    ],
)
def test_recovery_holds_in_every_schedule(
    size: dict[str, int], distinct: int, transitions: int, depth: int
) -> None:
    result = check(build_world("three_phase_commit", "small", size))
    pin(str(size), counts(result), distinct=distinct, transitions=transitions, depth=depth)
    assert result.exit_code == 0


@pytest.mark.parametrize("network", [Network.FIFO, Network.SET])
def test_one_slow_message_is_enough_for_disagreement(network: Network) -> None:
    result = check(build_world("three_phase_commit", "asynchronous"), network=network)
    assert result.violation is not None
    assert result.violation.name == "AC1 agreement"
    assert result.violation.trace is not None
    assert len(result.violation.trace.records) == 13


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
