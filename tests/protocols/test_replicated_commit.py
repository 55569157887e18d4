"""Two-phase commit over a replicated log, rule by rule."""

from __future__ import annotations

from collections import Counter

import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import Ballot, Ignore, Majority, Output, Receive, Send, SetTimer, Start, Timeout
from quorate.properties.commit import Decided, Outcome, ending
from quorate.protocols import build_world
from quorate.protocols.paxos_commit import Accept, Accepted, Acceptor, Leader, Promise, Vote
from quorate.protocols.replicated_commit import (
    AT_ONCE,
    Commit,
    Coordinator,
    Inquire,
    Participant,
    Prepared,
    Transaction,
)
from quorate.sim.exact import Down, run_exactly

RMS = ("rm1", "rm2")
TX = Transaction(RMS, Majority(("a1", "a2", "a3")), ("l1", "l2"), "tm")
B0, B1 = Ballot(), Ballot(1, "l1")
UNTIL_MS = 10_000


def coordinator() -> Coordinator:
    return Coordinator("tm", frozenset(RMS), tx=TX)


def sends(effects: tuple[object, ...]) -> list[Send]:
    return [effect for effect in effects if isinstance(effect, Send)]


def test_a_coordinator_has_acceptors_vote_and_tells_nobody_what_it_decides() -> None:
    decided, effects = coordinator().step(Timeout("commit"))
    assert sends(effects) == [Send("a2", Vote("prepared"))]
    assert SetTimer("vote", AT_ONCE) in effects
    _, effects = decided.step(Timeout("vote"))  # its own acceptor, while the other one writes
    assert effects == (Send("a1", Vote("prepared")),)


def test_a_coordinator_whose_time_is_over_has_them_vote_for_aborted() -> None:
    _, effects = coordinator().step(Timeout("abort"))
    assert sends(effects) == [Send("a2", Vote("aborted"))]


def test_a_coordinator_decides_once() -> None:
    decided, _ = coordinator().step(Timeout("abort"))
    after, effects = decided.step(Receive("rm1", Prepared()))
    assert (after, effects) == (decided, (Ignore("already decided"),))
    restarted, effects = decided.restart(coordinator()).step(Start(recovered=True))
    assert (restarted, effects) == (coordinator(), (Ignore("may have decided before"),))


def test_a_prepared_participant_that_hears_nothing_asks_every_leader() -> None:
    waits = Participant("rm1", "tm", True, True, prepared=True, leaders=TX.leaders)
    _, effects = waits.step(Timeout("inquire"))
    assert sends(effects) == [Send("l1", Inquire()), Send("l2", Inquire())]


def test_the_decision_is_all_that_acceptors_vote_for() -> None:
    voted, effects = Acceptor("a2", TX, ("l1",)).step(Receive("tm", Vote("prepared")))
    assert voted.votes == (("tm", "prepared"),)
    assert sends(effects) == [Send("l1", Accepted(B0, voted.votes))]


def test_a_leader_commits_once_a_majority_has_voted_for_it() -> None:
    votes = Accepted(B0, (("tm", "prepared"),))
    one, effects = Leader("l1", TX).step(Receive("a1", votes))
    assert sends(effects) == []
    _, effects = one.step(Receive("a2", votes))
    assert Output(Decided(Outcome.COMMITTED)) in effects
    assert sends(effects) == [Send(rm, Commit()) for rm in RMS]


def test_a_leader_that_takes_over_ends_the_transaction_as_recorded_or_else_aborts_it() -> None:
    for votes, value in (((), "aborted"), ((("tm", "prepared"),), "prepared")):
        leads, _ = Leader("l1", TX).step(Timeout("lead"))
        one, _ = leads.step(Receive("a2", Promise(B1, B0, votes)))
        _, effects = one.step(Receive("a3", Promise(B1, B0, ())))
        assert {send.msg for send in sends(effects)} == {Accept(B1, (("tm", value),))}


def endings(protocol: str, nodes: tuple[str, ...]) -> Counter[str]:
    """How runs end of which one of these nodes stops for good: before one of its steps, after some
    of its sends, or after it."""
    world = build_world(protocol)
    found: Counter[str] = Counter()
    for moment, count in run_exactly(world, (), UNTIL_MS).steps:
        if moment.node in nodes:
            for sent in (*range(count), None):
                ran = run_exactly(world, (Down(at=moment, sent=sent),), UNTIL_MS)
                found[ending(ran.judge.view())] += 1
    return found


def test_whoever_keeps_the_decision_may_stop_at_any_step_and_nobody_is_blocked() -> None:
    found = endings("replicated_commit", ("n1", "n2", "a3"))
    assert set(found) == {"commits", "aborts"}
    # The coordinator of two-phase commit may not.
    assert "blocks" in endings("two_phase_commit", ("tm",))


def test_with_one_acceptor_it_is_two_phase_commit() -> None:
    world = build_world("replicated_commit", settings={"faults": 0})
    assert [role.me for role in world.processes] == ["rm1", "rm2", "rm3", "n1", "l2"]


def test_it_commits_or_aborts_everywhere_in_every_schedule_of_a_small_world() -> None:
    for settings, counts in (
        ({"faults": 0}, {"distinct": 3_872, "transitions": 19_757, "depth": 21}),
        ({"participants": 1}, {"distinct": 14_270, "transitions": 89_101, "depth": 24}),
    ):
        result = check(build_world("replicated_commit", "small", settings))
        pin(str(settings), result, **counts)
        assert {verdict.verdict for verdict in result.verdicts} == {"holds"}


@pytest.mark.slow
def test_nor_does_it_break_with_two_participants_and_three_acceptors() -> None:
    result = check(build_world("replicated_commit", "small"))
    pin("three acceptors", result, distinct=183_052, transitions=1_415_894, depth=28)
    assert {verdict.verdict for verdict in result.verdicts} == {"holds"}
