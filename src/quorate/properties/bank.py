"""A bank and its cash machine: what must be had where money is deducted here and issued there.

Source: the lecture, "Two Generals in practice"; Gray, The Transaction Concept: Virtues and
Limitations, VLDB 1981, on actions that are real, as to issue cash is.
"""

from __future__ import annotations

from quorate.kernel import Fact, View, always, eventually, sometimes

AMOUNT = 300
"""What is withdrawn, in dollars."""


class Deducted(Fact, frozen=True):
    """So many dollars have been deducted from the account by now."""

    total: int


class Issued(Fact, frozen=True):
    """So many dollars of cash have been issued by now."""

    total: int


def _most(view: View, kind: type[Deducted | Issued]) -> int:
    return max((fact.total for _, fact in view.stated(kind)), default=0)


charged_once = always("charged once", lambda view: _most(view, Deducted) <= AMOUNT)
"""The account is never charged twice for one withdrawal."""

issued_once = always("issued once", lambda view: _most(view, Issued) <= AMOUNT)
"""Cash is never issued twice for one withdrawal."""

balance = eventually(
    "cash issued = money deducted", lambda view: _most(view, Issued) == _most(view, Deducted)
)
"""In the end, once all have recovered, no money has been lost, and none has been made."""

withdrawal = sometimes("cash is issued", lambda view: bool(_most(view, Issued)))
"""The check that a world is not empty: some run issues cash."""
