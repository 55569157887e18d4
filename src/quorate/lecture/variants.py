"""The lecture's part on what consensus is, and on its variants."""

from __future__ import annotations

from quorate.kernel import Network
from quorate.lecture.claim import Claim, checked, simulated

C, BG, IC = "flooding_consensus", "command_consensus", "interactive_consistency"
COULOURIS = "Coulouris, Dollimore and Kindberg, Distributed Systems, 2012, section 15.5.1"
UNIFORM, PLAIN = "agreement", "agreement of the correct"
FAILURES = "every schedule with a failure"
STOPS = "seeds in which nodes stop within any step"


CLAIMS = (
    Claim(
        name="all-decide-the-same",
        section="Properties for Correct Consensus",
        says="All correct processes decide in the end, all the same, and the right value.",
        source=COULOURIS,
        protocols=(C,),
        show=lambda: (
            checked(FAILURES, C, "termination of all", "holds"),
            checked(FAILURES, C, PLAIN, "holds"),
            checked(FAILURES, C, "validity", "holds"),
            checked("one round too few", C, PLAIN, "violated", mutant="runs_one_round_less"),
        ),
    ),
    Claim(
        name="uniform-consensus-is-harder",
        section="Properties for Correct Consensus",
        says="That also those decide the same which fail later is harder to have.",
        source="Charron-Bost and Schiper, Uniform Consensus is Harder, J. Algorithms 51 2004",
        protocols=(BG,),
        show=lambda: (
            checked("links that keep the order", BG, UNIFORM, "holds"),
            checked(
                "word of a failure overtakes what was said",
                BG,
                PLAIN,
                "holds",
                network=Network.MULTISET,
            ),
            checked(
                "word of a failure overtakes what was said",
                BG,
                UNIFORM,
                "violated",
                network=Network.MULTISET,
            ),
            checked(
                "a commander that decides before it speaks",
                BG,
                UNIFORM,
                "violated",
                mutant="commander_decides_first",
            ),
        ),
    ),
    Claim(
        name="consensus",
        section="Variant I: Consensus (C)",
        says="If all propose the same value it is decided; or else some other that was proposed.",
        source="Lynch, Distributed Algorithms, 1996, section 6.2.1",
        protocols=(C, IC),
        show=lambda: (
            checked(FAILURES, C, UNIFORM, "holds"),
            checked(
                "two of three wish for the same",
                IC,
                "unanimity",
                "holds",
                world="consensus",
                settings={"faults": 0},
                crashes=0,
            ),
            checked(
                "the least value instead", IC, "unanimity", "violated", mutant="takes_the_least"
            ),
            simulated(STOPS, C, 200),
        ),
    ),
    Claim(
        name="command-consensus",
        section="Variant II: Command Consensus (BG)",
        says="All decide what the leader proposes if it is correct, or else the same all the same.",
        source=COULOURIS,
        protocols=(BG,),
        show=lambda: (
            checked(FAILURES, BG, "obedience", "holds"),
            checked(FAILURES, BG, UNIFORM, "holds"),
            checked(
                "lieutenants that do not ask what others were told",
                BG,
                PLAIN,
                "violated",
                mutant="lieutenant_obeys_at_once",
            ),
        ),
    ),
    Claim(
        name="interactive-consistency",
        section="Variant III: Interactive Consistency (IC)",
        says="All decide one vector, which reflects the values of all correct participants.",
        source="Pease, Shostak and Lamport, Reaching Agreement in the Presence of Faults, 1980",
        protocols=(IC,),
        show=lambda: (
            checked("two nodes, a failure", IC, "completeness", "holds", settings={"nodes": 2}),
            checked("two nodes, a failure", IC, UNIFORM, "holds", settings={"nodes": 2}),
            checked("three nodes", IC, "completeness", "holds", settings={"faults": 0}, crashes=0),
            checked(
                "a node that leaves itself out",
                IC,
                "completeness",
                "violated",
                mutant="forgets_itself",
            ),
        ),
    ),
    Claim(
        name="one-variant-gives-all",
        section="Equivalence of Consensus Variants",
        says="Who has one of the variants has all: BG runs C, IC runs BG, and C runs IC.",
        source=COULOURIS,
        protocols=(C, BG, IC),
        show=lambda: (
            simulated(f"BG from C: {STOPS}", BG, 100),
            simulated(f"IC from BG from C: {STOPS}", IC, 50),
            simulated(
                f"C from IC from BG from C: {STOPS}",
                IC,
                50,
                world="consensus",
                settings={"wishes": "abb", "suspect_ms": 200},
                faults={"stop_points": 1},
            ),
        ),
    ),
    Claim(
        name="the-faulty-may-outvote-the-correct",
        section="Equivalence of Consensus Variants",
        says="C from IC by majority takes more than twice as many nodes as may fail.",
        source=COULOURIS,
        protocols=(IC,),
        show=lambda: (
            checked("one of two may fail", IC, "unanimity", "violated", world="outvoted"),
            simulated(
                "one of three may fail",
                IC,
                100,
                world="consensus",
                settings={"suspect_ms": 200},
                faults={"stop_points": 1},
            ),
            simulated(
                "two of three do",
                IC,
                200,
                world="consensus",
                settings={"suspect_ms": 200},
                breaks="unanimity",
                faults={"stop_points": 2},
            ),
        ),
    ),
)
