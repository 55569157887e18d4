"""The persistent map, against a plain dict."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.kernel import (
    Actor,
    Context,
    Delta,
    Map,
    Message,
    NodeId,
    Persist,
    Receive,
    Stable,
    decode_hook,
    encode_hook,
)

KEYS = st.integers(0, 6)
OPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.integers(0, 3)),
        st.tuples(st.just("drop"), st.lists(KEYS, max_size=3)),
        st.tuples(st.just("update"), st.dictionaries(KEYS, st.integers(0, 3), max_size=3)),
    ),
    max_size=12,
)


def apply(m: Map[int, int], op: tuple) -> Map[int, int]:
    match op:
        case ("put", key, value):
            return m.put(key, value)
        case ("drop", keys):
            return m.drop(keys)
        case (_, entries):
            return m.update(entries)


def apply_plainly(d: dict[int, int], op: tuple) -> dict[int, int]:
    match op:
        case ("put", key, value):
            return {**d, key: value}
        case ("drop", keys):
            return {key: value for key, value in d.items() if key not in keys}
        case (_, entries):
            return {**d, **entries}


@given(OPS)
def test_a_map_does_what_a_dict_does_and_earlier_maps_stay_as_they_were(ops: list[tuple]) -> None:
    maps, dicts = [Map[int, int]()], [dict[int, int]()]
    for op in ops:
        maps.append(apply(maps[-1], op))
        dicts.append(apply_plainly(dicts[-1], op))
    for m, d in zip(maps, dicts, strict=True):
        assert dict(m.items()) == d
        assert list(m.sorted()) == sorted(d.items())
        assert (len(m), set(m.keys())) == (len(d), set(d))
        assert [m.get(key) for key in range(7)] == [d.get(key) for key in range(7)]
        assert m == Map(d)
        assert hash(m) == hash(Map(d))


@given(OPS, OPS)
def test_the_delta_of_a_tracked_map_leads_from_it_to_the_later_map(
    before: list[tuple], after: list[tuple]
) -> None:
    start = Map[int, int]()
    for op in before:
        start = apply(start, op)
    start.track()
    end = start
    for op in after:
        end = apply(end, op)
    if end is start:
        return
    delta = end.delta_since(start)
    assert start.apply(delta) == end
    touched = [key for key, _ in delta.updated] + list(delta.removed)
    assert len(touched) == len(set(touched))
    assert sorted(delta.updated) == list(delta.updated)
    assert sorted(delta.removed) == list(delta.removed)


def test_a_delta_is_the_same_whether_or_not_the_map_was_tracked() -> None:
    tracked, plain = Map({1: 1, 2: 2, 3: 3}), Map({1: 1, 2: 2, 3: 3})
    tracked.track()
    for start in (tracked, plain):
        end = start.put(1, 1).put(2, 0).drop([3]).put(4, 4)
        assert end.delta_since(start) == Delta(((2, 0), (4, 4)), (3,))


def test_a_delta_against_another_map_compares_them() -> None:
    start, other = Map({1: 1}), Map({1: 5, 3: 3})
    start.track()
    assert start.put(2, 2).delta_since(other) == Delta(((1, 1), (2, 2)), (3,))


def test_dropping_nothing_and_updating_with_nothing_give_the_same_map() -> None:
    m = Map({1: 1})
    assert m.drop([2]) is m
    assert m.update({}) is m


def test_a_missing_key_is_none_to_get_and_an_error_to_indexing() -> None:
    m = Map({1: 1})
    assert (m.get(2), 2 in m, 1 in m, m[1]) == (None, False, True, 1)
    with pytest.raises(KeyError):
        m[2]


class Edit(Message, frozen=True):
    ops: tuple[tuple[int, int | None], ...]


class Editor(Actor):
    table: Stable[Map[int, int]] = Map()

    def on_edit(self, ctx: Context, src: NodeId, m: Edit) -> None:
        for key, value in m.ops:
            self.table = self.table.drop([key]) if value is None else self.table.put(key, value)


EDITS = st.tuples(KEYS, st.none() | st.integers(0, 3))


@given(st.lists(st.lists(EDITS, max_size=3).map(tuple), max_size=8))
def test_the_writes_of_a_run_rebuild_the_map_they_were_derived_from(steps: list[tuple]) -> None:
    actor, disk = Editor("n"), Map[int, int]()
    for ops in steps:
        actor, effects = actor.step(Receive("x", Edit(ops)))
        for effect in effects:
            assert isinstance(effect, Persist)
            for change in effect.changes:
                whole = not isinstance(change.value, Delta)
                disk = change.value if whole else disk.apply(change.value)
        assert disk == actor.table


def test_a_step_taken_twice_from_one_actor_derives_the_same_delta() -> None:
    actor, _ = Editor("n").step(Receive("x", Edit(((1, 1), (2, 2)))))
    event = Receive("x", Edit(((3, 3), (1, None))))
    assert actor.step(event) == actor.step(event)


class Held(msgspec.Struct, frozen=True):
    table: Map[int, tuple[str, ...]]


@given(st.dictionaries(st.integers(-9, 9), st.lists(st.text(max_size=3), max_size=2).map(tuple)))
def test_an_encoded_map_is_the_same_whatever_the_order_it_was_built_in(d: dict) -> None:
    forwards, backwards = Held(Map(d)), Held(Map(reversed(d.items())))
    encoded = msgspec.msgpack.encode(forwards, enc_hook=encode_hook)
    assert encoded == msgspec.msgpack.encode(backwards, enc_hook=encode_hook)
    assert msgspec.msgpack.decode(encoded, type=Held, dec_hook=decode_hook) == forwards


def test_a_map_decodes_with_its_keys_and_values_checked() -> None:
    bad = msgspec.msgpack.encode({"table": [["one", ["a"]]]})
    with pytest.raises(msgspec.ValidationError, match="Expected `int`"):
        msgspec.msgpack.decode(bad, type=Held, dec_hook=decode_hook)
