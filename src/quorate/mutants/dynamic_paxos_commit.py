"""Dynamic Paxos Commit without one of its guards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from quorate.kernel import Actor, Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.properties.commit import Began, Outcome
from quorate.protocols import dynamic_paxos_commit, paxos_commit
from quorate.protocols.dynamic_paxos_commit import (
    Join,
    Joined,
    Participant,
    Registrar,
    Transaction,
)
from quorate.protocols.paxos_commit import Values


class RegistrarNeverCloses(Registrar):
    def on_join(self, ctx: Context, src: NodeId, m: Join) -> None:
        self.joined |= {src}
        ctx.output(Began(frozenset({src})))
        ctx.send(src, Joined())


class RegistrarForgets(Registrar):
    members: tuple[NodeId, ...] | None = None


class ParticipantDoesNotWait(Participant):
    def on_start(self, ctx: Context, recovered: bool) -> None:
        self.join(ctx)
        paxos_commit.Participant.on_start(self, ctx, recovered)


class ParticipantGivesUp(Participant):
    def inquire(self, ctx: Context) -> None:
        self.end(ctx, Outcome.ABORTED)


class Hasty(Transaction, frozen=True, cache_hash=True, gc=False):
    def verdict(self, votes: Values) -> Outcome | None:
        """Of those who have voted."""
        known = dict(votes)
        members = [known[each] for each in self.concerned(votes) if each in known]
        if not members:
            return None
        return Outcome.ABORTED if "aborted" in members else Outcome.COMMITTED


def _swap(new: type[Actor], *crashes: NodeId, **sizes: Any) -> Callable[..., World]:
    """The small world with one role replaced, and a crash for each of the nodes that may."""

    def world(rounds: int = 1) -> World:
        return msgspec.structs.replace(
            swapped(dynamic_paxos_commit.small(rounds=rounds, **sizes), new),
            crashes=len(crashes),
            crashable=frozenset(crashes),
        )

    return world


def _hasty(rounds: int = 1) -> World:
    base = dynamic_paxos_commit.small(rounds=rounds)
    processes = []
    for actor in base.processes:
        tx = Hasty(**msgspec.structs.asdict(actor.tx))  # type: ignore[attr-defined]
        processes.append(msgspec.structs.replace(actor, tx=tx))
    return msgspec.structs.replace(base, processes=tuple(processes))


def _mutant(name: str, breaks: str, kills: str, world: Callable[..., World]) -> Mutant:
    return Mutant(
        name=name,
        protocol="dynamic_paxos_commit",
        breaks=breaks,
        kills=kills,
        world=world,
        at_large={"rounds": 0},
    )


MUTANTS = (
    _mutant(
        "counts_latecomers",
        "a registrar lets participants join after acceptors have voted for the set",
        "AC3 unanimity",
        _swap(RegistrarNeverCloses),
    ),
    _mutant(
        "forgets_members",
        "a restarted registrar has acceptors vote for another set, at the same ballot",
        "AC1 agreement",
        _swap(RegistrarForgets, "reg", "a1", participants=1, leaders=2),
    ),
    _mutant(
        "does_not_wait",
        "a participant works, and may abort, before it knows that it takes part",
        "AC1 agreement",
        _swap(ParticipantDoesNotWait),
    ),
    _mutant(
        "counts_only_voters",
        "acceptors and leaders do not wait for everyone in the set",
        "AC3 unanimity",
        _hasty,
    ),
    _mutant(
        "gives_up",
        "a prepared participant that hears nothing aborts",
        "AC1 agreement",
        _swap(ParticipantGivesUp),
    ),
)
