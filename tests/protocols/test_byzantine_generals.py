"""The Byzantine generals: what each does, how many executions there are, what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import msgspec
import pytest

from pins import pin
from protocols.generals import RETREAT as NO
from protocols.generals import Lie, decisions, slots
from quorate.check import check
from quorate.kernel import (
    Ignore,
    Map,
    Output,
    Receive,
    Send,
    SetTimer,
    Start,
    Timeout,
    UsageError,
    View,
    at_rest,
)
from quorate.properties.consensus import Commanded, Decided
from quorate.protocols import build_world
from quorate.protocols.byzantine_generals import (
    ATTACK,
    RETREAT,
    ROUND_MS,
    Commander,
    Lieutenant,
    Path,
    Says,
    majority,
)
from quorate.sim import Faults, simulate

ALL = frozenset({"p2", "p3", "p4"})


def lieutenant(faults: int = 1, round: int = 1, told: Any = ()) -> Lieutenant:
    return Lieutenant("p2", "p1", ALL, faults, round, Map(told))


def test_the_commander_sends_his_order_to_every_lieutenant() -> None:
    effects = Commander("p1", ALL, ATTACK).step(Start())[1]
    assert effects[:2] == (Output(Commanded(ATTACK)), Output(Decided(ATTACK)))
    assert set(effects[2:]) == {Send(name, Says(ATTACK, ("p1",))) for name in ALL}


def test_a_lieutenant_awaits_as_many_rounds_as_it_takes() -> None:
    assert lieutenant().step(Start())[1] == (SetTimer("round", ROUND_MS),)
    after, effects = lieutenant().step(Timeout("round"))
    assert (after, effects) == (lieutenant(round=2), (SetTimer("round", ROUND_MS),))
    assert after.step(Timeout("round")) == (lieutenant(round=3), (Output(Decided(RETREAT)),))


def test_a_lieutenant_tells_the_others_what_it_is_told_and_by_whom() -> None:
    after, effects = lieutenant().step(Receive("p1", Says(ATTACK, ("p1",))))
    assert after == lieutenant(told={("p1",): ATTACK})
    assert effects == tuple(Send(to, Says(ATTACK, ("p1", "p2"))) for to in ("p3", "p4"))


def test_in_the_last_round_nothing_is_told_on() -> None:
    after, effects = lieutenant().step(Receive("p3", Says(ATTACK, ("p1", "p3"))))
    assert (after, effects) == (lieutenant(told={("p1", "p3"): ATTACK}), ())
    after, effects = lieutenant(faults=2).step(Receive("p3", Says(ATTACK, ("p1", "p3"))))
    assert effects == (Send("p4", Says(ATTACK, ("p1", "p3", "p2"))),)


@pytest.mark.parametrize(
    ("src", "path"),
    [
        ("p3", ("p1",)),  # not the last on the path
        ("p3", ("p1", "p4")),
        ("p3", ("p3",)),  # not from the commander
        ("p3", ("p1", "p3", "p3")),  # one twice
        ("p3", ("p1", "p2", "p3")),  # the receiver, and too long
        ("p3", ("p1", "p9", "p3")),  # a stranger
        ("p2", ("p1", "p2")),
        ("p1", ()),
    ],
)
def test_a_malformed_path_counts_as_silence(src: str, path: Path) -> None:
    for faults in (1, 2):
        before = lieutenant(faults)
        after, effects = before.step(Receive(src, Says(ATTACK, path)))
        assert after == before
        assert effects == (Ignore("no path from the commander to its sender"),)


def test_what_comes_after_its_round_or_a_second_time_counts_as_silence() -> None:
    late = lieutenant(round=2)
    told = Receive("p1", Says(ATTACK, ("p1",)))
    assert late.step(told) == (late, (Ignore("too late for its round"),))
    once = lieutenant(told={("p1",): RETREAT})
    assert once.step(told) == (once, (Ignore("told otherwise, or twice"),))


def test_what_comes_early_is_kept() -> None:
    after, _ = lieutenant(faults=2).step(Receive("p3", Says(ATTACK, ("p1", "p3"))))
    assert after.told[("p1", "p3")] == ATTACK


def test_a_lieutenant_obeys_what_most_say_and_retreats_without_a_majority() -> None:
    told = {("p1",): "u", ("p1", "p3"): "w", ("p1", "p4"): "v"}
    assert lieutenant(told=told).verdict() == RETREAT
    assert lieutenant(told={**told, ("p1", "p4"): "u"}).verdict() == "u"
    assert lieutenant(told={("p1",): ATTACK}).verdict() == RETREAT
    assert majority(["a", "b", "b", "a"]) == RETREAT


def test_each_general_s_word_is_found_out_before_it_counts() -> None:
    said = {"p3": RETREAT, "p4": ATTACK, "p5": ATTACK}
    me = Lieutenant("p2", "p1", ALL | {"p5"}, 2)
    told: dict[Path, str] = {("p1",): ATTACK}
    told |= {("p1", name): order for name, order in said.items()}
    for name in said:  # each of the others says that the others said the opposite
        told |= {
            ("p1", other, name): RETREAT if said[other] == ATTACK else ATTACK
            for other in said
            if other != name
        }
    # Of p3, one's own and two others' words: retreat, attack, attack; so it is with the others.
    assert msgspec.structs.replace(me, told=Map(told)).obtained(("p1", "p3")) == ATTACK
    assert msgspec.structs.replace(me, told=Map(told)).verdict() == RETREAT


# Every behaviour of every single traitor.


def executions(**settings: Any) -> dict[frozenset[tuple[str, Any]], set[str]]:
    """By what each loyal lieutenant was told, the orders that they obey when all is over."""
    seen: dict[frozenset[tuple[str, Any]], set[str]] = {}

    def look(view: View) -> bool:
        told = frozenset((role.me, role.told) for role in view.roles(Lieutenant))
        seen[told] = {fact.value for node, fact in view.stated(Decided) if node != "p1"}
        return True

    world = build_world("byzantine_generals", "main", settings)
    over = at_rest("over", look, states=True)
    assert check(msgspec.structs.replace(world, properties=(over,))).cut is None
    return seen


def runs(generals: int, faults: int) -> Iterator[tuple[dict[str, Any], str]]:
    """Each traitor with each order; a commander who is one gives no order."""
    size = {"generals": generals, "faults": faults}
    yield {**size, "traitors": "p1"}, "p1"
    for number, order in product(range(2, generals + 1), (ATTACK, RETREAT)):
        yield {**size, "traitors": f"p{number}", "order": order}, f"p{number}"


def tally(generals: int, faults: int, silence: bool) -> tuple[int, int, int]:
    """How many executions, how many violate IC1, and how many IC2."""
    total = one = two = 0
    for settings, traitor in runs(generals, faults):
        said = len(slots(generals, faults, {traitor}))
        for told, obeyed in executions(**settings).items():
            heard = sum(path[-1] == traitor for _, paths in told for path in paths)
            if heard < said and not silence:
                continue
            total += 1
            one += len(obeyed) > 1
            two += traitor != "p1" and obeyed != {settings["order"]}
    return total, one, two


def reference(generals: int, faults: int, silence: bool) -> tuple[int, int, int]:
    """The same by the recursion of the paper, which knows neither messages nor rounds."""
    total = one = two = 0
    for settings, traitor in runs(generals, faults):
        places = slots(generals, faults, {traitor})
        options = (ATTACK, RETREAT, None) if silence else (ATTACK, RETREAT)
        for choice in product(options, repeat=len(places)):
            lies: Lie = dict(zip(places, choice, strict=True))
            obeyed = set(decisions(generals, faults, settings.get("order", NO), lies).values())
            total += 1
            one += len(obeyed) > 1
            two += traitor != "p1" and obeyed != {settings["order"]}
    return total, one, two


@pytest.mark.parametrize(
    ("generals", "faults", "silence", "counts"),
    [
        (3, 1, False, (12, 0, 2)),
        (3, 1, True, (21, 0, 4)),
        (4, 1, False, (32, 0, 0)),
        (4, 1, True, (81, 0, 0)),
        (4, 0, False, (14, 6, 0)),
    ],
)
def test_every_behaviour_of_every_single_traitor(
    generals: int, faults: int, silence: bool, counts: tuple[int, int, int]
) -> None:
    assert tally(generals, faults, silence) == counts
    assert reference(generals, faults, silence) == counts


@pytest.mark.slow
def test_five_generals_with_every_behaviour_of_every_single_traitor() -> None:
    assert tally(5, 1, False) == reference(5, 1, False) == (80, 0, 0)


def test_four_generals_are_searched_to_the_end() -> None:
    small = check(build_world("byzantine_generals", "small"))
    assert {verdict.verdict for verdict in small.verdicts} == {"holds"}
    pin("OM(1), four generals, a traitor commands", small, distinct=1_917, transitions=4_969)
    folded = check(build_world("byzantine_generals", "small"), symmetry=True)
    pin("with lieutenants taken for alike", folded, distinct=386)


@pytest.mark.parametrize("settings", [{"generals": 1}, {"faults": -1}, {"generals": 0}])
def test_numbers_that_make_no_sense_are_refused(settings: dict[str, int]) -> None:
    for name in ("byzantine_generals", "signed_generals"):
        with pytest.raises(UsageError, match="take 2 or more, and 0 or more"):
            build_world(name, "main", settings)


def test_more_messages_than_anyone_would_read_are_refused() -> None:
    with pytest.raises(UsageError, match="8 generals and 5 faults take 8,659 messages"):
        build_world("byzantine_generals", "main", {"generals": 8, "faults": 5})


# What it costs.


def published(generals: int, faults: int) -> int:
    """M(n, 0) = n - 1; M(n, m) = (n - 1)(1 + M(n - 1, m - 1))."""
    if faults == 0:
        return generals - 1
    return (generals - 1) * (1 + published(generals - 1, faults - 1))


@pytest.mark.slow
@pytest.mark.parametrize("faults", [1, 2, 3])
def test_messages_are_as_many_as_the_paper_counts(faults: int) -> None:
    calm = Faults(unsafe_ms=0, delay_us=(1_000, 1_000))
    found = []
    for generals in range(4, 11):
        size = {"generals": generals, "faults": faults, "traitors": ""}
        run = simulate(build_world("byzantine_generals", "main", size), seed=0, faults=calm)
        found.append(run.deliveries)
    assert found == [published(generals, faults) for generals in range(4, 11)]
    assert (
        found
        == {
            1: [9, 16, 25, 36, 49, 64, 81],
            2: [15, 40, 85, 156, 259, 400, 585],
            3: [15, 64, 205, 516, 1099, 2080, 3609],
        }[faults]
    )
