"""Two-phase commit over a replicated log: what the coordinator decides, a quorum keeps.

Problem      the participants end one transaction in the same way, even if a coordinator is lost
Source       Gray and Lamport, Consensus on Transaction Commit, TODS 31(1) 2006, whose acceptors and
             leaders these are; in use: Corbett et al., Spanner, OSDI 2012, section 4.2.1
Model        asynchronous; crash-recovery; links lose, duplicate and reorder; 2f + 1 acceptors
Quorum       all participants to commit; a majority of acceptors for that decision
Roles
  Coordinator  decides as in two-phase commit, but has the acceptors vote for what it decides
  Participant  that of two-phase commit; when it hears nothing, it asks all leaders
  Acceptor     that of Paxos Commit, with a single instance: the record of the decision
  Leader       counts the votes; in a later ballot it ends the instance, if it is still open
Messages
  Prepare      coordinator, leader → participants — now would be a good time to prepare
  Prepared     participant → coordinator — I can commit and I can abort; you decide
  Vote         coordinator → acceptors — vote for this decision, at ballot 0 (2a)
  Accepted     acceptor → leader — I voted for it (2b)
  Commit       leader → participants — the transaction is committed
  Abort        leader, coordinator ↔ participants — it is aborted
  Inquire      participant → leaders — I am prepared; what is to be done?
  Lead         leader → acceptors — may I lead this ballot? (1a)
  Promise      acceptor → leader — yes, and this was my vote (1b)
  Accept       leader → acceptors — vote for this decision (2a)
Stable
  Participant.prepared  or a restarted participant would abort what it left to the coordinator
  Acceptor.promised     or it would let an old ballot pass that a new one counts on not passing
  Acceptor.ballot       or a new leader would take older votes for the most recent
  Acceptor.votes        or a new leader would not learn of a decision that may be chosen
  Leader.round          or a restarted leader would use one ballot for two decisions
Guarantees   agreement, stability, unanimity, nontriviality, termination
Cost         until all participants have ended: 3·participants - 1 + 2·faults - 2·colocated
             messages, (6 if faults else 4) - colocated message delays, participants + faults + 1
             forced writes, 3 write delays
Deviations   one transaction, and so a log of one record; the coordinator decides but once, and
             leaves it to a leader after a crash
"""

from __future__ import annotations

from quorate.kernel import Actor, Context, Majority, NodeId, World
from quorate.properties.commit import Outcome
from quorate.properties.cost import Cost
from quorate.protocols import paxos_commit, two_phase_commit
from quorate.protocols.paxos_commit import Accept, Accepted, Acceptor, Lead, Leader, Promise, Vote
from quorate.protocols.two_phase_commit import (
    AT_ONCE,
    Abort,
    Commit,
    Inquire,
    Prepare,
    Prepared,
)

Msg = Prepare | Prepared | Vote | Accepted | Commit | Abort | Inquire | Lead | Promise | Accept


class Transaction(paxos_commit.Transaction, frozen=True, cache_hash=True, gc=False):
    """Of all who take part in it, acceptors vote for what the coordinator wants, and no one else.

    Its value is "prepared" if all participants are, which is to say that it commits.
    """

    coordinator: NodeId

    @property
    def instances(self) -> tuple[NodeId, ...]:
        return (self.coordinator,)


class Coordinator(two_phase_commit.Coordinator, kw_only=True):
    """Decides as in two-phase commit, but has the acceptors vote for what it decides."""

    tx: Transaction
    outcome: Outcome | None = None  # what it wants; whether it is chosen, a leader finds out

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if recovered:
            return ctx.ignore("may have decided before")  # and a ballot is good for one value
        two_phase_commit.Coordinator.on_start(self, ctx, recovered)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer != "vote":
            return two_phase_commit.Coordinator.on_timer(self, ctx, timer)
        self.vote(ctx, self.tx.asked[:1])

    def tell(self, ctx: Context, outcome: Outcome) -> None:
        self.vote(ctx, self.tx.asked[1:])
        # To that on its own node in a step of its own: its write runs beside those of the others.
        ctx.set_timer("vote", AT_ONCE)

    def vote(self, ctx: Context, acceptors: tuple[NodeId, ...]) -> None:
        commits = self.outcome is Outcome.COMMITTED
        ctx.broadcast(acceptors, Vote("prepared" if commits else "aborted"))


class Participant(two_phase_commit.Participant, kw_only=True):
    """That of two-phase commit; when it hears nothing, it asks all leaders."""

    leaders: tuple[NodeId, ...]

    def inquire(self, ctx: Context) -> None:
        ctx.broadcast(self.leaders, Inquire())
        self.wait(ctx)


PROPERTIES = two_phase_commit.PROPERTIES


def world(
    participants: int = 3,
    faults: int = 1,
    leaders: int = 2,
    rounds: int = 0,
    spontaneous: bool = False,
    colocated: bool = False,
    apart: bool = False,
) -> World:
    """Participants rm1…, coordinator tm, acceptors a1…, leaders l1…; l1 counts ballot 0's votes.

    tm, a1 and l1 share a node, a2 and l2 do, and so on; `colocated`: with rm1, rm2…; or all are
    `apart`. 0 rounds: no end. `spontaneous`: all participants prepare without being asked.
    """
    rms = tuple(f"rm{i}" for i in range(1, participants + 1))
    leads = tuple(f"l{i}" for i in range(1, leaders + 1))
    tx = Transaction(rms, Majority(tuple(f"a{i}" for i in range(1, 2 * faults + 2))), leads, "tm")
    asked = frozenset() if spontaneous else frozenset(rms[1:])

    roles: list[Actor] = [Participant(rm, "tm", rm not in asked, True, leaders=leads) for rm in rms]
    roles += [Coordinator("tm", frozenset(rms), asked, tx=tx)]
    roles += [Acceptor(name, tx, leads[:1]) for name in tx.acceptors.nodes]
    roles += [Leader(name, tx, rounds) for name in leads]
    return paxos_commit.seated(roles, rounds, colocated, apart)


def small(participants: int = 2, faults: int = 1, leaders: int = 1, rounds: int = 1) -> World:
    """Few of each, and few ballots: it can be explored to its end."""
    return world(participants, faults, leaders, rounds, apart=True)


def cost(participants: int, faults: int, colocated: bool) -> Cost:
    """until all participants have ended"""
    return Cost(
        messages=3 * participants - 1 + 2 * faults - 2 * colocated,
        delays=(6 if faults else 4) - colocated,
        forced_writes=participants + faults + 1,
        write_delays=3,
        spontaneous_write_delays=2,
    )


WORLDS = {"main": world, "small": small}
QUIET: dict[str, object] = {}
