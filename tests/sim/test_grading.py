"""Failure detectors graded and classified: known answers, and the figures on record."""

from __future__ import annotations

import msgspec
import pytest

from meta.source import ROOT
from quorate.cli.bench_detectors import Report
from quorate.kernel import View
from quorate.properties.detection import (
    Began,
    Suspected,
    Trusted,
    completeness,
    eventual_accuracy,
    eventual_weak_accuracy,
    strong_accuracy,
    weak_accuracy,
    weak_completeness,
)
from quorate.protocols.failure_detector import Watch
from quorate.protocols.heartbeat import Node, world
from quorate.sim.classes import ACCURACY, CLASSIFIED, COMPLETENESS, MODELS, classify, strongest
from quorate.sim.grading import DETECTORS, Mistake, asking_row, grade, suspicions

ON_RECORD = msgspec.json.decode(
    (ROOT / "benchmarks" / "results" / "detectors.json").read_bytes(), type=Report
)


def test_a_mistake_lasts_until_the_node_is_trusted_again_or_to_the_end() -> None:
    told = [
        (5, "n1", Began(1)),
        (10, "n1", Suspected("n2", 1)),
        (12, "n3", Suspected("n2", 1)),
        (15, "n1", Trusted("n2", 1)),
        (16, "n1", Trusted("n3", 1)),
        (20, "n1", Suspected("n2", 1)),
    ]
    assert list(suspicions(told)) == [
        Mistake("n1", "n2", 10, 15),
        Mistake("n3", "n2", 12, None),
        Mistake("n1", "n2", 20, None),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["heartbeat", "swim"])
def test_the_figures_on_record_are_those_of_today(protocol: str) -> None:
    """The whole file is written by `quorate bench detectors --json`; this is a part of it."""
    graded = next(each for each in DETECTORS if each.protocol == protocol)
    rows = list(grade(graded, "loss 10 %", ON_RECORD.seeds))
    named = [r for r in ON_RECORD.rows if (r.detector, r.weather) == (graded.name, "loss 10 %")]
    assert rows == named


def test_how_soon_a_failed_node_is_asked_is_as_on_record() -> None:
    row = asking_row(4)
    assert row in ON_RECORD.rows


def test_no_limit_is_exceeded_and_every_detector_is_on_record() -> None:
    limited = [row for row in ON_RECORD.rows if row.bound is not None and row.unit == "ms"]
    assert len(limited) == sum(each.bound_ms is not None for each in DETECTORS)
    assert all(0 < row.measured <= (row.bound or 0) for row in limited)
    assert {row.detector for row in ON_RECORD.rows} >= {each.name for each in DETECTORS}
    cells = {(cell.detector, cell.model) for cell in ON_RECORD.classes}
    assert cells == {(each.name, model.name) for each in CLASSIFIED for model in MODELS}


@pytest.mark.slow
def test_classes_on_record_are_those_of_today() -> None:
    """By the first seed of each model, which breaks nearly all that is broken."""
    graded = next(each for each in CLASSIFIED if each.name == "heartbeat, growing")
    for model in MODELS:
        cell = classify(graded, model, seeds=1)
        before = next(
            c for c in ON_RECORD.classes if (c.detector, c.model) == (graded.name, model.name)
        )
        assert cell.broken == {name: seed for name, seed in before.broken.items() if seed == 0}


ALL = {each.name for each in (*COMPLETENESS.values(), *ACCURACY.values())}


@pytest.mark.parametrize(
    ("lost", "reaches"),
    [
        (set(), "P"),
        ({"strong accuracy"}, "S and ◇P"),
        ({"strong accuracy", "weak accuracy"}, "◇P"),
        ({"strong accuracy", "eventual strong accuracy"}, "S"),
        ({"strong accuracy", "weak accuracy", "eventual strong accuracy"}, "◇S"),
        ({"strong completeness"}, "Q"),
        ({"strong completeness", "strong accuracy", "weak accuracy"}, "◇Q"),
        (ALL, "none"),
    ],
    ids=lambda each: ",".join(sorted(each)) if isinstance(each, set) else each,
)
def test_a_class_is_what_is_left_of_completeness_and_accuracy(lost: set[str], reaches: str) -> None:
    assert strongest(lost) == reaches


# Weak kinds of completeness and accuracy, on a world of three of which the last has stopped.

TRUSTS, SUSPECTS, HAD_SUSPECTED = (
    Watch(life=1, answered=99),
    Watch(life=1, suspected=True),
    Watch(life=1, answered=1),
)


def view(n1: tuple[Watch, Watch], n2: tuple[Watch, Watch], *wronged: str) -> View:
    actors: dict[str, Node] = {p.me: p for p in world().processes[:2]}  # type: ignore[misc]
    for name, (other, last) in (("n1", n1), ("n2", n2)):
        before = actors[name].watches
        other_name = "n2" if name == "n1" else "n1"
        actors[name].watches = before.put(other_name, other).put("n3", last)
    began = tuple((name, Began(1)) for name in ("n1", "n2", "n3"))
    return View(actors, (*began, *(("n1", Suspected(node, 1)) for node in wronged)))


def test_completeness_is_weak_if_some_see_the_failure_and_strong_if_all_do() -> None:
    nobody, one, both = (
        view((TRUSTS, a), (TRUSTS, b))
        for a, b in ((TRUSTS, TRUSTS), (TRUSTS, SUSPECTS), (SUSPECTS, SUSPECTS))
    )
    for prop, expected in (
        (completeness, (False, False, True)),
        (weak_completeness, (False, True, True)),
    ):
        assert tuple(map(prop.holds, (nobody, one, both))) == expected


def test_accuracy_is_weak_if_somebody_is_left_who_was_never_suspected_wrongly() -> None:
    worlds = [
        view((TRUSTS, SUSPECTS), (TRUSTS, SUSPECTS), *wronged)
        for wronged in (("n3",), ("n2", "n3"), ("n1", "n2"))
    ]
    assert [strong_accuracy.holds(each) for each in worlds] == [True, False, False]
    assert [weak_accuracy.holds(each) for each in worlds] == [True, True, False]


def test_in_the_end_accuracy_is_weak_if_somebody_is_trusted_for_a_while_by_all() -> None:
    worlds = [
        view((one, SUSPECTS), (other, SUSPECTS))
        for one, other in (
            (TRUSTS, TRUSTS),
            (TRUSTS, HAD_SUSPECTED),
            (SUSPECTS, HAD_SUSPECTED),
        )
    ]
    assert [eventual_accuracy.holds(each) for each in worlds] == [True, False, False]
    assert [eventual_weak_accuracy.holds(each) for each in worlds] == [True, True, False]
