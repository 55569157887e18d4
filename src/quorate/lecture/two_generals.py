"""The lecture's part on two generals, and on the bank and its cash machine."""

from __future__ import annotations

from quorate.lecture.claim import Claim, checked, simulated

BALANCE = "cash issued = money deducted"

CLAIMS = (
    Claim(
        name="two-generals",
        section="Two Generals in practice",
        says="No exchange of letters that may be lost lets two act together, and act at all.",
        source="Gray, Notes on Data Base Operating Systems, 1978, section 5.8.3.3.1",
        protocols=("two_generals",),
        show=lambda: (
            checked("some pattern of loss", "two_generals", "one attacks alone", "holds"),
            checked(
                "generals who do nothing when they are not sure",
                "two_generals",
                "both decide",
                "violated",
                mutant="hesitates",
            ),
        ),
    ),
    Claim(
        name="the-bank-and-the-cash-machine",
        section="Two Generals in practice",
        says="Deduct $300 here and issue $300 there: asking is not enough; banks commit.",
        source="Gray, Notes on Data Base Operating Systems, 1978, section 5.8.3.3",
        protocols=("bank", "two_phase_commit"),
        show=lambda: (
            checked("the bank deducts, then answers", "bank", BALANCE, "violated", world="naive"),
            checked(
                "cash is issued, then the bank is asked",
                "bank",
                BALANCE,
                "violated",
                world="naive",
                settings={"first": "issue"},
            ),
            checked(
                "the bank is asked again",
                "bank",
                "charged once",
                "violated",
                world="naive",
                settings={"tries": 2},
            ),
            checked("two-phase commit, every schedule with a crash", "bank", BALANCE, "holds"),
            checked("the same", "bank", "charged once", "holds"),
            checked("the same", "bank", "issued once", "holds"),
            simulated("seeds of crashes, partitions and loss, then calm", "bank", 100),
        ),
    ),
)
