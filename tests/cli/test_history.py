"""`quorate check-history` as its users see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quorate.check.linearizability import Recorder
from quorate.cli import BAD_ARGUMENTS, run


@pytest.fixture
def history(tmp_path: Path) -> Path:
    recorder = Recorder()
    recorder.call(1, "write", 1, key="x")
    recorder.call(2, "write", 2, key="y")
    recorder.ok(1)
    recorder.call(1, "read", key="x")
    recorder.info(2)
    recorder.ok(1, 1)
    recorder.write(tmp_path / "right")
    recorder.call(1, "read", key="x")
    recorder.ok(1, 2)
    recorder.write(tmp_path / "wrong")
    return tmp_path


def test_a_linearizable_history_holds(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check-history", str(history / "right"), "--model", "register"]) == 0
    assert capsys.readouterr().out == (
        "register: holds; 3 operations on 2 objects, 1 of unknown end, 2 steps\n"
    )


def test_of_a_violation_it_shows_the_longest_order_and_what_does_not_fit(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check-history", str(history / "wrong"), "--model", "register"]) == 1
    assert capsys.readouterr().out == (
        "register: violated; 4 operations on 2 objects, 1 of unknown end, 2 steps\n\n"
        "The longest order found of x has 2 of the 3 operations that returned:\n"
        "    1  process 1: write 1 → –\n"
        "    2  process 1: read → 1\n"
        "The state is then 1, and none of these fits it, of which one must be next:\n"
        "    ✗  process 1: read → 2, from 7 to 8\n"
    )


def test_json_has_the_verdict_and_the_violation(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check-history", str(history / "wrong"), "--model", "register", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert (data["verdict"], data["parts"], data["stuck"]["key"]) == ("violated", 2, "x")
    assert [operation["result"] for operation in data["stuck"]["next"]] == [2]


def test_too_few_steps_leave_it_unknown(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check-history", str(history / "right"), "--model", "register", "--steps-max", "1"]
    assert run(arguments) == 2
    assert "unknown, since 1 steps were not enough" in capsys.readouterr().out


def test_a_model_that_does_not_exist_is_named(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["check-history", str(history / "right"), "--model", "registr"]
    assert run(arguments) == BAD_ARGUMENTS
    assert "there is no model 'registr'. Did you mean register" in capsys.readouterr().err
