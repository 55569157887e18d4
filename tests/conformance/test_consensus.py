"""Consensus, voting and Paxos, after Lamport's PaxosHowToWinATuringAward in tlaplus/Examples, and
Flexible Paxos after fpaxos/fpaxos-tlaplus."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import product

import pytest

from conformance.board import Board, Way, explore, look, put
from pins import pin
from quorate.check import Result
from quorate.kernel import always, sometimes

pytestmark = pytest.mark.slow

VALUES = ("v1", "v2")
Quorums = tuple[frozenset[int], ...]
MAJORITIES: Quorums = (frozenset({0, 1}), frozenset({0, 2}), frozenset({1, 2}))
DISJOINT: Quorums = (frozenset({0, 1}), frozenset({2, 3}))


class Consensus(Board):
    chosen: str | None = None

    def actions(self) -> Iterator[Way]:
        if self.chosen is None:
            for value in "abc":
                yield f"choose {value}", {"chosen": value}


def test_consensus_is_a_choice() -> None:
    _, found = explore(Consensus("board"))
    pin("MCConsensus, 3 values, published", found, distinct=4, transitions=4, depth=2)


# Voting: acceptors know each other's votes.


class Voting(Board, kw_only=True):
    """By acceptor: the votes it has cast, and the ballot below which it casts none."""

    ballots: int
    quorums: Quorums
    votes: tuple[frozenset[tuple[int, str]], ...] = (frozenset(),) * 3
    max_ballots: tuple[int, ...] = (-1,) * 3

    def actions(self) -> Iterator[Way]:
        for a, b in product(range(len(self.votes)), range(self.ballots)):
            if b > self.max_ballots[a]:
                yield f"{a} raises to {b}", {"max_ballots": put(self.max_ballots, a, b)}
            for value in VALUES:
                if self.may_vote(a, b, value):
                    yield (
                        f"{a} votes {b} {value}",
                        {
                            "votes": put(self.votes, a, self.votes[a] | {(b, value)}),
                            "max_ballots": put(self.max_ballots, a, b),
                        },
                    )

    def may_vote(self, a: int, b: int, value: str) -> bool:
        at_ballot = {vote[1] for votes in self.votes for vote in votes if vote[0] == b}
        voted = any(vote[0] == b for vote in self.votes[a])
        return (
            self.max_ballots[a] <= b
            and not voted
            and at_ballot <= {value}
            and any(self.shows_safe(quorum, b, value) for quorum in self.quorums)
        )

    def shows_safe(self, quorum: frozenset[int], b: int, value: str) -> bool:
        below = [vote for a in quorum for vote in self.votes[a] if vote[0] < b]
        latest = max((vote[0] for vote in below), default=-1)
        reported = {vote[1] for vote in below if vote[0] == latest}
        return all(self.max_ballots[a] >= b for a in quorum) and (not below or value in reported)


def chosen(votes: Collection[tuple[int, int, str]], quorums: Quorums) -> set[str]:
    """What some quorum has voted for at one ballot; votes are (acceptor, ballot, value)."""
    return {
        value
        for _, ballot, value in votes
        if any(all((a, ballot, value) in votes for a in quorum) for quorum in quorums)
    }


def test_voting_chooses_one_value() -> None:
    one_value = always(
        "one value is chosen",
        lambda view: all(
            len(chosen({(a, *vote) for a, row in enumerate(b.votes) for vote in row}, b.quorums))
            <= 1
            for b in view.roles(Voting)
        ),
        states=True,
    )
    result, found = explore(Voting("board", ballots=3, quorums=MAJORITIES), one_value)
    assert result.exit_code == 0
    pin("MCVoting, 3 acceptors, 2 values, ballots 0 to 2, published", found, depth=16)


# Paxos: a message, once sent, can be read at any time by anybody.


class Paxos(Board, kw_only=True):
    """By acceptor: the highest ballot it knows, and its last vote. Messages are sets of tuples:
    1a (ballot), 1b (ballot, acceptor, last vote), 2a (ballot, value), 2b (acceptor, vote)."""

    ballots: int
    phase1: Quorums
    phase2: Quorums
    values: tuple[str, ...]
    max_ballots: tuple[int, ...]
    last: tuple[tuple[int, str], ...]
    prepares: frozenset[int] = frozenset()
    promises: frozenset[tuple[int, int, tuple[int, str]]] = frozenset()
    accepts: frozenset[tuple[int, str]] = frozenset()
    accepted: frozenset[tuple[int, int, str]] = frozenset()

    def actions(self) -> Iterator[Way]:
        for b in range(self.ballots):
            if b not in self.prepares:
                yield f"1a {b}", {"prepares": self.prepares | {b}}
            if b not in dict(self.accepts):
                for value in self.values:
                    if any(self.may_propose(quorum, b, value) for quorum in self.phase1):
                        yield f"2a {b} {value}", {"accepts": self.accepts | {(b, value)}}
        for a, known in enumerate(self.max_ballots):
            for b in sorted(self.prepares):
                if b > known:
                    yield (
                        f"1b {a} {b}",
                        {
                            "max_ballots": put(self.max_ballots, a, b),
                            "promises": self.promises | {(b, a, self.last[a])},
                        },
                    )
            for b, value in sorted(self.accepts):
                if b >= known:
                    yield (
                        f"2b {a} {b} {value}",
                        {
                            "max_ballots": put(self.max_ballots, a, b),
                            "last": put(self.last, a, (b, value)),
                            "accepted": self.accepted | {(a, b, value)},
                        },
                    )

    def may_propose(self, quorum: frozenset[int], b: int, value: str) -> bool:
        heard = [(a, vote) for ballot, a, vote in self.promises if ballot == b and a in quorum]
        if {a for a, _ in heard} != quorum:
            return False
        votes = [vote for _, vote in heard if vote != NO_VOTE]
        return not votes or value == max(votes)[1]


NO_VOTE = (-1, "")
ONE_VALUE = always(
    "one value is chosen",
    lambda view: all(len(chosen(b.accepted, b.phase2)) <= 1 for b in view.roles(Paxos)),
    states=True,
)
SOME_VALUE = sometimes(
    "some value is chosen",
    lambda view: any(chosen(b.accepted, b.phase2) for b in view.roles(Paxos)),
    states=True,
)


def paxos(
    acceptors: int, ballots: int, phase1: Quorums, phase2: Quorums, values: tuple[str, ...] = VALUES
) -> Paxos:
    return Paxos(
        "board",
        ballots=ballots,
        phase1=phase1,
        phase2=phase2,
        values=values,
        max_ballots=(-1,) * acceptors,
        last=(NO_VOTE,) * acceptors,
    )


def test_paxos_with_three_acceptors_and_two_ballots() -> None:
    result, found = explore(paxos(3, 2, MAJORITIES, MAJORITIES), ONE_VALUE, SOME_VALUE)
    assert result.exit_code == 0
    pin("MCPaxosTiny, published", found, distinct=3_921, depth=17)


@pytest.mark.parametrize("acceptors", [1, 2, 3])
def test_each_ballot_is_a_1a_a_2a_and_two_steps_of_each_acceptor(acceptors: int) -> None:
    ballots, everybody = 2, (frozenset(range(acceptors)),)
    result, found = explore(paxos(acceptors, ballots, everybody, everybody), ONE_VALUE, SOME_VALUE)
    assert result.exit_code == 0
    pin("depth law", found, depth=ballots * (2 + 2 * acceptors) + 1)


def violation(result: Result) -> str | None:
    return result.violation.name if result.violation else None


def test_quorums_that_do_not_meet_are_unsafe() -> None:
    assert violation(look(paxos(4, 2, DISJOINT, DISJOINT), ONE_VALUE)) == "one value is chosen"


@pytest.mark.slow
def test_quorums_of_one_phase_need_only_meet_those_of_the_other() -> None:
    one, all_ = (frozenset({0}), frozenset({1})), (frozenset({0, 1}),)
    result, found = explore(paxos(2, 3, one, all_, ("v1", "v2", "v3")), ONE_VALUE, SOME_VALUE)
    assert result.exit_code == 0
    pin("FPaxos, 2 acceptors, published", found, depth=19)
    assert violation(look(paxos(2, 2, one, one), ONE_VALUE)) == "one value is chosen"
