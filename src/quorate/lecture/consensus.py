"""The lecture's part on consensus and its impossibility."""

from __future__ import annotations

from quorate.check.flp import BLOCKS, NEVER, flp
from quorate.kernel import Header
from quorate.lecture.claim import Claim, Finding, checked, simulated
from quorate.protocols import build_world

FISCHER = "Fischer, Lynch and Paterson, Impossibility of Distributed Consensus, JACM 1985"
DETECTORS = "Chandra and Toueg, Unreliable Failure Detectors, JACM 1996"
DETECTOR = "failure_detector"
FLOODING = "flooding_consensus"


def _horn(what: str, protocol: str, world: str, expected: str) -> Finding:
    """Which way a protocol fails to be safe, to outlive a stop and to decide, all three."""
    header = Header(protocol=protocol, world=world, executor="check")
    worlds = {world: build_world(protocol, world)}
    taken = flp(worlds, headers={world: header}).taken
    return Finding(
        what=what,
        expected=expected,
        found=taken.name if taken else "no horn",
        command=f"quorate flp {protocol} --world {world}",
        trace=taken.trace if taken else None,
    )


CLAIMS = (
    Claim(
        name="flp-takes-its-toll",
        section="Fischer-Lynch-Patterson (1985)",
        says="No protocol for asynchronous links is safe, outlives a stop and always decides.",
        source=FISCHER,
        protocols=("two_phase_commit", "paxos"),
        show=lambda: (
            _horn("two-phase commit", "two_phase_commit", "small", BLOCKS),
            _horn("Paxos, whose rivals lead for ever", "paxos", "duel", NEVER),
        ),
    ),
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
        name="fault-masking",
        section="Consensus in Practice II",
        says="A round may end when every message has come: it blocks until all are back.",
        source="Lynch, Distributed Algorithms, 1996, section 6.2.1",
        protocols=(FLOODING,),
        show=lambda: (
            checked("one crashes and is back", FLOODING, "agreement", "holds", world="patient"),
            checked(
                "one crashes and is back", FLOODING, "termination of all", "holds", world="patient"
            ),
            _horn("one that stays down", FLOODING, "patient", BLOCKS),
            checked(
                "going on without it all the same",
                FLOODING,
                "agreement",
                "violated",
                mutant="patient_loses_patience",
            ),
        ),
    ),
    Claim(
        name="rounds-driven-by-a-detector",
        section="Consensus in Practice II",
        says="Or once it has come or its sender has failed: it misbehaves if that is wrong.",
        source="Lynch, Distributed Algorithms, 1996, section 6.2.1",
        protocols=(FLOODING,),
        show=lambda: (
            checked("a detector that is right", FLOODING, "agreement", "holds"),
            simulated("time-outs beyond the bound on messages", FLOODING, 200),
            checked(
                "time-outs where there is no bound",
                FLOODING,
                "agreement",
                "violated",
                world="mistaken",
            ),
            checked(
                "one that is waited for after it has failed",
                FLOODING,
                "termination of all",
                "violated",
                mutant="waits_for_whoever_failed",
            ),
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
    Claim(
        name="accurate-or-live",
        section="Failure Detectors",
        says="In an asynchronous system a detector can be accurate or live, but not both.",
        source=DETECTORS,
        protocols=(DETECTOR,),
        show=lambda: (
            simulated(
                "one that waits for news",
                DETECTOR,
                100,
                world="accurate",
                breaks="strong completeness",
            ),
            simulated(
                "one that trusts its time-out",
                DETECTOR,
                100,
                world="live",
                breaks="strong accuracy",
            ),
            checked(
                "one that takes silence for news",
                DETECTOR,
                "strong accuracy",
                "violated",
                mutant="takes_silence",
            ),
            simulated("one whose time-outs grow, once faults have ceased", DETECTOR, 100),
        ),
    ),
    Claim(
        name="leases-and-fencing",
        section="Failure Detectors in Real Systems",
        says="A holder that turns out to be alive finds its lease run out, and is fenced off.",
        source="Gray and Cheriton, Leases, SOSP 1989; Burrows, Chubby, OSDI 2006, section 2.4",
        protocols=("lease",),
        show=lambda: (
            simulated("clocks that drift no more than they may", "lease", 50),
            simulated(
                "a holder that never looks at its clock",
                "lease",
                1_000,
                mutant="holds_on",
                breaks="no two holders",
            ),
            simulated(
                "a resource that looks at no token",
                "lease",
                1_000,
                mutant="without_fencing",
                breaks="no stale write",
            ),
        ),
    ),
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
)
