"""Histories: recorded, written, read."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.check.linearizability import UNKNOWN, Operation, Recorder, read_history
from quorate.kernel import UsageError


def recorded() -> Recorder:
    recorder = Recorder()
    recorder.call("a", "write", 1, key="x")
    recorder.call("b", "cas", [1, 2], key="x")
    recorder.ok("a")
    recorder.fail("b")
    recorder.call("b", "read", key="y")
    recorder.call("c", "write", 3)
    recorder.info("c")
    recorder.ok("b", {"of": [1, 2]})
    recorder.call("a", "write", 4)
    return recorder


EXPECTED = (
    Operation(process="a", name="write", argument=1, key="x", called=1, returned=3),
    Operation(process="b", name="read", result=(("of", (1, 2)),), key="y", called=5, returned=8),
    Operation(process="c", name="write", argument=3, result=UNKNOWN, called=6, returned=None),
    Operation(process="a", name="write", argument=4, result=UNKNOWN, called=9, returned=None),
)


def test_what_failed_is_left_out_and_what_never_ended_may_have_happened() -> None:
    assert recorded().operations() == EXPECTED


def test_a_history_is_the_same_after_writing_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    recorded().write(path)
    assert read_history(path) == EXPECTED


def test_a_log_of_jepsen_is_read(tmp_path: Path) -> None:
    path = tmp_path / "jepsen.log"
    path.write_text(
        "INFO  jepsen.util - 0\t:invoke\t:read\tnil\n"
        "INFO  jepsen.util - 12\t:invoke\t:cas\t[3 0]\n\n"
        "INFO  jepsen.util - 0\t:ok\t:read\t3\n"
        "INFO  jepsen.util - 12\t:info\t:cas\t:timed-out\n"
    )
    assert read_history(path) == (
        Operation(process="0", name="read", result=3, called=1, returned=3),
        Operation(
            process="12", name="cas", argument=(3, 0), result=UNKNOWN, called=2, returned=None
        ),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no history"),
        ("words\n", "line 1: .*neither a JSON object nor"),
        ('\n{"process": 0, "type": "begin", "f": "read"}', "line 2: .*'begin'"),
        ('{"process": 0, "f": "read"}', "line 1: .*`type`"),
        ("0\t:invoke\t:cas\t[1 2", "does not close"),
        ("0\t:invoke\t:cas\t1]", "closes what it did not open"),
        ('{"process": 0, "type": "ok", "f": "read"}', "ends an operation .ok. that it did not"),
        (
            '{"process": 0, "type": "invoke", "f": "read"}\n'
            '{"process": 0, "type": "invoke", "f": "write"}',
            "entry 2: process 0 calls write while its read is open",
        ),
    ],
)
def test_what_is_no_history_is_refused_with_the_reason(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(UsageError, match=problem):
        read_history(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*nowhere: No such file"):
        read_history(tmp_path / "nowhere")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not text"):
        read_history(tmp_path / "binary")
