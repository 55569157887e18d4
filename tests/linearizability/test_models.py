"""What each object does by itself."""

from __future__ import annotations

import random
from typing import Any

import pytest

from quorate.check.linearizability import (
    UNKNOWN,
    CasRegister,
    FifoQueue,
    KeyValue,
    Lock,
    Model,
    Operation,
    Register,
    check_history,
)
from quorate.service.state import Machine
from quorate.service.wire import CompareAndSet, Delete, Get, OpenSession, Put, Write

Step = tuple[str, Any, Any]


def after(model: Model, *steps: Step) -> Any:
    state = model.initial
    for step in steps:
        state = model.step(state, *step)
        if state is None:
            return None
    return state


@pytest.mark.parametrize(
    ("model", "steps", "wrong"),
    [
        (Register(), [("read", None, None), ("write", 1, None)], ("read", None, None)),
        (Register(), [("write", 1, None), ("write", None, None)], ("read", None, 1)),
        (CasRegister(), [("cas", (None, 1), True)], ("cas", (None, 2), True)),
        (CasRegister(), [("cas", (None, 1), True)], ("cas", (1, 2), False)),
        (CasRegister(), [("cas", (3, 1), False)], ("read", None, 1)),
        (CasRegister(), [("cas", (3, 1), UNKNOWN)], ("read", None, 1)),
        (Lock(), [("acquire", None, 5)], ("acquire", None, 6)),
        (Lock(), [("acquire", None, 5), ("release", 5, True)], ("acquire", None, 5)),
        (Lock(), [("acquire", None, 5), ("release", 4, False)], ("release", 4, True)),
        (Lock(), [("acquire", None, 5)], ("release", 5, False)),
        (Lock(), [("acquire", None, UNKNOWN)], ("acquire", None, 1)),
        (Lock(), [("acquire", None, UNKNOWN)], ("release", 1, True)),
        (Lock(), [], ("acquire", None, None)),
        (FifoQueue(), [("enqueue", 1, None), ("enqueue", 2, None)], ("dequeue", None, 2)),
        (FifoQueue(), [("enqueue", 1, None), ("dequeue", None, UNKNOWN)], ("dequeue", None, 1)),
        (FifoQueue(), [("enqueue", 1, None)], ("dequeue", None, None)),
        (KeyValue(), [("put", ("a", "x"), 1), ("put", ("b", "x"), 2)], ("put", ("a", "x"), 2)),
        (KeyValue(), [("put", ("a", "x"), UNKNOWN)], ("put", ("b", "x"), 1)),
    ],
)
def test_a_result_that_cannot_be_is_refused(model: Model, steps: list[Step], wrong: Step) -> None:
    assert after(model, *steps) is not None
    assert after(model, *steps, wrong) is None


def test_a_fencing_token_may_skip_numbers_but_only_upwards() -> None:
    steps = [("acquire", None, 3), ("release", 3, True), ("acquire", None, 9)]
    assert after(Lock(), *steps) == (9, 9)
    assert after(Lock(), *steps, ("acquire", None, None)) == (9, 9)


def test_keys_with_revisions_are_those_of_the_service() -> None:
    """Every result of the service's state machine fits, and no result beside it does."""
    draw = random.Random(3)
    machine, model = Machine(), KeyValue()
    opened = machine.write(Write(0, 1, 1, [OpenSession()]))
    assert isinstance(opened, list)
    state = model.initial
    for number in range(1, 500):
        key, value, old = draw.choice("abc"), draw.choice("xy"), draw.choice([None, "x", "y"])
        calls: list[tuple[str, Any, Any]] = [
            ("put", (key, value), Put(key.encode(), value.encode())),
            ("delete", key, Delete(key.encode())),
            (
                "cas",
                (key, old, value),
                CompareAndSet(key.encode(), old and old.encode(), value.encode()),
            ),
        ]
        name, argument, command = draw.choice(calls)
        results = machine.write(Write(opened[0], number, number, [command]))
        assert isinstance(results, list)
        for near in (-1, 1, None):
            wrong = results[0] + near if near else None
            assert model.step(state, name, argument, wrong) is None
        state = model.step(state, name, argument, results[0])
        assert state == model.step(state, "get", key, item(machine, key))
        assert model.step(state, "get", key, ("z", 1, 1, 1)) is None
    assert state.revision == machine.revision > 100


def item(machine: Machine, key: str) -> Any:
    found = machine.read(Get(key.encode()))
    assert not isinstance(found, list)
    return found and (found[0].decode(), *found[1:])


class Counter(Model):
    """A counter: `add` n → the new total; `get` → the total."""

    name = "counter"
    operations = ("add", "get")
    initial = 0

    def step(self, state: Any, name: str, argument: Any, result: Any) -> Any:
        total = state + argument if name == "add" else state
        return total if result in (total, UNKNOWN) else None


def test_a_model_of_ones_own_is_a_dozen_lines() -> None:
    def add(amount: int, total: int, called: int, returned: int) -> Operation:
        return Operation(
            process=called,
            name="add",
            argument=amount,
            result=total,
            called=called,
            returned=returned,
        )

    assert check_history([add(1, 3, 0, 4), add(2, 2, 1, 3)], Counter()).verdict == "holds"
    assert check_history([add(1, 3, 0, 1), add(2, 2, 2, 3)], Counter()).verdict == "violated"
