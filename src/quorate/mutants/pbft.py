"""PBFT without one of its guards, beside a primary and a client that may say anything of a list.

The rules for the checkpoint that a new view begins with, which two real systems have lacked
(indy-plenum 1506, Fabric 1111), matter so rarely that vectors tell them apart, and no seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from quorate.kernel import Byzantine, Context, Map, Message, NodeId, Signed, World
from quorate.mutants import Mutant, swapped
from quorate.protocols import pbft
from quorate.protocols.pbft import Client
from quorate.protocols.pbft.checkpoints import Votes
from quorate.protocols.pbft.messages import (
    Beginning,
    Commit,
    Operation,
    Past,
    Prepare,
    PrePrepare,
    Reply,
    Sealed,
    Snapshot,
    ViewChange,
    Vote,
    digest,
    named,
)
from quorate.protocols.pbft.new_view import Pasts, checkpoint
from quorate.protocols.pbft.view_change import Replica

GENESIS = (0, digest(Snapshot()))
A, B, C2 = (
    Signed("c1", Operation(c, 1, op)) for c, op in (("c1", b"a"), ("c1", b"b"), ("c2", b"x"))
)
Universe = tuple[tuple[NodeId, Message], ...]


class AcceptsAnother(Replica):
    def accepted(self, seq: int) -> bytes | None:
        votes = self.pre_prepared.get(seq) or ()
        return next((vote.digest for vote in reversed(votes) if vote.view == self.view), None)

    def on_pre_prepare(self, ctx: Context, src: NodeId, m: PrePrepare) -> None:
        if m.view == self.view and self.leaving is None and self.accepted(m.seq) != m.digest:
            votes = self.pre_prepared.get(m.seq) or ()
            kept = tuple(vote for vote in votes if vote.view != self.view)
            self.pre_prepared = self.pre_prepared.put(m.seq, kept)
        Replica.on_pre_prepare(self, ctx, src, m)


class ComparesNoDigest(Replica):
    def voters(self, votes: Votes, seq: int, vote: Vote) -> frozenset[NodeId]:
        cast = ((node, votes.get((seq, node))) for node in self.group.nodes)
        return frozenset(node for node, each in cast if each and each.view == vote.view)


class TrustsDigests(Replica):
    def on_pre_prepare(self, ctx: Context, src: NodeId, m: PrePrepare) -> None:
        if m.view == self.view == 0 and src == "r1" and self.accepted(m.seq) is None:
            self.batches = self.batches.put(m.digest, m.batch)
            return self.vote(ctx, m.seq, m.digest)
        Replica.on_pre_prepare(self, ctx, src, m)


class TrustsClients(Replica):
    def is_authentic(self, sealed: Sealed) -> bool:
        return True

    def on_pre_prepare(self, ctx: Context, src: NodeId, m: PrePrepare) -> None:
        own = tuple(Signed(sealed.content.client, sealed.content) for sealed in m.batch)
        Replica.on_pre_prepare(self, ctx, src, PrePrepare(m.view, m.seq, m.digest, own))


class BelievesOneReply(Client):
    def on_reply(self, ctx: Context, src: NodeId, m: Reply) -> None:
        for node in self.group.nodes:
            Client.on_reply(self, ctx, node, m)


class ForgetsAnswers(Replica):
    def run(self, ctx: Context, chosen: bytes) -> None:
        self.state = msgspec.structs.replace(self.state, latest=())
        Replica.run(self, ctx, chosen)


class TakesAnyVote(Replica):
    """Without condition A1: another digest may have been prepared in the same view."""

    def begin_with(self, pasts: Pasts) -> Beginning | None:
        free = {
            node: msgspec.structs.replace(past, prepared=())
            if past.prepared and past.prepared != max(p.prepared for p in pasts.values())
            else past
            for node, past in pasts.items()
        }
        return Replica.begin_with(self, free)


class TakesUnvouched(Replica):
    """Without condition A2: one that claims to have prepared it is enough."""

    def begin_with(self, pasts: Pasts) -> Beginning | None:
        claims = {claim for past in pasts.values() for claim in past.prepared}
        vouched = tuple(sorted(claims))
        return Replica.begin_with(
            self,
            {n: msgspec.structs.replace(p, pre_prepared=vouched) for n, p in pasts.items()},
        )


class IgnoresVotes(Replica):
    def begin_with(self, pasts: Pasts) -> Beginning | None:
        start = checkpoint(self.group, pasts)
        return None if start is None else Beginning(*start)


class ForgetsVotes(Replica):
    pre_prepared: Map[int, tuple[Vote, ...]] = Map()
    prepared: Map[int, Vote] = Map()


class ForgetsCheckpoints(Replica):
    checkpoints: Map[int, Snapshot] = Map({0: Snapshot()})


class Fewer(Byzantine, frozen=True, tag=True):
    """2f + 1, whatever n is."""

    def holds(self, voters: frozenset[NodeId]) -> bool:
        return len(voters) >= 2 * self.faults + 1


def lies(nodes: int, batches: dict[str, tuple[bytes, tuple[Sealed, ...]]]) -> Universe:
    """What r1 may say: as primary of view 0, as backup in view 1, of its past, and to clients."""
    told: list[tuple[NodeId, Message]] = [("c2", Reply(0, 1, b"77"))]
    for to in [f"r{i}" for i in range(2, nodes + 1)]:
        for name, batch in batches.values():
            told += [(to, PrePrepare(0, 1, name, batch))]
            told += [(to, kind(view, 1, name)) for kind in (Prepare, Commit) for view in (0, 1)]
            votes = ((1, Vote(0, name)),)
            told.append((to, ViewChange(Signed("r1", Past(1, 0, (GENESIS,), votes, votes)))))
    return tuple(told)


def attacked(
    replica: type[Replica] = Replica, nodes: int = 4, more: Universe = (), **batches: Any
) -> World:
    """r1 and c1 are traitors; c2 wants one thing done."""
    base = pbft.world(nodes, clients=2, operations=1, signed=True)
    universe = lies(nodes, batches or {"a": (named((A,)), (A,)), "b": (named((B,)), (B,))})
    byzantine = {"r1": (*universe, *more), "c1": ()}
    return msgspec.structs.replace(swapped(base, replica), byzantine=byzantine)


def fewer(nodes: int = 5) -> World:
    """As many replicas as no multiple of f makes, and quorums of 2f + 1 of them."""
    base = attacked(nodes=nodes)
    group = pbft.group_of(nodes, True, 2, 4, 0, True)
    group = msgspec.structs.replace(group, strong=Fewer(group.nodes, group.strong.faults))
    processes = (msgspec.structs.replace(each, group=group) for each in base.processes)
    return msgspec.structs.replace(base, processes=tuple(processes))


def _mutant(name: str, breaks: str, kills: str, world: Callable[[], World]) -> Mutant:
    return Mutant(
        name=name, protocol="pbft", breaks=breaks, kills=kills, world=world, found_by="seeds"
    )


def _swap(new: type[Replica], clients: int = 2, operations: int = 2) -> Callable[[], World]:
    """A world in which nobody lies, with a mutant in the place of each replica."""
    return lambda: swapped(pbft.world(clients=clients, operations=operations), new)


MUTANTS = (
    _mutant(
        "accepts_another",
        "a backup accepts a second digest for a sequence number in one view",
        "replica agreement",
        lambda: attacked(AcceptsAnother),
    ),
    _mutant(
        "compares_no_digest",
        "votes for any digest count",
        "replica agreement",
        lambda: attacked(ComparesNoDigest),
    ),
    _mutant("counts_fewer", "2f + 1 of five replicas are a quorum", "replica agreement", fewer),
    _mutant(
        "trusts_digests",
        "a batch need not be what its digest says",
        "one order",
        lambda: attacked(TrustsDigests, a=(named((A,)), (A,)), b=(named((A,)), (B,))),
    ),
    _mutant(
        "trusts_clients",
        "a request need not be of the client that it names",
        "request validity",
        lambda: attacked(TrustsClients, a=(named((C2,)), (C2,))),
    ),
    _mutant(
        "believes_one_reply",
        "a client believes one replica",
        "true results",
        lambda: swapped(attacked(), BelievesOneReply),
    ),
    _mutant(
        "forgets_answers",
        "the answers are no part of the state",
        "exactly once",
        _swap(ForgetsAnswers, clients=1),
    ),
    _mutant(
        "takes_any_vote",
        "a new view takes a request although another was prepared as late (A1)",
        "replica agreement",
        lambda: attacked(TakesAnyVote),
    ),
    _mutant(
        "takes_unvouched",
        "a new view takes what one replica claims was pre-prepared (A2)",
        "every request has its result",
        lambda: attacked(
            TakesUnvouched, a=(named((A,)), (A,)), x=(b"of a request that nobody has", (A,))
        ),
    ),
    _mutant(
        "ignores_votes",
        "a new view begins with a checkpoint alone",
        "replica agreement",
        _swap(IgnoresVotes),
    ),
    _mutant(
        "forgets_votes", "P and Q do not survive a crash", "replica agreement", _swap(ForgetsVotes)
    ),
    _mutant(
        "forgets_checkpoints",
        "checkpoints do not survive a crash",
        "every request has its result",
        _swap(ForgetsCheckpoints, operations=4),
    ),
)
