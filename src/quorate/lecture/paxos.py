"""The lecture's part on Paxos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from quorate.check import check
from quorate.kernel import View, forces, sometimes
from quorate.lecture.claim import Claim, Finding, checked, simulated
from quorate.lecture.impossibility import NEVER, horn
from quorate.properties.consensus import Decided
from quorate.protocols import build_world, find
from quorate.protocols.paxos import Acceptor
from quorate.sim.exact import Down, Fault, run_exactly
from quorate.sim.quiet import quiet_diagram
from quorate.traces.meter import measure

SIMPLE = "Lamport, Paxos Made Simple, 2001, section 2.2"


def _safe() -> tuple[Finding, ...]:
    return (
        checked("every schedule of two rivals", "paxos", "agreement", "holds"),
        checked(
            "every schedule of two rivals and a crash", "paxos", "agreement", "holds", crashes=1
        ),
    )


def _lacking(mutant: str, what: str, kills: str = "agreement") -> Finding:
    """Paxos without one of its guards, which must be seen to break."""
    return checked(what, "paxos", kills, "violated", mutant=mutant)


def _a_majority_voted(view: View) -> bool:
    acceptors = list(view.roles(Acceptor))
    votes = [acceptor.vote for acceptor in acceptors if acceptor.vote is not None]
    return any(2 * votes.count(vote) > len(acceptors) for vote in votes)


_UNHEARD = sometimes(
    "chosen, and nobody knows",
    lambda view: _a_majority_voted(view) and not any(view.stated(Decided)),
    states=True,
)


def _unheard_success() -> tuple[Finding, ...]:
    world = build_world("paxos", "small")
    watched = msgspec.structs.replace(world, properties=(_UNHEARD, *world.properties))
    result = check(watched)
    fared = {verdict.name: verdict.verdict for verdict in result.verdicts}
    return (
        Finding(
            what="some schedule: a majority has voted for a value, and no node knows",
            expected="holds",
            found=fared[_UNHEARD.name],
            detail=f"{result.distinct:,} states",
        ),
        Finding(
            what="every schedule, those included: agreement",
            expected="holds",
            found=fared["agreement"],
            detail=f"{result.distinct:,} states",
        ),
    )


def _pace() -> tuple[Finding, ...]:
    diagram = quiet_diagram(find("paxos"))
    cost = measure(diagram)
    writes = Counter(step.role for step in diagram.steps if forces(step.effects))
    agents = [role for role in writes if role.startswith("a")]
    return (
        Finding(
            what="rounds of messages, there and back, until a learner knows",
            expected="2.5",
            found=str(cost.delays / 2),
            detail=f"{cost.messages} messages",
            command="quorate bench cost paxos",
        ),
        Finding(
            what="forced writes of each agent, each of which a message waits for",
            expected="2",
            found=", ".join(sorted({str(writes[agent]) for agent in agents})),
            detail=f"{len(agents)} agents",
        ),
    )


RIVALS = {"proposers": 3}
UNTIL_MS = 2_000
STEPS = 60
"""Of a run, so that it is long over when they are: success is retold for ever."""


def _fared(what: str, faults: Iterable[Fault]) -> Finding:
    """Paxos in which one of the faults strikes, each in a run of its own: do all promises hold?"""
    world = build_world("paxos")
    broken: set[str] = set()
    runs = 0
    for fault in faults:
        judge = run_exactly(world, (fault,), UNTIL_MS).judge
        judge.states()
        runs += 1
        broken |= judge.broken | ({unmet} if (unmet := judge.settled()) else set())
    return Finding(
        what=f"{what}: agreement, validity, termination",
        expected="holds",
        found="violated" if broken else "holds",
        detail=", ".join(sorted(broken)) or f"{runs} runs",
    )


def _each_crash(node: str, what: str) -> tuple[Finding, ...]:
    """A node that goes down at every step that it takes in a run without failures, once so many of
    its sends have left, for good or for 50 ms."""
    steps = run_exactly(build_world("paxos"), (), UNTIL_MS).steps[:STEPS]
    cuts = [(at, sent) for at, sends in steps if at.node == node for sent in (*range(sends), None)]
    return tuple(
        _fared(
            f"{what} fails at any step, {how}", [Down(at=at, sent=n, back_ms=ms) for at, n in cuts]
        )
        for how, ms in (("for good", None), ("and restarts with its hard state", 50))
    )


def _each_loss() -> Finding:
    """Every message of a run without failures is lost, one at a time."""
    messages = run_exactly(build_world("paxos"), (), UNTIL_MS).messages[:STEPS]
    lost = [msgspec.structs.replace(each, arrives_ms=()) for each in messages]
    return _fared("any one message is lost", lost)


CLAIMS = (
    Claim(
        name="a-master-lease",
        section="Paxos in Practice",
        says="A primary is king as long as it holds a master lease, which consensus renews.",
        source="Chandra, Griesemer and Redstone, Paxos Made Live, PODC 2007, section 5.2",
        protocols=("master_lease",),
        show=lambda: (
            simulated("reads under the lease, which ask nobody", "master_lease", 20),
            simulated(
                "a leader that reads without a lease",
                "master_lease",
                40,
                mutant="needs_no_lease",
                breaks="linearizable register",
            ),
        ),
    ),
    Claim(
        name="paxos-is-safe",
        section="Paxos: Properties",
        says="Consensus by Paxos is stable: once reached it is never violated, whoever leads.",
        source=SIMPLE,
        protocols=("paxos",),
        show=_safe,
    ),
    Claim(
        name="ballots-are-unique",
        section="Phase 1: Proposing a Round",
        says="A would-be leader chooses a ballot that nobody has used, nor itself before a crash.",
        source=SIMPLE,
        protocols=("paxos",),
        show=lambda: (_lacking("reuses_ballot", "a ballot used twice, after a crash"),),
    ),
    Claim(
        name="agents-log-before-they-answer",
        section="The Agents",
        says="Agents keep the ballot they promised and the value they accepted in stable storage.",
        source=SIMPLE,
        protocols=("paxos",),
        show=lambda: (
            _lacking("forgets_promise", "an agent loses its promise in a crash"),
            _lacking("forgets_vote", "an agent loses its vote in a crash"),
        ),
    ),
    Claim(
        name="agents-deny-old-ballots",
        section="The Agents",
        says="An agent denies a ballot that is older than one it has promised.",
        source=SIMPLE,
        protocols=("paxos",),
        show=lambda: (
            _lacking("promises_late", "agents promise older ballots"),
            _lacking("accepts_late", "agents accept at older ballots"),
        ),
    ),
    Claim(
        name="a-suitable-value",
        section="Leader: Choosing a Suitable Value",
        says="A leader takes over the most recent value that any responding agent has accepted.",
        source=SIMPLE,
        protocols=("paxos",),
        show=lambda: (
            _lacking("ignores_votes", "a leader that ignores accepted values"),
            _lacking("takes_first_vote", "a leader that takes any of them, not the latest"),
        ),
    ),
    Claim(
        name="success-that-nobody-knows",
        section="What Happens After Success?",
        says="A round can succeed without leader or agents knowing; even so, it is final.",
        source=SIMPLE,
        protocols=("paxos",),
        show=_unheard_success,
    ),
    Claim(
        name="majorities-intersect",
        section="More on Safety",
        says="Success requires a majority, and any two of them share an agent that remembers.",
        source=SIMPLE,
        protocols=("paxos",),
        show=lambda: (
            _lacking("quorum_too_small", "quorums that need not meet"),
            checked(
                "promises of all three, and one acceptance",
                "paxos",
                "agreement",
                "holds",
                world="flexible",
            ),
            checked(
                "promises of two, and one acceptance",
                "paxos",
                "agreement",
                "violated",
                world="flexible",
                settings={"phase1": 2},
            ),
        ),
    ),
    Claim(
        name="agents-fail",
        section="Some Failure Cases",
        says="An agent fails: go on without it, or it restarts with its hard state.",
        source="Lamport, Paxos Made Simple, 2001, section 2.2",
        protocols=("paxos",),
        show=lambda: _each_crash("a1", "an agent"),
    ),
    Claim(
        name="leaders-fail",
        section="Some Failure Cases",
        says="A leader fails: follow a new one; if the round succeeded, it finds out.",
        source="Lamport, Paxos Made Simple, 2001, section 2.4",
        protocols=("paxos",),
        show=lambda: _each_crash("p1", "a leader"),
    ),
    Claim(
        name="leaders-race",
        section="Some Failure Cases",
        says="Leaders race: some leader gets through in the end. In the end?",
        source="Lamport, Paxos Made Simple, 2001, section 2.4",
        protocols=("paxos",),
        show=lambda: (
            horn("two leaders that race without end", "paxos", "duel", NEVER),
            simulated("three leaders whose time-outs are drawn", "paxos", 50, settings=RIVALS),
        ),
    ),
    Claim(
        name="another-round",
        section="Some Failure Cases",
        says="Messages are dropped: if things get ugly, have another round.",
        source="Lamport, Paxos Made Simple, 2001, section 2.4",
        protocols=("paxos",),
        show=lambda: (
            _each_loss(),
            simulated("seeds of crashes, partitions and loss, then calm", "paxos", 100),
        ),
    ),
    Claim(
        name="dynamic-uniformity",
        section="Dynamic Uniformity in Paxos",
        says="What a majority has accepted, later rounds keep, even if who accepted it crashes.",
        source=SIMPLE,
        protocols=("paxos",),
        show=lambda: (
            checked(
                "every schedule with a crash",
                "paxos",
                "dynamic uniformity",
                "holds",
                world="uniform",
            ),
            _lacking(
                "decides_early",
                "a leader that acts before a majority has accepted",
                "dynamic uniformity",
            ),
        ),
    ),
    Claim(
        name="a-log-of-decisions",
        section="Keith Marzullo on Paxos",
        says="Servers run a sequence of consensus instances, each of which selects one command.",
        source="Lamport, Paxos Made Simple, 2001, section 3",
        protocols=("multi_paxos",),
        show=lambda: (
            simulated("seeds of crashes, partitions and loss, then calm", "multi_paxos", 50),
        ),
    ),
    Claim(
        name="paxos-is-not-so-slow",
        section="Is Paxos “Unacceptably Sluggish”?",
        says="Without conflict or failure it takes 2.5 message rounds and two writes per agent.",
        source=SIMPLE,
        protocols=("paxos",),
        show=_pace,
    ),
)
