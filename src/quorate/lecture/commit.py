"""The lecture's part on commit protocols."""

from __future__ import annotations

from typing import Any

from quorate.lecture.claim import Claim, Finding, checked, simulated, staged
from quorate.protocols import find
from quorate.sim.exact import Down, Fate, Moment, Split
from quorate.sim.quiet import cost_rows, quiet_diagram
from quorate.traces.meter import measure

TWO, THREE, PAXOS = "two_phase_commit", "three_phase_commit", "paxos_commit"
REPLICATED, DYNAMIC = "replicated_commit", "dynamic_paxos_commit"
ASKS, ABORTS, COMMITS = "cooperative_termination", "presumed_abort", "presumed_commit"
STAR = "Mohan, Lindsay and Obermarck, Transaction Management in R*, TODS 1986"
GRAY = "Gray and Lamport, Consensus on Transaction Commit, TODS 2006"
RIVER = "Bernstein, Hadzilacos and Goodman, Concurrency Control and Recovery, 1987"
AGREE, STABLE, UNANIMOUS = "AC1 agreement", "AC2 stability", "AC3 unanimity"
BLOCKED = "no participant is blocked"
WAITS = "no participant waits for what another knows"
LATE_MS = 5_000
BOTH: dict[str, Any] = {"participants": 2}
APART: dict[str, Any] = {"participants": 2, "apart": True}
SEEDS = "seeds of crashes, partitions and loss, then calm"


def down(node: str, event: str, nth: int = 1, **how: Any) -> Down:
    """A node that goes down the `nth` time that something happens there; `how` as in Down."""
    return Down(at=Moment(node=node, event=event, nth=nth), **how)


def as_the_formula_says(protocol: str) -> Finding:
    """Every size of a protocol costs what its formula gives."""
    rows = tuple(cost_rows(find(protocol), {"participants": (2, 5, 8), "faults": range(4)}))
    wrong = [row for row in rows if row.measured != row.formula]
    return Finding(
        what=f"{protocol}: measured costs that differ from the formula",
        expected="none",
        found=str(len(wrong)) if wrong else "none",
        detail=f"{len({str(row.settings) for row in rows})} sizes",
        command=f"quorate bench cost {protocol}",
    )


def _unasked(participants: int) -> Finding:
    """Two-phase commit in which all prepare by themselves: nobody has to be asked."""
    settings = {"participants": participants, "spontaneous": True}
    cost = measure(quiet_diagram(find(TWO), settings))
    return Finding(
        what=f"{participants} participants that all prepare by themselves",
        expected=f"{2 * participants} messages",
        found=f"{cost.messages} messages",
    )


LATE = Fate(arrives_ms=(LATE_MS,), message="PreCommit", to="rm1", in_order=True)
ALONE = Split(side=frozenset({"rm1"}), since_ms=3)
ALONE_FOR_LONG = Split(side=frozenset({"rm1"}), since_ms=3, until_ms=LATE_MS)

