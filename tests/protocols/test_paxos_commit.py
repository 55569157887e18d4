"""Paxos Commit, rule by rule: Gray and Lamport, TODS 31(1) 2006, sections 4 and 5."""

from __future__ import annotations

from pins import pin
from quorate.check import check
from quorate.kernel import (
    Ballot,
    Ignore,
    Majority,
    Output,
    Receive,
    Send,
    SetTimer,
    Start,
    Timeout,
)
from quorate.properties.commit import Decided, Outcome, ending
from quorate.protocols import build_world
from quorate.protocols.paxos_commit import (
    LEAD_MS,
    Abort,
    Accept,
    Accepted,
    Acceptor,
    Commit,
    Inquire,
    Lead,
    Leader,
    Participant,
    Prepare,
    Promise,
    Transaction,
    Values,
    Vote,
)
from quorate.sim.exact import Down, Moment, run_exactly

TX = Transaction(("rm1", "rm2"), Majority(("a1", "a2", "a3")), ("l1", "l2"))
BOTH: Values = (("rm1", "prepared"), ("rm2", "prepared"))
HALF: Values = (("rm1", "aborted"), ("rm2", "prepared"))
B0, B1 = Ballot(), Ballot(1, "l1")


def participant(**fields: object) -> Participant:
    return Participant("rm1", "l1", inquires=True, tx=TX, **fields)  # type: ignore[arg-type]


def acceptor(**fields: object) -> Acceptor:
    return Acceptor("a1", TX, ("l1",), **fields)  # type: ignore[arg-type]


def leading() -> Leader:
    after, _ = Leader("l1", TX).step(Timeout("lead"))
    return after


def sends(effects: tuple[object, ...]) -> list[Send]:
    return [effect for effect in effects if isinstance(effect, Send)]


def test_a_participant_that_prepares_asks_f_plus_1_acceptors_for_votes() -> None:
    _, effects = participant(begins=False).step(Receive("l1", Prepare()))
    assert sends(effects) == [Send("a1", Vote("prepared")), Send("a2", Vote("prepared"))]


def test_the_first_one_also_has_the_leader_ask_the_others() -> None:
    _, effects = participant(begins=True).step(Timeout("prepare"))
    assert Send("l1", Inquire()) in effects
    _, effects = Leader("l1", TX).step(Receive("rm1", Inquire()))
    assert sends(effects) == [Send("rm2", Prepare())]


def test_a_participant_that_aborts_has_aborted_chosen_in_its_instance() -> None:
    after, effects = participant().step(Timeout("abort"))
    assert after.outcome is Outcome.ABORTED
    assert sends(effects) == [Send("a1", Vote("aborted")), Send("a2", Vote("aborted"))]


def test_a_participant_whose_work_was_lost_in_a_crash_aborts() -> None:
    after, _ = participant().restart(participant()).step(Start(recovered=True))
    assert after.outcome is Outcome.ABORTED
    kept, effects = participant(prepared=True).restart(participant()).step(Start(recovered=True))
    assert kept.outcome is None
    assert sends(effects) == [Send("l1", Inquire()), Send("l2", Inquire())]


def test_an_acceptor_answers_once_for_all_instances() -> None:
    one, effects = acceptor().step(Receive("rm1", Vote("prepared")))
    assert sends(effects) == []
    two, effects = one.step(Receive("rm2", Vote("prepared")))
    assert sends(effects) == [Send("l1", Accepted(B0, BOTH))]
    assert two.votes == BOTH


def test_an_acceptor_does_not_keep_an_abort_to_itself() -> None:
    _, effects = acceptor().step(Receive("rm1", Vote("aborted")))
    assert sends(effects) == [Send("l1", Accepted(B0, (("rm1", "aborted"),)))]


def test_an_acceptor_that_promised_a_ballot_no_longer_votes_at_ballot_0() -> None:
    promised, effects = acceptor().step(Receive("l1", Lead(B1)))
    assert sends(effects) == [Send("l1", Promise(B1, B0, ()))]
    after, effects = promised.step(Receive("rm1", Vote("prepared")))
    assert (after, effects) == (promised, (Ignore("ballot 0 is over for it"),))


