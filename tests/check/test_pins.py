"""The helper that pins counts says which number moved, and from what to what."""

from __future__ import annotations

import pytest

from pins import counts, pin
from quorate.check import check
from quorate.protocols import build_world

FOUND = {"distinct": 289, "transitions": 760, "depth": 11}


def test_a_pinned_number_that_moves_is_named_with_what_stays() -> None:
    with pytest.raises(pytest.fail.Exception) as error:
        pin("TwoPhase, published", FOUND, distinct=288, transitions=762, depth=11)
    assert str(error.value) == (
        "TwoPhase, published: distinct moved from 288 to 289 (+1); "
        "transitions moved from 762 to 760 (-2); depth stays 11"
    )


def test_numbers_that_stay_pass() -> None:
    pin("TwoPhase, published", FOUND, distinct=289, depth=11)


def test_counts_of_a_search_that_was_cut_off_are_refused() -> None:
    result = check(build_world("paxos", "small"), states_max=100)
    with pytest.raises(pytest.fail.Exception, match="cut off at 100 states"):
        counts(result)
