"""Two-phase commit: what the paper says of each role, its state space, and its cost."""

from __future__ import annotations

import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import (
    CancelTimer,
    Change,
    Effect,
    Ignore,
    Output,
    Persist,
    Receive,
    Send,
    SetTimer,
    Start,
    Timeout,
)
from quorate.properties import commit
from quorate.properties.commit import Began, Decided, Outcome
from quorate.protocols import build_world
from quorate.protocols.two_phase_commit import (
    AT_ONCE,
    COORDINATOR_WAITS_MS,
    INQUIRE_MS,
    PARTICIPANT_WORKS_MS,
    Abort,
    Commit,
    Coordinator,
    Inquire,
    Participant,
    Prepare,
    Prepared,
)

BOTH = frozenset({"rm1", "rm2"})
TM = Coordinator("tm", BOTH, frozenset({"rm2"}))
RM = Participant("rm1", "tm", inquires=True)


def coordinator(**fields: object) -> Coordinator:
    return Coordinator("tm", BOTH, frozenset({"rm2"}), **fields)  # type: ignore[arg-type]


def participant(**fields: object) -> Participant:
    return Participant("rm1", "tm", True, True, **fields)  # type: ignore[arg-type]


def decides(outcome: Outcome, *sends: Effect) -> tuple[Effect, ...]:
    record = Persist((Change("outcome", outcome),))
    cancels = (CancelTimer("abort"), CancelTimer("commit"))
    return (record, *cancels, Output(Decided(outcome)), *sends)


# Section 3.1: the participants (resource managers).


def test_a_working_participant_may_prepare_by_itself() -> None:
    after, effects = RM.step(Timeout("prepare"))
    assert after == participant(prepared=True)
    assert effects == (
        Persist((Change("prepared", True),)),
        CancelTimer("abort"),
        Output(commit.Prepared()),
        Send("tm", Prepared()),
        SetTimer("inquire", INQUIRE_MS),
    )


def test_a_working_participant_prepares_when_it_is_asked_to() -> None:
    assert RM.step(Receive("tm", Prepare())) == RM.step(Timeout("prepare"))


def test_a_working_participant_may_abort_and_tells_nobody() -> None:
    after, effects = RM.step(Timeout("abort"))
    assert after == participant(outcome=Outcome.ABORTED)
    assert not any(isinstance(effect, Send) for effect in effects)


def test_a_participant_that_has_aborted_says_so_when_asked_to_prepare() -> None:
    before = participant(outcome=Outcome.ABORTED)
    assert before.step(Receive("tm", Prepare())) == (before, (Send("tm", Abort()),))


def test_a_participant_prepares_once() -> None:
    before = participant(prepared=True)
    assert before.step(Receive("tm", Prepare())) == (before, (Ignore("already prepared"),))


@pytest.mark.parametrize(
    ("news", "outcome"), [(Commit(), Outcome.COMMITTED), (Abort(), Outcome.ABORTED)]
)
def test_a_prepared_participant_does_as_it_is_told(news: Commit | Abort, outcome: Outcome) -> None:
    after, effects = participant(prepared=True).step(Receive("tm", news))
    assert after == participant(prepared=True, outcome=outcome)
    assert effects == (CancelTimer("inquire"), Output(Decided(outcome)))
    assert after.step(Receive("tm", news)) == (after, (Ignore("already ended"),))


def test_a_prepared_participant_asks_again_and_again_what_was_decided() -> None:
    before = participant(prepared=True)
    again = (Send("tm", Inquire()), SetTimer("inquire", INQUIRE_MS))
    assert before.step(Timeout("inquire")) == (before, again)
    assert before.step(Start(recovered=True)) == (before, (Output(commit.Prepared()), *again))


def test_a_participant_that_crashed_at_work_aborts() -> None:
    after, _ = RM.step(Start(recovered=True))
    assert after.outcome is Outcome.ABORTED


