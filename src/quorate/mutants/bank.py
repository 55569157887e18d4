"""A bank and its cash machine with two-phase commit, without one of its guards."""

from __future__ import annotations

from collections.abc import Callable

from quorate.kernel import Actor, Context, World
from quorate.mutants import Mutant, swapped
from quorate.mutants.two_phase_commit import CoordinatorAlwaysAborts, CoordinatorForgets
from quorate.properties.commit import Outcome
from quorate.protocols import bank
from quorate.protocols.bank import AMOUNT, Account, Drawer, Participant


class AccountDeductsAgain(Account):
    def end(self, ctx: Context, outcome: Outcome) -> None:
        Participant.end(self, ctx, outcome)
        if outcome is Outcome.COMMITTED:
            self.settled += AMOUNT
            self.report(ctx)


class DrawerIssuesAgain(Drawer):
    def end(self, ctx: Context, outcome: Outcome) -> None:
        Participant.end(self, ctx, outcome)
        if outcome is Outcome.COMMITTED:
            self.settled += AMOUNT
            self.report(ctx)


class DrawerIssuesOnceItIsPrepared(Drawer):
    def prepare(self, ctx: Context) -> None:
        Drawer.prepare(self, ctx)
        self.settled = AMOUNT
        self.report(ctx)


class AccountForgetsThatItIsPrepared(Account):
    prepared: bool = False


def _swap(new: type[Actor]) -> Callable[..., World]:
    def world(crashes: int = 1, inquires: bool = False) -> World:
        return swapped(bank.world(crashes, inquires), new)

    return world


def _mutant(name: str, breaks: str, kills: str, new: type[Actor]) -> Mutant:
    return Mutant(
        name=name,
        protocol="bank",
        breaks=breaks,
        kills=kills,
        world=_swap(new),
        at_large={"inquires": True},
    )


MUTANTS = (
    _mutant(
        "coordinator_forgets",
        "that the withdrawal is committed does not survive a crash",
        "cash issued = money deducted",
        CoordinatorForgets,
    ),
    _mutant(
        "coordinator_always_aborts",
        "there is never a withdrawal",
        "cash is issued",
        CoordinatorAlwaysAborts,
    ),
    _mutant(
        "account_deducts_again",
        "the account deducts as often as it is told to",
        "charged once",
        AccountDeductsAgain,
    ),
    _mutant(
        "account_forgets_that_it_is_prepared",
        "the account takes back its word after a crash",
        "cash issued = money deducted",
        AccountForgetsThatItIsPrepared,
    ),
    _mutant(
        "drawer_issues_again",
        "the drawer issues cash as often as it is told to",
        "issued once",
        DrawerIssuesAgain,
    ),
    _mutant(
        "drawer_issues_once_it_is_prepared",
        "the drawer does not wait for the decision",
        "cash issued = money deducted",
        DrawerIssuesOnceItIsPrepared,
    ),
)
