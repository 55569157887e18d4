"""PBFT under attack: each row of the catalogue of adversaries, with the outcome that it must have.

C1–C5 are clients, P1–P5 primaries, B1–B6 backups, K1–K4 what is said of states, V4–V10 of views.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import msgspec
import pytest

from quorate.adversary import STRATEGIES
from quorate.kernel import Message, NodeId, World
from quorate.mutants.pbft import A, B, attacked
from quorate.protocols.pbft.messages import Commit, Prepare, PrePrepare, Reply, named
from quorate.sim import Faults, Task, simulate

SHORT = {"unsafe_ms": 3_000}
EACH = 6
"""Seeds of each row."""
AT_ANY_PLACE = tuple(sorted({*STRATEGIES} - {"anonymous", "selfish"}))
ROWS = [
    ("C1 a client names others", "mutator=c1"),
    ("C2 MACs that only some can verify", "corruptor=c1"),
    ("C3 one timestamp, two operations", "twins=c1"),
    ("C4 old requests again and again", "replayer=c1"),
    ("C5 a client and a primary in league", "twins=c1 twins=r1"),
    ("C5 bad MACs and a primary in league", "corruptor=c1 selective=r1"),
    ("P1 two pre-prepares for one number", "twins=r1"),
    ("P1 two digests for one number", "equivocator=r1"),
    ("P2 the same at other numbers", "replayer=r1"),
    ("P3 a silent primary", "silent=r1"),
    ("P3 silent to some", "selective=r1"),
    ("P4 just under the time-out", "delayer=r1"),
    ("P5 batches that are not what they say", "mutator=r1"),
    ("B1 two votes in one view", "twins=r3"),
    ("B2 a silent backup", "silent=r3"),
    ("B2 votes for some", "selective=r4"),
    ("B3, B4, B5, K1, K4 anything else in place of anything", "mutator=r3"),
    ("B5, K1 other results, states and digests", "equivocator=r4"),
    ("B6, V1 votes of other views and numbers", "replayer=r3"),
    ("V2, V3, V7 votes that it did not give, views far off", "mutator=r2"),
    ("V4, V5 two new views", "twins=r2"),
    ("V5 a new view for some", "selective=r2"),
    ("V5 no new view", "silent=r2"),
    ("V6 a view change with MACs that only some can verify", "corruptor=r3"),
    ("V6 the same of the new primary", "corruptor=r2"),
]


def attack(adversaries: str, **settings: object) -> Task:
    pairs = (each.split("=") for each in adversaries.split())
    return Task(
        protocol="pbft",
        settings=settings,
        adversaries=tuple((node, name) for name, node in pairs),
        fault_settings=SHORT,
    )


def failures(task: Task, seeds: Iterable[int], judged: str | None = None) -> list[str]:
    """The command of each seed that violates something, or one property."""
    world, found = task.build(), []
    if judged is not None:
        kept = tuple(prop for prop in world.properties if prop.name == judged)
        world = msgspec.structs.replace(world, properties=kept)
    for seed in seeds:
        run = simulate(world, seed=seed, faults=task.faults(seed, world))
        if run.violated or run.bounded:
            found.append(task.command(seed))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("row", "adversaries"), ROWS, ids=[f"{r} ({a})" for r, a in ROWS])
def test_correct_replicas_agree_and_go_on(row: str, adversaries: str) -> None:
    assert failures(attack(adversaries), range(EACH)) == []


@pytest.mark.slow
def test_v8_f_faulty_primaries_one_after_the_other() -> None:
    assert failures(attack("silent=r1 twins=r2", nodes=7), range(3)) == []


@pytest.mark.parametrize("adversaries", ["twins=r1", "mutator=r1", "corruptor=c1"])
def test_the_worst_of_them_in_short(adversaries: str) -> None:
    assert failures(attack(adversaries), range(2)) == []


def split(*traitors: str) -> World:
    """Traitors of view 0 that say one thing to r3, and another to r4 and the client."""
    said: dict[str, list[tuple[NodeId, Message]]] = {name: [] for name in traitors}
    for to, batch in (("r3", (A,)), ("r4", (B,))):
        for name, messages in said.items():
            first = PrePrepare(0, 1, named(batch), batch), Prepare(0, 1, named(batch))
            messages += [(to, first[name != "r1"]), (to, Commit(0, 1, named(batch)))]
    for messages in said.values():
        messages.append(("c2", Reply(0, 1, b"77")))
    byzantine = {**{name: tuple(messages) for name, messages in said.items()}, "c1": ()}
    return msgspec.structs.replace(attacked(), byzantine=byzantine)


@pytest.mark.parametrize("judged", ["replica agreement", "one order", "true results"])
def test_one_more_than_f_breaks_every_promise_of_safety(judged: str) -> None:
    """The negative control: a suite that cannot fail would prove nothing."""
    for traitors, broken in ((("r1",), set()), (("r1", "r2"), {judged})):
        world = split(*traitors)
        kept = tuple(prop for prop in world.properties if prop.name == judged)
        world = msgspec.structs.replace(world, properties=kept)
        runs = [simulate(world, seed=seed, faults=Faults()) for seed in range(10)]
        assert {run.violated for run in runs if run.violated} == broken


def drawn(seed: int) -> Task:
    """A traitor drawn from a seed, with a client that is one in every third."""
    draw = random.Random(f"{seed}/adversary")
    nodes = draw.choice((4, 4, 4, 5))
    adversaries = [f"{draw.choice(AT_ANY_PLACE)}=r{draw.randint(1, nodes)}"]
    if draw.random() < 0.3:
        adversaries.append(f"{draw.choice(AT_ANY_PLACE)}=c1")
    signed, interval = draw.random() < 0.3, draw.choice((1, 2))
    return attack(" ".join(adversaries), nodes=nodes, signed=signed, interval=interval)


@pytest.mark.slow
def test_no_traitor_drawn_at_random_does_harm(seeds: Callable[[int], int]) -> None:
    bad = [command for seed in range(seeds(100)) for command in failures(drawn(seed), [seed])]
    assert bad == []