def test_only_a_participant_that_begins_prepares_unasked() -> None:
    begins, waits = RM, Participant("rm1", "tm", begins=False)
    deadline = SetTimer("abort", PARTICIPANT_WORKS_MS)
    assert begins.step(Start())[1] == (deadline, SetTimer("prepare", AT_ONCE))
    assert waits.step(Start())[1] == (deadline,)


# Section 3.1: the coordinator (transaction manager).


def test_the_coordinator_asks_the_others_once_one_is_prepared() -> None:
    after, effects = TM.step(Receive("rm1", Prepared()))
    assert after.prepared == {"rm1"}
    assert effects == (Send("rm2", Prepare()),)


def test_the_coordinator_may_commit_when_all_are_prepared() -> None:
    before = coordinator(prepared=frozenset({"rm1"}))
    after, effects = before.step(Receive("rm2", Prepared()))
    assert effects == (SetTimer("commit", AT_ONCE),)
    assert after.step(Timeout("commit"))[1] == decides(
        Outcome.COMMITTED, Send("rm1", Commit()), Send("rm2", Commit())
    )


def test_a_participant_prepared_twice_counts_once() -> None:
    before = coordinator(prepared=frozenset({"rm2"}))
    assert before.step(Receive("rm2", Prepared())) == (before, ())


@pytest.mark.parametrize("event", [Timeout("abort"), Receive("rm1", Abort())])
def test_the_coordinator_may_abort_as_long_as_it_has_not_committed(
    event: Timeout | Receive,
) -> None:
    assert TM.step(event)[1] == decides(Outcome.ABORTED, Send("rm1", Abort()), Send("rm2", Abort()))
    done = coordinator(outcome=Outcome.COMMITTED)
    if isinstance(event, Receive):  # the time-out was cancelled
        assert done.step(event) == (done, (Ignore("already decided"),))


def test_the_coordinator_hears_no_more_votes_once_it_has_decided() -> None:
    done = coordinator(outcome=Outcome.ABORTED)
    assert done.step(Receive("rm1", Prepared())) == (done, (Ignore("already decided"),))


def test_who_inquires_is_told_the_decision_or_counts_as_prepared() -> None:
    done = coordinator(outcome=Outcome.COMMITTED)
    assert done.step(Receive("rm2", Inquire())) == (done, (Send("rm2", Commit()),))
    assert TM.step(Receive("rm1", Inquire())) == TM.step(Receive("rm1", Prepared()))


def test_a_coordinator_waits_for_a_limited_time() -> None:
    assert TM.step(Start())[1] == (
        Output(Began(BOTH)),
        SetTimer("abort", COORDINATOR_WAITS_MS),
    )


def test_abort_is_presumed_when_nothing_is_on_record() -> None:
    after, _ = TM.step(Start(recovered=True))
    assert after.outcome is Outcome.ABORTED
    committed = coordinator(outcome=Outcome.COMMITTED)
    after, effects = committed.step(Start(recovered=True))
    assert after == committed
    assert effects[1:] == (
        Output(Decided(Outcome.COMMITTED)),
        Send("rm1", Commit()),
        Send("rm2", Commit()),
    )


# As a whole.


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_the_space_is_that_of_the_tla_specification(n: int) -> None:
    # Before a decision each participant is working, prepared, prepared and counted, or aborted:
    # 4 ways. After an abort the two that are prepared may also have heard of it: 6 ways. After a
    # commit all are prepared and counted, and each has heard of it or not: 2 ways.
    result = check(build_world("two_phase_commit", "tla", {"participants": n}))
    pin("TwoPhase, closed form", result, distinct=2**n + 4**n + 6**n, depth=3 * n + 2)
    assert result.exit_code == 0


def test_a_coordinator_that_stops_blocks_who_is_prepared() -> None:
    result = check(build_world("two_phase_commit", "blocking"))
    assert result.violation is not None
    assert result.violation.name == "no participant is blocked"
    assert result.violation.trace is not None
    assert "tm crash" in [record.line for record in result.violation.trace.records]


def test_nobody_is_blocked_while_the_coordinator_runs() -> None:
    result = check(build_world("two_phase_commit", "blocking"), crashes=0)
    assert (result.exit_code, result.cut) == (0, None)
