"""The lecture's part on commit by Paxos, which comes after Paxos itself."""

from __future__ import annotations

from quorate.lecture.claim import Claim, Finding, checked, simulated, staged
from quorate.lecture.commit import (
    AGREE,
    APART,
    BLOCKED,
    DYNAMIC,
    GRAY,
    PAXOS,
    REPLICATED,
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
        name="someone-else-can-take-over",
        section="Paxos vs. 2PC",
        says="A leader that fails blocks two-phase commit, unless a quorum knows what it decided.",
        source=f"{GRAY}, section 4",
        protocols=(TWO, REPLICATED),
        show=lambda: (
            checked(
                "a coordinator that stops for good", TWO, BLOCKED, "violated", world="blocking"
            ),
            checked(
                "its decision is left to acceptors",
                REPLICATED,
                AGREE,
                "holds",
                settings={"participants": 1},
            ),
            checked(
                "it tells what no quorum has voted for",
                REPLICATED,
                AGREE,
                "violated",
                mutant="tells_at_once",
            ),
            simulated(SEEDS, REPLICATED, 100),
            as_the_formula_says(REPLICATED),
        ),
    ),
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
    Claim(
        name="who-takes-part",
        section="From 2PC to Paxos Commit",
        says="A coordinator must know who takes part; Paxos Commit decides that like a vote.",
        source=f"{GRAY}, section 6",
        protocols=(DYNAMIC,),
        show=lambda: (
            checked("every schedule of two who may join", DYNAMIC, UNANIMOUS, "holds"),
            checked("every schedule of two who may join", DYNAMIC, AGREE, "holds"),
            checked(
                "who joins after the set was voted for takes part",
                DYNAMIC,
                UNANIMOUS,
                "violated",
                mutant="counts_latecomers",
            ),
            simulated(SEEDS, DYNAMIC, 100),
        ),
    ),
)
