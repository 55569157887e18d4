"""A seed decides everything, and a run judges every kind of property."""

from __future__ import annotations

import pytest

from quorate.kernel import View, always, at_rest, eventually, sometimes
from quorate.protocols import build_world
from quorate.sim import Faults, simulate
from sim.toys import HEADER, Alarms, Chooser, Counter, Got, Sender, run, world


def test_a_run_is_the_same_with_and_without_its_trace() -> None:
    of = build_world("multi_paxos", "main", {"values": 3})
    for seed in range(6):
        faults = Faults.swarm(seed, unsafe_ms=2_000)
        bare = simulate(of, seed=seed, faults=faults)
        traced = simulate(of, seed=seed, faults=faults, header=HEADER)
        assert (bare.trace, bare.trace_hash) == (None, None)
        assert (bare.steps, bare.deliveries, bare.virtual_ms) == (
            traced.steps,
            traced.deliveries,
            traced.virtual_ms,
        )


def test_each_kind_of_draw_has_a_stream_of_its_own() -> None:
    of = world(Alarms("a"), Chooser("c"), Sender("s", ("d",), count=20), Counter("d"))
    quiet, lossy = run(of), run(of, loss=0.5)
    assert quiet.trace is not None
    assert lossy.trace is not None
    assert quiet.deliveries > lossy.deliveries

    def own(records: object) -> list[object]:
        return [(r.at_us, r.event) for r in records if r.node in "ac"]  # type: ignore[attr-defined]

    assert own(quiet.trace.records) == own(lossy.trace.records)


def _numbers(view: View) -> list[int]:
    return [fact.number for _, fact in view.stated(Got)]


PINGED = (Sender("s", ("c",), count=9), Counter("c"))


def test_a_fact_that_breaks_an_always_property_ends_the_run_there() -> None:
    few = always("few", lambda view: len(_numbers(view)) <= 3)
    outcome = run(world(*PINGED, properties=(few,)), delay_us=(100, 100))
    assert (outcome.verdict, outcome.violated, outcome.deliveries) == ("violated", "few", 4)


def test_facts_are_judged_in_groups_and_those_without_a_group_not_at_all() -> None:
    seen = []

    def note(view: View) -> bool:
        seen.append(sorted(_numbers(view)))
        return True

    even = always("even", note, per=lambda fact: None if fact.number % 2 else fact.number)
    assert run(world(*PINGED, properties=(even,))).verdict == "holds"
    assert sorted(seen) == sorted([[n] for n in (2, 4, 6, 8)] + [[n, n] for n in (2, 4, 6, 8)])


def test_a_state_that_breaks_an_always_property_is_seen() -> None:
    low = always("low", lambda view: all(c.kept < 9 for c in view.roles(Counter)), states=True)
    assert run(world(*PINGED, properties=(low,))).violated == "low"


def test_what_sometimes_holds_is_reported_when_it_was_reached() -> None:
    goals = (
        sometimes("all", lambda view: len(_numbers(view)) == 18),
        sometimes("more", lambda view: len(_numbers(view)) == 19),
        sometimes("kept", lambda view: any(c.kept == 9 for c in view.roles(Counter)), states=True),
    )
    outcome = run(world(*PINGED, properties=goals))
    assert (outcome.verdict, outcome.reached) == ("holds", ("all", "kept"))


def test_what_must_come_to_hold_may_wait_for_the_end_of_faults() -> None:
    of = world(
        Sender("s", ("c",), count=50, every_ms=100),
        Counter("c"),
        properties=(eventually("one", lambda view: bool(_numbers(view))),),
    )
    outcome = run(of, loss=1.0, unsafe_ms=1_000)
    assert (outcome.verdict, outcome.virtual_ms) == ("holds", 2_000)


def test_what_does_not_come_to_hold_is_a_violation() -> None:
    ten = eventually("ten", lambda view: 10 in _numbers(view))
    outcome = run(world(*PINGED, properties=(ten,)), unsafe_ms=1_000, heal_ms=5_000)
    assert (outcome.verdict, outcome.violated) == ("violated", "ten")


@pytest.mark.parametrize(("loss", "verdict"), [(0.0, "violated"), (1.0, "holds")])
def test_rest_is_judged_unless_something_was_lost(loss: float, verdict: str) -> None:
    never = at_rest("never at rest", lambda view: False)
    assert run(world(*PINGED, properties=(never,)), loss=loss).verdict == verdict


def test_a_run_that_is_cut_off_is_unknown() -> None:
    of = world(*PINGED, properties=(eventually("ten", lambda view: 10 in _numbers(view)),))
    outcome = simulate(of, seed=0, faults=Faults(), steps_max=5)
    assert (outcome.verdict, outcome.violated, outcome.steps) == ("unknown", None, 5)
