"""Paxos, rule by rule: Lamport, Paxos Made Simple, 2001."""

from __future__ import annotations

import msgspec
import pytest

from quorate.check import Result, check
from quorate.kernel import (
    Ballot,
    Change,
    Flexible,
    Ignore,
    Majority,
    NodeId,
    Output,
    Persist,
    Receive,
    Send,
    SetTimer,
    Start,
    Threshold,
    Timeout,
    View,
    always,
)
from quorate.mutants import find_mutants
from quorate.properties.consensus import Decided, Proposed
from quorate.protocols import build_world
from quorate.protocols.paxos import (
    PROPERTIES,
    RETRY_MS,
    Accept,
    Accepted,
    Acceptor,
    Latecomer,
    Learner,
    Nack,
    Phase,
    Prepare,
    Promise,
    Proposer,
    Success,
    Vote,
    dynamic_uniformity,
)

ACCEPTORS = ("a1", "a2", "a3")
QUORUMS = Flexible(Majority(ACCEPTORS), Majority(ACCEPTORS))
B1, B2 = Ballot(1, "p1"), Ballot(2, "p1")
B1_OTHER = Ballot(1, "p2")


def proposer(rounds_max: int = 0, **fields: object) -> Proposer:
    return Proposer("p1", QUORUMS, ("l1",), "v1", rounds_max, **fields)  # type: ignore[arg-type]


def preparing(*promises: tuple[NodeId, Vote | None]) -> Proposer:
    return proposer(round=1, phase=Phase.PREPARING, promises=frozenset(promises))


def accepting(*accepted: NodeId) -> Proposer:
    return proposer(round=1, phase=Phase.ACCEPTING, chosen="v1", accepted=frozenset(accepted))


# Phase 1(a): "A proposer selects a proposal number n and sends a prepare request".


def test_a_proposer_starts_by_preparing_a_ballot_of_its_own() -> None:
    after, effects = proposer().step(Start())
    assert effects == (
        Persist((Change("round", 1),)),
        Output(Proposed("v1")),
        *(Send(node, Prepare(B1)) for node in ACCEPTORS),
        SetTimer("retry", RETRY_MS),
    )
    assert (after.ballot, after.phase) == (B1, Phase.PREPARING)


def test_a_restarted_proposer_never_uses_a_ballot_again() -> None:
    lived, _ = proposer().step(Start())
    restarted, effects = lived.restart(proposer()).step(Start(recovered=True))
    assert restarted.ballot == B2
    assert Send("a1", Prepare(B2)) in effects


def test_two_proposers_never_share_a_ballot() -> None:
    other = Proposer("p2", QUORUMS, ("l1",), "v2", 0)
    assert proposer().step(Start())[0].ballot != other.step(Start())[0].ballot


def test_a_proposer_that_waited_in_vain_prepares_a_higher_ballot_and_forgets_old_promises() -> None:
    after, effects = preparing(("a1", None)).step(Timeout("retry"))
    assert effects[:2] == (Persist((Change("round", 2),)), Send("a1", Prepare(B2)))
    assert after.promises == frozenset()


def test_a_proposer_without_rounds_left_stays_where_it_is() -> None:
    before = proposer(rounds_max=1, round=1, phase=Phase.PREPARING)
    assert before.step(Timeout("retry")) == (before, (Ignore("no rounds left"),))


def test_the_last_round_is_prepared_without_a_timer() -> None:
    _, effects = proposer(rounds_max=1).step(Start())
    assert not any(isinstance(effect, SetTimer) for effect in effects)


# Phase 1(b): "If an acceptor receives a prepare request with number n greater than that of any
# prepare request to which it has already responded, then it responds to the request with a promise
# not to accept any more proposals numbered less than n and with the highest-numbered proposal (if
# any) that it has accepted."


def test_an_acceptor_promises_a_higher_ballot_and_reports_its_vote() -> None:
    vote = Vote(B1_OTHER, "v2")
    after, effects = Acceptor("a1", B1_OTHER, vote).step(Receive("p1", Prepare(B2)))
    assert after == Acceptor("a1", B2, vote)
    assert effects == (Persist((Change("promised", B2),)), Send("p1", Promise(B2, vote)))


def test_an_acceptor_refuses_to_promise_a_lower_ballot_and_says_what_it_promised() -> None:
    before = Acceptor("a1", B2)
    assert before.step(Receive("p2", Prepare(B1_OTHER))) == (
        before,
        (Send("p2", Nack(B1_OTHER, B2)),),
    )


def test_an_acceptor_does_not_promise_the_same_ballot_twice() -> None:
    before = Acceptor("a1", B1)
    assert before.step(Receive("p1", Prepare(B1))) == (before, (Ignore("already promised"),))


