"""Dynamic Paxos Commit: who takes part is decided too, by one instance more.

Problem      those who joined a transaction end it in the same way; who did is not known beforehand
Source       Gray and Lamport, Consensus on Transaction Commit, TODS 31(1) 2006, section 6
Model        asynchronous; crash-recovery; links lose, duplicate and reorder; 2f + 1 acceptors
Quorum       all who joined to commit; a majority of acceptors for who did, and what each says
Roles
  Registrar    lets participants join, until one is done; then has the acceptors vote for the set
  Participant  that of Paxos Commit, once it has joined
  Acceptor     that of Paxos Commit; it waits for the votes of those whom the registrar names
  Leader       that of Paxos Commit; it ends the registrar's instance first, then those it names
Messages
  Join         participant → registrar — I want to take part
  Joined       registrar → participant — you do
  Closed       registrar → participant — you do not: it is too late
  Prepare      registrar → participants — now would be a good time to prepare
  Vote         participant, registrar → acceptors — vote for this in my instance, at ballot 0 (2a)
  Accepted     acceptor → leader — I voted for these (2b)
  Commit       leader → participants — the transaction is committed
  Abort        leader, registrar ↔ participants — it is aborted
  Inquire      participant → registrar, leaders — I am prepared; what is to be done?
  Lead         leader → acceptors — may I lead this ballot in every instance? (1a)
  Promise      acceptor → leader — yes, and these were my votes (1b)
  Accept       leader → acceptors — vote for this in each instance (2a)
Stable
  Registrar.members     or a restarted registrar could have acceptors vote for another set
  Participant.prepared  or it would abort what it left to the acceptors
  Acceptor.promised     or it would let an old ballot pass that a new one counts on not passing
  Acceptor.ballot       or a new leader would take older votes for the most recent
  Acceptor.votes        or a new leader would not learn of a value that may be chosen
  Leader.round          or a restarted leader would use one ballot for two sets of values
Guarantees   agreement, stability, unanimity, nontriviality, termination
Cost         once one is prepared, until all participants have ended: (3 + faults)·participants - 1
             + 2·faults - colocated·(2 + 2·faults) messages, 5 - (not faults) - colocated message
             delays, participants + faults + 2 forced writes, 4 - colocated write delays
Deviations   the registrar starts the commit, when the first participant is prepared; one ballot for
             all instances; a participant that is unsure whether it had joined before a crash aborts
"""

from __future__ import annotations

from quorate.kernel import Actor, Context, Majority, Message, NodeId, Stable, World
from quorate.properties.commit import Began, Outcome
from quorate.properties.cost import Cost
from quorate.protocols import paxos_commit, two_phase_commit
from quorate.protocols.paxos_commit import Accept, Accepted, Acceptor, Lead, Promise, Values, Vote
from quorate.protocols.two_phase_commit import INQUIRE_MS, Abort, Commit, Inquire, Prepare

WORKS_MS = (20, 50)


class Join(Message, frozen=True):
    pass


class Joined(Message, frozen=True):
    pass


class Closed(Message, frozen=True):
    pass


Msg = (
    Join | Joined | Closed | Prepare | Vote | Accepted | Commit | Abort | Inquire
    | Lead | Promise | Accept
)  # fmt: skip


class Transaction(paxos_commit.Transaction, frozen=True, cache_hash=True, gc=False):
    """What is known of it beforehand, the paper's descriptor: not who takes part.

    Acceptors vote for a set of participants in the registrar's instance; the empty set aborts.
    """

    registrar: NodeId

    def concerned(self, votes: Values) -> tuple[NodeId, ...]:
        """The set that the registrar's instance has come to."""
        members = dict(votes).get(self.registrar, ())
        assert isinstance(members, tuple)
        return members

    def verdict(self, votes: Values) -> Outcome | None:
        known = dict(votes)
        if self.registrar not in known:
            return None
        wanted = [known.get(participant) for participant in self.concerned(votes)]
        if not wanted or "aborted" in wanted:
            return Outcome.ABORTED
        return None if None in wanted else Outcome.COMMITTED


class Registrar(Actor):
    """Lets participants join, until one is done; then has the acceptors vote for the set."""

    tx: Transaction
    joined: frozenset[NodeId] = frozenset()
    members: Stable[tuple[NodeId, ...] | None] = None

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if recovered:  # whoever had joined by then is forgotten, and so nobody takes part
            self.close(ctx, self.members or ())

    def on_join(self, ctx: Context, src: NodeId, m: Join) -> None:
        if self.members is None:
            self.joined |= {src}
            ctx.output(Began(frozenset({src})))
        if src in self.joined or src in (self.members or ()):
            return ctx.send(src, Joined())
        ctx.send(src, Closed() if self.members else Abort())

    def on_inquire(self, ctx: Context, src: NodeId, m: Inquire) -> None:
        if self.members is not None:
            return ctx.ignore("closed already")
        self.close(ctx, tuple(sorted(self.joined)))
        ctx.broadcast(self.joined - {src}, Prepare())

    def close(self, ctx: Context, members: tuple[NodeId, ...]) -> None:
        self.members = members
        ctx.output(Began(frozenset(members)))
        ctx.broadcast(self.tx.asked, Vote(members))


