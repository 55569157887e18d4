"""Cooperative termination, rule by rule: Bernstein, Hadzilacos and Goodman, 1987, section 7.4."""

from __future__ import annotations

import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import Ignore, Output, Receive, Send, Start, Timeout
from quorate.properties.commit import Decided, Outcome
from quorate.protocols import build_world
from quorate.protocols.cooperative_termination import (
    NEWS,
    Abort,
    Inquire,
    Participant,
    Prepare,
)

WAITS = "no participant waits for what another knows"


def participant(**fields: object) -> Participant:
    others = frozenset({"rm2", "rm3"})
    return Participant("rm1", "tm", True, True, others=others, **fields)  # type: ignore[arg-type]


def sends(effects: tuple[object, ...]) -> list[Send]:
    return [effect for effect in effects if isinstance(effect, Send)]


def test_a_participant_that_waits_asks_the_coordinator_and_all_others() -> None:
    _, effects = participant(prepared=True).step(Timeout("inquire"))
    assert sends(effects) == [Send(name, Inquire()) for name in ("rm2", "rm3", "tm")]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_one_that_knows_the_outcome_tells_it(outcome: Outcome) -> None:
    before = participant(prepared=True, outcome=outcome)
    assert before.step(Receive("rm2", Inquire())) == (before, (Send("rm2", NEWS[outcome]),))


def test_one_that_is_uncertain_itself_cannot_help() -> None:
    before = participant(prepared=True)
    after, effects = before.step(Receive("rm2", Inquire()))
    assert (after, effects) == (before, (Ignore("as uncertain as who asks"),))


def test_one_that_has_not_voted_aborts_for_both() -> None:
    after, effects = participant().step(Receive("rm2", Inquire()))
    assert after.outcome is Outcome.ABORTED
    assert Send("rm2", Abort()) in effects
    _, effects = after.step(Receive("tm", Prepare()))
    assert effects == (Send("tm", Abort()),)


def test_one_that_crashed_once_it_knew_still_knows() -> None:
    knew = participant(prepared=True, outcome=Outcome.COMMITTED)
    after, effects = knew.restart(participant()).step(Start(recovered=True))
    assert (after.outcome, effects) == (Outcome.COMMITTED, (Output(Decided(Outcome.COMMITTED)),))


def test_nobody_waits_for_what_another_knows_whoever_crashes_for_good_or_for_a_while() -> None:
    result = check(build_world("cooperative_termination", "small"))
    pin("as it was", result, distinct=962, transitions=4_618, depth=13)
    assert {verdict.verdict for verdict in result.verdicts} == {"holds"}


def test_all_who_are_uncertain_are_blocked_as_in_two_phase_commit() -> None:
    result = check(build_world("cooperative_termination", "blocking"), go_on=True)
    fared = {verdict.name: verdict.verdict for verdict in result.verdicts}
    assert (fared["no participant is blocked"], fared[WAITS]) == ("violated", "holds")
