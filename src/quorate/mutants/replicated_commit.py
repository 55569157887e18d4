"""Two-phase commit over a replicated log without one of its guards."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from quorate.kernel import Actor, Ballot, Context, NodeId, World
from quorate.mutants import Mutant, swapped
from quorate.properties.commit import Outcome
from quorate.protocols import replicated_commit, two_phase_commit
from quorate.protocols.paxos_commit import Acceptor, Leader, Value, Values
from quorate.protocols.replicated_commit import Coordinator, Participant, Prepared


class CoordinatorTellsAtOnce(Coordinator):
    def tell(self, ctx: Context, outcome: Outcome) -> None:
        two_phase_commit.Coordinator.tell(self, ctx, outcome)
        Coordinator.tell(self, ctx, outcome)


class CoordinatorDecidesAnew(Coordinator):
    def on_start(self, ctx: Context, recovered: bool) -> None:
        two_phase_commit.Coordinator.on_start(self, ctx, recovered)


class CoordinatorDoesNotWait(Coordinator):
    def on_prepared(self, ctx: Context, src: NodeId, m: Prepared) -> None:
        if self.outcome is None:
            self.decide(ctx, Outcome.COMMITTED)


class AcceptorForgetsVotes(Acceptor):
    ballot: Ballot = Ballot()
    votes: Values = ()


class LeaderTakesFreeForPrepared(Leader):
    def suitable(self, instance: NodeId, free: Value = "prepared") -> Value:
        return Leader.suitable(self, instance, free)


class ParticipantGivesUp(Participant):
    def inquire(self, ctx: Context) -> None:
        self.end(ctx, Outcome.ABORTED)


def _swap(new: type[Actor], *crashes: NodeId, rivals: bool = False) -> Callable[..., World]:
    """The small world with one role replaced, and a crash for each of the nodes that may. `rivals`:
    of one participant and one acceptor, and a second leader, which competes with ballot 0."""
    sizes = {"participants": 1, "faults": 0, "leaders": 2} if rivals else {}

    def world(rounds: int = 1) -> World:
        return msgspec.structs.replace(
            swapped(replicated_commit.small(rounds=rounds, **sizes), new),
            crashes=len(crashes),
            crashable=frozenset(crashes),
        )

    return world


def _mutant(name: str, breaks: str, kills: str, world: Callable[..., World]) -> Mutant:
    return Mutant(
        name=name,
        protocol="replicated_commit",
        breaks=breaks,
        kills=kills,
        world=world,
        at_large={"rounds": 0},
    )


MUTANTS = (
    _mutant(
        "tells_at_once",
        "a coordinator tells the participants before a quorum has voted",
        "AC1 agreement",
        _swap(CoordinatorTellsAtOnce),
    ),
    _mutant(
        "decides_anew",
        "a restarted coordinator decides once more, at the same ballot",
        "AC1 agreement",
        _swap(CoordinatorDecidesAnew, "tm", "a1", rivals=True),
    ),
    _mutant(
        "does_not_wait",
        "a coordinator commits before all are prepared",
        "AC3 unanimity",
        _swap(CoordinatorDoesNotWait),
    ),
    _mutant(
        "forgets_votes",
        "an acceptor's vote does not survive a crash",
        "AC1 agreement",
        _swap(AcceptorForgetsVotes, "a1", rivals=True),
    ),
    _mutant(
        "takes_free_for_prepared",
        "a leader that finds no decision commits",
        "AC3 unanimity",
        _swap(LeaderTakesFreeForPrepared),
    ),
    _mutant(
        "gives_up",
        "a prepared participant that hears nothing aborts",
        "AC1 agreement",
        _swap(ParticipantGivesUp),
    ),
)
