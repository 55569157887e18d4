"""The signed generals: what a lieutenant accepts, and how many traitors they withstand."""

from __future__ import annotations

from typing import Any

import pytest

from pins import pin
from quorate.check import Result, check
from quorate.kernel import Ignore, Output, Receive, Send, Signed, Start, UsageError
from quorate.properties.consensus import Commanded, Decided
from quorate.protocols import build_world
from quorate.protocols.signed_generals import (
    ATTACK,
    RETREAT,
    Commander,
    Endorsed,
    Endorsement,
    Lieutenant,
    Path,
    signed_by,
)
from quorate.sim import Faults, replay, simulate

ALL = frozenset({"p2", "p3", "p4"})


def lieutenant(faults: int = 1, round: int = 1, orders: tuple[str, ...] = ()) -> Lieutenant:
    return Lieutenant("p2", "p1", ALL, faults, round, orders=frozenset(orders))


def told(src: str, path: Path, order: str = ATTACK, battle: int = 1) -> Receive:
    return Receive(src, signed_by(path, order, battle))


def test_the_commander_signs_his_order() -> None:
    effects = Commander("p1", ALL, ATTACK).step(Start())[1]
    assert effects[:2] == (Output(Commanded(ATTACK)), Output(Decided(ATTACK)))
    assert set(effects[2:]) == {Send(name, signed_by(("p1",), ATTACK)) for name in ALL}


def test_a_lieutenant_signs_what_it_passes_on_to_all_who_have_not_signed() -> None:
    after, effects = lieutenant().step(told("p1", ("p1",)))
    assert after == lieutenant(orders=(ATTACK,))
    assert effects == tuple(Send(to, signed_by(("p1", "p2"), ATTACK)) for to in ("p3", "p4"))
    _, effects = lieutenant(faults=2).step(told("p3", ("p1", "p3")))
    assert effects == (Send("p4", signed_by(("p1", "p3", "p2"), ATTACK)),)


def test_in_the_last_round_nothing_is_passed_on() -> None:
    after, effects = lieutenant(round=2).step(told("p3", ("p1", "p3")))
    assert (after, effects) == (lieutenant(round=2, orders=(ATTACK,)), ())


def test_an_order_that_is_known_or_a_third_one_is_not_passed_on() -> None:
    for orders in ((ATTACK,), (RETREAT, "wait")):
        before = lieutenant(orders=orders)
        assert before.step(told("p1", ("p1",))) == (before, (Ignore("nothing new"),))


def test_the_second_order_is_passed_on_for_it_proves_the_commander_a_traitor() -> None:
    after, effects = lieutenant(orders=(RETREAT,)).step(told("p1", ("p1",)))
    assert after.orders == {ATTACK, RETREAT}
    assert len(effects) == 2


def test_obeyed_is_the_only_order_if_there_is_one() -> None:
    assert lieutenant(orders=(ATTACK,)).verdict() == ATTACK
    assert lieutenant(orders=(ATTACK, RETREAT)).verdict() == RETREAT
    assert lieutenant().verdict() == RETREAT


# Row G7 of the catalogue of adversaries.


@pytest.mark.parametrize(
    ("src", "path"),
    [
        ("p3", ("p3",)),  # the commander has not signed
        ("p1", ("p1", "p1")),  # one signer twice
        ("p3", ("p1",)),  # its sender has not signed
        ("p3", ("p1", "p2", "p3")),  # the receiver has
        ("p3", ("p1", "p9", "p3")),  # a stranger
        ("p1", ()),
    ],
)
def test_g7_a_chain_that_is_none_is_rejected(src: str, path: Path) -> None:
    before = lieutenant(faults=2)
    none = Ignore("no chain of signatures from the commander to its sender")
    assert before.step(told(src, path)) == (before, (none,))


@pytest.mark.parametrize("round", [2, 3])
def test_g7_fewer_signatures_than_rounds_are_rejected(round: int) -> None:
    late = lieutenant(faults=2, round=round)
    path = ("p1", "p3")[: round - 1]
    assert late.step(told(path[-1], path)) == (late, (Ignore("too few signatures for its round"),))


def test_g7_a_signature_of_another_battle_or_order_or_place_in_the_chain_is_rejected() -> None:
    before = lieutenant()
    first = Signed("p1", Endorsement(1, ATTACK, ()))
    others = [
        signed_by(("p1",), ATTACK, battle=2),
        Endorsed(RETREAT, (first,)),
        Endorsed(ATTACK, (first, Signed("p3", Endorsement(1, ATTACK, ())))),
        Endorsed(ATTACK, (first, Signed("p3", Endorsement(1, RETREAT, ("p1",))))),
    ]
    for message in others:
        src = message.chain[-1].signer
        after, effects = before.step(Receive(src, message))
        assert after == before
        assert isinstance(effects[0], Ignore)


def test_g7_nobody_can_sign_for_a_loyal_general() -> None:
    world = build_world("signed_generals", "small", {"traitors": "p3"})
    forged = {"p3": (("p2", signed_by(("p1", "p3"), RETREAT)),)}
    with pytest.raises(UsageError, match="p3 cannot use the key of p1"):
        check(type(world)(**{**_fields(world), "byzantine": forged}))


def _fields(world: Any) -> dict[str, Any]:
    return {name: getattr(world, name) for name in world.__struct_fields__}


# How many traitors.


def run(**settings: Any) -> Result:
    return check(build_world("signed_generals", "main", settings))


def test_three_generals_withstand_a_traitor() -> None:
    small = check(build_world("signed_generals", "small"))
    assert {verdict.verdict for verdict in small.verdicts} == {"holds"}
    pin("SM(1), three generals, a traitor commands", small, distinct=104, transitions=221)


@pytest.mark.slow
def test_g8_colluders_who_share_their_keys_are_withstood_if_there_are_no_more_than_rounds() -> None:
    assert run(faults=2, traitors="p1,p3").exit_code == 0
    assert run(generals=5, faults=2, traitors="p1,p3").exit_code == 0


@pytest.mark.parametrize(("generals", "faults", "traitors"), [(4, 1, "p1,p3"), (5, 2, "p1,p3,p4")])
def test_g8_one_colluder_more_reveals_an_order_in_the_last_round(
    generals: int, faults: int, traitors: str
) -> None:
    settings = {"generals": generals, "faults": faults, "traitors": traitors}
    violation = run(**settings).violation
    assert violation is not None
    assert violation.name == "agreement"
    assert violation.trace is not None
    again = replay(build_world("signed_generals", "main", settings), violation.trace)
    assert (again.violated, again.difference) == ("agreement", None)


def test_a_lone_lieutenant_can_do_nothing_about_a_loyal_commander() -> None:
    for order in (ATTACK, RETREAT):
        verdicts = {v.name: v.verdict for v in run(traitors="p3", order=order).verdicts}
        assert set(verdicts.values()) == {"holds"}


def test_messages_are_as_many_as_the_paper_counts() -> None:
    calm = Faults(unsafe_ms=0, delay_us=(1_000, 1_000))
    for generals in range(4, 11):
        for faults in (1, 2, 3):
            size = {"generals": generals, "faults": faults, "traitors": ""}
            run = simulate(build_world("signed_generals", "main", size), seed=0, faults=calm)
            assert run.deliveries == (generals - 1) ** 2
