"""Rows G1 to G6 of the catalogue of adversaries: what traitors do to generals who do not sign, and
what comes of it; one traitor more must break what one does not. G7 and G8 are with the signed
generals, G9 with reliable broadcast."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

import msgspec
import pytest

from protocols.generals import Lie, Path, decisions, slots
from quorate.check import Result, check
from quorate.check.lockstep import Lockstep, Seat
from quorate.check.model import Model
from quorate.kernel import Message, Network, NodeId, World, always, at_rest
from quorate.protocols import build_world
from quorate.protocols.byzantine_generals import ATTACK, RETREAT, Lieutenant, Says
from quorate.sim import Task, campaign


def generals(**settings: Any) -> World:
    return build_world("byzantine_generals", "main", settings)


def verdicts(result: Result) -> dict[str, str]:
    assert result.cut in (None, "the first violation")
    return {verdict.name: verdict.verdict for verdict in result.verdicts}


def promised(world: World, *names: str) -> World:
    kept = tuple(prop for prop in world.properties if prop.name in names)
    return msgspec.structs.replace(world, properties=kept)


# G1: an equivocating commander, who may also be silent to some.


def test_g1_an_equivocating_commander_changes_nothing() -> None:
    assert set(verdicts(check(generals(traitors="p1"))).values()) == {"holds"}


def test_g1_with_a_colluding_lieutenant_he_divides_the_others() -> None:
    result = check(promised(generals(traitors="p1,p2"), "agreement"))
    assert verdicts(result) == {"agreement": "violated"}


# G2: a lieutenant that tells each of the others something else.


@pytest.mark.parametrize("traitor", ["p2", "p3", "p4"])
@pytest.mark.parametrize("order", [ATTACK, RETREAT])
def test_g2_a_lying_lieutenant_changes_nothing(traitor: str, order: str) -> None:
    found = verdicts(check(promised(generals(traitors=traitor, order=order), *CONDITIONS)))
    assert set(found.values()) == {"holds"}


CONDITIONS = ("agreement", "obedience", "termination of all")


def test_g2_two_of_them_make_another_disobey() -> None:
    result = check(promised(generals(traitors="p2,p3"), "obedience"))
    assert verdicts(result) == {"obedience": "violated"}


# G3: who is silent is taken to say the default; nobody waits for him.


@pytest.mark.parametrize("traitor", ["p1", "p3"])
@pytest.mark.parametrize("faults", [1, 2])
def test_g3_silence_is_noticed_and_all_end_after_as_many_rounds(traitor: str, faults: int) -> None:
    world = generals(generals=5 - (faults == 1), faults=faults, traitors=traitor)
    ended = at_rest(
        "after f + 1 rounds",
        lambda view: all(role.round == faults + 2 for role in view.roles(Lieutenant)),
        states=True,
    )
    early = always(
        "not before",
        lambda view: all(
            node == "p1" or view.actors[node].round == faults + 2  # type: ignore[union-attr]
            for node, _ in view.facts
        ),
        states=True,
    )
    lies: dict[NodeId, tuple[tuple[NodeId, Message], ...]] = {traitor: ()}
    silent = msgspec.structs.replace(world, byzantine=lies, properties=(ended, early))
    assert set(verdicts(check(silent, reduce=True)).values()) == {"holds"}


# G4: malformed paths.


def test_g4_malformed_paths_are_as_good_as_silence() -> None:
    plain = generals(traitors="p3")
    paths: list[Path] = [
        ("p1",), ("p3",), (), ("p1", "p4"), ("p1", "p3", "p3"), ("p1", "p2", "p3"), ("p1", "p9"),
    ]  # fmt: skip
    junk = tuple(
        (to, Says(order, path))
        for to in ("p2", "p4")
        for path in paths
        for order in (ATTACK, RETREAT)
    )
    more: dict[NodeId, tuple[tuple[NodeId, Message], ...]] = {"p3": (*plain.byzantine["p3"], *junk)}
    with_junk = check(msgspec.structs.replace(plain, byzantine=more, symmetry=()))
    assert set(verdicts(with_junk).values()) == {"holds"}
    assert with_junk.distinct == check(plain).distinct


# G5 and G6: too many traitors, or too few rounds: exactly so many executions go wrong.


class Council:
    """The real lieutenants in lock-step, with whatever the traitors say in given places."""

    def __init__(self, count: int, faults: int, order: str) -> None:
        world = generals(generals=count, faults=faults, order=order, traitors="")
        model = Model(world, Network.FIFO, 0)
        self.names = [process.me for process in world.processes]
        self.seats = [Seat(model, number) for number in range(count)]

    def obeyed(self, lies: Lie) -> dict[str, str]:
        """What each loyal lieutenant obeys."""
        liars = {path[-1] for path, _ in lies}

        def twist(seat: int, to: NodeId, message: Any) -> Message | None:
            if self.names[seat] not in liars:
                return Says(message.order, message.path)
            said = lies.get((message.path, to), message.order)
            return None if said is None else Says(said, message.path)

        run = Lockstep(self.seats, lambda _, to: self.names.index(to), twist)
        return {
            name: run.actor(number).verdict()  # type: ignore[attr-defined]
            for number, name in enumerate(self.names)
            if number and name not in liars
        }


def choices(places: list[tuple[Path, str]]) -> Iterator[Lie]:
    for choice in product((ATTACK, RETREAT), repeat=len(places)):
        yield dict(zip(places, choice, strict=True))


def tally(
    count: int, faults: int, traitors: set[str], lies: Iterable[Lie], orders: Iterable[str]
) -> tuple[int, int, int]:
    """How many runs, how many violate IC1, how many IC2; the paper's recursion must agree."""
    total = one = two = 0
    lies = list(lies)
    for order in orders:
        council = Council(count, faults, order)
        for each in lies:
            obeyed = council.obeyed(each)
            assert obeyed == decisions(count, faults, order, each)
            total += 1
            one += len(set(obeyed.values())) > 1
            two += "p1" not in traitors and set(obeyed.values()) != {order}
    return total, one, two


