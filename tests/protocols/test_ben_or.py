"""Ben-Or's consensus, rule by rule: Ben-Or, PODC 1983, protocol A."""

from __future__ import annotations

import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import Choice, Choose, Ignore, Output, Receive, Send, Start
from quorate.properties.consensus import Decided
from quorate.protocols import build_world
from quorate.protocols.ben_or import COIN, Decision, Node, Phase, Proposal, Repeat, Report

NODES = ("n1", "n2", "n3", "n4", "n5")


def reporting(*others: tuple[str, str]) -> Node:
    heard = frozenset({("n1", "1"), *others})
    return Node("n1", NODES, 2, "1", said=(Report(1, "1"),), phase=Phase.REPORTS, heard=heard)


def proposing(*others: tuple[str, str | None], value: str | None = None) -> Node:
    said = (Report(1, "1"), Proposal(1, value))
    heard = frozenset({("n1", value), *others})
    return Node("n1", NODES, 2, "1", said=said, phase=Phase.PROPOSALS, heard=heard)


def test_a_node_reports_its_wish_in_the_first_round() -> None:
    after, effects = Node("n1", NODES, 2, "1").step(Start())
    assert [e for e in effects if type(e) is Send] == [Send(n, Report(1, "1")) for n in NODES[1:]]
    assert after.phase is Phase.REPORTS


def test_it_waits_for_n_minus_f_reports_its_own_included() -> None:
    after, _ = reporting().step(Receive("n2", Report(1, "1")))
    assert after.phase is Phase.REPORTS


def test_it_proposes_what_more_than_half_of_all_nodes_reported() -> None:
    after, _ = reporting(("n2", "1")).step(Receive("n3", Report(1, "1")))
    assert after.said[-1] == Proposal(1, "1")


def test_it_proposes_no_value_when_none_has_more_than_half_of_all_nodes() -> None:
    after, _ = reporting(("n2", "1")).step(Receive("n3", Report(1, "0")))
    assert after.said[-1] == Proposal(1, None)


def test_the_same_report_twice_counts_once() -> None:
    after, _ = reporting(("n2", "1")).step(Receive("n2", Report(1, "1")))
    assert after.phase is Phase.REPORTS


def test_it_decides_when_more_than_f_nodes_propose_a_value() -> None:
    after, effects = proposing(("n2", "1"), value="1").step(Receive("n3", Proposal(1, "1")))
    assert after.decided == "1"
    assert Output(Decided("1")) in effects
    assert Send("n5", Decision("1")) in effects


def test_it_prefers_a_value_that_fewer_propose() -> None:
    after, effects = proposing(("n2", None)).step(Receive("n3", Proposal(1, "0")))
    assert after.said[-1] == Report(2, "0")
    assert not any(type(effect) is Choose for effect in effects)


def test_it_flips_a_coin_when_nobody_proposes_a_value() -> None:
    after, effects = proposing(("n2", None)).step(Receive("n3", Proposal(1, None)))
    assert Choose("coin", COIN) in effects
    later, _ = after.step(Choice("coin", "0"))
    assert later.said[-1] == Report(2, "0")


def test_a_coin_that_lands_after_the_decision_changes_nothing() -> None:
    flipping, _ = proposing(("n2", None)).step(Receive("n3", Proposal(1, None)))
    decided, _ = flipping.step(Receive("n2", Decision("1")))
    after, effects = decided.step(Choice("coin", "0"))
    assert (after, effects) == (decided, ())


def test_statements_of_other_stages_are_ignored() -> None:
    for statement in (Report(2, "0"), Proposal(1, "0")):
        after, effects = reporting().step(Receive("n2", statement))
        assert (after, effects) == (reporting(), (Ignore("not the open stage"),))


def test_it_says_again_what_it_said_in_a_round_and_nothing_of_others() -> None:
    _, effects = proposing().step(Receive("n2", Repeat(1)))
    assert effects == (Send("n2", Report(1, "1")), Send("n2", Proposal(1, None)))
    _, effects = proposing().step(Receive("n2", Repeat(2)))
    assert effects == ()


def test_after_a_crash_it_asks_for_what_it_missed_and_says_nothing_else() -> None:
    boot = Node("n1", NODES, 2, "1")
    after, effects = proposing(("n2", "1")).restart(boot).step(Start(recovered=True))
    assert (after.said, after.phase) == (proposing().said, Phase.PROPOSALS)
    assert {e.msg for e in effects if type(e) is Send} == {Repeat(1)}


@pytest.mark.slow
def test_two_rounds_of_three_nodes_agree_in_every_schedule_with_a_crash() -> None:
    result = check(build_world("ben_or", "small", {"rounds": 2}), crashes=1)
    fared = {verdict.name: verdict.verdict for verdict in result.verdicts}
    pin("as it was", result, distinct=354_232, transitions=4_653_953, depth=25)
    assert (fared["agreement"], fared["validity"]) == ("holds", "holds")


def test_a_round_in_which_all_wish_the_same_decides_it() -> None:
    result = check(build_world("ben_or", "small", {"ones": 3}))
    assert [v.verdict for v in result.verdicts if v.name == "validity"] == ["holds"]
    pin("as it was", result, distinct=264, depth=10)
