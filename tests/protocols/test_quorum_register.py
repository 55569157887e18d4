"""The quorum register, rule by rule: Attiya, Bar-Noy and Dolev, JACM 42(1) 1995, section 3."""

from __future__ import annotations

from itertools import combinations

import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import (
    Ignore,
    Output,
    Persist,
    QuorumSystem,
    Receive,
    Send,
    Threshold,
    Timeout,
    UsageError,
)
from quorate.properties.linearizable import Called, Returned
from quorate.protocols import build_world
from quorate.protocols.quorum_register import (
    UNWRITTEN,
    Client,
    Latest,
    Phase,
    Query,
    Replica,
    Store,
    Stored,
    Version,
)

QUORUM = Threshold(("s1", "s2", "s3"), 2)
ONCE = {"writers": 1, "readers": 1, "writes": 1, "reads": 1}


def client(
    phase: Phase,
    *heard: str,
    writes: bool = False,
    version: Version = UNWRITTEN,
    value: str | None = None,
) -> Client:
    return Client("c", QUORUM, QUORUM, writes, 4, 3, phase, frozenset(heard), version, value)


def sends(effects: tuple[object, ...]) -> list[Send]:
    return [effect for effect in effects if isinstance(effect, Send)]


@pytest.mark.parametrize("writes", [False, True])
def test_every_operation_begins_with_a_query_to_all_under_a_number_of_its_own(writes: bool) -> None:
    after, effects = client(Phase.IDLE, writes=writes).step(Timeout("call"))
    assert (after.number, after.phase) == (4, Phase.QUERY)
    assert sends(effects) == [Send(node, Query(4)) for node in QUORUM.nodes]
    assert Output(Called("write", "c.4") if writes else Called("read")) in effects


def test_a_query_waits_for_a_quorum_of_distinct_replicas() -> None:
    for answer in (Latest(3, (1, "w"), "x"), Latest(3, UNWRITTEN, None)):
        after, effects = client(Phase.QUERY, "s1").step(Receive("s1", answer))
        assert (after.phase, sends(effects)) == (Phase.QUERY, [])


def test_a_read_has_the_latest_version_stored_before_it_returns() -> None:
    asking = client(Phase.QUERY, "s1", version=(2, "w"), value="new")
    after, effects = asking.step(Receive("s2", Latest(3, (1, "v"), "old")))
    assert after.phase is Phase.STORE
    assert sends(effects) == [Send(node, Store(3, (2, "w"), "new")) for node in QUORUM.nodes]
    assert not any(isinstance(effect, Output) for effect in effects)


def test_a_write_takes_a_later_version_that_bears_its_name() -> None:
    asking = client(Phase.QUERY, "s1", writes=True)
    _, effects = asking.step(Receive("s2", Latest(3, (7, "w"), "x")))
    assert sends(effects)[0] == Send("s1", Store(3, (8, "c"), "c.3"))


def test_it_returns_once_a_quorum_has_stored_the_version() -> None:
    storing = client(Phase.STORE, "s1", version=(2, "w"), value="x")
    after, effects = storing.step(Receive("s3", Stored(3)))
    assert after.phase is Phase.IDLE
    assert Output(Returned("x")) in effects


def test_answers_to_earlier_operations_do_not_count() -> None:
    asking, storing = client(Phase.QUERY, "s1"), client(Phase.STORE, "s1")
    for state, late, why in (
        (asking, Latest(2, (9, "w"), "x"), "not the open query"),
        (storing, Latest(3, (9, "w"), "x"), "not the open query"),
        (storing, Stored(2), "not the open store"),
        (asking, Stored(3), "not the open store"),
    ):
        assert state.step(Receive("s2", late)) == (state, (Ignore(why),))


def test_a_phase_is_repeated_to_those_who_have_not_answered() -> None:
    _, effects = client(Phase.QUERY, "s2").step(Timeout("repeat"))
    assert sends(effects) == [Send("s1", Query(3)), Send("s3", Query(3))]


def test_a_replica_stores_later_versions_only_and_has_them_on_disk_before_it_says_so() -> None:
    replica = Replica("s1", (2, "b"), "kept")
    after, effects = replica.step(Receive("c", Store(3, (2, "a"), "earlier")))
    assert (after, effects) == (replica, (Send("c", Stored(3)),))
    after, effects = replica.step(Receive("c", Store(3, (2, "c"), "later")))
    assert after.value == "later"
    assert isinstance(effects[0], Persist)
    assert after.restart(Replica("s1")) == after


def test_quorums_that_may_miss_each_other_are_refused() -> None:
    with pytest.raises(UsageError, match="together they must be more than 3"):
        build_world("quorum_register", settings={"reading": 1, "writing": 2})


def test_it_is_atomic_in_every_schedule_of_two_replicas() -> None:
    settings = {"replicas": 2, "reads": 2}
    result = check(build_world("quorum_register", "small", settings))
    assert result.exit_code == 0
    pin("as it was", result, distinct=33_081, transitions=474_407, depth=34)


