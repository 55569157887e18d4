"""Interactive consistency from command consensus, and consensus from it: the lecture,
"Equivalence of Consensus Variants"."""

from __future__ import annotations

from functools import partial
from math import perm

import pytest

from pins import pin
from quorate.adversary import STRATEGIES, arm
from quorate.check import Result, check
from quorate.kernel import (
    Actor,
    Header,
    Map,
    Network,
    Output,
    Process,
    Receive,
    Start,
    Stated,
    World,
    core,
)
from quorate.properties.consensus import (
    Collected,
    Commanded,
    Decided,
    Failed,
    Proposed,
    agreement,
    completeness,
    full_termination,
)
from quorate.protocols import build_world, byzantine_generals, command_consensus
from quorate.protocols.interactive_consistency import Collector, Selector, roles
from quorate.sim import Faults, Run, simulate

COLLECTOR = Collector("n1", Map({"n1.1": "n1", "n1.2": "n2"}), "a")


def fared(result: Result) -> dict[str, str]:
    assert result.cut is None
    return {verdict.name: verdict.verdict for verdict in result.verdicts}


def test_command_consensus_is_run_once_for_each_node_which_commands_it() -> None:
    inner = partial(command_consensus.roles, faults=1, suspect_ms=0)
    parts = roles("n2", ("n1", "n2", "n3"), "b", inner)
    assert [part.me for part in parts] == [
        "n2",
        *("n2.1", "n2.1.c"),
        "n2.2",
        *("n2.3", "n2.3.c"),
    ]
    assert parts[3] == command_consensus.Commander("n2.2", ("n1.2", "n3.2"), "b")


def test_the_vector_is_decided_with_its_last_entry() -> None:
    after, effects = COLLECTOR.step(Stated("n1.2", Decided("b")))
    assert effects == ()
    _, effects = after.step(Stated("n1.1", Decided("a")))
    assert effects == (Output(Collected((("n1", "a"), ("n2", "b")))),)


def test_a_node_that_failed_without_a_word_has_no_entry() -> None:
    after, _ = COLLECTOR.step(Stated("n1.2", Decided(command_consensus.DEFAULT)))
    _, effects = after.step(Stated("n1.1", Decided("a")))
    assert effects == (Output(Collected((("n1", "a"),))),)


def test_what_instances_state_beside_decisions_stays_within() -> None:
    assert COLLECTOR.step(Stated("n1.1", Commanded("a"))) == (COLLECTOR, ())


@pytest.mark.parametrize("role", [COLLECTOR, Selector("n1", "a")])
def test_it_says_what_it_proposes_or_that_it_has_failed(role: Collector | Selector) -> None:
    assert role.step(Start())[1] == (Output(Proposed("a")),)
    assert role.step(Start(recovered=True))[1] == (Output(Failed()),)


@pytest.mark.parametrize(
    ("vector", "decided"),
    [("abb", "b"), ("ab", "a"), ("ba", "a"), ("c", "c"), ("ccaab", "a")],
)
def test_consensus_selects_what_most_of_the_vector_hold_or_the_least_of_these(
    vector: str, decided: str
) -> None:
    entries = tuple((f"n{i}", value) for i, value in enumerate(vector, 1))
    _, effects = Selector("n0", "x").step(Stated("n0.ic", Collected(entries)))
    assert effects == (Output(Decided(decided)),)


@pytest.mark.slow
def test_what_is_built_keeps_the_promises_of_interactive_consistency() -> None:
    result = check(build_world("interactive_consistency", "small"))
    assert set(fared(result).values()) == {"holds"}
    pin("as it was", result, distinct=97_167, transitions=518_257, depth=24)


@pytest.mark.slow
def test_what_is_built_on_that_keeps_the_promises_of_consensus() -> None:
    result = check(build_world("interactive_consistency", "consensus"), reduce=True)
    found = fared(result)
    assert found.pop("termination of all") == "unknown"  # what is left out might go on for ever
    assert set(found.values()) == {"holds"}
    pin("as it was", result, distinct=20_772, transitions=79_903, depth=20)


def test_without_a_crash_it_is_soon_explored() -> None:
    result = check(build_world("interactive_consistency", "consensus", {"faults": 0}), crashes=0)
    assert set(fared(result).values()) == {"holds"}
    pin("as it was", result, distinct=729, transitions=2_917, depth=13)


def test_consensus_by_majority_needs_more_than_twice_as_many_nodes_as_may_fail() -> None:
    result = check(build_world("interactive_consistency", "outvoted"), go_on=True)
    found = fared(result)
    assert found.pop("unanimity") == "violated"
    assert set(found.values()) == {"holds"}


def test_vectors_need_not_be_uniform_where_word_of_a_failure_overtakes_what_was_said() -> None:
    world = build_world("interactive_consistency", "small", {"nodes": 2})
    found = fared(check(world, network=Network.MULTISET, go_on=True))
    assert found.pop("agreement") == "violated"
    assert set(found.values()) == {"holds"}


# Of any command consensus: here of one that withstands traitors, by oral messages.


def oral(nodes: int, faults: int) -> World:
    def part(me: str, generals: tuple[str, ...], order: str) -> tuple[Actor, ...]:
        commander, *rest = generals
        lieutenants = frozenset(rest)
        if me == commander:
            return (byzantine_generals.Commander(me, lieutenants, order),)
        return (byzantine_generals.Lieutenant(me, commander, lieutenants, faults),)

    names = tuple(f"n{i}" for i in range(1, nodes + 1))
    return World(
        processes=tuple(Process(me, roles(me, names, f"v{me}", part)) for me in names),
        properties=(agreement, completeness, full_termination),
        synchronous=True,
    )


def played(world: World, seed: int) -> Run:
    faults = Faults(unsafe_ms=0, delay_us=(1_000, 90_000))
    return simulate(world, seed=seed, faults=faults, header=Header(protocol="", executor="sim"))


@pytest.mark.parametrize(("nodes", "faults"), [(3, 0), (4, 1), (5, 1), (7, 2)])
def test_of_oral_messages_it_takes_as_many_as_that_takes_once_for_each_node(
    nodes: int, faults: int
) -> None:
    """n times (n-1) + (n-1)(n-2) + …, with one factor more for each round."""
    run = played(oral(nodes, faults), 0)
    assert run.trace is not None
    arrivals = [r for r in run.trace.records if isinstance(core(r.event), Receive)]
    once = sum(perm(nodes - 1, length) for length in range(1, faults + 2))
    assert (run.violated, len(arrivals)) == (None, nodes * once)


@pytest.mark.parametrize("adversary", sorted(STRATEGIES.keys() - {"anonymous"}))
def test_of_oral_messages_it_withstands_a_traitor_among_four(adversary: str) -> None:
    for seed in range(5):
        assert played(arm(oral(4, 1), [("n3", adversary)]), seed).violated is None


def test_a_traitor_among_three_is_too_many() -> None:
    broken = {played(arm(oral(3, 1), [("n3", "equivocator")]), seed).violated for seed in range(5)}
    assert broken & {"agreement", "completeness"}
