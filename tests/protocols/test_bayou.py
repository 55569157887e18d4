"""Bayou, rule by rule, and in every schedule of small worlds."""

from __future__ import annotations

import msgspec
import pytest

from pins import pin
from quorate.check import check
from quorate.kernel import Ignore, Output, Persist, Receive, Send, Start, Timeout, UsageError, World
from quorate.properties.convergence import Dot, Held
from quorate.properties.linearizable import Called
from quorate.properties.sessions import Read, Wrote
from quorate.protocols import build_world
from quorate.protocols.bayou import (
    ALL,
    Accepted,
    Base,
    Change,
    Get,
    Got,
    Guarantees,
    Have,
    Log,
    Put,
    Refused,
    Replica,
    Session,
    Task,
    Update,
    Vector,
    Write,
)

X = Change("x", "new")


def write(dot: Dot, *changes: Change) -> Write:
    """A write; unless it is said what it changes, it binds x to its own name."""
    time, replica = dot
    name = f"{replica}.{time}"
    return Write(dot, (f"c of {name}", 1), changes or (Change("x", name),))


A1, A2, B1, B2, B3, C2 = (
    write((time, f"s{replica}"))
    for replica, time in ((1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 2))
)


def log(*writes: Write, committed: int = 0) -> Log:
    return Log(Base(), writes, committed)


def dots(log: Log) -> list[Dot]:
    return [write.dot for write in log.writes]


def replica(log: Log, primary: bool = False, keep: int = 9) -> Replica:
    return Replica("s2", ("s1", "s3"), primary, keep, 9, log)


def sends(effects: tuple[object, ...]) -> list[Send]:
    return [effect for effect in effects if isinstance(effect, Send)]


# Writes: dependency checks and merge procedures.


def items(*writes: Write) -> dict[str, str]:
    return dict(log(*writes).outcome.items)


BOOKING = tuple(Change(slot, "bob", query=slot) for slot in ("9:00", "10:00"))


def test_an_update_is_made_if_the_dependency_check_holds() -> None:
    assert items(write((1, "s1"), *BOOKING)) == {"9:00": "bob"}


def test_where_it_does_not_hold_the_merge_procedure_finds_something_else() -> None:
    ann = write((1, "s1"), Change("9:00", "ann", query="9:00"))
    assert items(ann, write((2, "s1"), *BOOKING)) == {"9:00": "ann", "10:00": "bob"}


def test_a_merge_procedure_that_finds_nothing_changes_nothing() -> None:
    full = write((1, "s1"), Change("9:00", "ann")), write((2, "s1"), Change("10:00", "eve"))
    assert items(*full, write((3, "s1"), *BOOKING)) == {"9:00": "ann", "10:00": "eve"}


def test_a_check_may_expect_a_value_of_another_key() -> None:
    paid = Change("seat", "taken", query="fare", expected="paid")
    assert items(write((1, "s1"), paid)) == {}
    assert (
        items(write((1, "s1"), Change("fare", "paid")), write((2, "s1"), paid))["seat"] == "taken"
    )


def test_what_two_replicas_accepted_for_one_request_is_done_once() -> None:
    twice = msgspec.structs.replace(write((2, "s2"), *BOOKING), request=("c", 1))
    first = msgspec.structs.replace(write((1, "s1"), *BOOKING), request=("c", 1))
    assert items(first, twice) == {"9:00": "bob"}
    assert dict(log(first, twice).outcome.done) == {("c", 1): (1, "s1")}


# Accepting.


def test_a_write_is_accepted_at_a_time_later_than_those_of_all_writes_held() -> None:
    after, effects = replica(log(A1, C2)).step(Receive("c", Put(1, (), (X,))))
    assert dots(after.log) == [(1, "s1"), (2, "s3"), (3, "s2")]
    assert sends(effects) == [Send("c", Accepted(1, (3, "s2")))]


def test_it_is_on_disk_before_the_session_is_told() -> None:
    before = replica(log())
    after, effects = before.step(Receive("c", Put(1, (), (X,))))
    assert isinstance(effects[0], Persist)
    assert after.restart(before).log == after.log


def test_a_request_that_comes_again_is_answered_with_the_write_that_it_became() -> None:
    asked = Receive("c", Put(1, (), (X,)))
    once, answer = replica(log(A1)).step(asked)
    twice, again = once.step(asked)
    assert (twice, sends(again)) == (once, sends(answer))


def test_only_the_primary_commits_and_at_once() -> None:
    asked = Receive("c", Put(1, (), (X,)))
    assert replica(log(), primary=False).step(asked)[0].log.csn == 0
    assert replica(log(), primary=True).step(asked)[0].log.csn == 1


def test_the_primary_commits_in_the_order_of_its_log() -> None:
    after, _ = replica(log(), primary=True).step(Receive("s3", Update(None, 0, (), (C2, B3, A1))))
    assert dots(after.log) == [(1, "s1"), (2, "s3"), (3, "s2")]
    assert after.log.committed == 3


