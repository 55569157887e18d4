"""The search for an order: against all orders, on recorded histories, and at its limits."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.check.linearizability import (
    MODELS,
    UNKNOWN,
    CasRegister,
    FifoQueue,
    KeyValue,
    Model,
    Operation,
    Register,
    Stuck,
    check_history,
    read_history,
    report,
)
from quorate.kernel import UsageError

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parent / "etcd-histories"
VERDICTS: dict[str, bool] = msgspec.json.decode((GOLDEN / "verdicts.json").read_bytes())

ITEMS = [("x", revision, revision, 1) for revision in (1, 2, 3)]
CALLS: dict[str, list[tuple[str, Any]]] = {
    "register": [("read", None), ("write", 1), ("write", 2)],
    "cas-register": [("read", None), ("write", 1), ("cas", (1, 2)), ("cas", (None, 1))],
    "key-value": [
        ("get", "a"),
        ("put", ("a", "x")),
        ("put", ("b", "x")),
        ("delete", "a"),
        ("cas", ("a", "x", "y")),
        ("cas", ("a", None, "x")),
        ("get", "b"),
    ],
    "lock": [("acquire", None), ("release", 1), ("release", 2)],
    "fifo-queue": [("enqueue", 1), ("enqueue", 2), ("dequeue", None)],
}
RESULTS: dict[str, list[Any]] = {
    "register": [None, 1, 2],
    "cas-register": [None, 1, 2, True, False],
    "key-value": [0, 1, 2, 3, 4, None, *ITEMS, ("y", 1, 2, 2), ("x", 1, 2, 2)],
    "lock": [None, True, False, 1, 2, 3],
    "fifo-queue": [None, 1, 2],
}


def operation(
    name: str, argument: Any, result: Any, called: int, returned: int | None, key: Any = None
) -> Operation:
    return Operation(
        process=called,
        name=name,
        argument=argument,
        result=UNKNOWN if returned is None else result,
        key=key,
        called=called,
        returned=returned,
    )


@st.composite
def histories(draw: st.DrawFn, model: Model) -> list[Operation]:
    """Up to six operations at drawn times. Results come from one order of them, so that about half
    of the histories are linearizable, and some are then replaced."""
    count = draw(st.integers(1, 6))
    times = draw(st.permutations(range(2 * count)))
    state = model.initial
    history = []
    for i in range(count):
        called, returned = sorted(times[2 * i : 2 * i + 2])
        name, argument = draw(st.sampled_from(CALLS[model.name]))
        fitting = [
            result
            for result in RESULTS[model.name]
            if model.step(state, name, argument, result) is not None
        ]
        result = draw(st.sampled_from(fitting or RESULTS[model.name]))
        if draw(st.integers(0, 9)) == 0:
            result = draw(st.sampled_from(RESULTS[model.name]))
        after = model.step(state, name, argument, result)
        state = state if after is None else after
        end = None if draw(st.integers(0, 4)) == 0 else returned
        history.append(operation(name, argument, result, called, end))
    return history


def explained(history: Sequence[Operation], model: Model) -> bool:
    """Whether some order of some choice of the operations explains the history: all are tried."""
    certain = [op for op in history if op.returned is not None]
    open_ended = [op for op in history if op.returned is None]
    return any(
        fits(order, model)
        for count in range(len(open_ended) + 1)
        for chosen in itertools.combinations(open_ended, count)
        for order in itertools.permutations([*certain, *chosen])
    )


def fits(order: Sequence[Operation], model: Model) -> bool:
    for i, op in enumerate(order):
        if any(later.returned is not None and later.returned < op.called for later in order[i:]):
            return False
    states: dict[Any, Any] = {}
    for op in order:
        before = states.get(op.key, model.initial)
        states[op.key] = model.step(before, op.name, op.argument, op.result)
        if states[op.key] is None:
            return False
    return True


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
@settings(max_examples=600)
@given(data=st.data())
def test_it_finds_an_order_exactly_where_there_is_one(model: Model, data: st.DataObject) -> None:
    history = data.draw(histories(model))
    outcome = check_history(history, model)
    assert outcome.verdict == ("holds" if explained(history, model) else "violated")
    if outcome.stuck is not None:
        assert_stuck(outcome.stuck, history, model)


def assert_stuck(stuck: Stuck, history: Sequence[Operation], model: Model) -> None:
    """The order is one of the history's, no other has more of what returned, and none of `next`,
    of which one must follow, can."""
    assert fits(stuck.order, model)
    assert stuck.left == stuck.total - sum(op.returned is not None for op in stuck.order)
    assert stuck.left > 0
    assert stuck.next
    assert not any(fits((*stuck.order, op), model) for op in stuck.next)
    most = max(
        sum(op.returned is not None for op in order)
        for count in range(len(history) + 1)
        for order in itertools.permutations(history, count)
        if fits(order, model) and not skips(order, history)
    )
    assert most == stuck.total - stuck.left


def skips(order: Sequence[Operation], history: Sequence[Operation]) -> bool:
    """Whether something in an order comes after something that is not in it."""
    left = [op for op in history if op not in order and op.returned is not None]
    return any(op.returned < placed.called for op in left for placed in order)


@pytest.mark.parametrize("model", [Register(), FifoQueue()], ids=lambda model: model.name)
@settings(max_examples=100)
@given(data=st.data())
def test_objects_of_different_keys_are_checked_apart_and_together(
    model: Model, data: st.DataObject
) -> None:
    history = [
        msgspec.structs.replace(op, key=data.draw(st.sampled_from("ab")))
        for op in data.draw(histories(model))
    ]
    outcome = check_history(history, model)
    assert outcome.verdict == ("holds" if explained(history, model) else "violated")
    assert outcome.parts == len({op.key for op in history})


@pytest.mark.parametrize("name", sorted(VERDICTS))
def test_a_history_of_etcd_is_judged_as_porcupine_judges_it(name: str) -> None:
    outcome = check_history(read_history(GOLDEN / name), CasRegister())
    assert outcome.verdict == ("holds" if VERDICTS[name] else "violated")
    assert (outcome.stuck is None) == VERDICTS[name]


def many(count: int, keys: int, clients: int, seed: int) -> list[Operation]:
    """A history of clients that each do one thing after the other, on registers that are right."""
    draw = random.Random(seed)
    values: dict[int, Any] = {}
    free = list(range(clients))
    running: list[tuple[int, str, Any, int, int, Any]] = []
    history: list[Operation] = []
    clock = itertools.count()
    while len(history) < count:
        begins = free and len(history) + len(running) < count
        if begins and (not running or draw.random() < 0.5):
            client = free.pop(draw.randrange(len(free)))
            key, value, old = draw.randrange(keys), draw.randrange(5), draw.randrange(5)
            name, argument = draw.choice([("read", None), ("write", value), ("cas", (old, value))])
            # It takes effect as it begins, or as it ends.
            result = effect(values, key, name, argument) if draw.random() < 0.5 else effect
            running.append((client, name, argument, key, next(clock), result))
        else:
            client, name, argument, key, called, result = running.pop(draw.randrange(len(running)))
            if result is effect:
                result = effect(values, key, name, argument)
            history.append(operation(name, argument, result, called, next(clock), key))
            free.append(client)
    return history


def effect(values: dict[int, Any], key: int, name: str, argument: Any) -> Any:
    held = values.get(key)
    if name == "read":
        return held
    if name == "cas" and held != argument[0]:
        return False
    values[key] = argument if name == "write" else argument[1]
    return True


def test_a_long_history_takes_hardly_more_steps_than_it_has_operations() -> None:
    history = many(10_000, keys=50, clients=10, seed=1)
    outcome = check_history(history, CasRegister())
    assert (outcome.verdict, outcome.parts, outcome.operations) == ("holds", 50, 10_000)
    assert outcome.steps < 2 * len(history)


def test_a_read_that_is_wrong_in_a_long_history_is_found() -> None:
    history = many(10_000, keys=50, clients=10, seed=2)
    at = max(i for i, op in enumerate(history) if op.name == "read")
    history[at] = msgspec.structs.replace(history[at], result=99)
    outcome = check_history(history, CasRegister())
    assert outcome.verdict == "violated"
    assert outcome.stuck is not None
    assert history[at] in outcome.stuck.next
    assert outcome.stuck.key == history[at].key


def hard(count: int) -> list[Operation]:
    """Writes that are all concurrent, and a read of what none wrote: each set of them is tried."""
    writes = [operation("write", value, None, value, 2 * count) for value in range(count)]
    return [*writes, operation("read", None, -1, 2 * count + 1, 2 * count + 2)]


def test_the_verdict_is_unknown_when_the_steps_are_spent() -> None:
    outcome = check_history(hard(16), Register(), steps_max=1_000)
    assert (outcome.verdict, outcome.reason) == ("unknown", "1,000 steps were not enough")
    assert outcome.steps == 1_000
    assert check_history(hard(6), Register(), steps_max=1_000).verdict == "violated"


def test_the_verdict_is_unknown_when_the_time_is_up() -> None:
    outcome = check_history(hard(16), Register(), timeout_s=0.0)
    assert (outcome.verdict, outcome.reason) == ("unknown", "0 s were not enough")


def test_a_violation_of_one_object_counts_although_another_is_unknown() -> None:
    wrong = operation("read", None, 7, 0, 1, key="wrong")
    history = [*hard(16), wrong]
    outcome = check_history(history, Register(), steps_max=1_000)
    assert outcome.verdict == "violated"
    assert outcome.stuck is not None
    assert outcome.stuck.key == "wrong"


def test_an_operation_that_the_model_lacks_is_named() -> None:
    with pytest.raises(UsageError, match="register has no operation 'cas'; it has: read, write"):
        check_history([operation("cas", (1, 2), True, 0, 1)], Register())


def test_what_is_in_order_for_each_key_may_not_be_for_all() -> None:
    """Both reads are right by themselves, but b's write came second and was seen before a's."""
    history = [
        operation("put", ("a", "x"), 1, 0, 9),
        operation("put", ("b", "x"), 2, 1, 8),
        operation("get", "b", ("x", 2, 2, 1), 2, 3),
        operation("get", "a", None, 4, 5),
    ]
    assert check_history(history, KeyValue()).verdict == "violated"
    for hidden in (2, 3):
        rest = [op for i, op in enumerate(history) if i != hidden]
        assert check_history(rest, KeyValue()).verdict == "holds"


def test_a_write_of_what_is_there_already_may_yet_be_needed_later() -> None:
    history = [
        operation("write", 1, None, 0, 1),
        operation("write", 1, None, 2, 6),
        operation("cas", (1, 0), True, 3, 4),
        operation("read", None, 1, 7, 8),
    ]
    assert check_history(history, CasRegister()).verdict == "holds"


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
@given(data=st.data())
def test_what_is_said_to_only_read_changes_no_state(model: Model, data: st.DataObject) -> None:
    state = model.initial
    for _ in range(6):
        name, argument = data.draw(st.sampled_from(CALLS[model.name]))
        result = data.draw(st.sampled_from([*RESULTS[model.name], UNKNOWN]))
        after = model.step(state, name, argument, result)
        if after is not None:
            assert after == state or not model.only_reads(name, argument, result)
            state = after


def test_a_report_fits_80_columns_and_ends_in_what_does_not_fit() -> None:
    text = report(check_history(read_history(GOLDEN / "etcd_000.log"), CasRegister()))
    assert max(map(len, text.splitlines())) <= 80
    assert "violated" in text
    assert "The longest order found has 28 of the 49 operations that returned" in text
    assert text.splitlines()[-1] == "    ✗  process 11: read → 2, from 85 to 86"
