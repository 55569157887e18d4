"""The bank and the cash machine of the lecture, "Two Generals in practice"."""

from __future__ import annotations

from typing import Any

import pytest

from pins import pin
from quorate.check import Verdict, check
from quorate.kernel import Change, Crash, Ignore, Network, Output, Persist, Receive, Send, Start
from quorate.properties.bank import AMOUNT, Deducted, Issued
from quorate.properties.commit import Outcome
from quorate.protocols import build_world
from quorate.protocols.bank import (
    FUNDS,
    Account,
    Bank,
    CashMachine,
    Commit,
    Deduct,
    Done,
    Drawer,
    First,
)

BALANCE = "cash issued = money deducted"


@pytest.mark.parametrize(
    ("role", "fact"),
    [(Account("bank", "tm"), Deducted(AMOUNT)), (Drawer("machine", "tm"), Issued(AMOUNT))],
)
def test_a_participant_settles_once_and_only_if_the_withdrawal_is_committed(
    role: Account, fact: Deducted | Issued
) -> None:
    role.prepared = True
    after, effects = role.step(Receive("tm", Commit()))
    assert effects[0] == Persist((Change("settled", AMOUNT),))
    assert Output(fact) in effects
    again, effects = after.step(Receive("tm", Commit()))
    assert (again, effects) == (after, (Ignore("already ended"),))
    recovered = after.restart(role)
    assert recovered.outcome is None
    told, effects = recovered.step(Receive("tm", Commit()))
    assert told.settled == AMOUNT
    assert Output(fact) not in effects


def test_a_participant_that_has_aborted_does_not_settle() -> None:
    aborted = Account("bank", "tm", prepared=True, outcome=Outcome.ABORTED)
    after, _ = aborted.step(Receive("tm", Commit()))
    assert after.settled == 0


def test_a_bank_deducts_as_often_as_it_is_asked_while_there_are_funds() -> None:
    after, effects = Bank("bank", AMOUNT).step(Receive("machine", Deduct()))
    assert after.deducted == 2 * AMOUNT
    assert effects[1:] == (Output(Deducted(2 * AMOUNT)), Send("machine", Done()))
    spent = Bank("bank", FUNDS)
    assert spent.step(Receive("machine", Deduct())) == (spent, (Ignore("no funds"),))


def test_a_cash_machine_issues_once_it_is_told_that_it_is_done() -> None:
    machine, effects = CashMachine("machine", "bank").step(Start())
    assert effects == (Send("bank", Deduct()),)
    machine, effects = machine.step(Receive("bank", Done()))
    assert Output(Issued(AMOUNT)) in effects
    assert machine.step(Receive("bank", Done()))[1] == (Ignore("nobody waits for cash"),)


def test_a_cash_machine_may_issue_before_it_asks() -> None:
    _, effects = CashMachine("machine", "bank", first=First.ISSUE).step(Start())
    assert effects[1:] == (Output(Issued(AMOUNT)), Send("bank", Deduct()))


# Every schedule.


def judged(name: str, **settings: Any) -> Verdict:
    result = check(build_world("bank", "naive", settings), go_on=True)
    return next(verdict for verdict in result.verdicts if verdict.name == name)


def last_totals(verdict: Verdict) -> tuple[int, int]:
    """What has been deducted and issued by the end of a trace."""
    assert verdict.trace is not None
    lines = " ".join(record.line for record in verdict.trace.records)
    return tuple(  # type: ignore[return-value]
        max((n for n in (300, 600, 900) if f"{kind}({n})" in lines), default=0)
        for kind in ("Deducted", "Issued")
    )


def test_money_is_lost_if_the_bank_crashes_before_it_has_answered() -> None:
    verdict = judged(BALANCE)
    assert (verdict.verdict, last_totals(verdict)) == ("violated", (300, 0))
    assert verdict.trace is not None
    (crash,) = [r.event for r in verdict.trace.records if isinstance(r.event, Crash)]
    assert crash.during is not None  # it has deducted, and its answer is what is missing


def test_money_is_made_if_the_cash_machine_crashes_before_it_has_asked() -> None:
    verdict = judged(BALANCE, first="issue")
    assert (verdict.verdict, last_totals(verdict)) == ("violated", (0, 300))


def test_money_is_deducted_twice_if_the_cash_machine_asks_again() -> None:
    verdict = judged("charged once", tries=2)
    assert (verdict.verdict, last_totals(verdict)[0]) == ("violated", 600)


def test_a_link_that_duplicates_is_enough_for_that() -> None:
    result = check(build_world("bank", "naive"), network=Network.SET, crashes=0)
    assert result.violation is not None
    assert result.violation.name == "charged once"


def test_with_two_phase_commit_money_is_neither_lost_nor_made() -> None:
    result = check(build_world("bank", "small", {"crashes": 2}))
    assert {verdict.verdict for verdict in result.verdicts} == {"holds"}
    pin("as it was", result, distinct=274, transitions=999, depth=10)