# Quorums of votes: Gifford, SOSP 1979.


@pytest.mark.parametrize(("reading", "writing"), [(1, 3), (2, 2), (0, 4), (1, 5)])
def test_votes_that_need_not_meet_are_refused(reading: int, writing: int) -> None:
    settings = {"votes": "211", "reading": reading, "writing": writing}
    with pytest.raises(UsageError, match="of 4 votes need not meet"):
        build_world("quorum_register", "weighted", settings)


@pytest.mark.parametrize("votes", ["", "2,1", "-1", "²"])
def test_votes_that_are_no_digits_are_refused(votes: str) -> None:
    with pytest.raises(UsageError, match="one digit for each replica"):
        build_world("quorum_register", "weighted", {"votes": votes})


def test_a_weak_representative_is_told_but_nobody_waits_for_it() -> None:
    world = build_world("quorum_register", "weighted", {"votes": "110", "writing": 2})
    asking, _ = world.processes[0].step(Timeout("call"))
    asking, _ = asking.step(Receive("s3", Latest(1, (1, "w2"), "x")))
    asking, _ = asking.step(Receive("s1", Latest(1, UNWRITTEN, None)))
    assert asking.phase is Phase.QUERY
    _, effects = asking.step(Receive("s2", Latest(1, UNWRITTEN, None)))
    assert sends(effects) == [Send(f"s{i}", Store(1, (2, "w1"), "w1.1")) for i in (1, 2, 3)]


def test_who_has_most_votes_is_enough_by_itself() -> None:
    world = build_world("quorum_register", "weighted")
    asking, _ = world.processes[-4].step(Timeout("call"))  # a reader
    after, _ = asking.step(Receive("s1", Latest(1, (1, "w1"), "x")))
    assert after.phase is Phase.STORE
    after, _ = asking.step(Receive("s2", Latest(1, (1, "w1"), "x")))
    assert after.phase is Phase.QUERY


@pytest.mark.parametrize(
    ("votes", "reading", "writing", "blocks"),
    [
        ("100", 1, 1, ("1.0e-02", "1.0e-02")),
        ("211", 2, 3, ("2.0e-04", "1.0e-02")),
        ("111", 1, 3, ("1.0e-06", "3.0e-02")),
    ],
)
def test_how_often_a_quorum_is_out_of_reach_in_giffords_examples(
    votes: str, reading: int, writing: int, blocks: tuple[str, str]
) -> None:
    """His table: each replica is down one time in a hundred."""
    settings = {"votes": votes, "reading": reading, "writing": writing}
    client = build_world("quorum_register", "weighted", settings).processes[0]
    assert isinstance(client, Client)
    assert (f"{blocked(client.reading):.1e}", f"{blocked(client.writing):.1e}") == blocks


def blocked(quorum: QuorumSystem, down: float = 0.01) -> float:
    return sum(
        down ** (len(quorum.nodes) - size) * (1 - down) ** size
        for size in range(len(quorum.nodes) + 1)
        for up in combinations(quorum.nodes, size)
        if not quorum.won(frozenset(up))
    )


def test_it_is_atomic_in_every_schedule_of_two_replicas_of_three_votes() -> None:
    settings = {"votes": "21", "reading": 2, "writing": 2, **ONCE}
    result = check(build_world("quorum_register", "weighted", settings))
    assert result.exit_code == 0
    pin("as it was", result, distinct=10_433, transitions=105_151, depth=21)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("votes", "reading", "writing", "counts"),
    [
        ("100", 1, 1, {"distinct": 1_222_561, "transitions": 17_840_673, "depth": 29}),
        ("211", 2, 3, {"distinct": 1_682_089, "transitions": 25_834_016, "depth": 29}),
        ("111", 1, 3, {"distinct": 2_548_613, "transitions": 41_056_280, "depth": 29}),
    ],
)
def test_it_is_atomic_in_every_schedule_of_giffords_examples(
    votes: str, reading: int, writing: int, counts: dict[str, int]
) -> None:
    settings = {"votes": votes, "reading": reading, "writing": writing, **ONCE}
    result = check(build_world("quorum_register", "weighted", settings))
    assert result.exit_code == 0
    pin("as it was", result, **counts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        (
            {"replicas": 2, "reads": 2, "reading": 1, "writing": 2},
            {"distinct": 414_031, "transitions": 6_189_927, "depth": 31},
        ),
        ({}, {"distinct": 1_122_853, "transitions": 17_075_115, "depth": 29}),
    ],
)
def test_it_is_atomic_in_every_schedule(settings: dict[str, int], counts: dict[str, int]) -> None:
    result = check(build_world("quorum_register", "small", settings))
    assert result.exit_code == 0
    pin("as it was", result, **counts)