def test_an_acceptor_ignores_ballots_below_its_promise() -> None:
    before = acceptor(promised=Ballot(2, "l2"))
    for message, reason in (
        (Lead(B1), "promised this or a higher ballot"),
        (Accept(B1, BOTH), "promised a higher ballot"),
    ):
        after, effects = before.step(Receive("l1", message))
        assert (after, effects) == (before, (Ignore(reason),))


def test_commit_needs_a_majority_that_voted_for_prepared_in_every_instance() -> None:
    one, effects = Leader("l1", TX).step(Receive("a1", Accepted(B0, BOTH)))
    assert (one.outcome, sends(effects)) == (None, [])
    _, effects = one.step(Receive("a2", Accepted(B0, BOTH)))
    assert Output(Decided(Outcome.COMMITTED)) in effects
    assert sends(effects) == [Send("rm1", Commit()), Send("rm2", Commit())]


def test_one_aborted_instance_aborts_all() -> None:
    one, _ = Leader("l1", TX).step(Receive("a1", Accepted(B0, HALF)))
    _, effects = one.step(Receive("a2", Accepted(B0, HALF)))
    assert sends(effects) == [Send("rm1", Abort()), Send("rm2", Abort())]


def test_a_leader_ends_instances_by_the_most_recent_vote_and_free_ones_as_aborted() -> None:
    one, _ = leading().step(Receive("a1", Promise(B1, B0, (("rm2", "prepared"),))))
    _, effects = one.step(Receive("a2", Promise(B1, B0, ())))
    assert {send.msg for send in sends(effects)} == {Accept(B1, HALF)}
    late = Leader("l1", TX, round=3, asking=True)
    ballot = late.ballot
    one, _ = late.step(Receive("a1", Promise(ballot, B0, BOTH)))
    _, effects = one.step(Receive("a2", Promise(ballot, Ballot(2, "l2"), HALF)))
    assert {send.msg for send in sends(effects)} == {Accept(ballot, HALF)}


def test_a_restarted_leader_takes_no_promises_for_the_ballot_that_it_led() -> None:
    restarted, _ = leading().restart(Leader("l1", TX)).step(Start(recovered=True))
    after, effects = restarted.step(Receive("a1", Promise(B1, B0, ())))
    assert (after, effects) == (restarted, (Ignore("not the open ballot"),))


def test_a_leader_that_knows_answers_inquiries() -> None:
    knows = Leader("l2", TX, outcome=Outcome.COMMITTED)
    assert knows.step(Receive("rm1", Inquire())) == (knows, (Send("rm1", Commit()),))


def test_a_leader_first_has_the_others_asked_and_then_leads_and_is_not_put_off() -> None:
    asks, effects = Leader("l1", TX).step(Receive("rm1", Inquire()))
    assert sends(effects) == [Send("rm2", Prepare())]
    waits, effects = asks.step(Receive("rm2", Inquire()))
    assert effects == (SetTimer("lead", LEAD_MS),)
    assert waits.step(Receive("rm1", Inquire())) == (waits, (Ignore("about to lead"),))
    leads, _ = waits.step(Timeout("lead"))
    assert sends(leads.step(Receive("rm1", Inquire()))[1]) == [Send("rm2", Prepare())]


def test_many_who_inquire_do_not_put_off_the_leader_who_takes_over() -> None:
    world = build_world("paxos_commit", settings={"participants": 30, "apart": True})
    start = Moment(node="l1", event="start")
    ran = run_exactly(world, [Down(at=start)], until_ms=2_000)
    assert ending(ran.judge.view()) == "commits"


def test_with_no_faults_tolerated_it_is_two_phase_commit_with_one_acceptor() -> None:
    world = build_world("paxos_commit", settings={"faults": 0})
    assert [role.me for role in world.processes] == ["rm1", "rm2", "rm3", "n1", "l2"]


def test_it_commits_or_aborts_everywhere_in_every_schedule_of_the_small_world() -> None:
    result = check(build_world("paxos_commit", "small"))
    fared = {verdict.name: verdict.verdict for verdict in result.verdicts}
    pin("as it was", result, distinct=76_873, transitions=539_949, depth=25)
    assert {name: v for name, v in fared.items() if name[:3] != "AC5"} == {
        "AC1 agreement": "holds",
        "AC2 stability": "holds",
        "AC3 unanimity": "holds",
        "AC4 commit is reachable": "holds",
    }
