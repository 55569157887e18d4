"""The lecture's part on consensus and its impossibility."""

from __future__ import annotations

from quorate.lecture.claim import Claim, checked, simulated

CLAIMS = (
    Claim(
        name="coins-instead-of-clocks",
        section="Fischer-Lynch-Patterson (1985)",
        says="Consensus may occur all the same: with coins, it does with probability one.",
        source="Ben-Or, Another Advantage of Free Choice, PODC 1983",
        protocols=("ben_or",),
        show=lambda: (
            checked(
                "every schedule and every coin of two rounds",
                "ben_or",
                "agreement",
                "holds",
                settings={"rounds": 2},
            ),
            simulated("seeds of crashes, partitions and loss, then calm", "ben_or", 200),
        ),
    ),
    Claim(
        name="detectors-that-may-be-wrong",
        section="Consensus in Practice II",
        says="A round ends when a message comes or its sender is suspected, rightly or not.",
        source="Chandra and Toueg, Unreliable Failure Detectors, JACM 1996, section 6.2",
        protocols=("chandra_toueg",),
        show=lambda: (
            checked(
                "every schedule, with suspicions at any time and a crash",
                "chandra_toueg",
                "agreement",
                "holds",
                crashes=1,
            ),
            checked(
                "suspicions taken for consent",
                "chandra_toueg",
                "agreement",
                "violated",
                mutant="counts_suspicions",
            ),
            simulated("seeds of crashes, partitions and loss, then calm", "chandra_toueg", 200),
        ),
    ),
)