def test_a_restarted_acceptor_still_refuses_lower_ballots() -> None:
    lived, _ = Acceptor("a1").step(Receive("p1", Prepare(B2)))
    restarted = lived.restart(Acceptor("a1"))
    for msg in (Prepare(B1_OTHER), Accept(B1_OTHER, "v2")):
        assert restarted.step(Receive("p2", msg))[1] == (Send("p2", Nack(B1_OTHER, B2)),)


def test_a_restarted_acceptor_still_reports_its_vote() -> None:
    lived, _ = Acceptor("a1").step(Receive("p1", Accept(B1, "v1")))
    _, effects = lived.restart(Acceptor("a1")).step(Receive("p2", Prepare(Ballot(2, "p2"))))
    assert effects[-1] == Send("p2", Promise(Ballot(2, "p2"), Vote(B1, "v1")))


# Phase 2(a): "If the proposer receives a response to its prepare requests (numbered n) from a
# majority of acceptors, then it sends an accept request to each of those acceptors for a proposal
# numbered n with a value v, where v is the value of the highest-numbered proposal among the
# responses, or is any value if the responses reported no proposals."


def test_a_proposer_waits_for_a_quorum_of_promises() -> None:
    after, effects = preparing().step(Receive("a1", Promise(B1, None)))
    assert (after, effects) == (preparing(("a1", None)), ())


def test_a_promise_received_twice_counts_once() -> None:
    before = preparing(("a1", None))
    assert before.step(Receive("a1", Promise(B1, None))) == (before, ())


def test_a_quorum_without_votes_lets_a_proposer_ask_for_its_own_value() -> None:
    after, effects = preparing(("a1", None)).step(Receive("a2", Promise(B1, None)))
    assert effects == tuple(Send(node, Accept(B1, "v1")) for node in ACCEPTORS)
    assert (after.phase, after.chosen) == (Phase.ACCEPTING, "v1")


def test_the_highest_vote_in_a_quorum_binds_the_proposer() -> None:
    low, high = Vote(Ballot(1, "p2"), "v2"), Vote(Ballot(2, "p0"), "v0")
    before = proposer(round=3, phase=Phase.PREPARING, promises=frozenset({("a1", high)}))
    _, effects = before.step(Receive("a2", Promise(Ballot(3, "p1"), low)))
    assert effects[0] == Send("a1", Accept(Ballot(3, "p1"), "v0"))


def test_promises_for_another_round_do_not_count() -> None:
    before = proposer(round=2, phase=Phase.PREPARING, promises=frozenset({("a1", None)}))
    assert before.step(Receive("a2", Promise(B1, None))) == (
        before,
        (Ignore("not the open round"),),
    )


def test_a_late_promise_does_not_change_the_value_that_was_asked_for() -> None:
    late = Promise(B1, Vote(Ballot(0, "p9"), "v9"))
    assert accepting().step(Receive("a3", late)) == (
        accepting(),
        (Ignore("not the open round"),),
    )


# Phase 2(b): "If an acceptor receives an accept request for a proposal numbered n, it accepts the
# proposal unless it has already responded to a prepare request having a number greater than n."


def test_an_acceptor_accepts_at_the_ballot_it_promised() -> None:
    after, effects = Acceptor("a1", B1).step(Receive("p1", Accept(B1, "v1")))
    assert after == Acceptor("a1", B1, Vote(B1, "v1"))
    assert effects == (Persist((Change("vote", Vote(B1, "v1")),)), Send("p1", Accepted(B1)))


def test_an_acceptor_accepts_without_having_promised_and_is_bound_from_then_on() -> None:
    after, effects = Acceptor("a1").step(Receive("p1", Accept(B1, "v1")))
    assert after == Acceptor("a1", B1, Vote(B1, "v1"))
    assert effects[0] == Persist((Change("promised", B1), Change("vote", Vote(B1, "v1"))))


def test_an_acceptor_does_not_accept_below_its_promise() -> None:
    before = Acceptor("a1", B2)
    assert before.step(Receive("p2", Accept(B1_OTHER, "v2"))) == (
        before,
        (Send("p2", Nack(B1_OTHER, B2)),),
    )


def test_an_acceptor_asked_again_answers_again_and_writes_nothing() -> None:
    before = Acceptor("a1", B1, Vote(B1, "v1"))
    assert before.step(Receive("p1", Accept(B1, "v1"))) == (before, (Send("p1", Accepted(B1)),))


# Section 2.3: "a value has been chosen" once a quorum accepted it; the proposer spreads the news.


def test_a_quorum_of_acceptances_decides_and_tells_the_learners() -> None:
    after, effects = accepting("a1").step(Receive("a2", Accepted(B1)))
    assert effects == (
        Output(Decided("v1")),
        Send("l1", Success("v1")),
        SetTimer("retry", RETRY_MS),
    )
    assert after.phase is Phase.DONE


