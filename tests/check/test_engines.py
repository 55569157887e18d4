"""Both engines on every protocol and every mutant: the same counts, verdicts and lengths."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
import pytest

from quorate.check import Result, Verdict
from quorate.check import check as search
from quorate.kernel import Kind, Network, Start, Timed, World
from quorate.mutants import Mutant, find_mutants
from quorate.protocols import all_protocols, build_world
from quorate.sim import replay

pytestmark = pytest.mark.slow

STATES_MAX = 8_000
UNTIMED = [
    protocol
    for protocol in all_protocols()
    if not any(issubclass(a, Timed) for a in protocol.actors)
]
WORLDS = [
    (protocol.name, name, network)
    for protocol in UNTIMED
    for name in protocol.worlds
    for network in Network
    if network is not Network.ROUNDS or protocol.worlds[name]().network is network
]
MUTANTS = [mutant for protocol in UNTIMED for mutant in find_mutants(protocol.name)]


@pytest.fixture
def engine() -> None:
    """Not one by one: these tests compare them."""


def compare(world: World, **how: Any) -> None:
    """Search as many whole levels as are affordable, with both engines, past every violation; and
    where that was everything, search it in reduced form, too. Runs are for others to judge."""
    how["go_on"] = True
    rest = tuple(prop for prop in world.properties if prop.kind is not Kind.EVENTUALLY)
    world = msgspec.structs.replace(world, properties=rest)
    first = search(world, engine="plain", states_max=STATES_MAX, **how)
    levels = {"depth_max": first.depth - 1 if first.cut else 0}
    one, two = (search(world, engine=engine, **levels, **how) for engine in ("numpy", "plain"))
    assert counts(one) == counts(two)
    lies = world.byzantine.keys()
    assert [outcome(v, lies) for v in one.verdicts] == [outcome(v, lies) for v in two.verdicts]
    if first.cut is None:
        reduced, again = (
            search(world, engine=engine, reduce=True, **how) for engine in ("numpy", "plain")
        )
        assert counts(reduced) == counts(again)
        assert reduced.distinct <= one.distinct
        for result in (reduced, again):
            judged = [(verdict.name, verdict.verdict) for verdict in result.verdicts]
            assert judged == [(verdict.name, verdict.verdict) for verdict in one.verdicts]


def counts(result: Result) -> tuple[int, int, int, str | None]:
    return result.distinct, result.transitions, result.depth, result.cut


def outcome(verdict: Verdict, traitors: Collection[str]) -> tuple[str, str, int | None]:
    """What was found, and in how many moves: a crash and the restart that follows are one, and so
    are a lie and its arrival."""
    moves = None
    if verdict.trace is not None:
        moves = sum(
            record.event != Start(recovered=True) and record.node not in traitors
            for record in verdict.trace.records
        )
    return verdict.name, verdict.verdict, moves


@pytest.mark.parametrize(("protocol", "name", "network"), WORLDS)
def test_the_worlds_of_every_protocol_are_the_same_to_both(
    protocol: str, name: str, network: Network
) -> None:
    compare(build_world(protocol, name), network=network)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.protocol}-{m.name}")
def test_mutants_are_the_same_to_both(mutant: Mutant) -> None:
    compare(mutant.world())


SLOW = {"leads_on_after_crash", "forgets_what_it_said", "counts_any_round"}
CAUGHT = [
    pytest.param(mutant, marks=[pytest.mark.slow] if mutant.name in SLOW else [])
    for mutant in MUTANTS
    if mutant.found_by == "check"
    and any(
        prop.name == mutant.kills and prop.kind is not Kind.EVENTUALLY
        for prop in mutant.world().properties
    )
]


@pytest.mark.parametrize("mutant", CAUGHT, ids=lambda m: f"{m.protocol}-{m.name}")
def test_a_reduced_search_catches_every_mutant(mutant: Mutant) -> None:
    world = mutant.trial()
    violation = search(world, reduce=True).violation
    assert violation is not None
    assert violation.name == mutant.kills
    if violation.trace is not None:
        again = replay(world, violation.trace)
        assert (again.violated, again.difference) == (mutant.kills, None)