@pytest.mark.parametrize(
    ("count", "faults", "runs", "violations"),
    [
        (4, 1, 16, 4),
        (5, 1, 64, 18),
        (4, 2, 64, 10),
        pytest.param(6, 1, 256, 84, marks=pytest.mark.slow),
        pytest.param(7, 1, 1024, 300, marks=pytest.mark.slow),
    ],
)
def test_g5_a_commander_and_a_lieutenant_who_collude_divide_the_others(
    count: int, faults: int, runs: int, violations: int
) -> None:
    traitors = {"p1", "p2"}
    places = slots(count, faults, traitors, heard_by_loyal=True)
    found = tally(count, faults, traitors, choices(places), (RETREAT,))
    assert found == (runs, violations, 0)


@pytest.mark.slow
@pytest.mark.parametrize("count", [6, 7])
def test_two_lying_lieutenants_cannot_keep_the_others_from_obeying(count: int) -> None:
    """Lemma 1: OM(m) obeys a loyal commander against k traitors if n > 2k + m."""
    traitors = {"p2", "p3"}
    places = slots(count, 1, traitors, heard_by_loyal=True)
    total, _, disobeyed = tally(count, 1, traitors, choices(places), (ATTACK, RETREAT))
    assert (total, disobeyed) == (2 ** (2 * (count - 3)) * 2, 0)


def test_lemma_1_is_sharp() -> None:
    places = slots(5, 1, {"p2", "p3"}, heard_by_loyal=True)
    assert tally(5, 1, {"p2", "p3"}, choices(places), (ATTACK,))[2] > 0


@pytest.mark.slow
@pytest.mark.parametrize("traitors", [("p1", "p2"), ("p2", "p3")])
def test_seven_generals_withstand_two_traitors_in_three_rounds(traitors: tuple[str, ...]) -> None:
    """Of 2**30 and 2**40 ways to lie, some: drawn at random, and those that lie alike to all."""
    places = slots(7, 2, set(traitors), heard_by_loyal=True)
    assert len(places) == (30 if "p1" in traitors else 40)
    draw = random.Random(0)
    random_lies = [{place: draw.choice((ATTACK, RETREAT)) for place in places} for _ in range(25)]
    halves = [
        {(path, to): (ATTACK, RETREAT)[(number + int(to[1:])) % 2] for path, to in places}
        for number in range(2)
    ]
    _, one, two = tally(7, 2, set(traitors), [*random_lies, *halves], (ATTACK,))
    assert (one, two) == (0, 0)


# The same by strategies that a run may put on any node.


@pytest.mark.parametrize("strategy", ["silent", "equivocator"])
@pytest.mark.parametrize("node", ["p1", "p3"])
def test_strategies_on_one_of_four_change_nothing(strategy: str, node: str) -> None:
    task = Task(
        protocol="byzantine_generals", settings={"traitors": ""}, adversaries=((node, strategy),)
    )
    assert campaign(task, first=0, count=20).failures == ()


def test_an_equivocator_among_three_is_disobedience() -> None:
    task = Task(
        protocol="byzantine_generals",
        settings={"generals": 3, "traitors": ""},
        adversaries=(("p3", "equivocator"),),
    )
    failures = campaign(task, first=0, count=20).failures
    assert {run.violated for run in failures} <= {"agreement", "obedience"}
    assert len(failures) == 20
