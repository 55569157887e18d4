"""Atomic commit, after the specifications of transaction_commit and acp in tlaplus/Examples."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Self

import msgspec
import pytest

from conformance.board import Board, Way, explore, look, put, ways
from pins import pin
from quorate.check import check
from quorate.kernel import always, sometimes
from quorate.protocols import build_world

pytestmark = pytest.mark.slow

# TCommit: what commit means, without any messages. Gray and Lamport 2006, section 2.

WORKING, PREPARED, COMMITTED, ABORTED = "working", "prepared", "committed", "aborted"


class TCommit(Board, kw_only=True):
    states: tuple[str, ...]

    def actions(self) -> Iterator[Way]:
        can_commit = set(self.states) <= {PREPARED, COMMITTED}
        for rm, state in enumerate(self.states):
            if state == WORKING:
                yield f"prepare {rm}", {"states": put(self.states, rm, PREPARED)}
            if state == PREPARED and can_commit:
                yield f"commit {rm}", {"states": put(self.states, rm, COMMITTED)}
            if state in (WORKING, PREPARED) and COMMITTED not in self.states:
                yield f"abort {rm}", {"states": put(self.states, rm, ABORTED)}


consistent = always(
    "consistent",
    lambda view: all(not {COMMITTED, ABORTED} <= set(b.states) for b in view.roles(TCommit)),
    states=True,
)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_tcommit(n: int) -> None:
    result, found = explore(TCommit("board", states=(WORKING,) * n), consistent)
    assert result.exit_code == 0
    pin(
        f"TCommit, {n} participants, closed form",
        found,
        distinct=3**n + 2**n - 1,
        transitions=1 + n * 3**n + n * 2 ** (n - 1),
        depth=2 * n + 1,
    )
    if n == 3:
        pin("TCommit, published", found, distinct=34, transitions=94, depth=7)


# TwoPhase: the world `tla` of the protocol itself. TLC also generates steps that change nothing.


@pytest.mark.parametrize(
    ("n", "distinct", "depth"),
    [
        (3, 288, 11),
        (5, 8_832, 17),
        (8, 1_745_408, 26),
    ],
)
def test_two_phase_commit(n: int, distinct: int, depth: int) -> None:
    result = check(build_world("two_phase_commit", "tla", {"participants": n}))
    pin(f"TwoPhase, {n} participants, published", result, distinct=distinct, depth=depth)
    assert result.exit_code == 0


# ACP: commit over shared variables with crashes that others notice, after Babaoglu and Toueg 1993.

YES, NO, WAITING, NOT_SENT, UNDECIDED, COMMIT, ABORT = (
    "yes",
    "no",
    "waiting",
    "not sent",
    "undecided",
    "commit",
    "abort",
)


class SimpleBroadcast(Board, kw_only=True):
    """ACP_SB: the coordinator tells each participant in turn. Rows have an entry for each one."""

    votes: tuple[str, ...]
    alive: tuple[bool, ...]
    decisions: tuple[str, ...]
    votes_sent: tuple[bool, ...]
    requested: tuple[bool, ...]
    received: tuple[str, ...]
    told: tuple[str, ...]
    decision: str = UNDECIDED
    coordinates: bool = True

    @classmethod
    def of(cls, n: int) -> Self:
        return cls(
            "board",
            votes=(YES,) * n,
            alive=(True,) * n,
            decisions=(UNDECIDED,) * n,
            votes_sent=(False,) * n,
            requested=(False,) * n,
            received=(WAITING,) * n,
            told=(NOT_SENT,) * n,
        )

    @property
    def participants(self) -> range:
        return range(len(self.votes))

    def initial(self) -> Iterator[Way]:
        for votes in product((YES, NO), repeat=len(self.votes)):
            yield " ".join(votes), {"votes": votes}

    def actions(self) -> Iterator[Way]:
        if self.coordinates:
            yield from self.coordinate()
        for i in self.participants:
            if self.alive[i]:
                yield f"{i} dies", {"alive": put(self.alive, i, False)}
                yield from self.participate(i)

    def coordinate(self) -> Iterator[Way]:
        yield "the coordinator dies", {"coordinates": False}
        asked = self.decision == UNDECIDED and all(self.requested)
        for i in self.participants:
            if not self.requested[i]:
                yield f"request {i}", {"requested": put(self.requested, i, True)}
            if asked and self.received[i] == WAITING:
                if self.votes_sent[i]:
                    yield f"get vote {i}", {"received": put(self.received, i, self.votes[i])}
                elif not self.alive[i]:
                    yield f"detect fault {i}", {"decision": ABORT}
            if self.decision != UNDECIDED and self.told[i] == NOT_SENT:
                yield f"tell {i}", {"told": put(self.told, i, self.decision)}
        if self.decision == UNDECIDED and WAITING not in self.received:
            yield "decide", {"decision": ABORT if NO in self.received else COMMIT}

    def participate(self, i: int) -> Iterator[Way]:
        yield from self.vote(i)
        if self.decisions[i] == UNDECIDED and self.told[i] != NOT_SENT:
            yield f"{i} decides", self.decide(i, self.told[i])

    def vote(self, i: int) -> Iterator[Way]:
        if self.requested[i] and not self.votes_sent[i]:
            yield f"{i} votes", {"votes_sent": put(self.votes_sent, i, True)}
        if self.decisions[i] == UNDECIDED:
            if self.votes_sent[i] and self.votes[i] == NO:
                yield f"{i} aborts on its vote", self.decide(i, ABORT)
            if not self.coordinates and not self.requested[i]:
                yield f"{i} aborts unasked", self.decide(i, ABORT)

    def decide(self, i: int, decision: str) -> dict[str, object]:
        return {"decisions": put(self.decisions, i, decision)}


class ReliableBroadcast(SimpleBroadcast, kw_only=True):
    """ACP_NB: each participant passes the decision on to all others before it decides."""

    passed: tuple[tuple[str, ...], ...]  # by participant: what it passed to each; to itself: knows

    @classmethod
    def of(cls, n: int) -> Self:
        simple = msgspec.structs.asdict(SimpleBroadcast.of(n))
        return cls(**simple, passed=((NOT_SENT,) * n,) * n)

    def participate(self, i: int) -> Iterator[Way]:
        yield from self.vote(i)
        known = self.passed[i][i]
        if known == NOT_SENT:
            if self.told[i] != NOT_SENT:
                yield f"{i} is told", self.hand(i, i, self.told[i])
            for j in self.participants:
                if j != i and self.passed[j][i] != NOT_SENT:
                    yield f"{i} hears of {j}", self.hand(i, i, self.passed[j][i])
        else:
            for j in self.participants:
                if self.passed[i][j] == NOT_SENT:
                    yield f"{i} passes to {j}", self.hand(i, j, known)
        if NOT_SENT not in self.passed[i]:
            yield f"{i} decides", self.decide(i, known)
        yield from self.time_out(i)

    def time_out(self, i: int) -> Iterator[Way]:
        """Nobody who is dead has told anything to anybody who lives."""
        live = [j for j in self.participants if self.alive[j]]
        told = [self.told[j] for j in live]
        told += [self.passed[k][j] for j in live for k in self.participants if k not in live]
        if self.decisions[i] == UNDECIDED and not self.coordinates and set(told) == {NOT_SENT}:
            yield f"{i} aborts after a time-out", self.decide(i, ABORT)

    def hand(self, i: int, j: int, decision: str) -> dict[str, object]:
        return {"passed": put(self.passed, i, put(self.passed[i], j, decision))}


class HastyBroadcast(ReliableBroadcast, kw_only=True):
    """ACP_NB_WRONG: each participant decides before it has passed the decision on."""

    def participate(self, i: int) -> Iterator[Way]:
        yield from SimpleBroadcast.participate(self, i)
        for j in self.participants:
            if j != i and self.passed[i][j] == NOT_SENT:
                yield f"{i} passes to {j}", self.hand(i, j, self.decisions[i])
            if j != i and self.decisions[i] == UNDECIDED and self.passed[j][i] != NOT_SENT:
                yield f"{i} hears of {j}", self.decide(i, self.passed[j][i])
        yield from self.time_out(i)


AC1 = always(
    "AC1",
    lambda view: all(
        not {COMMIT, ABORT} <= set(board.decisions) for board in view.roles(SimpleBroadcast)
    ),
    states=True,
)
AC2 = always(
    "AC2",
    lambda view: all(
        COMMIT not in board.decisions or set(board.votes) == {YES}
        for board in view.roles(SimpleBroadcast)
    ),
    states=True,
)
COMMITS = sometimes(
    "all commit",
    lambda view: any(set(b.decisions) == {COMMIT} for b in view.roles(SimpleBroadcast)),
    states=True,
)
NOBODY_IS_BLOCKED = always(
    "nobody is blocked",
    lambda view: all(map(goes_on, view.roles(SimpleBroadcast))),
    states=True,
)


def goes_on(board: SimpleBroadcast) -> bool:
    """Every participant has decided or is dead, or something other than a death may happen."""
    waits = UNDECIDED in (d for d, alive in zip(board.decisions, board.alive, strict=True) if alive)
    return not waits or not board.begun or any(not name.endswith("dies") for name in ways(board))


def test_a_simple_broadcast_blocks_when_the_coordinator_dies() -> None:
    result = look(SimpleBroadcast.of(2), AC1, AC2, COMMITS, NOBODY_IS_BLOCKED)
    assert result.violation is not None
    assert result.violation.name == "nobody is blocked"


def test_a_reliable_broadcast_blocks_nobody() -> None:
    result, found = explore(ReliableBroadcast.of(2), AC1, AC2, COMMITS, NOBODY_IS_BLOCKED)
    assert result.exit_code == 0
    pin("ACP_NB, 2 participants, published", found, depth=19)


def test_a_broadcast_that_decides_before_it_passes_on_violates_ac1() -> None:
    result = look(HastyBroadcast.of(2), AC1)
    assert result.violation is not None
    assert result.violation.name == "AC1"


@pytest.mark.slow
def test_acp_with_a_simple_broadcast() -> None:
    result, found = explore(SimpleBroadcast.of(3), AC1, AC2, COMMITS)
    assert result.exit_code == 0
    pin("ACP_SB, 3 participants, published", found, distinct=54_944, depth=21)
