"""The lecture's part on commit by Paxos, which comes after Paxos itself."""

from __future__ import annotations

from quorate.lecture.claim import Claim, Finding, checked, simulated, staged
from quorate.lecture.commit import (
    AGREE,
    APART,
    GRAY,
    PAXOS,
    SEEDS,
    TWO,
    UNANIMOUS,
    as_the_formula_says,
    down,
)
from quorate.properties.cost import QUANTITIES, Cost
from quorate.protocols import find
from quorate.sim.quiet import quiet_diagram
from quorate.traces.meter import measure

LOSSES = (
    ("the leader before it asks anybody", (down("l1", "Inquire", before=True),)),
    ("the leader with all votes", (down("l1", "Accepted", before=True),)),
    ("the leader before it tells anybody", (down("l1", "Accepted", 2, sent=0),)),
    (
        "the leader and the one that it has told",
        (down("l1", "Accepted", 2, sent=1), down("rm1", "Commit")),
    ),
    ("an acceptor before it says what it voted", (down("a1", "Vote", 2, sent=0),)),
)


def _degenerate() -> tuple[Finding, ...]:
    """Paxos Commit that tolerates no fault, beside two-phase commit."""

    def cost(protocol: str, **settings: int) -> Cost:
        return measure(quiet_diagram(find(protocol), settings))

    def written(one: Cost) -> str:
        return ", ".join(f"{getattr(one, name)} {words}" for name, words in QUANTITIES.items())

    return tuple(
        Finding(
            what=f"{participants} participants, one acceptor, beside the leader{where}",
            expected=written(cost(TWO, participants=participants, colocated=colocated)),
            found=written(cost(PAXOS, participants=participants, faults=0, colocated=colocated)),
        )
        for colocated, where in ((False, ""), (True, ", which is beside a participant"))
        for participants in (2, 3, 5, 8)
    )


CLAIMS = (
    Claim(
        name="paxos-commit-does-not-block",
        section="From 2PC to Paxos Commit",
        says="If a leader fails another one ends the transaction: it works whenever it can.",
        source=f"{GRAY}, section 4",
        protocols=(PAXOS,),
        show=lambda: (
            *(
                staged(f"{words}, for good", PAXOS, "commits", *faults, settings=APART)
                for words, faults in LOSSES
            ),
            checked("every schedule of two participants", PAXOS, AGREE, "holds"),
            checked("every schedule of two participants", PAXOS, UNANIMOUS, "holds"),
            simulated(SEEDS, PAXOS, 200),
            simulated("the same, of the faster variant", PAXOS, 200, settings={"faster": True}),
            as_the_formula_says(PAXOS),
        ),
    ),
    Claim(
        name="2pc-is-the-degenerate-case",
        section="From 2PC to Paxos Commit",
        says="Two-phase commit is Paxos Commit with a single coordinator, which must be working.",
        source=f"{GRAY}, section 5",
        protocols=(TWO, PAXOS),
        show=_degenerate,
    ),
)
