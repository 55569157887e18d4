"""The lecture's part on commit protocols."""

from __future__ import annotations

from quorate.lecture.claim import Claim, Finding, checked, simulated
from quorate.properties.cost import QUANTITIES, Cost
from quorate.protocols import find
from quorate.sim.quiet import cost_rows, quiet_diagram
from quorate.traces.meter import measure

TWO, THREE, PAXOS = "two_phase_commit", "three_phase_commit", "paxos_commit"
GRAY = "Gray and Lamport, Consensus on Transaction Commit, TODS 2006"
RIVER = "Bernstein, Hadzilacos and Goodman, Concurrency Control and Recovery, 1987"
AGREE, STABLE, UNANIMOUS = "AC1 agreement", "AC2 stability", "AC3 unanimity"
BLOCKED = "no participant is blocked"
SEEDS = "seeds of crashes, partitions and loss, then calm"


def _as_the_formula_says(protocol: str) -> Finding:
    rows = tuple(cost_rows(find(protocol), {"participants": (2, 5, 8), "faults": range(4)}))
    wrong = [row for row in rows if row.measured != row.formula]
    return Finding(
        what=f"{protocol}: measured costs that differ from the formula",
        expected="none",
        found=str(len(wrong)) if wrong else "none",
        detail=f"{len({str(row.settings) for row in rows})} sizes",
        command=f"quorate bench cost {protocol}",
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
        name="commit-if-unanimous",
        section="2PC: Phase 2",
        says="A transaction commits if every participant votes to; or else it aborts everywhere.",
        source=f"{GRAY}, section 3",
        protocols=(TWO,),
        show=lambda: (
            checked("every schedule with a crash", TWO, UNANIMOUS, "holds"),
            checked("every schedule with a crash", TWO, AGREE, "holds"),
            checked(
                "a coordinator that does not wait for every vote",
                TWO,
                UNANIMOUS,
                "violated",
                mutant="does_not_wait",
            ),
        ),
    ),
    Claim(
        name="log-locally-commit-globally",
        section="Commit is a Consensus Problem",
        says="What a participant or the coordinator has said must be in its log before.",
        source=f"{RIVER}, section 7.4",
        protocols=(TWO,),
        show=lambda: (
            checked(
                "a participant that forgets that it prepared",
                TWO,
                AGREE,
                "violated",
                mutant="participant_forgets",
            ),
            checked(
                "a coordinator that forgets that it decided",
                TWO,
                STABLE,
                "violated",
                mutant="coordinator_forgets",
            ),
        ),
    ),
    Claim(
        name="a-participant-fails-early",
        section="Handling Failures in 2PC",
        says="One that fails before it prepares recovers and aborts, or the coordinator does.",
        source=f"{RIVER}, section 7.4",
        protocols=(TWO,),
        show=lambda: (
            checked("one that works on after a crash", TWO, AGREE, "violated", mutant="works_on"),
            simulated(SEEDS, TWO, 200),
        ),
    ),
    Claim(
        name="2pc-blocks",
        section="Handling Failures in 2PC",
        says="If the coordinator fails before it commits, participants wait until it recovers.",
        source=f"{RIVER}, section 7.4",
        protocols=(TWO,),
        show=lambda: (
            checked(
                "a coordinator that stops for good", TWO, BLOCKED, "violated", world="blocking"
            ),
            checked("one that does not", TWO, BLOCKED, "holds", world="blocking", crashes=0),
            checked("a participant that does not wait", TWO, AGREE, "violated", mutant="gives_up"),
        ),
    ),
    Claim(
        name="carry-out-the-decision",
        section="Handling Failures in 2PC, continued",
        says="Whoever fails after the outcome is determined carries it out on recovery.",
        source=f"{RIVER}, section 7.4",
        protocols=(TWO,),
        show=lambda: (
            checked("every schedule with a crash", TWO, STABLE, "holds"),
            simulated(SEEDS, TWO, 200, settings={"participants": 5}),
        ),
    ),
    Claim(
        name="prepare-is-a-suggestion",
        section="Notes on 2PC",
        says="Any participant can prepare at any time, without having been asked to.",
        source=f"{GRAY}, section 3",
        protocols=(TWO,),
        show=lambda: (
            checked("all prepare by themselves", TWO, AGREE, "holds", world="tla"),
            checked("all prepare by themselves", TWO, UNANIMOUS, "holds", world="tla"),
        ),
    ),
    Claim(
        name="2pc-costs-3n-minus-1-messages",
        section="Notes on 2PC",
        says="Two-phase commit takes 3n - 1 messages.",
        source=f"{GRAY}, section 3.1",
        protocols=(TWO,),
        show=lambda: (_as_the_formula_says(TWO),),
    ),
    Claim(
        name="3pc-does-not-block",
        section="3PC",
        says="With one phase more, no stop keeps others from deciding, if messages are timely.",
        source="Skeen, Nonblocking Commit Protocols, SIGMOD 1981",
        protocols=(THREE,),
        show=lambda: (
            simulated("seeds in which nodes stop within any step", THREE, 1_000),
            simulated("the same, of five participants", THREE, 500, settings={"participants": 5}),
            _as_the_formula_says(THREE),
        ),
    ),
    Claim(
        name="3pc-only-narrows-the-window",
        section="Commit Protocols",
        says="One message that is slow or lost makes three-phase commit disagree.",
        source=f"{RIVER}, section 7.5",
        protocols=(THREE,),
        show=lambda: (
            checked("links that lose nothing", THREE, AGREE, "violated", world="asynchronous"),
        ),
    ),
    Claim(
        name="paxos-commit-does-not-block",
        section="From 2PC to Paxos Commit",
        says="If a leader fails another one ends the transaction: it works whenever it can.",
        source=f"{GRAY}, section 4",
        protocols=(PAXOS,),
        show=lambda: (
            checked("every schedule of two participants", PAXOS, AGREE, "holds"),
            checked("every schedule of two participants", PAXOS, UNANIMOUS, "holds"),
            simulated(SEEDS, PAXOS, 200),
            simulated("the same, of the faster variant", PAXOS, 200, settings={"faster": True}),
            _as_the_formula_says(PAXOS),
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
