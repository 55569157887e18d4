"""Two generals: what each does, and in which runs one is left alone."""

from __future__ import annotations

import pytest

from quorate.check import check
from quorate.kernel import Ignore, Output, Receive, Send, SetTimer, Start, Timeout
from quorate.properties.generals import Attacks, Ordered, Waits
from quorate.protocols import build_world
from quorate.protocols.two_generals import DAWN_MS, General, Letter


def general(needs: int = 2, ordered: bool = False, had: int = 0) -> General:
    return General("b", "a", 4, needs, ordered, had)


def test_a_general_that_is_ordered_writes_the_first_letter() -> None:
    after, effects = general(ordered=True).step(Start())
    assert effects == (SetTimer("dawn", DAWN_MS), Output(Ordered()), Send("a", Letter(1)))
    assert general().step(Start())[1] == (SetTimer("dawn", DAWN_MS),)
    assert after.had == 0


def test_each_letter_is_answered_but_the_last() -> None:
    assert general().step(Receive("a", Letter(3))) == (general(had=3), (Send("a", Letter(4)),))
    assert general().step(Receive("a", Letter(4))) == (general(had=4), ())


def test_a_letter_that_comes_twice_is_not_answered_twice() -> None:
    before = general(had=3)
    assert before.step(Receive("a", Letter(3))) == (before, (Ignore("the letter came twice"),))


@pytest.mark.parametrize(
    ("who", "attacks"),
    [
        (general(needs=2, had=3), True),
        (general(needs=4, had=3), False),
        (general(needs=0, had=0), False),
        (general(needs=0, ordered=True), True),
    ],
)
def test_at_dawn_a_general_attacks_if_it_knows_and_is_sure(who: General, attacks: bool) -> None:
    said = Attacks() if attacks else Waits()
    assert who.step(Timeout("dawn")) == (who, (Output(said),))


@pytest.mark.parametrize("letters", range(1, 7))
def test_however_many_letters_there_are_one_general_may_be_left_alone(letters: int) -> None:
    result = check(build_world("two_generals", "small", {"letters": letters}))
    assert (result.exit_code, result.cut) == (0, None)
    assert {v.name: v.verdict for v in result.verdicts} == {
        "nobody attacks unless ordered": "holds",
        "both attack": "holds",
        "one attacks alone": "holds",
        "both decide": "holds",
    }