def test_what_the_primary_hears_of_late_comes_after_what_it_has_committed() -> None:
    before = replica(log(C2, committed=1), primary=True)
    after, _ = before.step(Receive("s1", Update(None, 1, (), (A1,))))
    assert dots(after.log) == [(2, "s3"), (1, "s1")]


# Anti-entropy.


def test_now_and_then_a_replica_says_to_all_others_what_it_has() -> None:
    _, effects = replica(log(A1, A2, B3, committed=2)).step(Timeout("gossip"))
    have = Have((("s1", 2), ("s2", 3)), 2)
    assert sends(effects) == [Send("s1", have), Send("s3", have)]


def test_whoever_holds_more_sends_what_is_lacking_in_one_message() -> None:
    holder = replica(log(A1, A2, C2, committed=2))
    _, effects = holder.step(Receive("s1", Have((("s1", 1),), 1)))
    assert sends(effects) == [Send("s1", Update(None, 1, (A2,), (C2,)))]


def test_of_a_write_that_the_other_has_only_the_commitment_is_sent() -> None:
    update = log(A1, A2, committed=2).missing(Have((("s1", 1),), 0), 9)
    assert update == Update(None, 0, ((1, "s1"), A2), ())


def test_whoever_lacks_nothing_is_sent_nothing() -> None:
    ask = Receive("s1", Have((("s1", 2),), 0))
    _, effects = replica(log(A1)).step(ask)
    assert effects == (Ignore("it lacks nothing that is held here"),)


@pytest.mark.parametrize("most", range(1, 6))
def test_an_update_that_is_cut_off_leaves_no_gap(most: int) -> None:
    """Committed writes go first, and then tentative ones, each in order."""
    full = log(A1, B1, A2, B2, B3, committed=3)
    update = full.missing(Have((), 0), most)
    assert update is not None
    assert dots(log().learn(update)) == dots(full)[:most]


def test_a_tentative_write_takes_its_place_by_time_and_then_by_replica() -> None:
    after = log(A1, C2).learn(Update(None, 0, (), (B2, B3)))
    assert dots(after) == [(1, "s1"), (2, "s2"), (2, "s3"), (3, "s2")]


def test_what_follows_a_late_write_is_done_again_after_it() -> None:
    """Roll back, and replay: bob's booking, which was first, comes second."""
    bob = write((2, "s2"), *BOOKING)
    before = log(bob)
    after = before.learn(Update(None, 0, (), (write((1, "s1"), Change("9:00", "ann")),)))
    assert dict(before.outcome.items) == {"9:00": "bob"}
    assert dict(after.outcome.items) == {"9:00": "ann", "10:00": "bob"}


def test_a_commitment_moves_a_write_ahead_of_what_is_tentative() -> None:
    after = log(A1, B2, C2).learn(Update(None, 0, ((2, "s3"), (2, "s2")), ()))
    assert dots(after) == [(2, "s3"), (2, "s2"), (1, "s1")]
    assert after.committed == 2


@pytest.mark.parametrize(
    "late",
    [
        Update(None, 0, (), (A1, C2)),
        Update(None, 0, (A1, (2, "s3")), ()),
        Update(Base(1, (("s1", 1),)), 1, ((2, "s3"),), ()),
    ],
)
def test_an_update_that_comes_late_changes_nothing(late: Update) -> None:
    before = replica(log(A1, C2, committed=2))
    assert before.step(Receive("s3", late)) == (before, (Ignore("nothing new"),))


def test_a_replica_that_comes_back_holds_what_it_held() -> None:
    before = replica(log(A1, C2, committed=1))
    after, effects = before.restart(replica(log())).step(Start(recovered=True))
    assert after == before
    items = (("x", "s3.2"),)
    assert effects[0] == Output(Held(0, ((1, "s1"), (2, "s3")), 1, items))


# A log that is cut off at its beginning.


def test_now_and_then_a_log_loses_committed_writes_but_for_the_last() -> None:
    before = replica(log(A1, A2, C2, committed=2), keep=1)
    after, effects = before.step(Timeout("gossip"))
    assert dots(after.log) == [(2, "s1"), (2, "s3")]
    assert after.log.base.count == 1
    assert after.log.outcome == before.log.outcome
    assert isinstance(effects[0], Persist)


def test_whoever_lacks_what_a_log_has_lost_is_sent_what_it_came_to() -> None:
    short = log(A1, B2, A2, committed=2).omit(1)
    update = short.missing(Have((("s2", 1),), 0), 9)
    assert update == Update(short.base, 1, (B2,), (A2,))
    assert short.missing(Have((("s1", 1),), 1), 9) == Update(None, 1, (B2,), (A2,))


def test_a_base_takes_the_place_of_the_writes_that_it_stands_for() -> None:
    base = log(A1, B2, committed=2).omit(0).base
    after = log(A1, B2, C2, committed=1).learn(Update(base, 2, (), ()))
    assert (after.base, dots(after), after.committed) == (base, [(2, "s3")], 0)
    assert after.csn == 2


