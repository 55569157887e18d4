"""Paxos Commit: commit at every participant or at none, whoever leads and whoever stops.

Problem      the participants end one transaction in the same way, even if a coordinator is lost
Source       Gray and Lamport, Consensus on Transaction Commit, TODS 31(1) 2006, sections 4 and 5
Model        asynchronous; crash-recovery; links lose, duplicate and reorder; 2f + 1 acceptors
Quorum       all participants to commit; a majority of acceptors for what each of them says
Roles
  Participant  works, then has the acceptors vote for prepared or aborted in its instance (RM)
  Acceptor     votes once in each ballot, in the instances of all participants together
  Leader       counts the votes; in a later ballot it ends the instances that are still open (TM)
Messages
  Prepare      leader → participants — now would be a good time to prepare
  Vote         participant → acceptors — vote for this in my instance, at ballot 0 (2a)
  Accepted     acceptor → leader, participants — I voted for these (2b)
  Commit       leader → participants — the transaction is committed
  Abort        leader ↔ participants — it is aborted
  Inquire      participant → leaders — I am prepared; what is to be done?
  Lead         leader → acceptors — may I lead this ballot in every instance? (1a)
  Promise      acceptor → leader — yes, and these were my votes (1b)
  Accept       leader → acceptors — vote for this in each instance (2a)
Stable
  Participant.prepared  or it would abort what it left to the acceptors
  Acceptor.promised     or it would let an old ballot pass that a new one counts on not passing
  Acceptor.ballot       or a new leader would take older votes for the most recent
  Acceptor.votes        or a new leader would not learn of a value that may be chosen
  Leader.round          or a restarted leader would use one ballot for two sets of values
Guarantees   agreement, stability, unanimity, nontriviality, termination
Cost         until all participants have ended: 3·participants - 1 + participants·faults·(1 +
             faster) + faults·(1 - faster) - colocated·(2 + faults·(1 + faster)) messages, 5 -
             (faster or not faults) - colocated message delays, participants + faults + 1 forced
             writes, 3 write delays
Deviations   one ballot for all instances; acceptors do not answer old ballots
"""

from __future__ import annotations

from string import ascii_lowercase

from quorate.kernel import Actor, Majority, NodeId, World, placed
from quorate.properties.cost import Cost
from quorate.protocols import two_phase_commit
from quorate.protocols.paxos_commit.roles import (
    LEAD_MS,
    Abort,
    Accept,
    Accepted,
    Acceptor,
    Commit,
    Inquire,
    Lead,
    Leader,
    Msg,
    Participant,
    Prepare,
    Promise,
    Transaction,
    Value,
    Values,
    Vote,
)

__all__ = [
    "LEAD_MS", "Abort", "Accept", "Accepted", "Acceptor", "Commit", "Inquire", "Lead", "Leader",
    "Msg", "Participant", "Prepare", "Promise", "Transaction", "Value", "Values", "Vote",
]  # fmt: skip

PROPERTIES = two_phase_commit.PROPERTIES


def world(
    participants: int = 3,
    faults: int = 1,
    leaders: int = 2,
    rounds: int = 0,
    faster: bool = False,
    colocated: bool = False,
    apart: bool = False,
    spontaneous: bool = False,
) -> World:
    """Participants rm1…, acceptors a1…, leaders l1…, of which l1 counts the votes of ballot 0.

    a1 and l1 share a node, and so on; `colocated`: with rm1; or all are `apart`. `faster`:
    acceptors answer the participants. 0 rounds: no end. `spontaneous`: all participants, not
    only rm1, prepare without being asked.
    """
    rms = tuple(f"rm{i}" for i in range(1, participants + 1))
    acceptors = tuple(f"a{i}" for i in range(1, 2 * faults + 2))
    leads = tuple(f"l{i}" for i in range(1, leaders + 1))
    tx = Transaction(rms, Majority(acceptors), leads)
    begins, told = (rms, "") if spontaneous else (rms[:1], leads[0])
    roles: list[Actor] = [Participant(rm, told, rm in begins, True, tx=tx) for rm in rms]
    roles += [Acceptor(name, tx, rms if faster else leads[:1]) for name in acceptors]
    roles += [Leader(name, tx, rounds) for name in leads]
    return seated(roles, rounds, colocated, apart)


def seated(roles: list[Actor], rounds: int, colocated: bool, apart: bool) -> World:
    """A world of these roles on their nodes, as `world` says; one without a number is on the first
    node."""

    def node_of(role: NodeId) -> NodeId:
        alone = apart or (role.startswith("rm") and not colocated)
        return role if alone else "n" + (role.lstrip(ascii_lowercase) or "1")

    return World(
        processes=placed(roles, node_of),
        properties=PROPERTIES,
        bounds=(f"each leader leads ballots 1 to {rounds}",) if rounds else (),
    )


def small(faults: int = 1, rounds: int = 1, faster: bool = False) -> World:
    """Two participants, and one leader of few ballots: it can be explored to its end."""
    return world(2, faults, 1, rounds, faster, apart=True)


def cost(participants: int, faults: int, faster: bool, colocated: bool) -> Cost:
    """until all participants have ended"""
    return Cost(
        messages=3 * participants
        - 1
        + participants * faults * (1 + faster)
        + faults * (1 - faster)
        - colocated * (2 + faults * (1 + faster)),
        delays=5 - (faster or not faults) - colocated,
        forced_writes=participants + faults + 1,
        write_delays=3,
        spontaneous_write_delays=2,
        exceptions=few(participants, faults, faster) if colocated else {},
    )


def few(participants: int, faults: int, faster: bool) -> dict[str, int]:
    """What changes where few participants are to have an acceptor each beside them: messages go to
    and from those that are alone; and of two with two, the second's own is all that it waits for.
    """
    alone = max(0, faults + 1 - participants)
    sooner = (participants, faults, faster) == (2, 1, False)
    return {"messages": alone * (1 + faster), "delays": -sooner}


WORLDS = {"main": world, "small": small}
QUIET: dict[str, object] = {}
