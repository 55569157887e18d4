"""Paxos: agree on one value, whatever messages are lost and whoever crashes.

Problem      the nodes decide one value among those proposed, once and for all
Source       Lamport, Paxos Made Simple, SIGACT News 32(4) 2001, sections 2.2 and 2.3
Model        asynchronous; crash-recovery; links lose, duplicate and reorder; n = 2f + 1 acceptors
Quorum       a majority of acceptors, or any two kinds of quorums for the two phases that meet
Roles
  Proposer   leads rounds: asks for promises, chooses a suitable value, counts acceptances
  Acceptor   remembers the highest ballot promised and the last vote cast
  Learner    hears of success
  Latecomer  begins when it likes: whatever is not for good by then, it may still change
Messages
  Prepare    proposer → acceptors — may I lead this ballot? (1a)
  Promise    acceptor → proposer — yes, and this was my last vote (1b)
  Accept     proposer → acceptors — vote for this value (2a)
  Accepted   acceptor → proposer — I voted for it (2b)
  Nack       acceptor → proposer — no, I promised a higher ballot (1b, 2b)
  Success    proposer → learners — the value is chosen (3)
Stable
  Acceptor.promised  or it would let an old round pass that a new one counts on not passing
  Acceptor.vote      or a later round would not learn that a value may be chosen
  Proposer.round     or a restarted proposer would use one ballot for two values
  Latecomer.round    likewise
Guarantees   agreement, validity, decision, termination
Cost         until all learners know: 4·acceptors + learners messages, 5 message delays,
             2·acceptors + 1 forced writes, 3 write delays
Deviations   acceptances go to the proposer, which tells the learners, as in the lecture
"""

from __future__ import annotations

import msgspec

from quorate.kernel import (
    Flexible,
    Majority,
    Network,
    Process,
    QuorumSystem,
    Threshold,
    View,
    World,
    always,
)
from quorate.properties.consensus import Decided, agreement, decision, termination, validity
from quorate.properties.cost import Cost
from quorate.protocols.paxos.roles import (
    RETRY_MS,
    Accept,
    Accepted,
    Acceptor,
    Latecomer,
    Learner,
    Msg,
    Nack,
    Phase,
    Prepare,
    Promise,
    Proposer,
    Success,
    Vote,
)

__all__ = [
    "RETRY_MS", "Accept", "Accepted", "Acceptor", "Latecomer", "Learner", "Msg", "Nack", "Phase",
    "Prepare", "Promise", "Proposer", "Success", "Vote",
]  # fmt: skip

PROPERTIES = (agreement, validity, decision, termination)