def test_an_acceptance_received_twice_counts_once() -> None:
    assert accepting("a1").step(Receive("a1", Accepted(B1))) == (accepting("a1"), ())


def test_acceptances_of_another_round_do_not_count() -> None:
    before = proposer(round=2, phase=Phase.ACCEPTING, accepted=frozenset({"a1"}))
    assert before.step(Receive("a2", Accepted(B1)))[1] == (Ignore("not the open round"),)


def test_success_is_told_again_since_it_may_be_lost() -> None:
    before = proposer(round=1, phase=Phase.DONE, chosen="v1")
    assert before.step(Timeout("retry")) == (
        before,
        (Send("l1", Success("v1")), SetTimer("retry", RETRY_MS)),
    )


def test_a_learner_decides_once() -> None:
    after, effects = Learner("l1").step(Receive("p1", Success("v1")))
    assert effects == (Output(Decided("v1")),)
    assert after.step(Receive("p2", Success("v1"))) == (after, (Ignore("already decided"),))


# Section 2.4 and 2.5: pre-emption is for progress only.


def test_a_refused_proposer_goes_beyond_the_ballot_that_beat_it() -> None:
    refused, effects = preparing().step(Receive("a1", Nack(B1, Ballot(7, "p2"))))
    assert effects == ()
    assert refused.step(Timeout("retry"))[0].ballot == Ballot(8, "p1")


def test_a_refusal_of_another_round_changes_nothing() -> None:
    nack = Nack(Ballot(9, "p1"), Ballot(9, "p2"))
    assert preparing().step(Receive("a1", nack)) == (
        preparing(),
        (Ignore("not the open round"),),
    )


def test_phases_may_have_different_quorums() -> None:
    quorums = Flexible(Threshold(ACCEPTORS, 3), Threshold(ACCEPTORS, 1))
    before = Proposer("p1", quorums, (), "v1", 0, 1, Phase.PREPARING)
    for node in ("a1", "a2"):
        before, effects = before.step(Receive(node, Promise(B1, None)))
        assert effects == ()
    before, _ = before.step(Receive("a3", Promise(B1, None)))
    assert before.phase is Phase.ACCEPTING
    assert before.step(Receive("a1", Accepted(B1)))[0].phase is Phase.DONE


def test_a_latecomer_begins_when_it_likes() -> None:
    comer = Latecomer("p2", QUORUMS, ("l1",), "v2", 0)
    assert comer.step(Start()) == (comer, (SetTimer("begin", RETRY_MS),))
    begun, effects = comer.step(Timeout("begin"))
    assert (begun.round, effects[1]) == (1, Output(Proposed("v2")))
    assert begun.step(Timeout("retry"))[0].round == 2


# Quorums of two sizes: only those of the two phases need to meet.


@pytest.mark.parametrize(
    ("phase1", "phase2", "verdict", "states"),
    [(3, 1, "holds", 24_354), (2, 1, "violated", None)],
)
def test_a_promise_quorum_must_meet_each_quorum_of_acceptances(
    phase1: int, phase2: int, verdict: str, states: int | None
) -> None:
    world = build_world("paxos", "flexible", {"phase1": phase1, "phase2": phase2})
    quorums = next(p.quorums for p in world.processes if isinstance(p, Proposer))
    assert quorums.phase1.intersects(quorums.phase2) == (verdict == "holds")
    result = check(world)
    assert fared(result)["agreement"] == verdict
    assert states in (None, result.distinct)


# Dynamic uniformity: a value that a majority has accepted survives, whoever crashes then.


def fared(result: Result) -> dict[str, str]:
    return {verdict.name: verdict.verdict for verdict in result.verdicts}


@pytest.mark.slow
def test_what_a_majority_has_accepted_survives_a_crash() -> None:
    result = check(build_world("paxos", "uniform"))
    assert fared(result)["dynamic uniformity"] == "holds"
    assert result.distinct == 327_168


def _who_knows_agrees(view: View) -> bool:
    known = {learner.decided for learner in view.roles(Learner) if learner.decided is not None}
    known |= {lead.chosen for lead in view.roles(Proposer) if lead.phase is Phase.DONE}
    return len(known) <= 1


def test_who_acts_too_early_breaks_uniformity_although_all_who_know_agree() -> None:
    knowing = always("who knows agrees", _who_knows_agrees, states=True)
    mutant = build_world("paxos", mutant="decides_early")
    only = msgspec.structs.replace(mutant, properties=(knowing, *PROPERTIES[1:]))
    assert fared(check(only))["who knows agrees"] == "holds"
    only = msgspec.structs.replace(mutant, properties=(dynamic_uniformity,))
    assert fared(check(only)) == {"dynamic uniformity": "violated"}
    safe = find_mutants("paxos")
    (control,) = (each.world for each in safe if each.name == "decides_early")
    assert fared(check(control(mutated=False)))["dynamic uniformity"] == "holds"
