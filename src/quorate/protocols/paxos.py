"""Paxos: agree on one value, whatever messages are lost and whoever crashes.

Problem      the nodes decide one value among those proposed, once and for all
Source       Lamport, Paxos Made Simple, SIGACT News 32(4) 2001, sections 2.2 and 2.3
Model        asynchronous; crash-recovery; links lose, duplicate and reorder; n = 2f + 1 acceptors
Roles
  Proposer   leads rounds: asks for promises, chooses a suitable value, counts acceptances
  Acceptor   remembers the highest ballot promised and the last vote cast
  Learner    hears of success
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
Guarantees   agreement, validity, decision, termination
Cost         until all learners know: 4·acceptors + learners messages, 5 message delays,
             2·acceptors + 1 forced writes, 3 write delays
Deviations   acceptances go to the proposer, which tells the learners, as in the lecture
"""

from __future__ import annotations

import enum

import msgspec

from quorate.kernel import (
    Actor,
    Ballot,
    Context,
    Flexible,
    Majority,
    Message,
    Network,
    NodeId,
    Process,
    QuorumSystem,
    Stable,
    Threshold,
    View,
    World,
)
from quorate.properties.consensus import (
    Decided,
    Proposed,
    agreement,
    decision,
    termination,
    validity,
)
from quorate.properties.cost import Cost

RETRY_MS = (150, 300)


class Vote(msgspec.Struct, frozen=True, order=True, cache_hash=True, gc=False):
    """A value accepted at a ballot."""

    ballot: Ballot
    value: str


class Prepare(Message, frozen=True):
    ballot: Ballot


class Promise(Message, frozen=True):
    ballot: Ballot
    vote: Vote | None


class Accept(Message, frozen=True):
    ballot: Ballot
    value: str


class Accepted(Message, frozen=True):
    ballot: Ballot


class Nack(Message, frozen=True):
    ballot: Ballot
    promised: Ballot


class Success(Message, frozen=True):
    value: str


Msg = Prepare | Promise | Accept | Accepted | Nack | Success


class Acceptor(Actor):
    """Remembers the highest ballot promised and the last vote cast."""

    promised: Stable[Ballot] = Ballot()
    vote: Stable[Vote | None] = None

    def on_prepare(self, ctx: Context, src: NodeId, m: Prepare) -> None:
        if m.ballot == self.promised:
            return ctx.ignore("already promised")
        if m.ballot < self.promised:
            return ctx.send(src, Nack(m.ballot, self.promised))
        self.promised = m.ballot
        ctx.send(src, Promise(m.ballot, self.vote))

    def on_accept(self, ctx: Context, src: NodeId, m: Accept) -> None:
        # "unless it has already responded to a prepare request having a number greater than n"
        if m.ballot < self.promised:
            return ctx.send(src, Nack(m.ballot, self.promised))
        self.promised = m.ballot
        self.vote = Vote(m.ballot, m.value)
        ctx.send(src, Accepted(m.ballot))


class Phase(enum.Enum):
    """Where a proposer stands in its round."""

    IDLE = "idle"
    PREPARING = "preparing"
    ACCEPTING = "accepting"
    DONE = "done"


class Proposer(Actor):
    """Leads rounds until one succeeds. Several may; they are safe, but they may duel."""

    quorums: Flexible
    learners: tuple[NodeId, ...]
    value: str
    rounds_max: int
    round: Stable[int] = 0
    phase: Phase = Phase.IDLE
    promises: frozenset[tuple[NodeId, Vote | None]] = frozenset()
    chosen: str = ""
    accepted: frozenset[NodeId] = frozenset()
    refused: int = 0

    @property
    def ballot(self) -> Ballot:
        return Ballot(self.round, self.me)

    def on_start(self, ctx: Context, recovered: bool) -> None:
        ctx.output(Proposed(self.value))
        self.prepare(ctx)

    def on_timer(self, ctx: Context, timer: str) -> None:
        if self.phase is Phase.DONE:
            self.tell(ctx)
        else:
            self.prepare(ctx)

    def prepare(self, ctx: Context) -> None:
        round = max(self.round, self.refused) + 1
        if self.rounds_max and round > self.rounds_max:
            return ctx.ignore("no rounds left")
        self.round, self.phase = round, Phase.PREPARING
        self.promises, self.accepted = frozenset(), frozenset()
        ctx.broadcast(self.quorums.phase1.nodes, Prepare(self.ballot))
        if round != self.rounds_max:
            ctx.set_timer("retry", RETRY_MS)

    def on_promise(self, ctx: Context, src: NodeId, m: Promise) -> None:
        if m.ballot != self.ballot or self.phase is not Phase.PREPARING:
            return ctx.ignore("not the open round")
        self.promises |= {(src, m.vote)}
        if not self.quorums.phase1.won(frozenset(node for node, _ in self.promises)):
            return
        # "the value of the highest-numbered proposal among the responses,
        # or is any value if the responses reported no proposals"
        votes = [vote for _, vote in self.promises if vote is not None]
        self.chosen = max(votes).value if votes else self.value
        self.phase, self.promises = Phase.ACCEPTING, frozenset()
        ctx.broadcast(self.quorums.phase2.nodes, Accept(self.ballot, self.chosen))

    def on_accepted(self, ctx: Context, src: NodeId, m: Accepted) -> None:
        if m.ballot != self.ballot or self.phase is not Phase.ACCEPTING:
            return ctx.ignore("not the open round")
        self.accepted |= {src}
        if self.quorums.phase2.won(self.accepted):
            self.phase, self.accepted = Phase.DONE, frozenset()
            ctx.output(Decided(self.chosen))
            self.tell(ctx)

    def tell(self, ctx: Context) -> None:
        """Spread the news, again and again, since it may be lost."""
        ctx.broadcast(self.learners, Success(self.chosen))
        ctx.set_timer("retry", RETRY_MS)

    def on_nack(self, ctx: Context, src: NodeId, m: Nack) -> None:
        if m.ballot != self.ballot or self.phase is Phase.DONE:
            return ctx.ignore("not the open round")
        self.refused = max(self.refused, m.promised.round)


class Learner(Actor):
    """Hears of success, and decides."""

    decided: str | None = None

    def on_success(self, ctx: Context, src: NodeId, m: Success) -> None:
        if self.decided is not None:
            return ctx.ignore("already decided")
        self.decided = m.value
        ctx.output(Decided(m.value))


PROPERTIES = (agreement, validity, decision, termination)


def world(
    proposers: int = 2,
    acceptors: int = 3,
    rounds: int = 0,
    crashes: int = 0,
    learners: int = 1,
    thrifty: bool = False,
) -> World:
    """Proposers p1…, acceptors a1… and learners l1…, each on a node of its own.

    0 rounds: no end. `thrifty`: each proposer asks one majority only, not every acceptor.
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
        leads.append(Proposer(f"p{i + 1}", quorums, heard, f"v{i + 1}", rounds))
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


def cost(acceptors: int, learners: int) -> Cost:
    """until all learners know"""
    return Cost(
        messages=4 * acceptors + learners,
        delays=5,
        forced_writes=2 * acceptors + 1,
        write_delays=3,
    )


WORLDS = {"main": world, "small": small, "colocated": colocated, "duel": duel}
QUIET = {"proposers": 1}
