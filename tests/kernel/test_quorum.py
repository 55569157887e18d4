"""Quorum systems."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.kernel import (
    Byzantine,
    Grid,
    Majority,
    QuorumSystem,
    Threshold,
    UsageError,
    Verdict,
    Weighted,
)


def named(count: int) -> tuple[str, ...]:
    return tuple(f"n{i}" for i in range(1, count + 1))


SIZES = st.integers(1, 7)
SYSTEMS = st.one_of(
    SIZES.map(lambda n: Majority(named(n))),
    SIZES.flatmap(lambda n: st.integers(1, n).map(lambda k: Threshold(named(n), k))),
    st.integers(0, 2).map(lambda f: Byzantine(named(3 * f + 1), f)),
    st.lists(st.integers(0, 3), min_size=1, max_size=6).flatmap(
        lambda w: st.integers(1, sum(w) + 1).map(lambda t: Weighted(named(len(w)), tuple(w), t))
    ),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.booleans()).map(
        lambda g: Grid(named(g[0] * g[1]), g[0], g[2])
    ),
)


@st.composite
def votes(draw: st.DrawFn) -> tuple[QuorumSystem, frozenset[str], frozenset[str], str]:
    system = draw(SYSTEMS)
    answers = {node: draw(st.sampled_from(["yes", "no", "silent"])) for node in system.nodes}
    yes = frozenset(node for node, answer in answers.items() if answer == "yes")
    no = frozenset(node for node, answer in answers.items() if answer == "no")
    return system, yes, no, draw(st.sampled_from(system.nodes))


@given(votes())
def test_a_verdict_once_given_is_never_taken_back(vote: tuple) -> None:
    system, yes, no, node = vote
    verdict = system.verdict(yes, no)
    if verdict is Verdict.PENDING or node in yes | no:
        return
    assert system.verdict(yes | {node}, no) is verdict
    assert system.verdict(yes, no | {node}) is verdict


@given(votes())
def test_a_vote_is_pending_exactly_while_the_silent_nodes_can_decide_it(vote: tuple) -> None:
    system, yes, no, _ = vote
    silent = frozenset(system.nodes) - yes - no
    ends = {
        system.verdict(yes | set(more), no | (silent - set(more)))
        for size in range(len(silent) + 1)
        for more in combinations(sorted(silent), size)
    }
    assert ends <= {Verdict.WON, Verdict.LOST}
    if system.verdict(yes, no) is Verdict.PENDING:
        assert Verdict.WON in ends
    else:
        assert ends == {system.verdict(yes, no)}


@given(votes())
def test_nodes_that_are_no_members_do_not_count(vote: tuple) -> None:
    system, yes, no, _ = vote
    strangers = frozenset({"x1", "x2", "x3", "x4"})
    assert system.verdict(yes | strangers, no) is system.verdict(yes, no)
    assert system.verdict(yes, no | strangers) is system.verdict(yes, no)


@given(SIZES)
def test_majorities_intersect(count: int) -> None:
    assert Majority(named(count)).intersects(Majority(named(count)))


@given(st.integers(2, 7))
def test_halves_of_an_even_number_do_not_intersect(count: int) -> None:
    system = Threshold(named(count), count // 2)
    assert not system.intersects(system)


@pytest.mark.parametrize(("count", "faults"), [(4, 1), (5, 1), (6, 1), (7, 2), (8, 2)])
def test_byzantine_quorums_share_a_correct_node(count: int, faults: int) -> None:
    system = Byzantine(named(count), faults)
    quorums = [
        frozenset(voters)
        for size in range(count + 1)
        for voters in combinations(system.nodes, size)
        if system.holds(frozenset(voters))
    ]
    assert min(len(one & other) for one in quorums for other in quorums) == faults + 1 + (
        (count + faults + 1) % 2
    )
    assert system.holds(frozenset(system.nodes[faults:]))


def test_rows_of_a_grid_meet_its_columns_and_not_each_other() -> None:
    rows, columns = Grid(named(6), 3, rows=True), Grid(named(6), 3, rows=False)
    assert rows.holds(frozenset({"n4", "n5", "n6"}))
    assert columns.holds(frozenset({"n2", "n5"}))
    assert rows.intersects(columns)
    assert not rows.intersects(rows)


def test_weights_count_towards_the_threshold() -> None:
    system = Weighted(named(3), (3, 1, 1), 3)
    assert system.won(frozenset({"n1"}))
    assert not system.won(frozenset({"n2", "n3"}))
    assert system.verdict(frozenset(), frozenset({"n1"})) is Verdict.LOST


@pytest.mark.parametrize("count", [0, 4])
def test_a_threshold_that_no_set_or_every_set_reaches_is_refused(count: int) -> None:
    with pytest.raises(UsageError, match=f"a threshold of {count} among 3 nodes"):
        Threshold(named(3), count)


def test_too_few_nodes_for_the_byzantine_faults_are_refused() -> None:
    with pytest.raises(UsageError, match="2 Byzantine faults need 7 nodes"):
        Byzantine(named(6), 2)


def test_weights_that_do_not_fit_the_nodes_are_refused() -> None:
    with pytest.raises(UsageError, match="3 nodes, but 2 weights"):
        Weighted(named(3), (1, 1), 2)


@pytest.mark.parametrize("width", [0, 4])
def test_a_grid_whose_rows_are_not_whole_is_refused(width: int) -> None:
    with pytest.raises(UsageError, match=f"6 nodes do not fill rows of {width}"):
        Grid(named(6), width)
