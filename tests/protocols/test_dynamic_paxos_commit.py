"""Paxos Commit whose participants join: Gray and Lamport, TODS 31(1) 2006, section 6."""

from __future__ import annotations

from collections import Counter

import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import Ballot, Ignore, Majority, Output, Receive, Send, Start, Timeout
from quorate.properties.commit import Began, Decided, Outcome, ending
from quorate.protocols import build_world
from quorate.protocols.dynamic_paxos_commit import (
    Abort,
    Accept,
    Accepted,
    Acceptor,
    Closed,
    Commit,
    Inquire,
    Join,
    Joined,
    Leader,
    Participant,
    Prepare,
    Promise,
    Registrar,
    Transaction,
    Values,
    Vote,
)
from quorate.sim.exact import Down, run_exactly

TX = Transaction((), Majority(("a1", "a2", "a3")), ("l1", "l2"), "reg")
SET: Values = (("reg", ("rm1", "rm2")),)
BOTH: Values = (*SET, ("rm1", "prepared"), ("rm2", "prepared"))
B0, B1 = Ballot(), Ballot(1, "l1")
UNTIL_MS = 10_000


def registrar(*joined: str) -> Registrar:
    return Registrar("reg", TX, joined=frozenset(joined))


def participant(**fields: object) -> Participant:
    return Participant("rm1", "reg", True, True, tx=TX, **fields)  # type: ignore[arg-type]


def sends(effects: tuple[object, ...]) -> list[Send]:
    return [effect for effect in effects if isinstance(effect, Send)]


def test_who_joins_in_time_takes_part() -> None:
    after, effects = registrar("rm1").step(Receive("rm2", Join()))
    assert after.joined == {"rm1", "rm2"}
    assert effects == (Output(Began(frozenset({"rm2"}))), Send("rm2", Joined()))


def test_the_first_who_is_prepared_closes_the_set_for_which_acceptors_vote() -> None:
    closed, effects = registrar("rm1", "rm2").step(Receive("rm1", Inquire()))
    vote = Vote(("rm1", "rm2"))
    assert sends(effects) == [Send("a1", vote), Send("a2", vote), Send("rm2", Prepare())]
    assert closed.step(Receive("rm2", Inquire())) == (closed, (Ignore("closed already"),))
    # From then on nobody joins; but whose answer was lost is told again.
    assert closed.step(Receive("rm3", Join())) == (closed, (Send("rm3", Closed()),))
    assert closed.step(Receive("rm2", Join())) == (closed, (Send("rm2", Joined()),))


def test_a_restarted_registrar_has_acceptors_vote_for_the_same_set_or_for_none() -> None:
    for members in (("rm1", "rm2"), None):
        before = Registrar("reg", TX, joined=frozenset({"rm3"}), members=members)
        after, effects = before.restart(registrar()).step(Start(recovered=True))
        assert sends(effects) == [Send(a, Vote(members or ())) for a in ("a1", "a2")]
        assert after.members == (members or ())
    _, effects = after.step(Receive("rm3", Join()))
    assert effects == (Send("rm3", Abort()),)  # with nobody in it, it can only abort


def test_a_participant_works_once_it_has_joined_and_asks_again_until_then() -> None:
    asks, effects = participant().step(Start(recovered=False))
    assert sends(effects) == [Send("reg", Join())]
    assert sends(asks.step(Timeout("join"))[1]) == [Send("reg", Join())]
    early = Ignore("does not know that it has joined")
    assert asks.step(Receive("reg", Prepare())) == (asks, (early,))
    works, _ = asks.step(Receive("reg", Joined()))
    known = Ignore("knows that it has joined")
    assert works.step(Receive("reg", Joined())) == (works, (known,))
    ready, effects = works.step(Receive("reg", Prepare()))
    assert ready.prepared
    assert {send.to for send in sends(effects)} == {"a1", "a2", "reg"}


def test_a_participant_that_may_have_lost_its_work_in_a_crash_joins_and_aborts() -> None:
    asks, _ = participant().step(Start(recovered=True))
    assert asks.outcome is None
    after, effects = asks.step(Receive("reg", Joined()))
    assert after.outcome is Outcome.ABORTED
    assert sends(effects) == [Send("a1", Vote("aborted")), Send("a2", Vote("aborted"))]


def test_an_acceptor_waits_for_the_set_and_for_everyone_in_it_but_not_after_an_abort() -> None:
    acceptor = Acceptor("a1", TX, ("l1",))
    for src, vote in (
        ("rm1", Vote("prepared")),
        ("rm3", Vote("aborted")),
        ("reg", Vote(SET[0][1])),
    ):
        acceptor, effects = acceptor.step(Receive(src, vote))
        assert sends(effects) == []  # rm3 is not in the set
    _, effects = acceptor.step(Receive("rm2", Vote("aborted")))
    assert len(sends(effects)) == 1


def test_a_leader_commits_once_a_majority_has_voted_for_the_set_and_all_in_it() -> None:
    one, effects = Leader("l1", TX).step(Receive("a1", Accepted(B0, BOTH)))
    assert sends(effects) == []
    _, effects = one.step(Receive("a2", Accepted(B0, BOTH)))
    assert Output(Decided(Outcome.COMMITTED)) in effects
    assert sends(effects) == [Send("rm1", Commit()), Send("rm2", Commit())]


@pytest.mark.parametrize(
    ("reported", "accepts"),
    [
        (BOTH, BOTH),
        ((*SET, ("rm1", "prepared")), (*SET, ("rm1", "prepared"), ("rm2", "aborted"))),
        ((), (("reg", ()),)),
    ],
)
def test_a_leader_that_knows_only_the_descriptor_finds_the_outcome(
    reported: Values, accepts: Values
) -> None:
    leads, _ = Leader("l1", TX).step(Timeout("lead"))
    one, _ = leads.step(Receive("a1", Promise(B1, B0, reported)))
    two, effects = one.step(Receive("a2", Promise(B1, B0, ())))
    assert {send.msg for send in sends(effects)} == {Accept(B1, accepts)}
    for acceptor in ("a1", "a2"):
        two, _ = two.step(Receive(acceptor, Accepted(B1, accepts)))
    assert two.outcome is (Outcome.COMMITTED if accepts == BOTH else Outcome.ABORTED)
    _, effects = two.step(Receive("anybody", Inquire()))
    assert len(sends(effects)) == 1


def test_registrar_acceptors_and_leaders_may_stop_at_any_step_once_all_have_joined() -> None:
    world = build_world("dynamic_paxos_commit")
    found: Counter[str] = Counter()
    joined = False
    for moment, count in run_exactly(world, (), UNTIL_MS).steps:
        joined |= moment.event == "prepare"
        if joined and moment.node in ("n1", "n2", "a3"):
            for sent in (*range(count), None):
                ran = run_exactly(world, (Down(at=moment, sent=sent),), UNTIL_MS)
                found[ending(ran.judge.view())] += 1
    assert set(found) == {"commits", "aborts"}


def test_it_commits_or_aborts_everywhere_in_every_schedule_of_a_small_world() -> None:
    for settings, counts in (
        ({}, {"distinct": 4_204, "transitions": 27_152, "depth": 25}),
        (
            {"participants": 1, "faults": 1},
            {"distinct": 15_287, "transitions": 107_422, "depth": 26},
        ),
    ):
        result = check(build_world("dynamic_paxos_commit", "small", settings))
        pin(str(settings), result, **counts)
        assert {verdict.verdict for verdict in result.verdicts} == {"holds"}
