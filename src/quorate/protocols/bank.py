"""Bank and cash machine: deduct 300 dollars and issue 300 dollars, or do neither.

Problem      a withdrawal is deducted from the account if, and only if, cash is issued
Source       the lecture, "Two Generals in practice"; Gray, Notes on Data Base Operating Systems,
             1978, section 5.8.3.3; the commit: Gray and Lamport, TODS 31(1) 2006, section 3
Model        as two-phase commit: asynchronous; crash-recovery; links lose, duplicate and reorder
Quorum       both participants, as in two-phase commit
Roles
  Coordinator  as in two-phase commit: decides whether there is a withdrawal
  Account      the bank, as a participant: deducts once the withdrawal is committed
  Drawer       the cash machine, as a participant: issues the cash once it is committed
  Bank         instead of all these: deducts when it is asked to, and says so
  CashMachine  with that bank: asks it to deduct, and issues the cash when it has
Messages
  Prepare      coordinator → participants — now would be a good time to prepare
  Prepared     participant → coordinator — I can deduct, or I have the cash; you decide
  Commit       coordinator → participants — there is a withdrawal
  Abort        coordinator ↔ participants — there is none
  Inquire      participant → coordinator — I am prepared; what was decided?
  Deduct       cash machine → bank — deduct what is withdrawn
  Done         bank → cash machine — I have deducted it
Stable
  Coordinator.outcome  as in two-phase commit
  Account.prepared     likewise
  Account.settled      or it would deduct again when it is told again
  Drawer.prepared      as in two-phase commit
  Drawer.settled       or it would issue again: the drawer counts what leaves it
  Bank.deducted        it is the account
  CashMachine.issued   the drawer counts what leaves it
Guarantees   charged_once, issued_once, balance, withdrawal, termination
Cost         until there is a withdrawal: 5 messages, 4 message delays, 3 forced writes,
             3 write delays
Deviations   none; the bank and the cash machine without two-phase commit keep no promise
"""

from __future__ import annotations

import enum

from quorate.kernel import Actor, Context, Message, Network, NodeId, Stable, World
from quorate.properties.bank import (
    AMOUNT,
    Deducted,
    Issued,
    balance,
    charged_once,
    issued_once,
    withdrawal,
)
from quorate.properties.commit import Outcome, termination
from quorate.properties.cost import Cost
from quorate.protocols.two_phase_commit import (
    Abort,
    Commit,
    Coordinator,
    Inquire,
    Participant,
    Prepare,
    Prepared,
)

FUNDS = 3 * AMOUNT
AGAIN_MS = (150, 300)


class Deduct(Message, frozen=True):
    pass


class Done(Message, frozen=True):
    pass


Msg = Prepare | Prepared | Commit | Abort | Inquire | Deduct | Done


# With two-phase commit.


class Account(Participant):
    """The bank, as a participant: deducts once the withdrawal is committed."""

    settled: Stable[int] = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if self.settled:
            self.report(ctx)
        Participant.on_start(self, ctx, recovered)

    def end(self, ctx: Context, outcome: Outcome) -> None:
        first = self.outcome is None and not self.settled
        Participant.end(self, ctx, outcome)
        if first and outcome is Outcome.COMMITTED:
            self.settled = AMOUNT
            self.report(ctx)

    def report(self, ctx: Context) -> None:
        ctx.output(Deducted(self.settled))


class Drawer(Account):
    """The cash machine, as a participant: issues the cash once the withdrawal is committed."""

    def report(self, ctx: Context) -> None:
        ctx.output(Issued(self.settled))


# Without.


class First(enum.StrEnum):
    """Which comes first."""

    DEDUCT = "deduct"
    ISSUE = "issue"


class Bank(Actor):
    """Deducts when it is asked to, as long as there are funds, and says so."""

    deducted: Stable[int] = 0

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if self.deducted:
            ctx.output(Deducted(self.deducted))

    def on_deduct(self, ctx: Context, src: NodeId, m: Deduct) -> None:
        if self.deducted == FUNDS:
            return ctx.ignore("no funds")
        self.deducted += AMOUNT
        ctx.output(Deducted(self.deducted))
        ctx.send(src, Done())


class CashMachine(Actor):
    """Asks the bank to deduct, and issues the cash when it has.

    `tries`: how often it asks while it hears nothing; it asks anew after it was gone if this is
    more than once. `first`: `issue` if it issues the cash before it asks.
    """

    bank: NodeId
    tries: int = 1
    first: First = First.DEDUCT
    issued: Stable[int] = 0
    asked: int = 0  # since it last was told that it is done

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if self.issued:
            ctx.output(Issued(self.issued))
        if recovered and self.tries == 1:
            return  # whoever wanted cash has gone away
        if self.first is First.ISSUE:
            self.issue(ctx)
        self.ask(ctx)

    def ask(self, ctx: Context) -> None:
        self.asked += 1
        ctx.send(self.bank, Deduct())
        if self.asked < self.tries:
            ctx.set_timer("again", AGAIN_MS)

    def on_timer(self, ctx: Context, timer: str) -> None:
        self.ask(ctx)

    def on_done(self, ctx: Context, src: NodeId, m: Done) -> None:
        if not self.asked:
            return ctx.ignore("nobody waits for cash")
        self.asked = 0
        ctx.cancel_timer("again")
        self.issue(ctx)

    def issue(self, ctx: Context) -> None:
        if not self.issued:
            self.issued = AMOUNT
            ctx.output(Issued(self.issued))


PROMISES = (charged_once, issued_once, balance, withdrawal)
PROPERTIES = (*PROMISES, termination)


def world(crashes: int = 0, inquires: bool = True) -> World:
    """Two-phase commit between the bank and the cash machine, which begins."""
    return World(
        processes=(
            Coordinator("tm", frozenset({"bank", "machine"}), frozenset({"bank"})),
            Account("bank", "tm", False, inquires),
            Drawer("machine", "tm", True, inquires),
        ),
        properties=PROPERTIES,
        crashes=crashes,
    )


def small(crashes: int = 1) -> World:
    """Messages stay for ever, so that nobody inquires twice: it can be explored to its end."""
    return world(crashes, inquires=False)


def naive(tries: int = 1, first: First = First.DEDUCT, crashes: int = 1) -> World:
    """A cash machine that asks, and a bank that answers."""
    return World(
        processes=(Bank("bank"), CashMachine("machine", "bank", tries, first)),
        properties=PROMISES,
        network=Network.FIFO,
        crashes=crashes,
    )


def cost() -> Cost:
    """until there is a withdrawal"""
    return Cost(messages=5, delays=4, forced_writes=3, write_delays=3)


WORLDS = {"main": world, "small": small, "naive": naive}
QUIET: dict[str, object] = {}