def world(
    proposers: int = 2,
    acceptors: int = 3,
    rounds: int = 0,
    crashes: int = 0,
    learners: int = 1,
    thrifty: bool = False,
    retry_ms: int = RETRY_MS[0],
) -> World:
    """Proposers p1…, acceptors a1… and learners l1…, each on a node of its own.

    0 rounds: no end. `thrifty`: each proposer asks one majority only, not every acceptor. A round
    that does not succeed is given up after `retry_ms` to twice that.
    """
    names = tuple(f"a{i}" for i in range(1, acceptors + 1))
    heard = tuple(f"l{i}" for i in range(1, learners + 1))
    leads = []
    for i in range(proposers):
        asked: QuorumSystem = Majority(names)
        if thrifty:
            turned = names[i % acceptors :] + names[: i % acceptors]
            asked = Threshold(turned[: acceptors // 2 + 1], acceptors // 2 + 1)
        quorums = Flexible(asked, asked)
        retry = (retry_ms, 2 * retry_ms)
        leads.append(Proposer(f"p{i + 1}", quorums, heard, f"v{i + 1}", rounds, retry_ms=retry))
    return World(
        processes=(*leads, *map(Acceptor, names), *map(Learner, heard)),
        properties=PROPERTIES,
        crashes=crashes,
        crashable=frozenset(names) | {lead.me for lead in leads},
        bounds=(f"each proposer leads rounds 1 to {rounds}",) if rounds else (),
        symmetry=tuple(tuple((me,) for me in alike) for alike in (names, heard) if not thrifty),
        bounded=_ran_out if rounds else None,
        rounds=frozenset({"round", "refused"}),
    )


def _ran_out(view: View) -> bool:
    leads = view.roles(Proposer)
    return any(p.round == p.rounds_max and p.phase is not Phase.DONE for p in leads)


def duel(proposers: int = 2, acceptors: int = 3) -> World:
    """Rivals without end, on links that lose nothing; each asks one majority only."""
    rivals = world(proposers, acceptors, thrifty=True)
    return msgspec.structs.replace(rivals, network=Network.MULTISET)


def small(
    proposers: int = 2,
    acceptors: int = 3,
    rounds: int = 1,
    crashes: int = 0,
    learners: int = 1,
    thrifty: bool = False,
) -> World:
    """The same with few rounds, so that it can be explored to its end."""
    return world(proposers, acceptors, rounds, crashes, learners, thrifty)


def colocated(nodes: int = 3, proposers: int = 2, rounds: int = 0, crashes: int = 0) -> World:
    """Nodes n1…, each with an acceptor and a learner; the first few also have a proposer."""
    apart = world(proposers, nodes, rounds, crashes, nodes)
    processes = []
    for i in range(1, nodes + 1):
        names = (f"p{i}", f"a{i}", f"l{i}")
        processes.append(Process(f"n{i}", tuple(a for a in apart.processes if a.me in names)))
    return World(
        processes=tuple(processes),
        properties=PROPERTIES,
        crashes=crashes,
        bounds=apart.bounds,
        bounded=apart.bounded,
        rounds=apart.rounds,
    )


def flexible(
    proposers: int = 2, acceptors: int = 3, phase1: int = 3, phase2: int = 1, rounds: int = 1
) -> World:
    """So many promises, and so many acceptances, are enough (Howard, Malkhi and Spiegelman 2016).

    Only the two phases need to meet, each in the other: phase1 + phase2 > acceptors.
    """
    base = small(proposers, acceptors, rounds)
    for process in base.processes:
        if isinstance(process, Proposer):
            names = process.quorums.phase1.nodes
            process.quorums = Flexible(Threshold(names, phase1), Threshold(names, phase2))
    return base


def _chosen_for_good(view: View) -> bool:
    acceptors = list(view.roles(Acceptor))
    votes = [acceptor.vote for acceptor in acceptors if acceptor.vote is not None]
    for vote in votes:
        if 2 * votes.count(vote) > len(acceptors):
            later = {other.value for other in votes if other.ballot > vote.ballot}
            later |= {fact.value for _, fact in view.stated(Decided)}
            for lead in view.roles(Proposer):
                if lead.phase is Phase.ACCEPTING and lead.ballot > vote.ballot:
                    later.add(lead.chosen)
            if later - {vote.value}:
                return False
    return True


dynamic_uniformity = always("dynamic uniformity", _chosen_for_good, states=True)
"""What a majority has accepted, whoever of it crashes then, all later rounds and decisions keep."""


def uniform(proposers: int = 2, acceptors: int = 3, rounds: int = 1, crashes: int = 1) -> World:
    """The small world, in which a value that a majority has accepted must survive."""
    base = small(proposers, acceptors, rounds, crashes, learners=0)
    return msgspec.structs.replace(base, properties=(dynamic_uniformity, *PROPERTIES[:-1]))


def late(acceptors: int = 3) -> World:
    """A proposer p1 with one round, and p2, which begins one at any time later, or never."""
    base = small(2, acceptors, learners=0)
    first, second = base.processes[:2]
    comer = Latecomer(**msgspec.structs.asdict(second))
    return msgspec.structs.replace(
        base,
        processes=(first, comer, *base.processes[2:]),
        bounds=("p1 and p2 lead one round each",),
        bounded=lambda view: any(comer.round for comer in view.roles(Latecomer)),
    )


def cost(acceptors: int, learners: int) -> Cost:
    """until all learners know"""
    return Cost(
        messages=4 * acceptors + learners,
        delays=5,
        forced_writes=2 * acceptors + 1,
        write_delays=3,
    )


WORLDS = {
    "main": world,
    "small": small,
    "colocated": colocated,
    "duel": duel,
    "flexible": flexible,
    "uniform": uniform,
    "late": late,
}
QUIET = {"proposers": 1}