CLAIMS = (
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
        name="3pc-only-narrows-the-window",
        section="Commit Protocols",
        says="Where a message may be late, three-phase commit disagrees, though nothing fails.",
        source=f"{RIVER}, section 7.5",
        protocols=(THREE,),
        show=lambda: (
            staged(
                "PreCommit is late, and who hears nothing goes by what it knows",
                THREE,
                "inconsistent",
                LATE,
                settings={"participants": 2, "asks": False},
                shown=True,
            ),
            staged("it asks the others", THREE, "commits", LATE, settings=BOTH),
            staged(
                "it asks, and is answered late",
                THREE,
                "inconsistent",
                LATE,
                Fate(arrives_ms=(LATE_MS,), message="State", in_order=True),
                settings=BOTH,
            ),
            checked("links that lose nothing", THREE, AGREE, "violated", world="asynchronous"),
        ),
    ),
    Claim(
        name="3pc-breaks-when-partitioned",
        section="Commit Protocols",
        says="A partition makes three-phase commit disagree; two-phase and Paxos Commit wait.",
        source=f"{RIVER}, section 7.5",
        protocols=(THREE, TWO, PAXOS),
        show=lambda: (
            staged(
                "three-phase commit, one is cut off for good",
                THREE,
                "inconsistent",
                ALONE,
                settings=BOTH,
                shown=True,
            ),
            staged(
                "two-phase commit, one is cut off for good", TWO, "blocks", ALONE, settings=BOTH
            ),
            staged(
                "two-phase commit, one is cut off for a while",
                TWO,
                "commits",
                ALONE_FOR_LONG,
                settings=BOTH,
            ),
            staged("Paxos Commit, one is cut off for good", PAXOS, "blocks", ALONE, settings=APART),
            staged(
                "Paxos Commit, one is cut off for a while",
                PAXOS,
                "commits",
                ALONE_FOR_LONG,
                settings=APART,
            ),
        ),
    ),
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
        name="a-participant-fails-early",
        section="Handling Failures in 2PC",
        says="One that fails before it prepares recovers and aborts, or the coordinator does.",
        source=f"{RIVER}, section 7.4",
        protocols=(TWO,),
        show=lambda: (
            staged(
                "it fails before it prepares, for good",
                TWO,
                "aborts",
                down("rm2", "Prepare", before=True),
                settings=BOTH,
            ),
            staged(
                "it fails before it prepares, and recovers",
                TWO,
                "aborts",
                down("rm2", "Prepare", before=True, back_ms=100),
                settings=BOTH,
            ),
            staged(
                "it fails after it prepares and before it votes, for good",
                TWO,
                "aborts",
                down("rm2", "Prepare", sent=0),
                settings=BOTH,
            ),
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
            staged(
                "it fails with all votes, before it commits",
                TWO,
                "blocks",
                down("tm", "Prepared", 2),
                settings=BOTH,
            ),
            staged(
                "it fails then, and recovers",
                TWO,
                "aborts",
                down("tm", "Prepared", 2, back_ms=LATE_MS),
                settings=BOTH,
                shown=True,
            ),
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
            staged(
                "a participant fails before it hears, and recovers",
                TWO,
                "commits",
                down("rm2", "Commit", before=True, back_ms=100),
                settings=BOTH,
            ),
            staged(
                "the coordinator fails once it has committed, before it tells anybody",
                TWO,
                "blocks",
                down("tm", "commit", sent=0),
                settings=BOTH,
            ),
            staged(
                "the coordinator fails once it has told one participant",
                TWO,
                "blocks",
                down("tm", "commit", sent=1),
                settings=BOTH,
            ),
            staged(
                "the coordinator fails then, and recovers",
                TWO,
                "commits",
                down("tm", "commit", sent=1, back_ms=LATE_MS),
                settings=BOTH,
            ),
            checked("every schedule with a crash", TWO, STABLE, "holds"),
            simulated(SEEDS, TWO, 200, settings={"participants": 5}),
        ),
    ),
    Claim(
        name="participants-may-ask-each-other",
        section="Handling Failures in 2PC, continued",
        says="A participant that asks the others waits only as long as none of them knows.",
        source=f"{RIVER}, section 7.4, the cooperative termination protocol",
        protocols=(ASKS,),
        show=lambda: (
            staged(
                "the coordinator fails once it has told one participant",
                ASKS,
                "commits",
                down("tm", "commit", sent=1),
                settings=BOTH,
                shown=True,
            ),
            staged(
                "the coordinator fails, and the one that it has told",
                ASKS,
                "blocks",
                down("tm", "commit", sent=1),
                down("rm1", "Commit"),
                settings=BOTH,
            ),
            staged(
                "the coordinator fails with all votes",
                ASKS,
                "blocks",
                down("tm", "Prepared", 2),
                settings=BOTH,
            ),
            staged(
                "the coordinator fails before all have voted",
                ASKS,
                "aborts",
                down("tm", "Prepared"),
                down("rm2", "Prepare", before=True, back_ms=100),
                settings=BOTH,
            ),
            checked("every schedule with a crash", ASKS, WAITS, "holds"),
            checked(
                "a coordinator that stops for good", ASKS, BLOCKED, "violated", world="blocking"
            ),
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
            staged(
                "all prepare by themselves, and one fails",
                TWO,
                "aborts",
                down("rm2", "prepare", before=True),
                settings={"participants": 2, "spontaneous": True},
            ),
            *(_unasked(participants) for participants in (2, 3, 5)),
        ),
    ),
    Claim(
        name="variants-that-write-or-send-less",
        section="Notes on 2PC",
        says="What is presumed need not be recorded or acknowledged; who only reads is let go.",
        source=f"{STAR}, sections 3 to 5",
        protocols=(ABORTS, COMMITS),
        show=lambda: (
            as_the_formula_says(ABORTS),
            as_the_formula_says(COMMITS),
            checked("every schedule with a crash", ABORTS, AGREE, "holds"),
            checked("every schedule with a crash", COMMITS, AGREE, "holds"),
            checked("it forgets too early", ABORTS, AGREE, "violated", mutant="forgets_early"),
            checked(
                "it asks before it has recorded whom",
                COMMITS,
                UNANIMOUS,
                "violated",
                mutant="collects_nothing",
            ),
        ),
    ),
    Claim(
        name="2pc-costs-3n-minus-1-messages",
        section="Notes on 2PC",
        says="Two-phase commit takes 3n - 1 messages.",
        source=f"{GRAY}, section 3.1",
        protocols=(TWO,),
        show=lambda: (as_the_formula_says(TWO),),
    ),
    Claim(
        name="3pc-does-not-block",
        section="3PC",
        says="With one phase more, no stop keeps others from deciding, if messages are timely.",
        source="Skeen, Nonblocking Commit Protocols, SIGMOD 1981",
        protocols=(THREE,),
        show=lambda: (
            staged(
                "the coordinator fails with all votes",
                THREE,
                "aborts",
                down("tm", "Prepared", 2),
                settings=BOTH,
            ),
            staged(
                "the coordinator fails once one knows that it will commit",
                THREE,
                "commits",
                down("tm", "commit", sent=1),
                settings=BOTH,
                shown=True,
            ),
            staged(
                "the coordinator fails, and the one that it has told of the commit",
                THREE,
                "commits",
                down("tm", "Ack", 2, sent=1),
                down("rm1", "Commit"),
                settings=BOTH,
            ),
            simulated("seeds in which nodes stop within any step", THREE, 1_000),
            simulated("the same, of five participants", THREE, 500, settings={"participants": 5}),
            as_the_formula_says(THREE),
        ),
    ),
)
