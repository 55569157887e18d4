"""The lecture's part on consensus in practice, and on failure detectors."""

from __future__ import annotations

import math

from quorate.check.flp import BLOCKS
from quorate.lecture.claim import Claim, Finding, checked, simulated
from quorate.lecture.impossibility import horn
from quorate.protocols import find
from quorate.protocols.failure_detector import REST_MS, TRIES
from quorate.sim.classes import CLASSIFIED, MODELS, NONE, classify
from quorate.sim.grading import DETECTORS as GRADED
from quorate.sim.grading import NODES, PING_MS, WATCHED_MS, grade
from quorate.sim.quiet import quiet_diagram
from quorate.traces.meter import measure

DETECTORS = "Chandra and Toueg, Unreliable Failure Detectors, JACM 1996"
DETECTOR, HEARTBEAT, PHI, SWIM = DETECTING = (
    "failure_detector",
    "heartbeat",
    "phi_accrual",
    "swim",
)
FLOODING = "flooding_consensus"


def _classes() -> tuple[Finding, ...]:
    """The class of some detectors where delays are bounded, are so in the end, and are not."""
    detectors = {each.name: each for each in CLASSIFIED}
    models = {each.name: each for each in MODELS}
    expected = (
        ("heartbeat, fixed", "synchronous", "P"),
        ("heartbeat, fixed", "partially synchronous", NONE),
        ("heartbeat, growing", "partially synchronous", "◇P"),
        ("SWIM, growing", "partially synchronous", "◇P"),
        ("heartbeat, growing", "asynchronous", NONE),
    )
    return tuple(
        Finding(
            what=f"{name}, {model}: class",
            expected=reaches,
            found=classify(detectors[name], models[model], seeds=1).reaches,
            detail=models[model].means,
            command="quorate bench detectors",
        )
        for name, model, reaches in expected
    )


def _retries() -> Finding:
    """Pings where one message in ten is lost: a mistake is made where all tries of a probe fail."""
    loss, seeds = "loss 10 %", 2
    pinging = next(each for each in GRADED if each.name == "ping, fixed")
    rows = {row.quantity: row.measured for row in grade(pinging, loss, seeds)}
    rate = rows["mistake rate λ_M"]
    fails = 1 - 0.9**2  # the ping is lost, or the answer
    probe_ms = sum(REST_MS) / 2 + fails * PING_MS
    formula = fails**TRIES * 60_000 / probe_ms
    minutes = seeds * NODES * (NODES - 1) * WATCHED_MS / 60_000
    near = abs(rate - formula) < 4 * math.sqrt(formula / minutes)
    return Finding(
        what=f"mistakes a minute, as often as {TRIES} tries fail in a row",
        expected="near the formula",
        found="near the formula" if near else "far from it",
        detail=f"{rate:.2f}; formula {formula:.2f}; four deviations of so many apart at the most",
        command="quorate bench detectors",
    )


def _loads() -> tuple[Finding, ...]:
    """Messages of one node in one round of each of two detectors."""

    def each(protocol: str, nodes: int) -> float:
        return measure(quiet_diagram(find(protocol), {"nodes": nodes})).messages / nodes

    return tuple(
        Finding(
            what=f"{nodes} nodes: messages of one node for each round of heartbeats, of SWIM",
            expected=f"{nodes - 1}, 2",
            found=f"{each(HEARTBEAT, nodes):g}, {each(SWIM, nodes):g}",
            command="quorate bench cost swim",
        )
        for nodes in (3, 6, 9)
    )


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
            horn("one that stays down", FLOODING, "patient", BLOCKS),
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
        name="pings-and-heartbeats",
        section="Failure Detectors",
        says="A member that has failed is detected by pings and time-outs, beacons or heartbeats.",
        source=f"{DETECTORS}, figure 10; Das et al., SWIM, DSN 2002",
        protocols=DETECTING,
        show=lambda: (
            simulated("pings", DETECTOR, 20),
            simulated("heartbeats", HEARTBEAT, 20),
            simulated("heartbeats, judged by those before", PHI, 10),
            simulated("pings of one node a period, and gossip", SWIM, 10),
        ),
    ),
    Claim(
        name="gone-for-a-while",
        section="Failure Detectors",
        says="A member that was gone for a while says that it is back, so that all know of it.",
        source="The lecture; Aguilera, Chen and Toueg, Failure Detection and Consensus in the "
        "Crash-Recovery Model, 2000, for the numbers of lives",
        protocols=(DETECTOR, HEARTBEAT),
        show=lambda: (
            checked(
                "every schedule with a crash",
                HEARTBEAT,
                "recovery notification",
                "holds",
                world="accurate",
                settings={"nodes": 2, "beats": 1},
                crashes=1,
            ),
            simulated(
                "one that says so once only",
                HEARTBEAT,
                100,
                mutant="says_it_once",
                breaks="recovery notification",
            ),
            checked(
                "one that does not count its lives on disk",
                HEARTBEAT,
                "a failure is noticed",
                "violated",
                mutant="forgets_life",
            ),
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
        name="bounded-delays",
        section="Failure Detectors in Real Systems",
        says="A time-out is accurate where delays are bounded, and tuned to the bound or growing.",
        source=f"{DETECTORS}, section 2",
        protocols=(HEARTBEAT, SWIM),
        show=_classes,
    ),
    Claim(
        name="tune-to-latencies",
        section="Failure Detectors in Real Systems",
        says="Time-outs with retries are accurate with high probability, tuned to latencies seen.",
        source="Hayashibara et al., The φ Accrual Failure Detector, SRDS 2004",
        protocols=(DETECTOR, PHI),
        show=lambda: (
            _retries(),
            simulated(
                "one that does not tune its time-out",
                PHI,
                20,
                mutant="learns_nothing",
                breaks="eventual strong accuracy",
            ),
            simulated("one that does", PHI, 20, settings={"first_ms": 20}),
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
                "a holder that pauses between looking at its clock and acting",
                "lease",
                100,
                world="pausing",
                breaks="no two holders",
                faults={"pause_rate": 5, "pause_ms": (300, 1_500), "unsafe_ms": 5_000},
            ),
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
        name="how-much-pinging",
        section="Failure Detectors in Real Systems",
        says="Pings of all grow with their number, and do not tell who is cut off from who failed.",
        source="Das, Gupta and Motivala, SWIM, DSN 2002, section 3",
        protocols=(HEARTBEAT, SWIM),
        show=lambda: (
            *_loads(),
            checked(
                "two that a partition keeps apart",
                HEARTBEAT,
                "strong accuracy",
                "violated",
                world="live",
                settings={"nodes": 2, "beats": 1},
            ),
        ),
    ),
)