class Participant(paxos_commit.Participant):
    """That of Paxos Commit, once it has joined."""

    lost: bool = False  # what it may have done before a crash
    joined: bool = False

    def on_start(self, ctx: Context, recovered: bool) -> None:
        if self.prepared:
            return paxos_commit.Participant.on_start(self, ctx, recovered)
        self.lost = recovered
        self.join(ctx)

    def join(self, ctx: Context) -> None:
        ctx.send(self.coordinator, Join())
        ctx.set_timer("join", INQUIRE_MS)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if timer == "join":
            return self.join(ctx)
        paxos_commit.Participant.on_timer(self, ctx, timer)

    def on_joined(self, ctx: Context, src: NodeId, m: Joined) -> None:
        if self.joined or self.prepared or self.outcome is not None:
            return ctx.ignore("knows that it has joined")
        self.joined = True
        ctx.cancel_timer("join")
        paxos_commit.Participant.on_start(self, ctx, self.lost)  # works, or aborts what is lost
        if self.begins and self.outcome is None:
            ctx.set_timer("prepare", WORKS_MS)  # others have the time to join

    def on_closed(self, ctx: Context, src: NodeId, m: Closed) -> None:
        ctx.cancel_timer("join")

    def on_prepare(self, ctx: Context, src: NodeId, m: Prepare) -> None:
        if not (self.joined or self.prepared):
            return ctx.ignore("does not know that it has joined")
        paxos_commit.Participant.on_prepare(self, ctx, src, m)

    def end(self, ctx: Context, outcome: Outcome) -> None:
        ctx.cancel_timer("join")
        paxos_commit.Participant.end(self, ctx, outcome)


class Leader(paxos_commit.Leader):
    """That of Paxos Commit; it ends the registrar's instance first, then those it names."""

    tx: Transaction

    def on_start(self, ctx: Context, recovered: bool) -> None:
        pass  # it does not know who takes part

    def values(self) -> Values:
        registered = (self.tx.registrar, self.suitable(self.tx.registrar, free=()))
        members = self.tx.concerned((registered,))
        return (registered, *((member, self.suitable(member)) for member in members))


PROPERTIES = two_phase_commit.PROPERTIES


def world(
    participants: int = 3,
    faults: int = 1,
    leaders: int = 2,
    rounds: int = 0,
    colocated: bool = False,
    apart: bool = False,
) -> World:
    """Participants rm1…, which join at registrar reg; acceptors a1…, leaders l1…, as in Paxos
    Commit. rm1 is the first to be done.

    reg, a1 and l1 share a node, a2 and l2 do, and so on; `colocated`: with rm1, rm2…; or all are
    `apart`. 0 rounds: no end.
    """
    rms = tuple(f"rm{i}" for i in range(1, participants + 1))
    leads = tuple(f"l{i}" for i in range(1, leaders + 1))
    tx = Transaction((), Majority(tuple(f"a{i}" for i in range(1, 2 * faults + 2))), leads, "reg")

    roles: list[Actor] = [Participant(rm, "reg", rm == "rm1", True, tx=tx) for rm in rms]
    roles += [Registrar("reg", tx)]
    roles += [Acceptor(name, tx, leads[:1]) for name in tx.acceptors.nodes]
    roles += [Leader(name, tx, rounds) for name in leads]
    return paxos_commit.seated(roles, rounds, colocated, apart)


def small(participants: int = 2, faults: int = 0, leaders: int = 1, rounds: int = 1) -> World:
    """Few of each, and few ballots: it can be explored to its end."""
    return world(participants, faults, leaders, rounds, apart=True)


def cost(participants: int, faults: int, colocated: bool) -> Cost:
    """once one is prepared, until all participants have ended"""
    return Cost(
        messages=(3 + faults) * participants - 1 + 2 * faults - colocated * (2 + 2 * faults),
        delays=5 - (not faults) - colocated,
        forced_writes=participants + faults + 2,
        write_delays=4 - colocated,
        counted=(Prepare, Vote, Accepted, Commit, Inquire),
        exceptions=_few(participants, faults) if colocated else {},
    )


def _few(participants: int, faults: int) -> dict[str, int]:
    """As in Paxos Commit; what the registrar votes for, too, goes to an acceptor that is alone."""
    found = paxos_commit.few(participants, faults, faster=False)
    return {**found, "messages": 2 * found["messages"]}


WORLDS = {"main": world, "small": small}
QUIET: dict[str, object] = {}