def test_a_request_that_became_an_omitted_write_is_not_done_again() -> None:
    asked = Receive("c", Put(1, (), (X,)))
    before = replica(log().accept("s2", ("c", 1), (X,)).commit().omit(0))
    after, effects = before.step(asked)
    assert (after, sends(effects)) == (before, [Send("c", Accepted(1, (1, "s2")))])


# Sessions.


def session(
    *tasks: Task,
    number: int = 1,
    read: Vector = (),
    written: Vector = (),
    guarantees: Guarantees = ALL,
) -> Session:
    return Session("c", ("s1", "s2"), tasks, guarantees, number, True, 0, written, read)


READ, WRITE = Task("x"), Task("x", (X,))
SEEN, OWN, BOTH = (("s1", 3),), (("s2", 2),), (("s1", 3), ("s2", 2))


@pytest.mark.parametrize(
    ("guarantees", "reading", "writing"),
    [
        (Guarantees(True, False, False, False), OWN, ()),
        (Guarantees(False, True, False, False), SEEN, ()),
        (Guarantees(False, False, True, False), (), SEEN),
        (Guarantees(False, False, False, True), (), OWN),
        (ALL, BOTH, BOTH),
        (Guarantees(False, False, False, False), (), ()),
    ],
)
def test_what_an_operation_asks_a_replica_to_hold_makes_the_guarantee(
    guarantees: Guarantees, reading: Vector, writing: Vector
) -> None:
    """Terry et al., PDIS 1994, the table of which vector is checked on what."""
    for task, ask in ((READ, Get(1, reading, "x")), (WRITE, Put(1, writing, (X,)))):
        asking = session(task, read=SEEN, written=OWN, guarantees=guarantees)
        _, effects = asking.step(Timeout("elsewhere"))
        assert sends(effects) == [Send("s2", ask)]


def test_a_replica_that_does_not_hold_that_refuses() -> None:
    behind = replica(log(A1, A2))
    for ask in (Get(1, SEEN, "x"), Put(1, SEEN, (X,))):
        assert behind.step(Receive("c", ask)) == (behind, (Send("c", Refused(1)),))


def test_a_replica_that_holds_that_and_more_answers() -> None:
    ahead = replica(log(A1, A2, C2, committed=1))
    _, effects = ahead.step(Receive("c", Get(1, (("s1", 1),), "x")))
    assert effects == (Send("c", Got(1, "s3.2", (("s1", 2), ("s3", 2)), 3, 1)),)


def test_a_session_that_is_refused_or_hears_nothing_turns_to_the_next_replica() -> None:
    waiting = session(READ)
    refused, effects = waiting.step(Receive("s1", Refused(1)))
    assert (refused, sends(effects)) == (waiting, [])
    elsewhere, effects = refused.step(Timeout("elsewhere"))
    assert [send.to for send in sends(effects)] == ["s2"]
    _, effects = elsewhere.step(Timeout("elsewhere"))
    assert [send.to for send in sends(effects)] == ["s1"]


def test_what_was_read_is_all_that_the_replica_held() -> None:
    after, effects = session(READ, read=SEEN).step(Receive("s1", Got(1, "new", OWN, 5, 4)))
    assert (after.read, after.open) == (BOTH, False)
    assert Output(Read("new", 1, "s1", 5, 4)) in effects


def test_what_was_written_is_the_write_that_was_accepted() -> None:
    after, effects = session(WRITE, written=SEEN).step(Receive("s2", Accepted(1, (2, "s2"))))
    assert (after.written, after.open) == (BOTH, False)
    assert Output(Wrote(None, 1, (2, "s2"))) in effects


def test_answers_to_other_operations_do_not_count() -> None:
    waiting = session(READ, READ, number=2)
    for late in (Got(1, "old", (), 0, 0), Accepted(1, (1, "s1")), Refused(1)):
        ignored = (waiting, (Ignore("not the open operation"),))
        assert waiting.step(Receive("s1", late)) == ignored


def test_an_operation_that_is_called_has_the_next_number() -> None:
    idle = msgspec.structs.replace(session(READ, WRITE), open=False)
    after, effects = idle.step(Timeout("call"))
    assert (after.number, after.open) == (2, True)
    assert Output(Called("write", "new", "x")) in effects


# Worlds.


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"replicas": 1}, "replicas=1: to agree with somebody takes two or more"),
        ({"batch": 0}, "batch=0: an update with nothing in it helps nobody"),
        ({"tasks": "wr wx"}, "tasks has 'wx': a session's tasks are w and r"),
    ],
)
def test_a_world_that_makes_no_sense_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_world("bayou", settings=settings)


def every(**settings: object) -> World:
    return build_world("bayou", "small", settings)


def test_it_keeps_its_promises_in_every_schedule_of_two_replicas() -> None:
    result = check(every())
    assert result.exit_code == 0
    pin("as it was", result, distinct=50_297, transitions=522_413, depth=27)
