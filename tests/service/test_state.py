"""The state machine: revisions, sessions, and equality of histories."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quorate.service.state import SESSIONS_MAX, Machine
from quorate.service.wire import (
    Command,
    CompareAndSet,
    Delete,
    Get,
    OpenSession,
    Put,
    Range,
    Write,
)


def machine() -> tuple[Machine, int]:
    new = Machine()
    opened = new.write(Write(0, 1, 1, [OpenSession()]))
    assert isinstance(opened, list)
    return new, opened[0]


def test_each_change_has_the_next_revision() -> None:
    store, session = machine()
    asked: list[Command] = [Put(b"a", b"1"), Put(b"a", b"2"), Delete(b"b"), Delete(b"a")]
    assert store.write(Write(session, 1, 1, asked)) == [1, 2, 0, 3]
    assert store.read(Get(b"a")) is None


def test_an_item_tells_when_it_was_made_and_changed() -> None:
    store, session = machine()
    store.write(Write(session, 1, 1, [Put(b"x", b"0"), Put(b"a", b"1"), Put(b"a", b"2")]))
    assert store.read(Get(b"a")) == (b"2", 2, 3, 2)


def test_compare_and_set_writes_only_over_what_was_expected() -> None:
    store, session = machine()
    asked: list[Command] = [
        CompareAndSet(b"k", None, b"1"),
        CompareAndSet(b"k", None, b"2"),
        CompareAndSet(b"k", b"0", b"2"),
        CompareAndSet(b"k", b"1", b"2"),
    ]
    assert store.write(Write(session, 1, 1, asked)) == [1, 0, 0, 2]
    assert store.read(Get(b"k")) == (b"2", 1, 2, 2)


def test_a_command_sent_twice_counts_once() -> None:
    store, session = machine()
    batch = Write(session, 1, 1, [Put(b"a", b"1"), CompareAndSet(b"a", b"1", b"2")])
    assert store.write(batch) == store.write(batch) == [1, 2]
    longer = Write(session, 1, 1, [*batch.commands, Delete(b"a")])
    assert store.write(longer) == [1, 2, 3]
    assert store.revision == 3


def test_a_batch_that_comes_too_early_is_not_applied() -> None:
    store, session = machine()
    assert store.write(Write(session, 2, 1, [Put(b"a", b"1")])) == "gap"
    assert store.revision == 0


def test_an_unknown_session_is_refused() -> None:
    store, session = machine()
    assert store.write(Write(session + 1, 1, 1, [Put(b"a", b"1")])) == "session"


def test_the_session_unused_for_longest_goes_when_there_are_too_many() -> None:
    store, first = machine()
    for _ in range(SESSIONS_MAX - 1):
        store.write(Write(0, 1, 1, [OpenSession()]))
    assert store.write(Write(first, 1, 1, [Put(b"a", b"1")])) == [1]
    store.write(Write(0, 1, 1, [OpenSession()]))
    assert store.write(Write(first, 2, 2, [Put(b"a", b"2")])) == [2]
    assert store.write(Write(first + 1, 1, 1, [Put(b"a", b"3")])) == "session"


def test_a_range_is_in_key_order_and_leaves_out_its_end() -> None:
    store, session = machine()
    keys = [b"b", b"d", b"a", b"c"]
    store.write(Write(session, 1, 1, [Put(key, key) for key in keys]))

    def found(start: bytes, end: bytes, limit: int) -> list[bytes]:
        items = store.read(Range(start, end, limit))
        assert isinstance(items, list)
        return [key for key, _ in items]

    assert found(b"", b"", 0) == [b"a", b"b", b"c", b"d"]
    assert found(b"b", b"d", 0) == [b"b", b"c"]
    assert found(b"b", b"", 2) == [b"b", b"c"]


KEYS = st.sampled_from([b"a", b"b", b"c"])
VALUES = st.binary(max_size=3)
COMMANDS = st.one_of(
    st.builds(Put, KEYS, VALUES),
    st.builds(Delete, KEYS),
    st.builds(CompareAndSet, KEYS, st.one_of(st.none(), VALUES), VALUES),
)


@given(st.lists(COMMANDS, max_size=30), st.integers(0, 30))
def test_a_restored_machine_goes_on_as_the_old_one_would(commands: list[Command], cut: int) -> None:
    old, session = machine()
    new = Machine()
    before, after = commands[:cut], commands[cut:]
    old.write(Write(session, 1, 1, before))
    new.restore(old.snapshot())
    rest = Write(session, len(before) + 1, 1, after)
    assert new.write(rest) == old.write(rest)
    assert new.snapshot() == old.snapshot()
    assert (
        new.bytes
        == old.bytes
        == sum(len(key) + len(item[0]) for key, item in old.read(Range(b"", b"", 0)))
    )


@given(st.lists(COMMANDS, max_size=30))
def test_the_store_is_a_dictionary(commands: list[Command]) -> None:
    store, session = machine()
    plain: dict[bytes, bytes] = {}
    for number, command in enumerate(commands, start=1):
        held = plain.get(command.key)
        if isinstance(command, Delete):
            plain.pop(command.key, None)
        elif not isinstance(command, CompareAndSet) or command.expected == held:
            plain[command.key] = command.value
        store.write(Write(session, number, number, [command]))
    items = store.read(Range(b"", b"", 0))
    assert isinstance(items, list)
    assert [(key, item[0]) for key, item in items] == sorted(plain.items())
