"""The point of no return: where the last choice is taken."""

from __future__ import annotations

import pytest

from quorate.check.point import points_of_no_return
from quorate.kernel import Receive, UsageError, core
from quorate.protocols import build_world
from quorate.protocols.paxos import Accept


@pytest.mark.slow
def test_in_paxos_it_is_the_vote_that_makes_a_majority_and_no_other_step() -> None:
    found = points_of_no_return(build_world("paxos", "late"))
    (point,) = found.points
    assert (found.states, point.decision, point.steps) == (167_212, "v1", {"Accept": 48})
    events = [core(record.event) for record in point.trace.records]
    votes = [e for e in events if isinstance(e, Receive) and isinstance(e.msg, Accept)]
    assert len(votes) == 2
    assert votes[-1] is events[-1]


def test_in_two_phase_commit_it_is_the_coordinator_that_takes_the_last_choice() -> None:
    found = points_of_no_return(build_world("two_phase_commit", "small"))
    assert {point.decision for point in found.points} == {"committed", "aborted"}


def test_a_world_that_is_too_large_is_refused() -> None:
    with pytest.raises(UsageError, match="too large to be explored to its end: 100 states"):
        points_of_no_return(build_world("paxos", "late"), states_max=100)
