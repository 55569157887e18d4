"""The observer of histories, and the property that judges what it saw."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.check.linearizability import (
    UNKNOWN,
    Called,
    CasRegister,
    History,
    Recorder,
    Register,
    Returned,
    check_history,
    linearizable,
)
from quorate.kernel import Fact, UsageError, View

Run = list[tuple[str, Fact]]


def seen(run: Run) -> History:
    history: History = History("history")
    for node, fact in run:
        history = history.see(node, fact)
    return history


def holds(history: History, model: Any) -> bool:
    return linearizable(model).holds(View({"history": history}, ()))


def test_a_read_must_see_what_was_written_before_it_began_and_may_see_it_otherwise() -> None:
    write: Run = [("a", Called("write", 1)), ("a", Returned())]
    begin, end = ("b", Called("read")), ("b", Returned(None))
    assert not holds(seen([*write, begin, end]), Register())
    assert holds(seen([begin, *write, end]), Register())


def test_runs_in_which_the_same_was_over_before_each_call_are_one_history() -> None:
    a, b = ("a", Called("write", 1)), ("b", Called("write", 2))
    a_ends, b_ends = ("a", Returned()), ("b", Returned())
    assert seen([a, b, a_ends, b_ends]) == seen([b, a, b_ends, a_ends])
    assert seen([a, a_ends, b, b_ends]) != seen([a, b, a_ends, b_ends])


def test_a_call_in_place_of_one_that_never_ended_leaves_it_open() -> None:
    history = seen([("a", Called("write", 1)), ("a", Called("read")), ("a", Returned(1))])
    first, second = history.operations
    assert (first.result, first.returned) == (UNKNOWN, None)
    assert (second.result, second.returned) == (1, second.called)
    assert holds(history, Register())


def test_an_end_without_a_beginning_is_an_error() -> None:
    with pytest.raises(UsageError, match="a states Returned, but it has no operation"):
        seen([("a", Returned())])


CALLS = [("read", None), ("write", 1), ("cas", (1, 2)), ("cas", (None, 1))]
moves = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(CALLS), st.sampled_from([None, 1, 2, False])),
    max_size=12,
)


@given(moves)
def test_it_is_judged_as_the_same_run_is_when_it_is_recorded(
    drawn: list[tuple[str, tuple[str, Any], Any]],
) -> None:
    run: Run = []
    recorder = Recorder()
    busy = set()
    for node, (name, argument), result in drawn:
        if node in busy:
            run.append((node, Returned(result)))
            recorder.ok(node, result)
        else:
            run.append((node, Called(name, argument)))
            recorder.call(node, name, argument)
        busy ^= {node}
    verdict = check_history(recorder.operations(), CasRegister()).verdict
    assert holds(seen(run), CasRegister()) == (verdict == "holds")
